"""The values of a listed format (log, codebook) in order: what rounding looks its neighbours up in.

* Points ascend by value; the numeric zero is one point, the code of -0 stands apart. Of several codes of one value the
  smallest is written. `odd` is the last bit of the code, which alternates from point to point in all log formats and
  posits; in a codebook where it does not, it is the position counted from the value nearest zero.
* A log format goes on beyond its ends by one *virtual* power (`VIRTUAL_ABOVE`): what rounds to it overflows. One
  without zero has
  a virtual power below the smallest as well (`VIRTUAL_BELOW`): what rounds to it underflows to the smallest. An
  unsigned one with zero has the negative of the smallest as a virtual value: a negative number may round to zero.
* `boundary` is where the nearest roundings change from a point to the next: half way, unless the format says
  otherwise; posits: at the posit of one bit more between the two, and at 0 below the smallest, so that no number but
  zero rounds to zero (Posit standard 2022, 4.1).

Every boundary and every value has at most 64 significant bits (the loader refuses others), so the kernels hold them
in a word.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, cmp_to_key, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from emu.formats.enums import LogBoundary, ZeroBoundary
from emu.formats.value import Value, compare, from_fraction

if TYPE_CHECKING:
    from emu.formats.model import Format

VIRTUAL_ABOVE, VIRTUAL_BELOW = -1, -2
"""In place of a code: no value of the format, but a place that numbers may round to."""
MAX_POINT_BITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """Where rounding to nearest changes: a dyadic number, or a square root of one."""

    value: Value
    root: bool = False
    """the boundary is sqrt|value|, with the sign of value; never rational"""

    def side(self, x: Value) -> int:
        """-1, 0 or 1: a finite x is below, on or above the boundary."""
        if not self.root:
            return compare(x, self.value)
        if x.negative != self.value.negative or x.sig == 0:
            return 1 if self.value.negative else -1
        square = Value(sig=x.sig * x.sig, q=2 * x.q)
        outside = compare(square, self.value.with_sign(False))
        return -outside if x.negative else outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value of a listed format, or a virtual one."""

    value: Value
    code: int
    odd: bool
    boundary: Boundary | None = None
    """to the next point; None after the last"""

    @property
    def virtual(self) -> bool:
        """No value of the format."""
        return self.code < 0


@dataclass(frozen=True, eq=False)
class Grid:
    """The points of one format, ascending."""

    points: tuple[Point, ...]
    below_smallest: tuple[Point, ...] = ()
    """of a log format with zero: -smallest and the power below, that power and the smallest; for tininess alone"""

    @cached_property
    def real(self) -> tuple[Point, ...]:
        """The values of the format, ascending."""
        return tuple(point for point in self.points if not point.virtual)

    @property
    def nearest_zero(self) -> Value:
        """The value nearest zero that is not zero: the positive one if there is one."""
        values = [point.value for point in self.real if point.value.sig]
        return next((value for value in values if not value.negative), values[-1])

    def below(self, x: Value) -> int:
        """The index of the largest point that is not above a finite x; -1 if there is none."""
        return bisect_right(self._keys, _key(x)) - 1

    @cached_property
    def _keys(self) -> list[Any]:
        return [_key(point.value) for point in self.points]

    def code_of(self, x: Value) -> int:
        """The code of a finite value of the format.

        Raises:
            ValueError: it is none.
        """
        at = self.below(x)
        point = self.points[at] if at >= 0 else None
        if point is None or point.virtual or compare(point.value, x):
            raise ValueError(f"{x} is no value of the format")
        return point.code


_key = cmp_to_key(compare)


@lru_cache(maxsize=256)
def grid_of(fmt: Format) -> Grid:
    """The grid of a log or codebook format."""
    if fmt.listing is not None:
        return Grid(tuple(_codebook(fmt)))
    return Grid(tuple(_log(fmt)), _below_smallest(fmt) if fmt.has_zero else ())


def midpoint(low: Value, high: Value) -> Value:
    """Half way between two values."""
    q = min(low.q, high.q) if low.sig and high.sig else high.q if high.sig else low.q
    total = (low.signed_sig << max(low.q - q, 0)) + (high.signed_sig << max(high.q - q, 0))
    return Value(negative=total < 0, sig=abs(total), q=q - 1)


def _codebook(fmt: Format) -> list[Point]:
    assert fmt.listing is not None
    codes: dict[Fraction, int] = {}
    for code, value in enumerate(fmt.listing.values):
        if value.finite and not (value.is_zero and value.negative):
            codes.setdefault(value.fraction(), code)
    if fmt.negative_zero:
        codes.setdefault(Fraction(0), fmt.listing.negative_zero_code)
    order = sorted(codes)
    near = order.index(min(order, key=abs))
    alternate = all((codes[a] ^ codes[b]) & 1 for a, b in pairwise(order))
    values = [from_fraction(x) for x in order]
    boundaries = fmt.listing.boundaries or tuple(midpoint(a, b) for a, b in pairwise(values))
    return [
        Point(
            value=value,
            code=codes[number],
            odd=bool((codes[number] if alternate else at - near) & 1),
            boundary=Boundary(value=boundaries[at]) if at < len(boundaries) else None,
        )
        for at, (number, value) in enumerate(zip(order, values, strict=True))
    ]


def _log(fmt: Format) -> list[Point]:
    first = int(fmt.has_zero)
    fields = range(first - 1, fmt.max_magnitude + 2)
    powers = [fmt.power(field) for field in fields]
    between = [_between(fmt, a, b) for a, b in pairwise(powers)]
    codes = [VIRTUAL_BELOW, *range(first, fmt.max_magnitude + 1), VIRTUAL_ABOVE]
    positive = [
        Point(value=power, code=code, odd=bool(field & 1), boundary=boundary)
        for power, code, field, boundary in zip(powers, codes, fields, [*between, None], strict=True)
    ]
    sign = 1 << fmt.exp_bits if fmt.signed else 0
    if fmt.has_zero:
        start = between[0]
        if fmt.zero_boundary is ZeroBoundary.MIDPOINT:
            start = Boundary(value=midpoint(Value(), powers[1]))
        positive[0] = Point(value=Value(), code=0, odd=False, boundary=start)
    if not fmt.has_zero:
        return [*_mirror(positive, sign, Boundary(value=Value())), *positive] if fmt.signed else positive
    inner = positive[0].boundary
    assert inner is not None
    if fmt.signed:
        return [*_mirror(positive[1:], sign, _negated(inner)), *positive]
    beyond = Point(value=powers[1].with_sign(True), code=VIRTUAL_ABOVE, odd=True, boundary=_negated(inner))
    return [beyond, *positive]


def _below_smallest(fmt: Format) -> tuple[Point, ...]:
    low, high = fmt.power(0), fmt.power(1)
    boundary = _between(fmt, low, high)
    below = Point(value=low, code=VIRTUAL_BELOW, odd=False, boundary=boundary)
    smallest = Point(value=high, code=1, odd=True)
    negative = _mirror([below, smallest], 0, boundary)
    return (*negative, below, smallest)


def _between(fmt: Format, low: Value, high: Value) -> Boundary:
    if fmt.boundary is LogBoundary.ARITHMETIC:
        return Boundary(value=midpoint(low, high))
    if isinstance(fmt.boundary, Fraction):
        return Boundary(value=from_fraction(high.fraction() * fmt.boundary))
    square = Value(sig=low.sig * high.sig, q=low.q + high.q)
    if square.q % 2 == 0:
        return Boundary(value=Value(sig=1, q=square.q // 2))
    return Boundary(value=square, root=True)


def _negated(boundary: Boundary) -> Boundary:
    return Boundary(value=boundary.value.with_sign(True), root=boundary.root)


def _mirror(points: list[Point], sign: int, last: Boundary) -> list[Point]:
    """The negative side of a symmetric format, ascending; `last` leads on to what follows it."""
    out = []
    for at in reversed(range(len(points))):
        point = points[at]
        inward = points[at - 1].boundary if at else None
        out.append(
            Point(
                value=point.value.with_sign(True),
                code=point.code if point.virtual else point.code | sign,
                odd=point.odd,
                boundary=last if inward is None else _negated(inward),
            )
        )
    return out
