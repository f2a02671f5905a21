"""GPTQ as arithmetic: weights rounded one row after the other, each error made good by the rows that are left.

For one matrix W [K, N] and activations X [M, K], with H = XᵀX + damping · mean(diag XᵀX) · I:

1. H = C D Cᵀ, C unit upper triangular, D diagonal.
2. For k = 0 … K − 1: row k of T = W + (corrections so far) is rounded; e_k = W_k − Ŵ_k;
   T_j += C[k, j] · e_k for all j > k.

With this, every row is what minimises (W − Ŵ)ᵀ H (W − Ŵ) given the rows before it, but for its own rounding. It is the
recursion of GPTQ in the order of K, in another form: with H⁻¹ = UᵀU, U upper triangular, GPTQ adds
−(T_k − Ŵ_k) · U[k, j] / U[k, k] to the rows that are left, and no inverse is needed here.

* No library's order of a sum is in the result. XᵀX is exact, of activations that are rounded to 2^-25 of their
  channel's largest magnitude first: both halves of such integers have 13 bits, whose products of 2^27 rows float64 sums
  without rounding in any order; then three terms are added in float64. C and T are float64, element by element, C by
  elimination of the last row and column first.
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
HALF_BITS = 13
"""Bits of each half of an activation."""
PANEL, TILE = 64, 192
"""Columns that are eliminated together, and the side of what they are taken out of: no bit depends on them."""


def hessian(x: NDArray[np.float32]) -> Matrix:
    """XᵀX of activations [M, K]; infinities and NaN count as 0."""
    wide = np.where(np.isfinite(x), x, np.float32(0)).astype(np.float64)
    top = np.frexp(np.abs(wide).max(axis=0, initial=0.0))[1]
    whole = np.rint(np.ldexp(wide, HALF_BITS * 2 - 1 - top))
    high = np.rint(whole * 2.0**-HALF_BITS)
    low = whole - high * 2.0**HALF_BITS
    crossed = high.T @ low
    parts = (high.T @ high) * 2.0 ** (2 * HALF_BITS), (crossed + crossed.T) * 2.0**HALF_BITS, low.T @ low
    unit = np.ldexp(1.0, top - (HALF_BITS * 2 - 1))
    return np.asarray(((parts[0] + parts[1]) + parts[2]) * unit[:, None] * unit)


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
    for stop in range(k, 0, -PANEL):
        start = max(0, stop - PANEL)
        for j in range(stop - 1, start - 1, -1):
            pivot = rest[j, j]
            if not pivot > diagonal[j] * 2.0**-50:
                raise FormatError(f"gptq: the activations of {k} channels are dependent: more damping is needed")
            out[:j, j] = rest[:j, j] / pivot
            rest[:j, start:j] -= out[:j, j, None] * rest[start:j, j]
        _eliminate(rest, out, start, stop)
    return out


def _eliminate(rest: Matrix, out: Matrix, start: int, stop: int) -> None:
    """Take the columns from stop - 1 down to start out of those before them: tiles, so that each stays in the cache."""
    columns, rows = out[:, start:stop].T.copy(), rest[:, start:stop].T.copy()
    for left in range(0, start, TILE):
        right = min(left + TILE, start)
        for top in range(0, right, TILE):
            bottom = min(top + TILE, right)
            tile = rest[top:bottom, left:right]
            for p in range(stop - start - 1, -1, -1):
                tile -= columns[p, top:bottom, None] * rows[p, left:right]


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
