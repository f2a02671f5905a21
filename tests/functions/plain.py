"""Rounding to small float formats, by the book, on Fractions; nothing here imports emu.

The values of a format are those of its ml_dtypes dtype. A number is rounded on the grid of its binade, with unbounded
exponent; beyond the largest value the format's infinity (else NaN) or the largest value takes its place, as the
rounding points. Flags are SoftFloat's bits: inexact 1, underflow 2 (tiny after rounding), overflow 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import ml_dtypes
import numpy as np

ROUNDINGS = (
    "ties_to_even", "ties_to_away", "ties_to_zero", "ties_to_positive", "ties_to_negative", "toward_zero",
    "toward_positive", "toward_negative", "away_from_zero", "to_odd", "jamming",
)  # fmt: skip
INEXACT, UNDERFLOW, OVERFLOW, DIVIDE_BY_ZERO, INVALID = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class Small:
    """A float format of at most 16 bits that ml_dtypes or NumPy has."""

    name: str
    dtype: Any
    man_bits: int
    emin: int
    nan: int
    """its canonical NaN"""

    @cached_property
    def values(self) -> Any:
        """float64 values of all codes."""
        bits = 8 * np.dtype(self.dtype).itemsize
        with np.errstate(invalid="ignore"):
            return np.arange(1 << bits, dtype=f"u{bits // 8}").view(self.dtype).astype(np.float64)

    @cached_property
    def codes(self) -> dict[Any, int]:
        """Codes of finite values; zeros by sign."""
        found: dict[Any, int] = {}
        for code, value in enumerate(self.values):
            if np.isfinite(value):
                found.setdefault("-0" if value == 0 and np.signbit(value) else Fraction(float(value)), code)
        return found

    @cached_property
    def largest(self) -> Fraction:
        """The largest finite value."""
        return Fraction(float(self.values[np.isfinite(self.values)].max()))

    def zero(self, negative: bool) -> int:
        """The code of a zero of that sign, where there is one."""
        return self.codes.get("-0", 0) if negative else 0

    def infinity(self, negative: bool) -> int:
        """The code of an infinity, or of NaN."""
        found = np.flatnonzero(self.values == (-np.inf if negative else np.inf))
        return int(found[0]) if found.size else self.nan

    def round(self, x: Fraction, rounding: str) -> tuple[int, int]:
        """Code and flags of a number."""
        if x == 0:
            return self.codes[Fraction(0)], 0
        negative = x < 0
        top = floor_log2(abs(x))
        n, unit = on_grid(abs(x), max(top, self.emin) - self.man_bits, rounding, negative)
        m, fine = on_grid(abs(x), top - self.man_bits, rounding, negative)
        flags = INEXACT if n * unit != abs(x) else 0
        if flags and m * fine < Fraction(2) ** self.emin:
            flags |= UNDERFLOW
        if n * unit > self.largest:
            return self._beyond(negative, rounding), INEXACT | OVERFLOW
        if n == 0:
            return self.zero(negative), flags
        return self.codes[-n * unit if negative else n * unit], flags

    def _beyond(self, negative: bool, rounding: str) -> int:
        inward = ("toward_zero", "to_odd", "jamming", "toward_positive" if negative else "toward_negative")
        if rounding in inward:
            return self.codes[-self.largest if negative else self.largest]
        return self.infinity(negative)


def floor_log2(x: Fraction) -> int:
    """floor(log2 x) of a positive dyadic rational."""
    return x.numerator.bit_length() - x.denominator.bit_length()


def on_grid(x: Fraction, lsb: int, rounding: str, negative: bool) -> tuple[int, Fraction]:
    """The multiple of 2^lsb that a dyadic magnitude is rounded to, as an integer, and 2^lsb."""
    places = lsb + x.denominator.bit_length() - 1
    n = x.numerator << max(-places, 0)
    places = max(places, 0)
    down, twice = n >> places, 2 * (n & ((1 << places) - 1))
    return down + int(_goes_up(rounding, down, twice, 1 << places, negative)), Fraction(2) ** lsb


def _goes_up(rounding: str, down: int, twice: int, one: int, negative: bool) -> bool:
    """Whether the magnitude goes up; `twice` is two times what is left of it, `one` the distance of its neighbours."""
    if rounding == "jamming":
        return down % 2 == 0
    if twice == 0 or rounding == "toward_zero":
        return False
    if rounding == "to_odd":
        return down % 2 == 0
    if rounding == "away_from_zero":
        return True
    if rounding in ("toward_positive", "toward_negative"):
        return negative == (rounding == "toward_negative")
    if twice != one:
        return twice > one
    ties = {"even": down % 2 == 1, "away": True, "zero": False, "positive": not negative, "negative": negative}
    return ties[rounding.removeprefix("ties_to_")]


FLOAT8 = (
    Small("float8_e3m4", ml_dtypes.float8_e3m4, 4, -2, 0x78),
    Small("float8_e4m3", ml_dtypes.float8_e4m3, 3, -6, 0x7C),
    Small("float8_e4m3fn", ml_dtypes.float8_e4m3fn, 3, -6, 0x7F),
    Small("float8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz, 3, -7, 0x80),
    Small("float8_e5m2", ml_dtypes.float8_e5m2, 2, -14, 0x7E),
    Small("float8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz, 2, -15, 0x80),
)
FLOAT16 = Small("float16", np.float16, 10, -14, 0x7E00)
BFLOAT16 = Small("bfloat16", ml_dtypes.bfloat16, 7, -126, 0x7FC0)
