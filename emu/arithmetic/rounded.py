"""Elementary operations of a vector unit: every one rounds once, into the vector format, whatever it is made of.

* Values are float64 arrays that hold values of formats that `emu.accelerators.check.check_vector_format` takes: two of
  them multiply exactly in float64, and their products and quotients are normal there.
* x + y, x / y and √x are first rounded to odd in float64: the error of the float64 operation is found exactly (TwoSum;
  the remainder x − q y and x − q², by Dekker's product), and a result that is not exact and even moves to its odd
  neighbour on the side of the error. Rounded to odd at 53 bits and then once more, in any direction, to at most 51 bits
  is as good as rounding once (Boldo and Melquiond, 2008). x y is exact in float64. So is x + y as a rule: then there is
  nothing to make odd.
* Into formats of at most SHORT bits, x / y and √x need no odd rounding. Operands have at most 26 bits (counts are at
  most 2^26), so a quotient that is not a number g of 25 bits (a value of the format, or half way between two) is
  |x − g y| / |x| ≥ 2^-51 away from it, and a root |x − g²| / 2x ≥ 2^-51; float64's own rounding, 2^-53, neither reaches
  g nor crosses it. That holds in any direction, and for subnormal results, which have fewer bits.
* Functions (exp, tanh, …) are correctly rounded: see `emu.vector.functions`.
* NaN and infinities are IEEE 754's; what is beyond the format's range follows its overflow rule.

Not modelled: exception flags, NaN payloads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from emu.formats import Format, Overflow, Rounding, load_format
from emu.formats.cast import Cast, check_cast

Floats = NDArray[np.float64]
SPLIT = float((1 << 27) + 1)
SHORT = 24
"""Significand bits of results that float64 quotients and roots are rounded to at once."""


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """The operations in one format."""

    format: Format
    rounding: Rounding = Rounding.TIES_TO_EVEN
    overflow: Overflow | None = None
    """None: the format's own"""

    @cached_property
    def cast(self) -> Cast:
        """The rounding of every operation."""
        return check_cast(self.format, rounding=self.rounding, overflow=self.overflow)

    @cached_property
    def _machines(self) -> bool:
        """Whether the machine's own conversion to float32 is this rounding."""
        return self.cast == check_cast(load_format("float32"))

    def round(self, x: Floats) -> Floats:
        """Float64 values, exact or rounded to odd, as values of the format."""
        how = self.cast
        if self._machines:
            with np.errstate(all="ignore"):
                made = np.asarray(x, np.float64).astype(np.float32).astype(np.float64)
            return np.where(np.isnan(made), np.nan, made) if np.isnan(made).any() else made
        return self.format.decode(self.format.encode(x, how.rounding, how.overflow, nan_to=self.format.nan_to))

    def add(self, x: Floats, y: Floats) -> Floats:
        """x + y."""
        with np.errstate(all="ignore"):
            return self._sum(x, y)

    def fma(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """x y + z, rounded once: x y is exact in float64."""
        with np.errstate(all="ignore"):
            return self._sum(np.multiply(x, y), z)

    def _sum(self, x: Floats, y: Floats) -> Floats:
        with np.errstate(all="ignore"):
            total = add_to_odd(x, y)
            if self.rounding is Rounding.TOWARD_NEGATIVE:  # an exact zero is -0 then, but for (+0) + (+0)
                plus = ~np.signbit(x) & ~np.signbit(y)
                total = np.where((total == 0) & ~plus, -0.0, total)
            return self.round(total)

    def sub(self, x: Floats, y: Floats) -> Floats:
        """x − y."""
        return self.add(x, np.negative(y))

    def mul(self, x: Floats, y: Floats) -> Floats:
        """x y."""
        with np.errstate(all="ignore"):
            return self.round(np.multiply(x, y))

    def div(self, x: Floats, y: Floats) -> Floats:
        """x / y."""
        with np.errstate(all="ignore"):
            return self.round(np.divide(x, y) if self.format.precision <= SHORT else divide_to_odd(x, y))

    def sqrt(self, x: Floats) -> Floats:
        """√x."""
        with np.errstate(all="ignore"):
            return self.round(np.sqrt(x) if self.format.precision <= SHORT else root_to_odd(x))


def add_to_odd(x: Floats, y: Floats) -> Floats:
    """x + y rounded to odd in float64."""
    total = np.add(x, y)
    part = total - x
    error = (x - (total - part)) + (y - part)
    return to_odd(total, error) if np.any(error) else total


def divide_to_odd(x: Floats, y: Floats) -> Floats:
    """x / y rounded to odd in float64."""
    quotient = np.divide(x, y)
    error = remainder(x, quotient, y)
    return to_odd(quotient, error * np.sign(y))


def root_to_odd(x: Floats) -> Floats:
    """√x rounded to odd in float64."""
    root = np.sqrt(x)
    return to_odd(root, remainder(x, root, root))


def remainder(x: Floats, u: Floats, v: Floats) -> Floats:
    """x − u v, exact in sign; 0 where something is not finite. u v is near x."""
    high, low = exact_product(u, v)
    found = (x - high) - low
    return np.where(np.isfinite(found), found, 0.0)


def exact_product(u: Floats, v: Floats) -> tuple[Floats, Floats]:
    """u v as the sum of two float64 (Dekker, 1971)."""
    product = np.multiply(u, v)
    u1, u2 = _halves(u)
    v1, v2 = _halves(v)
    low = ((u1 * v1 - product) + u1 * v2 + u2 * v1) + u2 * v2
    return product, low


def _halves(x: Floats) -> tuple[Floats, Floats]:
    scaled = np.multiply(x, SPLIT)
    high = scaled - (scaled - x)
    return high, x - high


def to_odd(x: Floats, error: Floats) -> Floats:
    """x, or its odd neighbour on the side of the error, where that is not 0 and x is even."""
    x = np.asarray(x, np.float64)
    bits = x.view(np.int64)
    error = np.where(np.isfinite(error), error, 0.0)
    outward = (error > 0) == (x > 0)
    moves = (error != 0) & ((bits & 1) == 0) & np.isfinite(x) & (x != 0)
    return np.where(moves, bits + np.where(outward, 1, -1), bits).view(np.float64)
