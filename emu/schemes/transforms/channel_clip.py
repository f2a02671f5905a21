"""The transform `channel_clip`: channels are clipped to their own ranges and brought to one; the weights take it back.

* The range of channel c is [lo_c, hi_c]: its values between the quantiles 1 − `keep` and `keep` of its finite elements
  (linear between two of them, in float64); all of them if `keep` is 1.
* `shift`: m_c = (lo_c + hi_c) / 2, else 0. r_c = half of the range about m_c (the larger side), divided by the mean of
  all that are not 0, so that a scale for the tensor becomes the mean of those of the channels; 1 where it is 0.
* X' = fl32(fl32(clip(X, lo, hi) − m) / r); W' = fl32(r W), by input channel; fl32(Σ m_k W_k), the sum in float64, is
  added with the bias. Without clipping, the product would stay what it is.
* A layer-wise symmetric scale of X' is then a channel-wise scale of X, with a zero point in the middle of the range.
* Padding of a convolution counts as elements of x, and is moved as they are.

Source: the reparameterisation of RepQ-ViT (Li et al., arXiv:2212.08254) for activations after a LayerNorm, whose own
factors take 1 / r and m; LRP-QViT (Ranjan and Savakis, arXiv:2401.11243) clips them first. Its rule for that was not
readable: quantiles are a reconstruction. RepQ-ViT averages the zero points, too; here the middle of each range becomes
0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from emu.schemes.steps.keys import Place
from emu.schemes.transforms.keys import TransformKeys
from emu.schemes.transforms.loss import total
from emu.schemes.transforms.pair import Pair, Parameters, Transform
from emu.spec.about import means

Float64 = NDArray[np.float64]


class ChannelClipKeys(TransformKeys, frozen=True, kw_only=True):
    """Keys of `channel_clip`."""

    keep: Annotated[
        Annotated[float, msgspec.Meta(gt=0.5, le=1)],
        means("the quantile of a channel above which, and 1 − `keep`, below which it is clipped; 1: not at all"),
    ] = 1.0
    shift: Annotated[bool, means("whether the middle of a channel's range becomes 0")] = True

    def build(self, place: Place) -> ChannelClip:  # noqa: ARG002 - part of the protocol
        """The transform."""
        return ChannelClip(keep=self.keep, shift=self.shift)


@dataclass(frozen=True, kw_only=True)
class ChannelClip(Transform):
    """Clip every channel, and bring all to one range."""

    pads: ClassVar[bool] = True
    looks: ClassVar[bool] = True
    keep: float
    shift: bool

    def choose(self, pair: Pair) -> Parameters:
        """`low`, `high`, `middle`, `ratio`: float32 [channels]."""
        bounds = np.array([self._bounds(column) for column in pair.by_channel().T.astype(np.float64)]).reshape(-1, 2)
        low, high = bounds.T.astype(np.float32).astype(np.float64)
        middle = (low + high) / 2 if self.shift else np.zeros_like(low)
        middle = middle.astype(np.float32).astype(np.float64)
        half = np.maximum(high - middle, middle - low)
        used = half > 0
        ratio = np.where(used, half / (total(half[used], 0)[0] / used.sum()), 1) if used.any() else np.ones_like(half)
        found = {"low": low, "high": high, "middle": middle, "ratio": ratio}
        return {name: values.astype(np.float32) for name, values in found.items()}

    def apply(self, pair: Pair, chosen: Parameters) -> Pair:
        """Channels of one range, and weights that know of it."""
        low, high, middle, ratio = (pair.per_channel(chosen[name]) for name in ("low", "high", "middle", "ratio"))
        of_k = pair.per_k(chosen["ratio"])
        taken = (pair.per_k(chosen["middle"]).astype(np.float64) * pair.w).sum(axis=1, keepdims=True)
        x = (np.clip(pair.x, low, high) - middle) / ratio
        return replace(pair, x=x, w=pair.w * of_k).plus(taken.astype(np.float32))

    def _bounds(self, column: Float64) -> tuple[float, float]:
        finite = column[np.isfinite(column)]
        if not finite.size:
            return 0.0, 0.0
        low, high = np.quantile(finite, [1 - self.keep, self.keep])
        return float(low), float(high)
