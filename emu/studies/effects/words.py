"""What tables and lines call a figure and what is expected of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from emu.deviation import numbers
from emu.studies.effects.effect import Effect, Outcome
from emu.studies.vocabulary import Reduce
from emu.studies.words import SHORT_UNIT, describe, spelled, words_of

if TYPE_CHECKING:
    from emu.studies.asked import Asked

PLAIN = (Reduce.COUNT, Reduce.ARGMIN, Reduce.ARGMAX, Reduce.FIRST)
"""Reductions whose figures do not have the objective's unit."""


def figure_words(asked: Asked, one: Outcome) -> str:
    """The figure with its unit; `–` if there is none."""
    if isinstance(one.figure, str):
        return one.figure
    if math.isnan(one.figure):
        return "–"
    own = _has_unit(one.effect)
    if not own:
        return numbers.short(one.figure)
    objective = asked.objective(one.effect.figure.objective)
    text, unit = spelled(objective, one.figure), words_of(objective).unit
    return f"{text} {unit}" if 0 < len(unit) <= SHORT_UNIT and math.isfinite(one.figure) else text


def expected_words(effect: Effect) -> str:
    """`40 … 41`, `≥ 3`, `= 0`, `8 or 16`."""
    if effect.range is None:
        *some, last = effect.one_of
        return f"{', '.join(some)} or {last}" if some else last
    low, high = effect.range
    if low == high:
        return f"= {_bound(low)}"
    if math.isinf(high):
        return "any" if math.isinf(low) else f"≥ {_bound(low)}"
    return f"≤ {_bound(high)}" if math.isinf(low) else f"{_bound(low)} … {_bound(high)}"


def asked_words(asked: Asked, effect: Effect) -> str:
    """What the figure is, and what is expected: of a study that has not run."""
    of = f"of {effect.figure.outputs} (outputs)" if effect.figure.outputs is not None else ""
    of = of or f"of {effect.figure.objective} ({describe(asked.objective(effect.figure.objective))})"
    both = (effect.figure.reduce, effect.reduce)
    made = [one.value for one in both if one is not None and one is not Reduce.VALUE]
    how = ["less that of others"] * (effect.minus is not None) + ["as a ratio"] * (effect.ratio_to is not None)
    return f"{', '.join([of, *made, *how])}: {expected_words(effect)}"


def _has_unit(effect: Effect) -> bool:
    labels = effect.figure.reduce in PLAIN or effect.reduce in PLAIN
    return effect.figure.outputs is None and effect.ratio_to is None and not labels


def _bound(x: float) -> str:
    return f"{x:g}".replace("-", "−")
