"""The transform `rotate`: X H and Hᵀ W, with an orthogonal Hadamard matrix H over channels.

* H is block-diagonal with Sylvester's matrices of `size` (a power of two that divides the channels of a group; unless
  given, the largest that does), entries ±1 / sqrt(size). With a `seed`, H = D H₀: D holds a sign for each channel, the
  lowest bit of a word of Philox4x64-10 under (seed, 0), 1 is −1.
* The sums of ±x are made in float64 by the fast Walsh-Hadamard transform (stage by stage, neighbours first), then
  multiplied by 1 / sqrt(size) and rounded to float32 once. So for x and w of few enough bits and a size that is a power
  of four everything is exact.
* An infinity or NaN spreads over all channels of its block.
* Zeros stay zeros, so padding needs nothing; a convolution's channels are rotated at every place, its weights at every
  tap.

Sources: QuaRot (Ashkboos et al., arXiv:2404.00456); random signs as in QuIP# (Tseng et al., arXiv:2402.04396). Not
modelled: sizes that are no power of two (their Hadamard matrices are tables), and learned rotations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from emu.schemes.cast import Float32
from emu.schemes.steps.keys import Place
from emu.schemes.transforms.keys import TransformKeys
from emu.schemes.transforms.pair import Pair, Parameters, Transform
from emu.spec.about import means


class RotateKeys(TransformKeys, frozen=True, kw_only=True):
    """Keys of `rotate`."""

    size: Annotated[
        Annotated[int, msgspec.Meta(ge=2, le=1 << 20)] | None,
        means("of a block of channels, a power of two", default="the largest that divides them"),
    ] = None
    seed: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)] | None,
        means("of random signs that channels are multiplied by before", default="none are"),
    ] = None

    def build(self, place: Place) -> Rotate:
        """The transform."""
        if self.size is not None and self.size & (self.size - 1):
            raise place.error("size", "is no power of two", self.size)
        return Rotate(size=self.size, seed=self.seed)


@dataclass(frozen=True, kw_only=True)
class Rotate(Transform):
    """Spread every channel over all."""

    size: int | None = None
    seed: int | None = None

    def apply(self, pair: Pair, chosen: Parameters) -> Pair:  # noqa: ARG002 - it chooses nothing
        """X H and Hᵀ W."""
        rows = pair.k_of_channel
        size = self._size(rows.shape[1])
        signs = self._signs(pair.channels)
        x = np.moveaxis(rotated(np.moveaxis(pair.x * pair.per_channel(signs), pair.channel_axis, -1), size), -1, 0)
        signed = pair.w * pair.per_k(signs)
        w = np.empty_like(pair.w)
        for group, of_channel in enumerate(rows):
            taken = np.moveaxis(signed[group, of_channel], 0, -1)
            w[group, of_channel] = np.moveaxis(rotated(taken, size), -1, 0)
        return replace(pair, x=np.ascontiguousarray(np.moveaxis(x, 0, pair.channel_axis)), w=w)

    def _size(self, channels: int) -> int:
        """Of a block, of a group with so many channels."""
        if self.size is None:
            return channels & -channels
        if channels % self.size:
            raise ValueError(f"rotate: {channels} channels are no multiple of size = {self.size}")
        return self.size

    def _signs(self, channels: int) -> Float32:
        if self.seed is None:
            return np.ones(channels, np.float32)
        words = np.random.Philox(key=np.array([self.seed, 0], np.uint64)).random_raw(channels)
        return np.where(words & np.uint64(1), np.float32(-1), np.float32(1)).astype(np.float32)


def rotated(x: NDArray[np.float32], size: int) -> Float32:
    """x H along the last axis, in blocks of `size`."""
    y = x.astype(np.float64).reshape(*x.shape[:-1], -1, size)
    half = 1
    with np.errstate(all="ignore"):
        while half < size:
            cut = y.reshape(*y.shape[:-1], -1, 2, half)
            y = np.stack([cut[..., 0, :] + cut[..., 1, :], cut[..., 0, :] - cut[..., 1, :]], axis=-2).reshape(y.shape)
            half *= 2
        return np.asarray((y * (1.0 / np.sqrt(size))).astype(np.float32).reshape(x.shape))
