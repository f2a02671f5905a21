"""The errors that searches compare: the same numbers on every machine, for any number of threads.

* A product is one of integers: every row of a (column of b) is rounded, ties to even, to a grid of 2^-n of the power of
  two above its largest magnitude, 2n + ceil(log2 K) = 53. Every partial sum is then exact in float64, in any order.
  K = 768 has 21 bits, far more than the formats whose errors are compared.
* Infinities and NaN count as 0: a search has nothing to say about them.
* Squares, and other sums, are added in float64 by halves, x_i + x_(n/2 + i).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

EXACT_BITS = 53
"""Integers up to 2^53 are float64."""


def product(a: NDArray[Any], b: NDArray[Any]) -> Float64:
    """[..., M, K] times [..., K, N], in float64."""
    bits = (EXACT_BITS - max(1, a.shape[-1] - 1).bit_length()) // 2
    (left, of_left), (right, of_right) = _integers(a, -1, bits), _integers(b, -2, bits)
    made = np.matmul(left, right)
    return np.asarray(np.ldexp(made, of_left + of_right))


def total_square(x: Float64) -> float:
    """The sum of the squares of all elements."""
    return float(total(np.ravel(x) ** 2, 0)[0])


def total(x: Float64, axis: int) -> Float64:
    """The sums along an axis, which is kept with size 1."""
    parts = np.moveaxis(x, axis, 0)
    while len(parts) > 1:
        half = -(-len(parts) // 2)
        first = parts[:half].copy()
        first[: len(parts) - half] += parts[half:]
        parts = first
    if not len(parts):
        parts = np.zeros((1, *parts.shape[1:]))
    return np.moveaxis(parts, 0, axis)


def _integers(x: NDArray[Any], axis: int, bits: int) -> tuple[Float64, NDArray[np.int32]]:
    """Integers below 2^bits in magnitude (or equal), and the exponents of two that they are multiplied by."""
    values = np.where(np.isfinite(x), x, 0).astype(np.float64)
    _, exponent = np.frexp(np.abs(values).max(axis=axis, keepdims=True, initial=0.0))
    shift = bits - exponent
    return np.rint(np.ldexp(values, shift)), -shift
