"""L1 normalisation in integers: additions, shifts, products, and one division for each row. No squares, no root.

y = γ (x − μ) / σ_1 + β over the last axis, with σ_1 = Σ |x − μ| / n, of integers x. The scale of x cancels; ε is 0.

1. S = Σ x; d = n x − S; T = Σ |d|: exact, so that x − μ = d / n and σ_1 = T / n².
2. R = ⌊n 2^(f + g) / T + 1/2⌋, the one division of a row; R = 0 where T = 0 (a constant row gives β).
3. y = ⌊(d R γ + β 2^(g + f_γ)) / 2^(g + f_γ) + 1/2⌋: a product, a shift that rounds ties up.

γ is an integer times 2^-f_γ; y and β are integers times 2^-f. The guard bits g are the least with
|d γ| ≤ 2^(g + f_γ) for all |d| ≤ n (max x − min x): what R is off by, at most 1/2, then moves y by at most 1/2, the
last rounding by as much again, and y is at most one last bit from the exact quotient.

Source: the L1 normalisation of ShiftQuant, Guo et al. (arXiv:2411.10948). Reconstructed: that the mean and the absolute
mean are of integers is known; where values are quantised inside the layer, and how the division is done, is not.
Not modelled: ε, stored (running) statistics, the backward pass (which has sign(x − μ)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Integers = NDArray[Any]
"""Python integers: nothing overflows, whatever the widths."""


@dataclass(frozen=True, kw_only=True)
class L1Norm:
    """An L1 normalisation layer with integers in and out."""

    frac_bits: int
    """f, of y and beta"""
    gain_bits: int = 0
    """f_γ, of gamma"""

    def __call__(self, x: ArrayLike, gamma: ArrayLike = 1, beta: ArrayLike = 0) -> Integers:
        """y, as int64.

        Args:
            x: integers [..., n].
            gamma: integers that broadcast to x; 1 · 2^gain_bits is a gain of 1.
            beta: integers that broadcast to x.

        Raises:
            ValueError: no integers, no elements, or results beyond 64 bits.
        """
        values, gains, offsets = (
            _integers(given, name) for given, name in ((x, "x"), (gamma, "gamma"), (beta, "beta"))
        )
        if not values.ndim or not values.shape[-1]:
            raise ValueError("x has no elements to normalise over")
        n = values.shape[-1]
        d = values * n - values.sum(axis=-1, keepdims=True)
        total = np.abs(d).sum(axis=-1, keepdims=True)
        guard = self._guard(values, gains)
        inverse = np.where(total == 0, 0, _half_up(n << (self.frac_bits + guard), np.where(total == 0, 1, total)))
        shift = guard + self.gain_bits
        y = _half_up(d * inverse * gains + offsets * (1 << shift), 1 << shift)
        if y.size and max(abs(y.max()), abs(y.min())) >> 63:
            raise ValueError("results have more than 64 bits")
        return y.astype(np.int64)

    def _guard(self, x: Integers, gains: Integers) -> int:
        if not x.size or not gains.size:
            return 0
        spread = int(np.max(x.max(axis=-1, keepdims=True) - x.min(axis=-1, keepdims=True)))
        widest = max(x.shape[-1] * spread * int(np.max(np.abs(gains))), 1)
        guard: int = (widest - 1).bit_length() - self.gain_bits
        return max(guard, 0)


def _half_up(dividend: Any, divisor: Any) -> Integers:
    """⌊dividend / divisor + 1/2⌋."""
    return np.asarray((2 * dividend + divisor) // (2 * divisor), object)


def _integers(given: ArrayLike, name: str) -> Integers:
    array = np.asarray(given)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} has to be integers, not {array.dtype}")
    return array.astype(object)
