"""What a function gives for any code of a small format: the special cases by hand, the rest from MPFR."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

from .mpfr import bracket
from .plain import DIVIDE_BY_ZERO, INVALID, Small, floor_log2

FUNCTIONS = (
    "exp", "exp2", "log", "log2", "sin", "cos", "tanh", "sigmoid", "erf", "gelu", "gelu_tanh", "silu", "recip", "rsqrt",
)  # fmt: skip
KEPT = ("sin", "tanh", "erf", "gelu", "gelu_tanh", "silu")


def special(function: str, x: float) -> tuple[float | None, int] | None:
    """The result of a NaN, a zero, an infinity or an operand outside the domain (None: NaN) and the flags."""
    if math.isnan(x):
        return None, 0
    if function in ("log", "log2", "rsqrt") and x < 0:
        return None, INVALID
    if x == 0:
        if function in ("log", "log2"):
            return -math.inf, DIVIDE_BY_ZERO
        if function in ("recip", "rsqrt"):
            return math.copysign(math.inf, x), DIVIDE_BY_ZERO
        return (x if function in KEPT else 0.5 if function == "sigmoid" else 1.0), 0
    if not math.isinf(x):
        return None
    if function in ("sin", "cos"):
        return None, INVALID
    if function in ("tanh", "erf"):
        return math.copysign(1, x), 0
    if function in ("recip", "rsqrt"):
        return math.copysign(0.0, x), 0
    if x > 0:
        return (1.0 if function == "sigmoid" else math.inf), 0
    return (-0.0 if function in KEPT else 0.0), 0


@cache
def known(function: str, x: float, to: Small) -> Fraction:
    """The finite result, or a short number on the same side of everything that the format could tell it from.

    That is the middle of a cell of a grid, sixteen times finer than the format's last place, that the bracket lies in.
    """
    low, high = sorted(bracket(function, x), key=abs)
    if low == high:
        return low
    if abs(low) > 4 * to.largest:
        return 4 * to.largest * (1 if low > 0 else -1)
    lsb = max(floor_log2(abs(low)), to.emin - to.man_bits - 8) - to.man_bits - 4
    unit = Fraction(2) ** lsb
    cell = abs(low) // unit
    if abs(high) // unit != cell or abs(low) % unit == 0:
        raise AssertionError(f"the oracle is too coarse for {function}({x}) in {to.name}")
    return (2 * cell + 1) * unit / 2 * (1 if low > 0 else -1)


def expected(function: str, x: float, to: Small, rounding: str) -> tuple[int, int]:
    """Code and flags of a result in a format."""
    found = special(function, x)
    if found is not None:
        value, flags = found
        if value is None:
            return to.nan, flags
        if math.isinf(value):
            return to.infinity(value < 0), flags
        if value == 0:
            return to.zero(math.copysign(1, value) < 0), flags
        code, more = to.round(Fraction(value), rounding)
        return code, flags | more
    return to.round(known(function, x, to), rounding)
