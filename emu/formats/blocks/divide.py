"""Values divided by scales, exactly as far as a cast to an element can tell.

An element has at most 16 bits and lies between 2^-500 and 2^500, a scale has at most 24 significant bits (the loader
sees to it); a stochastic rounding looks at 32 bits more at most. So a cast gives the same code for

* a number below 2^-1022 and for 2^-1022 of its sign: both lie below every boundary and every draw;
* a number beyond float64 and for the largest float64: both lie beyond the range (and both wrap to 0);
* a quotient and for the quotient rounded to odd in 53 bits: both lie on the same side of every boundary, and of every
  draw. (Quotients are for float, integer and fixed elements only, whose boundaries have at most 17 bits.)

With those three replacements everything here is exact. (Where the quotient is a scale, the same holds of the scale.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

TINY, HUGE = 2.0**-1022, np.finfo(np.float64).max
_SPLIT = 2.0**27 + 1


def scaled(x: NDArray[Any], exponents: NDArray[np.int64]) -> NDArray[np.float64]:
    """x * 2^-exponents for |exponents| <= 800; infinities and NaN stay.

    Numbers of float16 and float32 stay normal, so their product with a power of two is exact.
    """
    wide = x.astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        y = wide * np.ldexp(1.0, -exponents)
    return within(y, wide) if x.dtype == np.float64 else y


def within(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """y, what x became: back inside the normal float64, on the side that the cast cannot tell apart."""
    tiny = (np.abs(y) < TINY) & (x != 0)
    huge = np.isinf(y) & np.isfinite(x)
    if tiny.any() or huge.any():
        return np.where(tiny, np.copysign(TINY, x), np.where(huge, np.copysign(HUGE, x), y))
    return y


def quotient(x: NDArray[Any], scale: NDArray[Any] | float) -> NDArray[np.float64]:
    """x / scale, rounded to odd in 53 bits; infinities and NaN of x stay.

    Args:
        x: floats.
        scale: positive and finite, at most 24 significant bits.

    The remainder mx - q * ms of the significands is exact: q is split into two halves of 26 bits, so both products
    have at most 50; the first difference is exact because its operands agree to 25 bits, the second because the
    remainder itself fits. Its sign says on which side of q the quotient lies.
    """
    wide = x.astype(np.float64)
    finite = np.isfinite(wide)
    mx, ex = np.frexp(np.where(finite, wide, 0.0))
    ms, es = np.frexp(np.asarray(scale, dtype=np.float64))
    q = mx / ms
    high = _SPLIT * q - (_SPLIT * q - q)
    rest = (mx - high * ms) - (q - high) * ms
    bits = q.view(np.int64)
    even = (rest != 0) & (bits & 1 == 0)
    outward = np.where((rest > 0) == (q > 0), 1, -1)
    odd = np.where(even, bits + outward, bits).view(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        y = np.ldexp(odd, ex - es)
    return np.where(finite, within(y, np.where(finite, wide, 0.0)), wide)
