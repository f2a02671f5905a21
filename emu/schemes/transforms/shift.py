"""The transform `shift`: X − z, with a vector z over channels, and what it takes away in the bias.

* z_j = fl32(fl32(max_j + min_j) / 2) over all elements of channel j that are finite; 0 for a channel without any.
* X' = fl32(X − z); fl32(Σ z_k W_k), the sum in float64 and rounded once, is added with the bias.
* Padding of a convolution counts as elements of x, and becomes −z.

Source: Outlier Suppression+ (Wei et al., arXiv:2304.09145, equation 2), its code's `(max + min) / 2`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from emu.schemes.steps.keys import Place
from emu.schemes.transforms.keys import TransformKeys
from emu.schemes.transforms.pair import Pair, Parameters, Transform


class ShiftKeys(TransformKeys, frozen=True, kw_only=True):
    """Keys of `shift`."""

    def build(self, place: Place) -> Shift:  # noqa: ARG002 - part of the protocol
        """The transform."""
        return Shift()


@dataclass(frozen=True, kw_only=True)
class Shift(Transform):
    """Move every channel to the middle of its range."""

    pads: ClassVar[bool] = True
    looks: ClassVar[bool] = True

    def choose(self, pair: Pair) -> Parameters:
        """`shift`: float32 [channels]."""
        x = pair.by_channel()
        finite = np.isfinite(x)
        high = np.where(finite, x, -np.inf).max(axis=0, initial=-np.inf)
        low = np.where(finite, x, np.inf).min(axis=0, initial=np.inf)
        with np.errstate(all="ignore"):
            middle = (high + low).astype(np.float32) / np.float32(2)
        return {"shift": np.where(np.isfinite(middle), middle, np.float32(0)).astype(np.float32)}

    def apply(self, pair: Pair, chosen: Parameters) -> Pair:
        """X − z, and z · W in the bias."""
        z = chosen["shift"]
        taken = (pair.per_k(z).astype(np.float64) * pair.w).sum(axis=1, keepdims=True)
        moved = replace(pair, x=pair.x - pair.per_channel(z))
        return moved.plus(taken.astype(np.float32))
