"""Numbers that do not end in binary, near enough for any cast.

A rational or a root is cut far below every grid and boundary of a target, and gets an odd last bit: cast, it gives what
the exact number would give, and is never exact. Far enough is `KEPT_BITS` below its leading bit: a significand of a
stored format has at most 64 bits, a boundary of a listed format as many, and 64 random bits look at 65 more. Integer
and fixed targets are rounded at a fixed place, and need the bits down to `KEPT_BITS` below that as well.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

from emu.formats.enums import LogBoundary
from emu.formats.model import Format
from emu.formats.value import Value

KEPT_BITS = 256


def last_place(top: int, target: Format) -> int:
    """The exponent of the last bit to keep of a number whose leading bit is about 2^top."""
    if target.is_integral:
        return min(top, -target.frac_bits) - KEPT_BITS
    return top - max(KEPT_BITS, target.man_bits + 2 * 64)


def ratio(number: Fraction, target: Format) -> Value:
    """A rational as a value: itself if it is dyadic, else cut and made odd."""
    n, d = abs(number.numerator), number.denominator
    if d & (d - 1) == 0:
        return Value(negative=number < 0, sig=n, q=1 - d.bit_length())
    q = last_place(n.bit_length() - d.bit_length(), target)
    if target.boundary is LogBoundary.GEOMETRIC:  # a rational n/d is further than 1/(4 d^2) from any root of two
        q = min(q, n.bit_length() - 3 * d.bit_length() - KEPT_BITS)
    scaled = (n << -q) // d if q < 0 else n // (d << q)
    return Value(negative=number < 0, sig=scaled | 1, q=q)


def root(x: Value, target: Format) -> Value:
    """The square root of a positive value: itself if it is dyadic, else cut and made odd."""
    q = last_place(x.top // 2, target)
    shift = x.q - 2 * q
    number = x.sig << shift if shift >= 0 else x.sig >> -shift
    lost = shift < 0 and number << -shift != x.sig
    whole = isqrt(number)
    return Value(sig=whole | int(lost or whole * whole != number), q=q)
