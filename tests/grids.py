"""Grids of floats in fractions, for loops that are written from a page."""

from __future__ import annotations

from fractions import Fraction


def nearest(x: Fraction, bits: int, least: int) -> Fraction:
    """Ties to even at so many bits, on no finer grid than 2^least; without a largest value."""
    if not x:
        return x
    size = abs(x)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= size < Fraction(2) ** exponent
    grid = Fraction(2) ** max(exponent - bits + 1, least)
    return round(x / grid) * grid


def half(x: Fraction) -> Fraction:
    """FP16's grid."""
    return nearest(x, 11, -24)


def single(x: Fraction) -> Fraction:
    """FP32's grid."""
    return nearest(x, 24, -149)
