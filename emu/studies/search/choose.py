"""The strategy of a method."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from emu.accelerators import load_accelerator
from emu.errors import SpecError
from emu.studies.search.bisection import Bisection
from emu.studies.search.draws import latin_points, random_points
from emu.studies.search.sensitivity import Sensitivity
from emu.studies.search.strategy import Listed, Scored, Strategy
from emu.studies.vocabulary import Method

if TYPE_CHECKING:
    from emu.studies.study import Study

MOST_POINTS = 1 << 20
"""That a study checks before it runs."""


def strategy_of(study: Study) -> Strategy:
    """The search that a study asks for.

    Raises:
        EmuError: the method needs an extra that is not installed.
        SpecError: more points than can be checked.
    """
    search = study.search
    count, along = search.points or 0, search.along or ""
    if search.method not in (Method.RANDOM, Method.LATIN_HYPERCUBE):
        _check_size(study)
    match search.method:
        case Method.GRID:
            return Listed(list(study.points()))
        case Method.RANDOM:
            return Listed(random_points(study.axes, count, search.seed))
        case Method.LATIN_HYPERCUBE:
            return Listed(latin_points(study.axes, count, search.seed))
        case Method.BISECTION:
            return Bisection(study.axes, along)
        case Method.SENSITIVITY:
            return _sensitivity(study, along)
        case Method.OPTUNA:
            from emu.studies.search.tpe import Tpe

            return Tpe(study, count, search.seed)


def _check_size(study: Study) -> None:
    """Refuse a space that cannot be looked at point by point."""
    if sum(1 for _ in islice(study.points(), MOST_POINTS + 1)) > MOST_POINTS:
        reason = f"span more than {MOST_POINTS} points: draw some with search.method random or latin_hypercube"
        raise SpecError(reason, file=study.label, key="axes")


def _sensitivity(study: Study, along: str) -> Sensitivity:
    rules = load_accelerator(study.accelerator).rules
    wanted = study.objective(study.constraints[0].objective)

    def badness(scored: Scored) -> float:
        return wanted.badness(scored.values[wanted.name])

    return Sensitivity(
        study.axis(along),
        matrix_of=lambda choice: study.accelerator_keys({along: choice})["matrix"],
        rules=study.accelerator.get("rule", []),
        badness=badness,
        varies=lambda layer, op: not any(rule.matches(layer, op) for rule in rules),
    )
