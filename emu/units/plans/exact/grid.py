"""Bounds of exact values, and the casts that change nothing within them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.pipe import Factor, Pipe
from emu.formats.cast import Cast
from emu.formats.enums import FormatKind, Ftz, Rounding, Subnormals
from emu.formats.model import MAX_STORED_BITS
from emu.units.form import Operand
from emu.units.plans.planes import TABLE_BITS, table_of

MANTISSA = 53
LEAST_LSB, MOST_MSB = -1074, 1024
"""of float64"""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Finite values: multiples of 2^lsb, at most `most` in magnitude, with at most `bits` significant bits."""

    lsb: int
    most: Fraction
    bits: int
    minus_zero: bool
    """whether a zero may be -0 (then: exactly if all that it is made of is -0)"""

    @property
    def width(self) -> int:
        """Bits of the largest value, in units of 2^lsb: |x| < 2^(lsb + width)."""
        return int(self.most / Fraction(2) ** self.lsb).bit_length()

    def __mul__(self, other: Grid) -> Grid:
        return Grid(
            lsb=self.lsb + other.lsb, most=self.most * other.most, bits=self.bits + other.bits,
            minus_zero=self.minus_zero or other.minus_zero,
        )  # fmt: skip

    def times(self, count: int) -> Grid:
        """Sums of at most `count` values."""
        if count <= 1:
            return self
        wide = replace(self, most=self.most * count)
        return replace(wide, bits=wide.width)


def grid_of_values(values: NDArray[np.float64]) -> Grid:
    """The grid of some float64 numbers; those that are not finite are left out."""
    numbers = np.abs(values[np.isfinite(values) & (values != 0)])
    minus_zero = bool((np.signbit(values) & np.isfinite(values)).any())
    if not numbers.size:
        return Grid(lsb=0, most=Fraction(0), bits=0, minus_zero=minus_zero)
    fraction, exponent = np.frexp(numbers)
    words = (fraction * 2.0**MANTISSA).astype(np.int64)
    _, last = np.frexp((words & -words).astype(np.float64))  # 1 + the number of trailing zeros
    zeros = last.astype(np.int64) - 1
    lsb = int((exponent - MANTISSA + zeros).min())
    most = Fraction(float(numbers.max()))
    return Grid(lsb=lsb, most=most, bits=int(MANTISSA - zeros.min()), minus_zero=minus_zero)


@lru_cache(maxsize=256)
def grid_of(operand: Operand) -> Grid | None:
    """All finite values of an operand; None if there is no table of them, or float64 does not hold them.

    Of a float or a word without `load` it is known without the table: `daz` only takes values away.
    """
    fmt = operand.format
    if fmt.bits > TABLE_BITS:
        return None
    if operand.load or not (fmt.is_integral or fmt.kind is FormatKind.FLOAT):
        table = table_of(operand)
        return grid_of_values(table.values) if table is not None and table.exact else None
    if fmt.lsb < LEAST_LSB or fmt.msb > MOST_MSB:
        return None
    most = max(abs(fmt.largest(sign).fraction()) for sign in (False, True))
    made = Grid(lsb=fmt.lsb, most=most, bits=0, minus_zero=fmt.signed and not fmt.is_integral)
    return replace(made, bits=made.width if fmt.is_integral else min(fmt.precision, made.width))


def identity(how: Cast, grid: Grid) -> bool:
    """Whether a cast keeps every value of a grid (but perhaps the sign of a zero)."""
    fmt = how.format
    if how.rounding in (Rounding.JAMMING, Rounding.STOCHASTIC):
        return False
    if fmt.is_integral:
        return grid.lsb >= -fmt.frac_bits and grid.most <= fmt.largest(False).fraction() and fmt.signed
    if fmt.kind is not FormatKind.FLOAT or not fmt.signed:
        return False
    if grid.most > Fraction(fmt.max_sig) * Fraction(2) ** fmt.max_q:
        return False
    if how.rounding is Rounding.EXACT:
        return True
    normal = grid.lsb >= fmt.emin + int(fmt.subnormals is not Subnormals.GRADUAL)
    if not normal and (how.ftz is not Ftz.OFF or fmt.subnormals is not Subnormals.GRADUAL):
        return False
    return grid.lsb >= fmt.lsb and min(grid.bits, grid.width) <= fmt.precision


def keeps_minus_zero(how: Cast) -> bool:
    """Whether -0 stays -0 in a cast."""
    return not how.format.is_integral and how.format.negative_zero


def through(pipe: Pipe, grid: Grid) -> Grid | None:
    """A grid after a pipe that changes no value; None if it may."""
    for step in pipe:
        if step.factor is not Factor.NONE or step.addends or step.cast is None or not identity(step.cast, grid):
            return None
        if not keeps_minus_zero(step.cast):
            grid = replace(grid, minus_zero=False)
    return grid


def have_codes(casts: list[Cast]) -> bool:
    """Whether every format of some casts has codes, by which plans go from cast to cast: at most 64 bits."""
    return all(how.format.bits <= MAX_STORED_BITS for how in casts)


def casts_of(pipe: Pipe) -> list[Cast] | None:
    """The casts of a pipe; None if it does anything else."""
    out: list[Any] = [step.cast for step in pipe if step.factor is Factor.NONE and not step.addends]
    return out if len(out) == len(pipe) and None not in out else None
