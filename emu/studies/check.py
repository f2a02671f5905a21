"""Every point of a study made ready, and everything that is wrong with them, before anything runs.

* A point is legal if its accelerator can be loaded, and asks for no static range where there is no calibration.
* An axis is idle if no two points that differ in it alone are different accelerators: its values all mean the same.
* Points whose accelerators are equal are one result: they have the same key and run once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from emu.accelerators import Accelerator, load_accelerator
from emu.errors import OverflowRaised, SpecError
from emu.replaying.walk import node_label
from emu.studies.axes import Axis, Chosen
from emu.studies.keys import ModelKeys

if TYPE_CHECKING:
    from emu.studies.search import Strategy
    from emu.studies.study import Study
    from emu.studies.subject import Subject

MOST_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a study."""

    chosen: Chosen
    accelerator_hash: str

    @property
    def labels(self) -> dict[str, str]:
        """The label of every axis that applies."""
        return {name: choice.label for name, choice in self.chosen.items()}


def load_point(study: Study, chosen: Chosen) -> Accelerator:
    """The accelerator of a point.

    Raises:
        SpecError: there is no such accelerator; the key is the path or the accelerator's own.
    """
    loaded = load_accelerator(study.accelerator_keys(chosen))
    workload = study.workload
    assert workload is not None  # a study of worked examples alone has no points
    given = workload.calibration is not None if isinstance(workload, ModelKeys) else workload.calibrates
    plans = (loaded.matrix, *(rule.plan for rule in loaded.rules))
    if not given and any(plan.static for plan in plans):
        raise SpecError("a static range needs calibration inputs, and the workload has none", key="workload")
    return loaded


def check_points(study: Study, points: Iterable[Chosen]) -> list[Point]:
    """The points, if all are legal and no axis is idle.

    Raises:
        SpecError: naming every illegal combination (the first ones, and how many there are), or an idle axis.
    """
    ready: list[Point] = []
    wrong: list[str] = []
    for chosen in points:
        try:
            ready.append(Point(chosen=chosen, accelerator_hash=load_point(study, chosen).spec_hash))
        except (SpecError, OverflowRaised) as error:
            wrong.append(f"{words(chosen)}: {_reason(error)}")
    if wrong:
        total = len(ready) + len(wrong)
        shown = "\n  ".join(wrong[:MOST_SHOWN]) + ("\n  …" if len(wrong) > MOST_SHOWN else "")
        raise SpecError(f"{len(wrong)} of {total} points are illegal:\n  {shown}", file=study.label, key="axes")
    for axis in idle(study.axes, ready):
        values = tuple(choice.label for choice in axis.choices)
        raise SpecError("all values mean the same accelerator", file=study.label, key=f"axes.{axis.name}", value=values)
    return ready


def check_search(study: Study, search: Strategy) -> list[Point]:
    """The points that a search may ask for: those that it knows beforehand, else the whole grid.

    Raises:
        SpecError: as `check_points`.
    """
    return check_points(study, study.points() if search.listed is None else search.listed)


def check_globs(study: Study, subject: Subject) -> None:
    """Refuse objectives whose globs match nothing of the subject: they would be NaN at every point.

    Raises:
        SpecError: naming the objective.
    """
    graphs = [part.model.graph for part in subject.parts.values()]
    nodes = sorted({node_label(node) for graph in graphs for node in graph.nodes})
    outputs = sorted({name for graph in graphs for name in graph.outputs})
    for objective in study.objectives:
        names = outputs if objective.is_output else nodes
        of_rows = not objective.is_cost and not objective.is_task
        if of_rows and not any(fnmatchcase(name, objective.layers) for name in names):
            reason = "no layer has such a name" if not objective.is_output else "no output has such a name"
            key = f"objectives.{objective.name}.layers"
            raise SpecError(reason, file=study.label, key=key, value=objective.layers, allowed=names)


def words(chosen: Chosen) -> str:
    """A point for people."""
    return ", ".join(f"{name} = {choice.label}" for name, choice in chosen.items()) or "the accelerator as it is"


def idle(axes: Sequence[Axis], points: Sequence[Point]) -> list[Axis]:
    """The axes with several values that never matter."""
    return [axis for axis in axes if len(axis.choices) > 1 and not _matters(axis, points)]


def _matters(axis: Axis, points: Sequence[Point]) -> bool:
    """Whether two points that differ in this axis alone are different accelerators, or no two differ in it alone."""
    first: dict[tuple[tuple[str, str], ...], str] = {}
    compared = False
    for point in points:
        labels = point.labels
        if labels.pop(axis.name, None) is None:
            continue
        others = tuple(labels.items())
        if others in first:
            compared = True
            if first[others] != point.accelerator_hash:
                return True
        first.setdefault(others, point.accelerator_hash)
    return not compared


def _reason(error: Exception) -> str:
    """What is wrong, without the name of a file that is none."""
    return str(error).removeprefix("<mapping>: ")
