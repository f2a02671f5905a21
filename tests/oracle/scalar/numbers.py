"""Values: NaN, infinity, and a sign with an exact magnitude.

A magnitude is a `Fraction`, or a `Root`: the square root of a fraction that is no square. Whatever rounding needs to
know of one is `compare` and `floor_of`, both exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

QUIET = 1 << 63
"""The quiet bit of a payload, which is left-aligned in 64 bits."""


@dataclass(frozen=True)
class Nan:
    """A NaN: its sign, its payload (left-aligned in 64 bits, quiet bit on top), whether it signals."""

    negative: bool = False
    payload: int = QUIET
    signals: bool = False

    @property
    def quieted(self) -> Nan:
        return Nan(self.negative, self.payload | QUIET)


@dataclass(frozen=True)
class Inf:
    """An infinity."""

    negative: bool = False


@dataclass(frozen=True)
class Root:
    """The square root of a fraction."""

    square: Fraction


Magnitude = Fraction | Root


@dataclass(frozen=True)
class Num:
    """A finite number; a zero has a sign too."""

    negative: bool
    size: Magnitude

    @property
    def value(self) -> Fraction:
        """The signed value, of a rational number."""
        assert isinstance(self.size, Fraction)
        return -self.size if self.negative else self.size


Value = Nan | Inf | Num


def number(x: Fraction | int) -> Num:
    """A number with the sign of x; +0 for zero."""
    return Num(x < 0, abs(Fraction(x)))


def compare(x: Magnitude, y: Fraction) -> int:
    """-1, 0, 1 as x is below, at, above y."""
    if isinstance(x, Root):
        if y < 0:
            return 1
        x, y = x.square, y * y
    return (x > y) - (x < y)


def floor_of(x: Magnitude, offset: Fraction, factor: Fraction) -> int:
    """floor((x - offset) * factor) for a positive factor."""
    if isinstance(x, Fraction):
        scaled = (x - offset) * factor
        return scaled.numerator // scaled.denominator
    # sqrt(s) f - o f, with o f = p / q, is (sqrt(s f^2 q^2) - p) / q, and floors nest over integers
    moved = offset * factor
    square = x.square * factor * factor * moved.denominator**2
    return (isqrt(square.numerator // square.denominator) - moved.numerator) // moved.denominator


def exponent(x: Magnitude) -> int:
    """floor(log2 x) of a positive x."""
    if isinstance(x, Root):
        return exponent(x.square) // 2
    guess = x.numerator.bit_length() - x.denominator.bit_length()
    n, d = (x.numerator, x.denominator << guess) if guess >= 0 else (x.numerator << -guess, x.denominator)
    return guess if n >= d else guess - 1


def power(e: int) -> Fraction:
    """2^e."""
    return Fraction(1 << e) if e >= 0 else Fraction(1, 1 << -e)
