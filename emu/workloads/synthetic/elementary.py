"""log, exp, the normal quantile and sums, of float64 operations that IEEE 754 defines to the last bit.

NumPy's own `log`, `exp` and `sum` are those of its version and of the machine's instructions; a drawn tensor is to have
the same bits everywhere. Only +, -, *, /, sqrt, comparisons, rint, frexp and ldexp are used, each rounded by itself:

* log(x) = e ln 2 + 2 (s + s^3/3 + s^5/5 + …), x = 2^e m with m in [sqrt(1/2), sqrt(2)), s = (m - 1) / (m + 1).
* exp(x) = 2^k (1 + r (1 + r/2 (1 + r/3 (…)))), k = rint(x / ln 2), r = x - k ln 2 in two steps; |x| <= 700.
* quantile(u): the inverse of the normal distribution function by Wichura's rational functions (Algorithm AS 241,
  PPND16, Applied Statistics 37, 1988), relative error about 1e-16.
* total(x): pairs are added, x_i + x_(n/2 + i), n a power of two (zeros beyond the end), until one is left.

What is not promised: correct rounding. log and exp are within a few ULP.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

LN2 = 0.6931471805599453
LN2_HIGH, LN2_LOW = float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33")
"""ln 2 in two parts: products of the first with integers of 20 bits are exact."""
LOG2_E = 1.4426950408889634
LOG_TERMS, EXP_TERMS = 12, 16
MAX_EXPONENT = 700.0

CENTRAL = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
TAIL = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)  # fmt: skip
FAR = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
     0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
     0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0),
)  # fmt: skip


def log(x: Floats) -> Floats:
    """The natural logarithm of positive numbers."""
    m, e = np.frexp(x)
    small = m < np.sqrt(0.5)
    m, e = np.where(small, m * 2, m), e - small
    s = (m - 1) / (m + 1)
    square = s * s
    series = np.full_like(s, 1 / (2 * LOG_TERMS + 1))
    for k in range(LOG_TERMS - 1, -1, -1):
        series = series * square + 1 / (2 * k + 1)
    return np.asarray(e * LN2 + 2 * s * series)


def exp(x: Floats) -> Floats:
    """The exponential function; arguments are clipped to ±700."""
    x = np.clip(x, -MAX_EXPONENT, MAX_EXPONENT)
    k = np.rint(x * LOG2_E)
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    series = np.ones_like(r)
    for n in range(EXP_TERMS, 0, -1):
        series = series * r / n + 1
    return np.asarray(np.ldexp(series, k.astype(np.int32)))


def quantile(u: Floats) -> Floats:
    """The number below which a normal variable of mean 0 and variance 1 is with probability u, 0 < u < 1."""
    q = u - 0.5
    r = 0.180625 - q * q
    out = q * _ratio(r, CENTRAL)
    outer = np.abs(q) > 0.425
    tail = np.sqrt(-log(np.where(q < 0, u, 1 - u)[outer]))
    near = tail <= 5
    size = np.where(near, _ratio(tail - 1.6, TAIL), _ratio(tail - 5, FAR))
    out[outer] = np.where(q[outer] < 0, -size, size)
    return out


def total(x: Floats, axis: int) -> Floats:
    """The sum along an axis, which stays with length 1."""
    x = np.moveaxis(x, axis, 0)
    n = 1 << max(0, x.shape[0] - 1).bit_length()
    x = np.concatenate([x, np.zeros((n - x.shape[0], *x.shape[1:]))])
    while n > 1:
        n //= 2
        x = x[:n] + x[n:]
    return np.moveaxis(x, 0, axis)


def _ratio(x: Floats, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Floats:
    """A quotient of two polynomials, by Horner's rule."""
    above, below = (np.full_like(x, some[0]) for some in coefficients)
    for a, b in zip(*(some[1:] for some in coefficients), strict=True):
        above, below = above * x + a, below * x + b
    return np.asarray(above / below)
