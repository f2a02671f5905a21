"""Cutting the bits of two operands so that the sum of every pair of slices is exact in one machine float.

|Σ p| <= Σ|p| < 2^(lsb + 53) makes every partial sum, in whatever order, a float64: 53 bits on the grid of the products
(with float32: 24). An operand that is too wide is cut into slices by the place of its bits: x = Σ x_i, where x_i has
the bits of |x| from 2^t_i to 2^t_(i+1), with the sign of x. Then Σ a·b = Σ_ij Σ a_i·b_j.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from emu.units.plans.exact.grid import LEAST_LSB, MANTISSA, MOST_MSB, Grid

MOST_PRODUCTS = 9
"""More matrix products than this are no plan."""
TOTAL_BITS = 100
"""Partial sums are added up as a pair of float64: 2 · 53, less log2 of their number, and a sign."""
SINGLE = 24
SINGLE_LSB, SINGLE_MSB = -149, 128
"""Of float32: its least bit, and the power of two beyond its largest number."""


@dataclass(frozen=True, kw_only=True)
class Slices:
    """How many slices each operand has, and in which float they are multiplied."""

    a: int
    b: int
    single: bool
    """in float32 (one slice each)"""

    @property
    def products(self) -> int:
        """The number of matrix products."""
        return self.a * self.b


def slices_of(a: Grid, b: Grid, k: int) -> Slices | None:
    """The fewest matrix products that give exact sums; None if too many would be needed, or they leave the range."""
    if not _within(a, b, k, LEAST_LSB, MOST_MSB):
        return None
    if total_bits(a, b, k) <= SINGLE and _within(a, b, k, SINGLE_LSB, SINGLE_MSB):
        return Slices(a=1, b=1, single=True)
    if total_bits(a, b, k) <= MANTISSA:
        return Slices(a=1, b=1, single=False)
    if total_bits(a, b, k) > TOTAL_BITS:
        return None
    counts = [(x, y) for x in range(1, MOST_PRODUCTS + 1) for y in range(1, MOST_PRODUCTS // x + 1)]
    room = MANTISSA - max(k, 1).bit_length()
    fit = [(x * y, x + y, x, y) for x, y in counts if -(-a.width // x) + -(-b.width // y) <= room]
    if not fit:
        return None
    _, _, in_a, in_b = min(fit)
    return Slices(a=in_a, b=in_b, single=False)


def _within(a: Grid, b: Grid, k: int, lsb: int, msb: int) -> bool:
    """Whether operands, products and sums are multiples of 2^lsb below 2^msb: nothing underflows or overflows."""
    low = min(a.lsb, b.lsb, a.lsb + b.lsb) >= lsb
    return low and max(a.most, b.most, a.most * b.most * max(k, 1)) < Fraction(2) ** msb


def total_bits(a: Grid, b: Grid, k: int) -> int:
    """The least n with Σ|p| < 2^(lsb + n) for k products."""
    return int(a.most * b.most * k / Fraction(2) ** (a.lsb + b.lsb)).bit_length()


def cut(values: NDArray[np.float64], grid: Grid, count: int) -> list[NDArray[np.float64]]:
    """Values of a grid as sums of `count` values of at most ceil(width / count) bits each, least first."""
    step = -(-grid.width // count)
    out, rest = [], values
    for number in range(count - 1, 0, -1):
        unit = 2.0 ** (grid.lsb + number * step)
        upper = np.trunc(rest / unit) * unit
        out.append(upper)
        rest = rest - upper
    return [rest, *reversed(out)]
