"""The rule `percentile`: what is left when the largest magnitudes are not looked at.

* Of n finite magnitudes in ascending order, the one with number ceil(p / 100 · n), from 1: the nearest rank, so that it
  is one of the values.
* Asymmetric: that of the values, and by the same count from the other end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emu.schemes.cast import Float32
from emu.schemes.rules.rule import Aim, Axes, Bounds, Rule, around_zero, kept, lines


@dataclass(frozen=True, kw_only=True, repr=False)
class Percentile(Rule):
    """[−p, p], or [100 − p, p] of values with their signs."""

    percentile: float

    def bounds(self, x: Float32, aim: Aim) -> Bounds:
        """0 where nothing is finite."""
        if aim.symmetric:
            return around_zero(percentile_of(np.abs(x), self.percentile, aim.axes))
        low = -percentile_of(-x, self.percentile, aim.axes)
        return Bounds(low, np.maximum(low, percentile_of(x, self.percentile, aim.axes)))


def percentile_of(x: Float32, percentile: float, axes: Axes = None) -> Float32:
    """The finite value of the nearest rank; 0 where there is none.

    Args:
        x: values.
        percentile: more than 0, up to 100.
        axes: what shares one result.
    """
    rows = lines(x, axes)
    finite = np.isfinite(rows)
    count = finite.sum(axis=1)
    ordered = np.sort(np.where(finite, rows, np.float32(np.inf)), axis=1)
    rank = np.ceil(np.float64(percentile) * count / 100.0).astype(np.int64)
    place: NDArray[np.int64] = np.clip(rank - 1, 0, np.maximum(count - 1, 0))
    if not rows.shape[1]:
        return kept(np.zeros(len(rows), np.float32), x.shape, axes)
    taken = np.take_along_axis(ordered, place[:, None], axis=1)[:, 0]
    return kept(np.where(count > 0, taken, np.float32(0)).astype(np.float32), x.shape, axes)
