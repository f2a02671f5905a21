"""The rule `mean_abs`: the mean magnitude.

Σ|x| of the finite values in float64, pairwise, in the order of the tensor's axes; one division, rounded to float32.

Source: TriLM (Kaushal et al., arXiv:2407.12327): gamma = eps + mean|W|, `eps` being a key of the step; also BitNet
b1.58 (arXiv:2402.17764).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emu.schemes.cast import Float32
from emu.schemes.rules.rule import Aim, Axes, Bounds, Rule, around_zero, kept, lines


@dataclass(frozen=True, kw_only=True, repr=False)
class MeanAbs(Rule):
    """[−mean, mean]."""

    def bounds(self, x: Float32, aim: Aim) -> Bounds:
        """0 where nothing is finite."""
        return around_zero(mean_abs_of(x, aim.axes))


def mean_abs_of(x: Float32, axes: Axes = None) -> Float32:
    """The mean of the finite magnitudes; 0 where there is none."""
    rows = lines(x, axes)
    finite = np.isfinite(rows)
    total = np.where(finite, np.abs(rows), np.float32(0)).astype(np.float64).sum(axis=1)
    mean = total / np.maximum(finite.sum(axis=1), 1)
    return kept(mean.astype(np.float32), x.shape, axes)
