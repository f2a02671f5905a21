"""The one rounding: rounding first, then flushing, then overflow, with SoftFloat's flags, for arrays of exact results.

* Inexact: the result is not the exact value. Underflow: tiny and inexact, or flushed. Overflow: a number, rounded, is
  beyond the range of its sign. Invalid: NaN, or an infinity that counts as one, into a format without NaN; zero for a
  format without zero that becomes NaN.
* Tiny, after rounding: rounded with unbounded exponent, the number is below the smallest normal one; a codebook has
  no exponents: it is rounded to zero. Before rounding: the exact number is.
* Infinities that a format has stay, but for `saturate`, and `raise`, which takes no infinity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .forms import FLUSHED, INFINITE, NAN, NUMBER, OVER, RAISED, ZERO, Form
from .placing import INWARD, Placed, Size

INEXACT, UNDERFLOW, OVERFLOW, DIVIDE_BY_ZERO, INVALID = 1, 2, 4, 8, 16
CANCELLED = 4
"""A kind beside those of `forms`: a zero that is a difference, whose sign the rounding chooses"""


@dataclass(frozen=True, kw_only=True)
class How:
    """Everything that a cast depends on, but for the value and the random bits."""

    rounding: str = "ties_to_even"
    overflow: str
    tininess: str = "after_rounding"
    sr_bits: int = 0
    sr_variant: str = "B"


@dataclass(frozen=True, kw_only=True)
class Exact:
    """Exact results: which distinct size, or what else."""

    kind: NDArray[np.int8]
    negative: NDArray[np.bool_]
    index: NDArray[np.intp]
    """into the sizes, of numbers; 0 for the others"""
    raised: NDArray[np.uint8]
    """flags of the operation itself"""


class Result(NamedTuple):
    """Codes, flags, and where `overflow = "raise"` raises."""

    codes: NDArray[np.uint64]
    flags: NDArray[np.uint8]
    raises: NDArray[np.bool_]


class Target:
    """A format that sizes are rounded to, each placed once."""

    def __init__(self, form: Form, sizes: Sequence[Size]) -> None:
        self.form = form
        self._all = [(0, 1, False), *sizes]  # place 0 is zero itself, for formats that round it
        self._sides: dict[bool, Placed] = {}

    def side(self, negative: bool) -> Placed:
        """The sizes on the side of one sign."""
        if negative not in self._sides:
            self._sides[negative] = Placed(self.form, self._all, negative)
        return self._sides[negative]

    def cast(self, exact: Exact, how: How, random: NDArray[np.uint64] | None = None) -> Result:
        """Codes, flags and failures of exact results."""
        if how.rounding == "ties_to_even" and self.form.ties != "even":
            how = replace(how, rounding=f"ties_to_{self.form.ties}")
        kind, negative = exact.kind, exact.negative.copy()
        cancelled = kind == CANCELLED
        negative[cancelled] = how.rounding == "toward_negative"
        is_zero = cancelled | (kind == ZERO)
        rounded = (kind == NUMBER) | (is_zero & (not self.form.direct_zero))
        at = np.where(kind == NUMBER, exact.index + 1, 0)
        codes = np.zeros(kind.shape, np.uint64)
        flags = np.zeros(kind.shape, np.uint8)
        raises = np.zeros(kind.shape, bool)
        for sign in (False, True):
            chosen = np.flatnonzero(rounded & (negative == sign))
            if chosen.size:
                found = self._numbers(sign, at[chosen], how, None if random is None else random[chosen])
                codes[chosen], flags[chosen], raises[chosen] = found
            for what, where in ((ZERO, is_zero & ~rounded), (INFINITE, kind == INFINITE), (NAN, kind == NAN)):
                chosen = np.flatnonzero(where & (negative == sign))
                if chosen.size:
                    codes[chosen], flags[chosen], raises[chosen] = self.special(what, sign, how)
        return Result(codes, flags | exact.raised, raises)

    def special(self, kind: int, negative: bool, how: How) -> tuple[int, int, bool]:
        """Code, flags and failure of a zero, an infinity or a NaN."""
        form = self.form
        if kind == NAN:
            return (form.nan_code, 0, False) if form.nan_code is not None else (self.instead, INVALID, False)
        if kind == INFINITE:
            own = form.infinities[negative]
            if how.overflow == "raise":
                return 0, 0, True
            if how.overflow == "saturate" or (how.overflow == "saturate_propagate" and own is None):
                return form.largest[negative], 0, False
            return (own, 0, False) if own is not None else self.special(NAN, False, how)
        zero = form.zeros[negative]
        if zero is not None:
            return zero, 0, False
        if how.overflow == "raise":
            return 0, 0, True
        if form.nan_code is None or how.overflow.startswith("saturate"):
            return form.smallest[negative], INEXACT | UNDERFLOW, False
        return form.nan_code, INVALID, False

    @cached_property
    def instead(self) -> int:
        """What a NaN becomes in a format without NaN."""
        form = self.form
        if form.nan_to == "max":
            return form.largest[False]
        zero = form.zeros[form.nan_to == "negative_zero"]
        return form.smallest[False] if zero is None else zero

    def _numbers(
        self, negative: bool, at: NDArray[np.intp], how: How, random: NDArray[np.uint64] | None
    ) -> tuple[NDArray[np.uint64], NDArray[np.uint8], NDArray[np.bool_]]:
        side = self.side(negative)
        if random is None:  # every size once, then a look-up
            every = np.arange(len(self._all))
            found = self._finish(side, side.steps.away(how.rounding, negative), every, how, None)
            return found[0][at], found[1][at], found[2][at]
        away = side.steps.away_at_random(how.sr_variant, how.sr_bits, at, random)
        return self._finish(side, away, at, how, random)

    def _finish(
        self, side: Placed, away: NDArray[np.bool_], at: NDArray[np.intp], how: How, random: NDArray[np.uint64] | None
    ) -> tuple[NDArray[np.uint64], NDArray[np.uint8], NDArray[np.bool_]]:
        form, end = self.form, away.astype(np.intp)
        states, codes = side.states[end, at], side.codes[end, at]
        over = states == OVER
        inexact = ~side.steps.exact[at] | away | (states == RAISED)
        tiny = side.small[at] & self._tiny(side, end, at, how, random)
        flags = np.where(inexact, INEXACT, 0) | np.where(inexact & tiny, UNDERFLOW, 0)
        flags[states == FLUSHED] = INEXACT | UNDERFLOW
        if over.any():
            flags[over] = INEXACT | OVERFLOW
            if how.overflow != "wrap":
                code, more = self.beyond(side.negative, how)
                codes = np.where(over, np.uint64(code), codes)
                flags[over] |= more
        if form.least is None:
            flags[:] = flags & ~UNDERFLOW
        return codes, flags.astype(np.uint8), over & (how.overflow == "raise")

    def _tiny(
        self, side: Placed, end: NDArray[np.intp], at: NDArray[np.intp], how: How, random: NDArray[np.uint64] | None
    ) -> NDArray[np.bool_]:
        if how.tininess == "before_rounding" or not side.small.any():
            return np.ones(at.shape, bool)
        if self.form.kind == "codebook":
            zero = self.form.zeros[side.negative]
            return np.zeros(at.shape, bool) if zero is None else np.asarray(side.codes[end, at] == zero)
        fine = side.fine
        if random is None:
            away = fine.away(how.rounding, side.negative)[at]
        else:
            away = fine.away_at_random(how.sr_variant, how.sr_bits, at, random)
        return ~(fine.reaches[at] & away)

    def beyond(self, negative: bool, how: How) -> tuple[int, int]:
        """Code and further flags of a rounded number beyond the range."""
        form = self.form
        if how.overflow == "raise":
            return 0, 0
        own = form.infinities[negative]
        inward = how.rounding in INWARD or how.rounding == ("toward_positive" if negative else "toward_negative")
        foreign = negative and not form.signed  # P3109's SatNone: a negative number is a NaN, whatever the rounding
        if how.overflow.startswith("saturate") or (how.overflow == "infinity" and inward and not foreign):
            return form.largest[negative], 0
        if own is not None and how.overflow != "nan":
            return own, 0
        code, flags, _ = self.special(NAN, False, how)
        return code, flags
