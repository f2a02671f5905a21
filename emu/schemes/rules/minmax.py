"""The rule `minmax`: the smallest and the largest value.

Source: the textbook asymmetric quantiser (ZeroQuant, INT4: S = (max − min) / (2^b − 1)); with 0 in the range, ONNX's
DynamicQuantizeLinear and FBGEMM's ChooseQuantizationParams.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emu.schemes.cast import Float32
from emu.schemes.rules.rule import Aim, Axes, Bounds, Rule, finite_or


@dataclass(frozen=True, kw_only=True, repr=False)
class MinMax(Rule):
    """[min, max]."""

    def bounds(self, x: Float32, aim: Aim) -> Bounds:
        """[0, 0] where nothing is finite."""
        return min_max(x, aim.axes)


def min_max(x: Float32, axes: Axes = None) -> Bounds:
    """The smallest and the largest finite value; 0 and 0 where there is none."""
    keep = axes is not None
    low = finite_or(x, np.inf).min(axis=axes, keepdims=keep, initial=np.float32(np.inf))
    high = finite_or(x, -np.inf).max(axis=axes, keepdims=keep, initial=np.float32(-np.inf))
    none = low > high
    zero = np.float32(0)
    return Bounds(np.asarray(np.where(none, zero, low)), np.asarray(np.where(none, zero, high)))
