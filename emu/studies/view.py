"""A study's answers, ready to be shown: points by label, the best of them, the front, what failed, layer by layer.

* Axes are named as in the study; a search may add one (`layers` of a mixed precision).
* The best points are those that keep the constraints, ordered by an objective, equal ones by the other objectives in
  their order.
* A number of several points is their median, which a sentence beside it says: the other axes are neither fixed nor
  searched by what is shown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Any

from emu.errors import SpecError
from emu.studies.objectives import COSTS, Objective
from emu.studies.points import OWN
from emu.studies.question import Question
from emu.studies.search.sensitivity import LAYERS
from emu.studies.table import OUTPUT
from emu.studies.vocabulary import Method

if TYPE_CHECKING:
    from emu.studies.results import Results

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)")
NO_LABEL = "–"
"""Of an axis that does not apply."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One point."""

    number: int
    key: str
    accelerator_hash: str
    labels: Mapping[str, str]
    """by axis, those that apply"""
    values: Mapping[str, float]
    """by objective; NaN where there is none"""
    kept: bool
    pareto: bool
    failed: str | None
    """why it could not be run"""
    done: bool


@dataclass(frozen=True, kw_only=True)
class LayerValue:
    """One number of one layer (or output) of one point."""

    point: Shown
    layer: str
    k: int | None
    value: float


class View:
    """All points of a study."""

    def __init__(self, results: Results, points: Sequence[Shown] | None = None) -> None:
        """Read the points, or take some of them.

        Raises:
            ModelError: the study never ran.
        """
        self.results, self.asked = results, results.study
        self.points = _read(results) if points is None else list(points)
        self._layers: dict[str, list[LayerValue]] = {}

    @cached_property
    def names(self) -> list[str]:
        """The axes, in their order."""
        own = [axis.name for axis in self.asked.axes]
        return [*own, *dict.fromkeys(name for one in self.points for name in one.labels if name not in own)]

    @cached_property
    def varied(self) -> list[str]:
        """The axes that have several values among these points."""
        return [name for name in self.names if len({one.labels.get(name) for one in self.points}) > 1]

    def labels(self, name: str) -> list[str]:
        """The values of an axis that points have, in the order of the study."""
        there = dict.fromkeys(one.labels[name] for one in self.points if name in one.labels)
        own = [
            label_of_cell(choice.value) if axis.numeric else choice.label
            for axis in self.asked.axes
            if axis.name == name
            for choice in axis.choices
        ]
        return [*(label for label in own if label in there), *(label for label in there if label not in own)]

    def numeric(self, name: str) -> bool:
        """Whether an axis has numbers only."""
        return any(axis.name == name and axis.numeric for axis in self.asked.axes)

    def numbers(self, name: str) -> dict[str, float] | None:
        """The labels of an axis as numbers, if they are some, or differ in one number alone: `int14`, `int16`."""
        labels = self.labels(name)
        if self.numeric(name):
            return {label: float(label) for label in labels}
        parts = [_NUMBER.split(label) for label in labels]
        if len({len(own) for own in parts}) != 1:
            return None
        differ = [i for i, some in enumerate(zip(*parts, strict=True)) if len(set(some)) > 1]
        if len(differ) != 1 or not differ[0] % 2:  # numbers stand at odd places
            return None
        return {label: float(own[differ[0]]) for label, own in zip(labels, parts, strict=True)}

    def ordered(self, name: str) -> bool:
        """Whether the values of an axis are numbers, all but one at most: `all` beside 32, 64 and 128."""
        labels = self.labels(name)
        others = sum(_NUMBER.fullmatch(label) is None for label in labels)
        return self.numbers(name) is not None or (len(labels) > 2 and others == 1)

    @property
    def answered(self) -> list[Shown]:
        """The points that have an answer."""
        return [one for one in self.points if one.done]

    @property
    def failures(self) -> list[tuple[str, list[Shown]]]:
        """Why points could not be run, the most frequent reason first."""
        by_reason: dict[str, list[Shown]] = {}
        for one in self.points:
            if one.failed is not None:
                by_reason.setdefault(one.failed, []).append(one)
        return sorted(by_reason.items(), key=lambda item: -len(item[1]))

    @property
    def left(self) -> int:
        """How many points have not been run."""
        return sum(not one.done and one.failed is None for one in self.points)

    @property
    def front(self) -> list[Shown]:
        """The Pareto front, the best in the first objective first."""
        first = self.asked.objectives[0]
        return sorted((one for one in self.points if one.pareto), key=lambda one: first.badness(one.values[first.name]))

    def best(self, by: str | None = None) -> list[Shown]:
        """The points that keep the constraints, the best first.

        Args:
            by: an objective (default: the first).

        Raises:
            SpecError: there is no such objective.
        """
        if not self.asked.has_points:
            return []
        first = self.objective(by)
        order = [first, *(one for one in self.asked.objectives if one.name != first.name)]

        def rank(one: Shown) -> list[float]:
            return [objective.badness(one.values[objective.name]) for objective in order]

        return sorted((one for one in self.points if one.kept and not math.isnan(one.values[first.name])), key=rank)

    def found(self) -> tuple[str, list[Shown]]:
        """What a search was for, in words and as points; nothing for a search that looks for nothing by itself.

        * By halving: for every combination of the other axes, the first value that keeps the constraints, among those
          tried; combinations in which none does are left out.
        * Mixed precision: the map that gives way most (the sum of the steps of all layers) and keeps the constraints.
        """
        along = self.asked.search.along or ""
        constraints = " and ".join(f"{one.objective} {one.text}" for one in self.asked.constraints)
        kept = [one for one in self.points if one.kept]
        if self.asked.search.method is Method.BISECTION:
            order = {label: place for place, label in enumerate(self.labels(along))}
            first: dict[tuple[tuple[str, str], ...], Shown] = {}
            for one in sorted(kept, key=lambda one: order.get(one.labels.get(along, ""), len(order))):
                first.setdefault(tuple((name, label) for name, label in one.labels.items() if name != along), one)
            return f"The first {along} with {constraints}", list(first.values())
        if self.asked.search.method is Method.SENSITIVITY:
            best = max(kept, key=self._steps, default=None)
            return f"The map of layers to {along} that gives way most with {constraints}", [best] if best else []
        return "", []

    def mixed(self, one: Shown) -> list[tuple[str, str]]:
        """The layers of a mixed precision that are not at the dearest value, and their values."""
        values = self._values_along()
        parts = [item.rpartition(": ") for item in one.labels.get(LAYERS, "").split(", ")]
        return [(layer, value) for layer, _, value in parts if value in values]

    def alone(self) -> dict[tuple[str, str], Shown]:
        """The points of a search for a mixed precision in which one layer gives way, by layer and value."""
        if self.asked.search.method is not Method.SENSITIVITY:
            return {}
        return {self.mixed(one)[0]: one for one in self.answered if len(self.mixed(one)) == 1}

    def _values_along(self) -> list[str]:
        """The values of the axis that a search goes along, in the order of the study."""
        along = self.asked.search.along
        choices = [(axis.numeric, choice) for axis in self.asked.axes if axis.name == along for choice in axis.choices]
        return [label_of_cell(choice.value) if numeric else choice.label for numeric, choice in choices]

    def _steps(self, one: Shown) -> int:
        """How many steps all layers of a mixed precision are below the dearest value."""
        values = self._values_along()
        return sum(len(values) - 1 - values.index(value) for _, value in self.mixed(one))

    def objective(self, name: str | None) -> Objective:
        """An objective by name; the first for None.

        Raises:
            SpecError: there is none.
        """
        names = [one.name for one in self.asked.objectives]
        if name is not None and name not in names:
            raise SpecError("no such objective in this study", value=name, allowed=names)
        return self.asked.objective(name or names[0])

    def axis(self, text: str) -> str:
        """The axis of this name, or the one whose path ends with it.

        Raises:
            SpecError: there is none, or several.
        """
        ends = [name for name in self.names if name.endswith(f".{text}")]
        if text in self.names or len(ends) == 1:
            return text if text in self.names else ends[0]
        reason = "several axes end with this" if ends else "no such axis in this study"
        raise SpecError(reason, value=text, allowed=ends or self.names)

    def where(self, wanted: Mapping[str, str]) -> View:
        """The points with these labels.

        Raises:
            SpecError: no such axis or value.
        """
        wanted = {self.axis(name): label for name, label in wanted.items()}
        for name, label in wanted.items():
            if label not in self.labels(name):
                raise SpecError(f"axis {name!r} has no such value", value=label, allowed=self.labels(name))
        chosen = [one for one in self.points if all(one.labels.get(n) == label for n, label in wanted.items())]
        return View(self.results, chosen)

    def layers(self, objective: Objective) -> list[LayerValue]:
        """An objective's metric for each layer (or output) that counts, of every point; none for scores and costs."""
        if objective.is_cost or objective.is_task:
            return []
        if objective.name not in self._layers:
            self._layers[objective.name] = self._read_layers(objective)
        return self._layers[objective.name]

    def _read_layers(self, objective: Objective) -> list[LayerValue]:
        by_key: dict[str, list[dict[str, Any]]] = {}
        for key in dict.fromkeys(one.key for one in self.answered):
            rows = self.results.store.read([key], ("kind", "layer", "k", objective.column))
            by_key[key] = [row for row in rows.to_pylist() if _counts(row, objective)]
        return [
            LayerValue(point=one, layer=row["layer"], k=row["k"] or None, value=objective.of_row(row))
            for one in self.answered
            for row in by_key[one.key]
        ]


def _counts(row: Mapping[str, Any], objective: Objective) -> bool:
    kinds = (OUTPUT,) if objective.is_output else ("matrix", "vector")
    return row["kind"] in kinds and objective.counts(row["layer"])


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def middle(values: Iterable[float]) -> float:
    """The median; NaN left out, NaN if nothing is left."""
    known = [value for value in values if not math.isnan(value)]
    return median(known) if known else math.nan


def _read(results: Results) -> list[Shown]:
    asked = results.study
    table = results.points()
    finished = results.store.finished()
    everything = Question.of(asked).asks_nothing
    states = {*OWN, *COSTS, *(one.name for one in asked.objectives), "kept", "pareto", "failed"}
    axes = [name for name in table.column_names if name not in states]
    return [
        Shown(
            number=row["point"], key=row["key"], accelerator_hash=row["accelerator_hash"],
            labels={name: label_of_cell(row[name]) for name in axes if row[name] is not None},
            values={one.name: _number(row[one.name]) for one in asked.objectives},
            kept=row["kept"], pareto=row["pareto"], failed=row["failed"], done=everything or row["key"] in finished,
        )
        for row in table.to_pylist()
    ]  # fmt: skip


def label_of_cell(value: str | float) -> str:
    """The label of an axis's value as the table of points holds it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)
