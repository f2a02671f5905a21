"""Channels that depend on each other.

* Channel c becomes own · x_c + Σ_j z_jc x_j over the first `count` channels as they were, j ascending, one addition
  after the other; z_jc is normal, divided by the square root of `count`. With a small `own`, `count` channels nearly
  determine all others.
* The multiples depend on the seed alone: they are the same for calibration inputs.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from emu.errors import SpecError
from emu.spec.about import means
from emu.workloads.synthetic import draws, elementary
from emu.workloads.synthetic.changes.base import AlongKeys
from emu.workloads.synthetic.elementary import Floats
from emu.workloads.synthetic.keys import Seed

MAX_MIXED = 256
Count = Annotated[int, msgspec.Meta(ge=1, le=MAX_MIXED)]


class MixKeys(AlongKeys, frozen=True, kw_only=True):
    """A change of all channels by some of them."""

    count: Annotated[Count, means("how many channels go into all of them: the first")]
    own: Annotated[float, means("what a channel is multiplied by itself")]
    seed: Annotated[Seed, means("of the multiples")]

    def check(self, shape: tuple[int, ...], file: str, key: str) -> None:
        """The channels are there."""
        super().check(shape, file, key)
        if self.count > shape[self.axis]:
            raise SpecError(
                f"the axis has {shape[self.axis]} channels", file=file, key=f"{key}.count", value=self.count
            )

    def apply(self, x: Floats) -> Floats:
        """own · x, and the sum."""
        size, shape = x.shape[self.axis], [1] * x.ndim
        shape[self.axis] = size
        u = draws.uniform(self.seed, draws.Stream.CHANNELS, (self.count, size))
        multiples = elementary.quantile(u) / np.sqrt(np.float64(self.count))
        out = self.own * x
        for j in range(self.count):
            out = out + multiples[j].reshape(shape) * np.take(x, [j], axis=self.axis)
        return out
