"""An effect: a figure, where it is expected, and what became of it.

* `range` holds the figure, ends included; NaN is in no range. A figure that is a value of an axis (`argmin`, `argmax`,
  `first`) is in `one_of`, or the only number in it is in `range`.
* `reproduced = false` says that the figure is not in the authors' range: that is checked too, and a figure inside it
  means that the file is wrong. A figure that there is not is no answer in either case.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emu.errors import SpecError
from emu.studies.effects.figure import Table, figure
from emu.studies.vocabulary import Reduce, Verdict

if TYPE_CHECKING:
    from emu.studies.asked import Asked

MISSING = "a point that it needs has no answer, or no such number"
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Numbers of some points."""

    objective: str
    """empty if it is of outputs"""
    outputs: str | None
    at: Mapping[str, frozenset[str]]
    """labels by axis"""
    kept: bool
    reduce: Reduce | None
    along: tuple[str, ...]
    where: Callable[[float], bool] | None


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A figure that a study shows."""

    name: str
    key: str
    """where it stands in its file"""
    figure: Selection
    minus: Selection | None
    ratio_to: Selection | None
    reduce: Reduce
    along: tuple[str, ...]
    where: Callable[[float], bool] | None
    range: tuple[float, float] | None
    one_of: tuple[str, ...]
    paper: str
    note: str
    reproduced: bool
    reason: str

    @property
    def selections(self) -> dict[str, Selection]:
        """Its operands, by key."""
        given = {"figure": self.figure, "minus": self.minus, "ratio_to": self.ratio_to}
        return {name: one for name, one in given.items() if one is not None}

    def expects(self, found: float | str) -> bool:
        """Whether a figure is where it is expected."""
        if isinstance(found, str) and self.range is None:
            return found in self.one_of
        return self.range is not None and self.range[0] <= number_of(found) <= self.range[1]

    def verdict(self, found: float | str) -> Verdict:
        """What a figure says of the effect."""
        inside = self.expects(found)
        if self.reproduced:
            return Verdict.SHOWN if inside else Verdict.NOT_SHOWN
        if inside:
            return Verdict.REPRODUCED
        missing = not isinstance(found, str) and math.isnan(found)
        return Verdict.NOT_SHOWN if missing else Verdict.NOT_REPRODUCED


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """An effect and its figure."""

    effect: Effect
    figure: float | str
    """a label of an axis is text; NaN if there is none"""
    problem: str = ""
    """why there is none, where that is known"""

    @property
    def verdict(self) -> Verdict:
        """What became of it."""
        return self.effect.verdict(self.figure)

    @property
    def as_stated(self) -> bool:
        """Whether it is as the file says."""
        return self.verdict in (Verdict.SHOWN, Verdict.NOT_REPRODUCED)

    def plain(self) -> dict[str, Any]:
        """As JSON has it: no figure is None, an infinite one `"inf"` or `"-inf"`; an open end of a range is None."""
        effect, found = self.effect, self.figure
        return {
            "name": effect.name,
            "figure": _plain(found),
            "range": None if effect.range is None else [x if math.isfinite(x) else None for x in effect.range],
            "one_of": list(effect.one_of) or None,
            "verdict": self.verdict.value,
            "as_stated": self.as_stated,
            **{key: text for key in ("paper", "note", "reason") if (text := getattr(effect, key))},
            **({"problem": self.problem} if self.problem else {}),
        }


def _plain(found: float | str) -> float | str | None:
    if isinstance(found, str) or math.isfinite(found):
        return found
    return None if math.isnan(found) else str(found)


def number_of(found: float | str) -> float:
    """A figure as a number: of a label the only number in it, else NaN."""
    if not isinstance(found, str):
        return found
    parts = _NUMBER.findall(found)
    return float(parts[0]) if len(parts) == 1 else math.nan


def outcomes(asked: Asked, table: Table) -> tuple[Outcome, ...]:
    """What became of every effect of a study."""
    return tuple(_outcome(one, table) for one in asked.effects)


def _outcome(effect: Effect, table: Table) -> Outcome:
    try:
        found = figure(effect, table)
    except SpecError as error:  # of points that a search has chosen: they were not known before it ran
        return Outcome(effect=effect, figure=math.nan, problem=f"{error.reason}: {error.value}")
    missing = not isinstance(found, str) and math.isnan(found)
    return Outcome(effect=effect, figure=found, problem=MISSING if missing else "")
