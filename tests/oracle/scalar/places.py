"""Where a positive magnitude falls between two neighbours of a format.

* `by_formula`: floats, integers, fixed of any width: multiples of 2^lsb, lsb = max(floor(log2 x), emin) - man_bits.
  A float's grid goes on above its largest value, and is the gradual one whatever `subnormals` says: what is no value of
  the format is flushed afterwards.
* `Table`: every format of at most 16 bits: the magnitudes of one sign, sorted, and one virtual value above.
* "Odd" is the last bit of the code; above the largest value and below the smallest the codes go on. For man_bits > 0
  that is the last bit of the significand.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from .decoding import decode, grid_value, largest, max_field, power_of, smallest_normal
from .formats import Format, posit
from .numbers import Magnitude, Num, Root, compare, exponent, floor_of, power


@dataclass(frozen=True)
class Place:
    """x is in [low, high); `half` is where it is as seen from the boundary between the two."""

    low: Fraction
    high: Fraction
    odd: bool
    exact: bool
    half: int


def _between(x: Magnitude, low: Fraction, high: Fraction, odd: bool, boundary: Fraction | Root | None = None) -> Place:
    exact = compare(x, low) == 0
    if isinstance(boundary, Root):
        square = x.square if isinstance(x, Root) else x * x
        half = compare(square, boundary.square)
    else:
        half = compare(x, (low + high) / 2 if boundary is None else boundary)
    return Place(low, high, odd, exact, half)


def by_formula(fmt: Format, x: Magnitude, *, unbounded: bool = False) -> Place:
    """The place on the grid of a float (`unbounded`: full precision below emin too), integer or fixed format."""
    if fmt.is_integral:
        lsb = -fmt.frac_bits
    else:
        e = exponent(x)
        lsb = (e if unbounded else max(e, fmt.emin)) - fmt.man_bits
    step = power(lsb)
    n = floor_of(x, Fraction(0), 1 / step)
    odd = bool(n & 1)
    if fmt.man_bits == 0 and not fmt.is_integral:  # the significand is 1: the exponent field is the code
        odd = bool(n and lsb + fmt.bias & 1)
    return _between(x, n * step, (n + 1) * step, odd)


class Table:
    """The magnitudes of one sign, ascending, with their codes; the last entry is virtual, and has code None."""

    def __init__(self, fmt: Format, negative: bool) -> None:
        self.fmt, self.negative = fmt, negative
        found = _float_grid(fmt, negative) if fmt.kind == "float" else _values(fmt, negative)
        self.sizes = [size for size, _, _ in found]
        self.odd = [odd for _, odd, _ in found]
        self.codes = [code for _, _, code in found]
        assert self.sizes == sorted(set(self.sizes)), fmt.name

    def index(self, x: Magnitude) -> int:
        """The largest entry that is not above x; -1 if there is none."""
        if isinstance(x, Fraction):
            return bisect_right(self.sizes, x) - 1
        return bisect_right(self.sizes, x.square, key=lambda s: s * s if s > 0 else s) - 1

    def place(self, x: Magnitude) -> Place:
        """The place of x; beyond the virtual entry, that entry and twice its size."""
        i = self.index(x)
        if i < 0:
            return self._below(x)
        last = len(self.sizes) - 1
        if i == last or (i == last - 1 and self.fmt.kind == "codebook" and compare(x, self.sizes[i])):
            i = last  # a codebook has no grid that would go on: whatever is beyond it is out of range
            return Place(self.sizes[i], 2 * self.sizes[i] + 1, self.odd[i], True, -1)
        low, high = self.sizes[i], self.sizes[i + 1]
        boundary = _boundary(self.fmt, low, high)
        if self.fmt.boundaries and i < last - 1:
            signed = ascending(self.fmt)
            found = self.fmt.boundaries[signed.index(-high if self.negative else low)]
            boundary = -Fraction(found) if self.negative else Fraction(found)
        if self.fmt.posit_es is not None:  # half way is the posit of one bit more; nothing but 0 is rounded to 0
            code = min(self.codes[i], -self.codes[i] % (1 << self.fmt.bits))
            boundary = posit(2 * code + 1, self.fmt.bits + 1, self.fmt.posit_es) if code else Fraction(0)
        return _between(x, low, high, self.odd[i], boundary)

    def _below(self, x: Magnitude) -> Place:
        """Below the smallest power of a log format without zero: the powers go on."""
        assert self.fmt.kind == "log"
        field = self.fmt.bias + (exponent(x) + (self.fmt.phase == "odd")) // (self.fmt.radix.bit_length() - 1)
        low, high = power_of(self.fmt, field), power_of(self.fmt, field + 1)
        return _between(x, low, high, bool(field & 1), _boundary(self.fmt, low, high))


def _boundary(fmt: Format, low: Fraction, high: Fraction) -> Fraction | Root | None:
    if fmt.kind != "log":
        return None
    if low == 0 and fmt.zero_boundary == "midpoint":
        return high / 2
    below = low or high / fmt.radix
    if isinstance(fmt.boundary, float):
        return high * Fraction(fmt.boundary)
    return Root(below * high) if fmt.boundary == "geometric" else (below + high) / 2


def _values(fmt: Format, negative: bool) -> list[tuple[Fraction, bool, int | None]]:
    """Of a listed, log or integer format; the first code of equal ones. A zero belongs to both signs."""
    sizes: dict[Fraction, int] = {}
    for code in range(len(fmt.values) or 1 << fmt.bits):
        x = decode(fmt, code)
        if isinstance(x, Num) and (x.negative == negative or x.size == 0):
            assert isinstance(x.size, Fraction)
            sizes.setdefault(x.size, code)
    if fmt.symmetric and negative:
        sizes = {size: code for size, code in sizes.items() if size <= largest(fmt)}
    if negative and not any(sizes):  # an unsigned format: beyond its range, but on a grid like the other side's
        return [(size, odd, code if size == 0 else None) for size, odd, code in _values(fmt, negative=False)]
    whole = power(fmt.frac_bits) if fmt.is_integral else None
    out: list[tuple[Fraction, bool, int | None]] = []
    for size in sorted(sizes):
        out.append((size, bool(sizes[size] & 1 if whole is None else size * whole % 2), sizes[size]))
    top, odd, _ = out[-1]
    beyond = {"log": top * fmt.radix, "codebook": 2 * top + 1}.get(fmt.kind, top + 1 / (whole or Fraction(1)))
    return [*out, (beyond, not odd, None)]


def _float_grid(fmt: Format, negative: bool) -> list[tuple[Fraction, bool, int | None]]:
    """The gradual grid of a float up to its largest value; a code of -1 marks what is to be flushed."""
    sign = (fmt.field_mask + 1) << fmt.ignored_low_bits if negative and fmt.signed else 0
    out: list[tuple[Fraction, bool, int | None]] = []
    mask = (1 << fmt.man_bits) - 1
    if fmt.subnormals == "normal":  # the grid below the lowest binade, which has no codes
        out = [(m * power(fmt.emin - fmt.man_bits), bool(m & 1), -1) for m in range(1 << fmt.man_bits)]
    for field in range(max_field(fmt) + 2):
        e, m = field >> fmt.man_bits, field & mask
        hole = (fmt.subnormals == "none" and e == 0) or (fmt.subnormals == "normal" and field == 0)
        code = None if field > max_field(fmt) else -1 if hole else field << fmt.ignored_low_bits | sign
        size = grid_value(fmt, e, m)
        out.append((size, bool(field & 1), (0 if not fmt.negative_zero else sign) if size == 0 else code))
    if out[0][2] == -1:
        out[0] = (Fraction(0), False, sign if fmt.negative_zero else 0)
    return out


@cache
def ascending(fmt: Format) -> list[Fraction]:
    """The distinct values of a codebook."""
    return sorted({x.value for code in range(len(fmt.values)) if isinstance(x := decode(fmt, code), Num)})


@cache
def table(fmt: Format, negative: bool) -> Table:
    """The sorted values of one sign."""
    return Table(fmt, negative)


def is_tabled(fmt: Format) -> bool:
    """Whether only a table says where the neighbours are."""
    return fmt.kind in ("log", "codebook") or fmt.subnormals == "lowered"


def place_of(fmt: Format, x: Magnitude, negative: bool) -> Place:
    """The place of x by what defines the format."""
    return table(fmt, negative).place(x) if is_tabled(fmt) else by_formula(fmt, x)


def unbounded_place(fmt: Format, x: Magnitude) -> Place:
    """The place if the exponent had no lower bound; for formats that have one."""
    if fmt.kind == "log":
        return Table._below(table(fmt, False), x)
    return by_formula(fmt, x, unbounded=True)


def is_tiny(fmt: Format, x: Fraction) -> bool:
    """Below the smallest normal magnitude."""
    return not fmt.is_integral and x < smallest_normal(fmt)
