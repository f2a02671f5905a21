"""Formats as sorted lists: what every code stands for, and the points that a number of a sign can round to.

* `decode`: what a code stands for, by the formulas of spec/README.md.
* A *ladder* ascends away from zero on the side of one sign. Its points are the values, and what rounding sees beside
  them: the next step above the largest value (`OVER`), the subnormal numbers that a format has not (`FLUSHED`), the
  power below the smallest of a log format without zero (`RAISED`: it becomes the smallest).
* A codebook's ladder is all of its values, from the farthest on the other side.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

NUMBER, ZERO, INFINITE, NAN = range(4)
VALUE, OVER, FLUSHED, RAISED = range(4)
Cut = tuple[int, int, bool]
"""Where nearest roundings change: p / q, or its root, in units"""
WRITTEN_BITS = 16
"""Ladders of formats up to this width are lists; those of wider ones are computed point by point."""


@dataclass(frozen=True, slots=True)
class Datum:
    """What a code stands for."""

    kind: int
    negative: bool = False
    size: int = 0
    """in units"""
    payload: int = 0
    """of a NaN of a format with payloads"""
    signals: bool = False
    """a signalling NaN"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A number n / d (or its root) between two neighbours."""

    n: int
    d: int
    root: bool
    low: int
    high: int
    cut: Cut
    odd: bool
    """the lower neighbour is"""
    reaches: bool = False
    """of a step with unbounded exponent: the upper neighbour is the smallest normal number"""


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """The points on the side of one sign."""

    sizes: Sequence[int]
    states: Sequence[int]
    codes: Sequence[int]
    odd: Sequence[int]
    cuts: dict[int, Cut] = field(default_factory=dict)
    """between a point and the next, where it is not half way"""

    def below(self, whole: int) -> int:
        """The index of the last point that is not above a number with this integer part; -1: there is none."""
        return bisect_right(self.sizes, whole) - 1


class Lazy(Sequence[int]):
    """A sequence whose members are computed when asked for."""

    def __init__(self, length: int, member: Any) -> None:
        self._length, self._member = length, member

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        """The member; a negative index is not counted from the end."""
        if not 0 <= index < self._length:
            raise IndexError(index)
        return self._member(index)


class Endless(Lazy):
    """A sequence without end."""

    def __init__(self, member: Any) -> None:
        super().__init__(1, member)

    def __getitem__(self, index: Any) -> Any:
        """The member."""
        return self._member(index)


class Integers(Ladder):
    """The ladder of all integers: a number's integer part is the index."""

    def below(self, whole: int) -> int:
        """The number itself."""
        return whole


class Form:
    """A format of the oracle. Kinds of formats derive from this, and say what the attributes are."""

    name: str
    bits: int
    unit: int
    """sizes are in units of 2^unit"""
    nan_code: int | None = None
    """that is written for a NaN"""
    infinities: tuple[int | None, int | None] = (None, None)
    """the codes of +inf and -inf"""
    zeros: tuple[int | None, int | None] = (0, 0)
    """the codes written for +0 and -0"""
    largest: tuple[int, int]
    """the codes of what a number of each sign saturates to"""
    smallest: tuple[int, int]
    """the codes of the values next to zero, of each sign"""
    least: int | None
    """the smallest normal size; None: nothing is tiny"""
    nan_to: str
    ties: str = "even"
    kind: str = "float"
    wraps: bool = False
    signed: bool = True
    direct_zero: bool = True
    """zero is a value, or (log) has a rule; otherwise it is rounded like a number"""

    def decode(self, code: int) -> Datum:
        """What a code stands for."""
        raise NotImplementedError

    def ladder(self, negative: bool) -> Ladder:
        """The points on the side of a sign, made once."""
        made: dict[bool, Ladder] = self.__dict__.setdefault("_ladders", {})
        if negative not in made:
            made[negative] = self._ladder(negative)
        return made[negative]

    def _ladder(self, negative: bool) -> Ladder:
        raise NotImplementedError

    def fine(self, n: int, d: int, root: bool) -> Step | None:  # noqa: ARG002 (what kinds with exponents look at)
        """The step that a number below `least` lies on, on the same grid with unbounded exponent.

        None: there is no such grid (codebooks).
        """
        return None

    @property
    def integral(self) -> bool:
        """Integer or fixed."""
        return self.kind in ("integer", "fixed")

    @property
    def has_nan(self) -> bool:
        """Whether a code is NaN."""
        return self.nan_code is not None

    @property
    def has_infinity(self) -> bool:
        """Whether a code is an infinity."""
        return self.infinities != (None, None)

    @property
    def default_overflow(self) -> str:
        """As spec/README.md, "Rounding and overflow", has it."""
        if self.integral:
            return "wrap" if self.wraps else "saturate"
        if self.kind == "codebook":
            return "saturate"
        return "infinity" if self.has_nan or self.has_infinity else "saturate"

    @property
    def overflows(self) -> list[str]:
        """The overflow rules that mean something for the format."""
        out = ["saturate", "saturate_propagate", "raise"]
        if self.integral:
            return [*out, "wrap"] if self.wraps else out
        if self.has_nan or self.has_infinity:
            out += ["infinity", "infinity_always"]
        return [*out, "nan"] if self.has_nan else out


def sequence(length: int, member: Any, bits: int) -> Sequence[int]:
    """A list of members, or of wide formats the promise of one."""
    return [member(i) for i in range(length)] if bits <= WRITTEN_BITS else Lazy(length, member)
