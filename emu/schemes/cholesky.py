"""Cholesky's factorisation and what is solved with it, in float64: the same numbers on every machine.

* A = L Lᵀ, column after column (right-looking): L_jj = sqrt(A_jj), L_ij = A_ij / L_jj, and A_ik loses L_ij · L_kj for
  all i, k > j. Each element is one product and one subtraction at a time, each rounded: no sum whose order is a
  library's.
* A X = B: L Y = B from the first row on, then Lᵀ X = Y from the last, likewise.
* O(n³) elementary operations in NumPy, without BLAS or LAPACK: about a second for n = 1000.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def factor(a: Float64) -> Float64:
    """The lower triangle L of a symmetric matrix [n, n].

    Raises:
        ValueError: the matrix is not positive definite.
    """
    rest, out = np.array(a, np.float64), np.zeros_like(a, np.float64)
    for j in range(len(rest)):
        pivot = rest[j, j]
        if not pivot > 0:
            raise ValueError("a matrix that is not positive definite has no Cholesky factor")
        column = rest[j:, j] / np.sqrt(pivot)
        column[0] = np.sqrt(pivot)
        out[j:, j] = column
        rest[j + 1 :, j + 1 :] -= np.multiply.outer(column[1:], column[1:])
    return out


def solve(a: Float64, b: Float64) -> Float64:
    """X of A X = B, for B [n, m].

    Raises:
        ValueError: A is not positive definite.
    """
    lower, x = factor(a), np.array(b, np.float64)
    for j in range(len(x)):
        x[j] /= lower[j, j]
        x[j + 1 :] -= np.multiply.outer(lower[j + 1 :, j], x[j])
    for j in reversed(range(len(x))):
        x[j] /= lower[j, j]
        x[:j] -= np.multiply.outer(lower[j, :j], x[j])
    return x
