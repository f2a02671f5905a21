"""Where a cast changes its mind: the numbers at which code or flags of a target format can change.

All of them, but the geometric boundaries of log formats, are dyadic: within one binade of a float they are multiples
of half the last place, or of 2^-(N + 1) of it for a stochastic rounding with N bits; in fixed-point formats of a
fraction of the fixed last place; in listed formats they are listed. So a number that is no dyadic rational is
cast like any other number strictly between the same two adjacent multiples of a fine enough power of two: `settle`
finds those two, and returns the number half way. That short dyadic number then goes through the one definition of
the cast, and every rounding, tininess, overflow and flush rule sees what it would have seen of the exact number.

* A number that overflows whatever happens is replaced by a power of two that does (not where integers wrap), one
  that is far below everything by a power of two that is as well.
* A geometric boundary is the square root of a dyadic number; it is compared exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from emu.formats.cast import Cast
from emu.formats.enums import FormatKind, Overflow, Rounding
from emu.formats.grid import Boundary, Point
from emu.formats.model import Format
from emu.formats.value import Value, compare
from emu.functions.interval import Interval

MARGIN = 4
"""Bits below the last place at which boundaries can lie (half of it, in the binade below), and then some."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The boundaries of one cast."""

    how: Cast

    @property
    def format(self) -> Format:
        """The format that results are cast to."""
        return self.how.format

    @property
    def wraps(self) -> bool:
        """Whether results beyond the range count modulo 2^bits."""
        return self.how.overflow is Overflow.WRAP

    @cached_property
    def huge(self) -> int:
        """Every number of magnitude 2^huge or more overflows alike."""
        fmt = self.format
        tops = [fmt.max_sig.bit_length() + fmt.max_q, 0]
        if fmt.is_listed:
            tops += [point.value.top for point in fmt.grid.points if point.value.sig]
        return max(tops) + 2

    @cached_property
    def tiny(self) -> int:
        """Every number of magnitude below 2^tiny, but zero, behaves alike."""
        fmt = self.format
        if fmt.kind is FormatKind.FLOAT:
            return min(fmt.emin, -fmt.bias) - fmt.man_bits - MARGIN - self.how.sr_bits
        return self._fixed_grid

    @cached_property
    def _fixed_grid(self) -> int:
        """The grid of a format whose boundaries do not follow the binades."""
        fmt = self.format
        if not fmt.is_listed:
            return -fmt.frac_bits - MARGIN - self.how.sr_bits
        values = [point.value for point in fmt.grid.points]
        values += [point.boundary.value for point in fmt.grid.points if point.boundary and not point.boundary.root]
        return min(value.q for value in values if value.sig) - MARGIN - self.how.sr_bits

    @cached_property
    def has_roots(self) -> bool:
        """Whether some boundary is a square root: only nearest roundings look at those."""
        if not self.format.is_listed or not self.how.rounding.is_nearest:
            return False
        return any(point.boundary and point.boundary.root for point in self.format.grid.points)

    def grid(self, top: int) -> int:
        """An exponent g: from 2^(top - 1) to 2^(top + 2) every dyadic boundary is a multiple of 2^g."""
        if self.format.kind is FormatKind.FLOAT:
            return top - self.format.man_bits - MARGIN - self.how.sr_bits
        return self._fixed_grid

    def beyond(self, negative: bool) -> Value:
        """What stands for any number that overflows whatever happens."""
        return Value(negative=negative, sig=1, q=self.huge)

    def below(self, negative: bool) -> Value:
        """What stands for any number that is closer to zero than anything else."""
        return Value(negative=negative, sig=1, q=self.tiny - 1)

    def settle(self, known: Interval) -> Value | None:
        """A dyadic number that is cast as any number in the interval; None: the interval is too wide to say."""
        if not self.wraps and known.low and known.top >= self.huge:
            return self.beyond(known.negative)
        if known.high.bit_length() + known.q <= self.tiny:
            return self.below(known.negative)
        if not known.low:
            return None
        grid = self.grid(known.top)
        if known.q >= grid:
            if (known.high - known.low) << (known.q - grid) > 1:
                return None
            cell = known.low << (known.q - grid)
        else:
            cell = known.low >> (grid - known.q)
            if (known.high - 1) >> (grid - known.q) != cell:
                return None
        if not self.has_roots:
            return Value(negative=known.negative, sig=2 * cell + 1, q=grid - 1)
        return known.middle() if self._same_side(known) else None

    def _same_side(self, known: Interval) -> bool:
        """Whether both ends lie on the same side of the boundary between their neighbours."""
        low, high = known.ends()
        boundary = self._boundary(known.middle())[0]
        return boundary is None or boundary.side(low) == boundary.side(high)

    def _boundary(self, x: Value) -> tuple[Boundary | None, Point | None]:
        """The boundary between the neighbours of x, and the upper one."""
        points = self.format.grid.points
        at = self.format.grid.below(x)
        if at < 0 or at + 1 == len(points):
            return None, None
        return points[at].boundary, points[at + 1]

    def root_tie(self, h: int) -> Value | None:
        """For the number 2^(h/2), h odd: what it is cast as if it lies on a geometric boundary."""
        if not self.has_roots:
            return None
        near = Value(sig=181, q=(h - 1) // 2 - 7)  # 181/128 < sqrt 2 < 182/128
        boundary, high = self._boundary(near)
        if boundary is None or high is None or not boundary.root:
            return None
        if compare(boundary.value, Value(sig=1, q=h)):
            return None
        match self.how.rounding:
            case Rounding.TIES_TO_EVEN:
                up = not high.odd
            case Rounding.TIES_TO_AWAY | Rounding.TIES_TO_POSITIVE:
                up = True
            case _:
                up = False
        return Value(sig=182 if up else 181, q=near.q)
