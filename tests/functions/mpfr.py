"""MPFR as an oracle for elementary functions; nothing here imports emu.

* `bracket`: two fractions around the exact value of a function, relatively 2^-499 apart, strictly between which it
  lies; or the value itself where it is a dyadic rational (the cases are listed by hand). Where the function is closer
  than 2^-300 to 1 or to x, or beyond 2^±5000, two numbers that no small format tells from it.
* `directly`: for the functions that MPFR has, its own correctly rounded result in a small float format, with
  subnormal numbers (MPFR's subnormalize).
"""

from __future__ import annotations

import math
from fractions import Fraction

import gmpy2

BITS = 800
RADIUS, JUST = Fraction(1, 1 << 500), Fraction(1, 1 << 290)
NATIVE = {
    "exp": gmpy2.exp, "exp2": gmpy2.exp2, "log": gmpy2.log, "log2": gmpy2.log2, "sin": gmpy2.sin, "cos": gmpy2.cos,
    "tanh": gmpy2.tanh, "erf": gmpy2.erf, "recip": lambda x: 1 / x, "rsqrt": gmpy2.rec_sqrt,
}  # fmt: skip
MODES = {
    "ties_to_even": gmpy2.RoundToNearest, "toward_zero": gmpy2.RoundToZero, "toward_positive": gmpy2.RoundUp,
    "toward_negative": gmpy2.RoundDown, "away_from_zero": gmpy2.RoundAwayZero,
}  # fmt: skip


def directly(function: str, x: float, mode: str, precision: int, emin: int, emax: int) -> float:
    """The correctly rounded result in the IEEE format of that precision and exponent range of normal numbers."""
    with gmpy2.context(
        precision=precision, emax=emax + 1, emin=emin - precision + 2, subnormalize=True, round=MODES[mode]
    ):
        return float(NATIVE[function](gmpy2.mpfr(x)))


def fraction(x: gmpy2.mpfr) -> Fraction:
    """A finite MPFR number, exactly."""
    n, d = x.as_integer_ratio()
    return Fraction(int(n), int(d))


def _wide(function: str, x: gmpy2.mpfr) -> gmpy2.mpfr:
    """To nearly BITS bits, with the sign and the relative error that it should have."""
    if function in NATIVE:
        return NATIVE[function](x)
    if function == "sigmoid":
        return 1 / (1 + gmpy2.exp(-x))
    if function == "silu":
        return x / (1 + gmpy2.exp(-x))
    if function == "gelu":
        return x * gmpy2.erfc(-x / gmpy2.sqrt(gmpy2.mpfr(2))) / 2
    u = gmpy2.sqrt(2 / gmpy2.const_pi()) * (x + 44715 * x**3 / 1000000)
    return x / (1 + gmpy2.exp(-2 * u))


def _saturated(function: str, x: float) -> Fraction | None:
    """What the function is just short of, where BITS bits do not tell it from that; and of tiny results, zero."""
    far = {"tanh": 150, "erf": 15, "sigmoid": 250, "silu": 250, "gelu": 22, "gelu_tanh": 14}.get(function)
    if far is None or abs(x) < far:
        return None
    if function in ("tanh", "erf"):
        return Fraction(1 if x > 0 else -1)
    return None if x < 0 else Fraction(1) if function == "sigmoid" else Fraction(x)


_UNDERFLOWS = {"sigmoid": 5000, "silu": 5000, "gelu": 100, "gelu_tanh": 60}
"""Left of minus this the function is closer to zero than 2^-5000."""


def exactly(function: str, x: float) -> Fraction | None:
    """The result where it is a dyadic rational; x is finite, not zero, inside the domain."""
    n, d = abs(x).as_integer_ratio()
    power = n & (n - 1) == 0
    exponent = n.bit_length() - d.bit_length()
    if function == "log" and x == 1:
        return Fraction(0)
    if function == "log2" and power:
        return Fraction(exponent)
    if function == "exp2" and d == 1 and abs(x) < 5000:
        return Fraction(2) ** int(x)
    if function == "recip" and power:
        return Fraction(2) ** -exponent * (1 if x > 0 else -1)
    if function == "rsqrt" and power and exponent % 2 == 0:
        return Fraction(2) ** (-exponent // 2)
    return None


def bracket(function: str, x: float) -> tuple[Fraction, Fraction]:
    """Two fractions, equal or on both sides of the exact result; x is finite, not zero, inside the domain."""
    exact = exactly(function, x)
    if exact is not None:
        return exact, exact
    if function in ("exp", "exp2") and abs(x) > 5000:
        big = Fraction(2) ** 5000
        return (big, 2 * big) if x > 0 else (1 / big / 2, 1 / big)
    limit = _saturated(function, x)
    if limit is not None:
        return limit * (1 - JUST), limit * (1 - JUST / 2)
    if x < -_UNDERFLOWS.get(function, math.inf):
        least = Fraction(1, 1 << 5000) * (1 if function == "sigmoid" else -1)
        return least / 2, least
    with gmpy2.context(precision=BITS, emax=gmpy2.get_emax_max(), emin=gmpy2.get_emin_min()):
        middle = fraction(_wide(function, gmpy2.mpfr(x)))
    return middle * (1 - RADIUS), middle * (1 + RADIUS)
