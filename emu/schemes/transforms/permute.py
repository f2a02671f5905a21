"""The transform `permute`: channels in another order, and the weights' rows alike.

* The product is a sum over channels: its exact value is the same in any order. What changes is which channels are
  neighbours: they share a block's or a group's scale, and a step of an accumulator.
* Sorted by the largest finite magnitude of each channel, the smallest first; equal ones stay in their order.
* Channels move within the groups of a convolution, each with all of its taps; `k_order` stays what it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np

from emu.schemes.enums import PermuteRule
from emu.schemes.steps.keys import Place
from emu.schemes.transforms.keys import TransformKeys
from emu.schemes.transforms.pair import Pair, Parameters, Transform
from emu.schemes.transforms.smooth import weight_ranges
from emu.spec.about import means


class PermuteKeys(TransformKeys, frozen=True, kw_only=True):
    """Keys of `permute`."""

    rule: Annotated[PermuteRule, means("what channels are sorted by")] = PermuteRule.ACTIVATIONS

    def build(self, place: Place) -> Permute:  # noqa: ARG002 - part of the protocol
        """The transform."""
        return Permute(rule=self.rule)


@dataclass(frozen=True, kw_only=True)
class Permute(Transform):
    """Sort the channels."""

    looks: ClassVar[bool] = True
    rule: PermuteRule = PermuteRule.ACTIVATIONS

    def choose(self, pair: Pair) -> Parameters:
        """`order`: int64 [channels], the channel that comes to each place."""
        if self.rule is PermuteRule.WEIGHTS:
            ranges = weight_ranges(pair)
        else:
            x = pair.by_channel()
            ranges = np.abs(np.where(np.isfinite(x), x, np.float32(0))).max(axis=0, initial=0.0)
        order = np.arange(pair.channels)
        for channels in np.unique(pair.channels_of_group, axis=0):
            order[channels] = channels[np.argsort(ranges[channels], kind="stable")]
        return {"order": order}

    def apply(self, pair: Pair, chosen: Parameters) -> Pair:
        """X and W with their channels in the new order."""
        order = chosen["order"]
        w = np.empty_like(pair.w)
        for group, (rows, channels) in enumerate(zip(pair.k_of_channel, pair.channels_of_group, strict=True)):
            w[group, rows.ravel()] = pair.w[group, rows[np.searchsorted(channels, order[channels])].ravel()]
        return replace(pair, x=pair.x.take(order, axis=pair.channel_axis), w=w)
