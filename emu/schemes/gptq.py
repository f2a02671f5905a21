"""GPTQ as arithmetic: weights rounded one row after the other, each error made good by the rows that are left.

For one matrix W [K, N] and activations X [M, K], with H = XᵀX + damping · mean(diag XᵀX) · I:

1. H = C D Cᵀ, C unit upper triangular, D diagonal.
2. For k = 0 … K − 1: row k of T = W + (corrections so far) is rounded; e_k = W_k − Ŵ_k;
   T_j += C[k, j] · e_k for all j > k.

With this, every row is what minimises (W − Ŵ)ᵀ H (W − Ŵ) given the rows before it, but for its own rounding. It is the
recursion of GPTQ in the order of K, in another form: with H⁻¹ = UᵀU, U upper triangular, GPTQ adds
−(T_k − Ŵ_k) · U[k, j] / U[k, k] to the rows that are left, and no inverse is needed here.

* All of it is float64, element by element in the stated order: H is summed over the rows of X one after the other,
  and C comes from an elimination of the last row and column first. So no library's order of a sum is in the result.
* A column of X that is zero has H_kk = 1: its weights are rounded to nearest, and nothing makes up for them.
* Not modelled: another order of rows ("act order"); blocks of rows that are updated together, which only change the
  order of sums.

Source: Frantar et al., GPTQ (arXiv:2210.17323), algorithm 1; the triangular form without an inverse: Chen et al., The
geometry of LLM quantization (arXiv:2507.18553), where it is Babai's nearest-plane algorithm.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from emu.errors import FormatError

Matrix = NDArray[np.float64]


def hessian(x: NDArray[np.float32]) -> Matrix:
    """XᵀX of activations [M, K], one row after the other; infinities and NaN count as 0."""
    wide = np.where(np.isfinite(x), x, np.float32(0)).astype(np.float64)
    total = np.zeros((x.shape[1], x.shape[1]))
    for row in wide:
        total += row[:, None] * row
    return total


def factor(h: Matrix, damping: float) -> Matrix:
    """C [K, K] of H = C D Cᵀ, unit upper triangular.

    Args:
        h: symmetric, positive semidefinite.
        damping: the fraction of the mean diagonal that is added to the diagonal.

    Raises:
        FormatError: with this damping H is not positive definite.
    """
    k = len(h)
    rest = h.copy()
    diagonal = rest.diagonal().copy()
    mean = 0.0
    for one in diagonal:
        mean += float(one) / k
    diagonal = np.where(diagonal == 0, 1.0, diagonal + damping * mean)
    rest[np.arange(k), np.arange(k)] = diagonal
    out = np.eye(k)
    for j in range(k - 1, -1, -1):
        pivot = rest[j, j]
        if not pivot > diagonal[j] * 2.0**-50:
            raise FormatError(f"gptq: the activations of {k} channels are dependent: more damping is needed")
        column = rest[:j, j] / pivot
        out[:j, j] = column
        rest[:j, :j] -= column[:, None] * rest[:j, j]
    return out


def compensated(
    w: NDArray[np.float32], c: Matrix, rounded: Callable[[int, Matrix], Matrix]
) -> None:  # fmt: skip
    """Round the rows of W [K, N] in order.

    Args:
        w: the weights.
        c: of `factor`.
        rounded: from k and T [K, N], whose rows from k on are not rounded yet, to row k of Ŵ [N].
    """
    wide = w.astype(np.float64)
    t = wide.copy()
    for k in range(len(t)):
        error = wide[k] - rounded(k, t)
        t[k + 1 :] += c[k, k + 1 :, None] * error
