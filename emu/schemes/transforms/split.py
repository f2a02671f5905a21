"""The transform `split`: the channels with outliers are multiplied by themselves, in a unit of their own.

* A channel is one of outliers if |x| >= threshold anywhere in it, over all rows (infinities are; NaN are not).
* The first product has these channels as zeros, and K stays what it is. The second has them alone, gathered in their
  order: K is their number (times the taps of a convolution). Without any there is no second product, and the first is
  bit for bit what it is without `split`.
* The second product's weights are those of the layer, or what its own weight codes and scales mean, rounded to float32
  once (`weights_as`); both then go through the second product's own scheme.
* `ranges_of = "below"`: a dynamic scale of a token sees all elements below the threshold, also those of a channel whose
  outlier is in another row, which are multiplied in the second product. With one row there are none, and it is `kept`.
* Of a convolution with groups, only the channels of a part of the groups would leave: it is refused.

Source: LLM.int8() (Dettmers et al., arXiv:2208.07339), bitsandbytes (commit 95f9af3): `kInt8VectorQuant` leaves
elements of at least the threshold out of the row's range, `int8_mixed_scaled_mm` multiplies the columns with the
dequantised weights. With T = 1 the library zeroes elements, not columns, which is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import msgspec
import numpy as np

from emu.schemes.enums import SplitRanges, SplitWeights
from emu.schemes.steps.keys import Place
from emu.schemes.transforms.keys import SplittingKeys
from emu.schemes.transforms.pair import Pair, Parameters, Transform
from emu.spec.about import means


class SplitKeys(SplittingKeys, frozen=True, kw_only=True):
    """Keys of `split`."""

    threshold: Annotated[Annotated[float, msgspec.Meta(gt=0)], means("of outliers, by magnitude")]
    weights_as: Annotated[SplitWeights, means("what the outliers are multiplied by")] = SplitWeights.GIVEN
    ranges_of: Annotated[SplitRanges, means("what the first product's dynamic scales of activations see")] = (
        SplitRanges.KEPT
    )

    def build(self, place: Place) -> Split:  # noqa: ARG002 - part of the protocol
        """The transform."""
        return Split(threshold=self.threshold, weights_as=self.weights_as, ranges_of=self.ranges_of)


@dataclass(frozen=True, kw_only=True)
class Split(Transform):
    """Take the channels with outliers out of the product."""

    splits: ClassVar[bool] = True
    threshold: float
    weights_as: SplitWeights = SplitWeights.GIVEN
    ranges_of: SplitRanges = SplitRanges.KEPT

    @property
    def reads(self) -> bool:
        """Where outliers are multiplied by the quantised weights."""
        return self.weights_as is SplitWeights.QUANTISED

    def choose(self, pair: Pair) -> Parameters:
        """`channels`: int64, those with outliers, ascending."""
        with np.errstate(invalid="ignore"):
            outliers = (np.abs(pair.by_channel()) >= self.threshold).any(axis=0)
        return {"channels": np.flatnonzero(outliers)}

    def apply(self, pair: Pair, chosen: Parameters) -> Pair:
        """X without the channels of outliers."""
        channels = chosen["channels"]
        if not len(channels):
            return pair
        kept = np.ones(pair.channels, np.bool_)
        kept[channels] = False
        ranges = pair.ranges
        if self.ranges_of is SplitRanges.BELOW:
            with np.errstate(invalid="ignore"):
                ranges = np.where(np.abs(pair.x) >= self.threshold, np.float32(0), pair.x)
        return replace(pair, x=np.where(pair.per_channel(kept), pair.x, np.float32(0)), ranges=ranges)

    def split(self, pair: Pair, chosen: Parameters) -> Pair | None:
        """The channels of outliers, and their weights."""
        channels = chosen["channels"]
        if not len(channels):
            return None
        of_groups = pair.channels_of_group
        if (of_groups != of_groups[:1]).any():
            raise ValueError("split: products, and convolutions without groups, have channels that can be taken out")
        w = pair.w
        if self.weights_as is SplitWeights.QUANTISED:
            assert pair.quantised_w is not None  # of a pair that a layer makes
            w = pair.quantised_w(w)
        rows = np.sort(pair.k_of_channel[:, channels].reshape(len(w), -1), axis=1)
        of_k = np.searchsorted(channels, np.take_along_axis(pair.channel_of_k, rows, axis=1))
        return replace(
            pair, x=pair.x.take(channels, axis=pair.channel_axis), w=np.take_along_axis(w, rows[..., None], axis=1),
            channel_of_k=of_k, quantised_x=None, quantised_w=None, scale_of_x=None, scale_of_w=None,
            fixed_x=None, fixed_w=None, ranges=None,
        )  # fmt: skip
