"""Changes of channels: a channel is everything at one index of an axis.

Which channels a change is for is said by `at`, or by `count` and `seed` (that many, picked at random: `draws.pick`),
or not at all: all of them. What is drawn for a channel does not depend on which others change.
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
from emu.workloads.synthetic.keys import MAX_SIZE, Positive, Seed

Index = Annotated[int, msgspec.Meta(ge=0, le=MAX_SIZE - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_SIZE)]


class ChannelKeys(AlongKeys, frozen=True, kw_only=True):
    """A change of some channels."""

    at: Annotated[tuple[Index, ...] | None, means("which channels", values="list of indices", default="all")] = None
    count: Annotated[
        Count | None, means("how many channels, picked by `seed`; instead of `at`", default="all")
    ] = None  # fmt: skip
    seed: Annotated[Seed | None, means("of what is drawn, and required for it")] = None

    def check(self, shape: tuple[int, ...], file: str, key: str) -> None:
        """The channels are there, and a seed if something is drawn."""
        super().check(shape, file, key)
        size = shape[self.axis]
        if self.at is not None and self.count is not None:
            raise SpecError("give at or count, not both", file=file, key=f"{key}.count", value=self.count)
        if self.at is not None and any(index >= size for index in self.at):
            raise SpecError(f"the axis has {size} channels", file=file, key=f"{key}.at", value=list(self.at))
        if self.count is not None and self.count > size:
            raise SpecError(f"the axis has {size} channels", file=file, key=f"{key}.count", value=self.count)
        if self.draws != (self.seed is not None):
            reason = "required: something is drawn" if self.draws else "nothing is drawn"
            raise SpecError(reason, file=file, key=f"{key}.seed", value=self.seed)

    @property
    def draws(self) -> bool:
        """Whether something is drawn."""
        return self.count is not None

    def normals(self, size: int) -> Floats:
        """A normal number for every channel, changed or not."""
        assert self.seed is not None
        return elementary.quantile(draws.uniform(self.seed, draws.Stream.CHANNELS, (size,)))

    def along(self, x: Floats, values: float | Floats, neutral: float) -> Floats:
        """Values for channels that change, a neutral one for the others, in a shape that goes with the tensor's."""
        size = x.shape[self.axis]
        out = np.full(size, neutral)
        chosen = self._chosen(size)
        out[chosen] = np.broadcast_to(values, (size,))[chosen]
        shape = [1] * x.ndim
        shape[self.axis] = size
        return out.reshape(shape)

    def _chosen(self, size: int) -> list[int]:
        if self.at is not None:
            return list(self.at)
        if self.count is None:
            return list(range(size))
        assert self.seed is not None
        return [int(index) for index in draws.pick(self.seed, size, self.count)]


class MultiplyKeys(ChannelKeys, frozen=True, kw_only=True):
    """Channels times a factor."""

    factor: Annotated[float, means("what they are multiplied by")]

    def apply(self, x: Floats) -> Floats:
        """x times the factor."""
        return x * self.along(x, self.factor, 1.0)


class RangesKeys(ChannelKeys, frozen=True, kw_only=True):
    """Channels of ranges that differ."""

    sigma: Annotated[Positive, means("the deviation of the logarithm of a channel's range")]

    @property
    def draws(self) -> bool:
        """Always."""
        return True

    def apply(self, x: Floats) -> Floats:
        """x times exp(sigma z)."""
        return x * self.along(x, elementary.exp(self.sigma * self.normals(x.shape[self.axis])), 1.0)


class OffsetKeys(ChannelKeys, frozen=True, kw_only=True):
    """Channels that are not centred."""

    value: Annotated[float, means("what is added")] = 0.0
    spread: Annotated[float, means("times a normal number of the channel, which is added too")] = 0.0

    @property
    def draws(self) -> bool:
        """Where a spread, or a count, is given."""
        return self.spread != 0 or self.count is not None

    def apply(self, x: Floats) -> Floats:
        """x plus the channel's offset."""
        spread = self.spread * self.normals(x.shape[self.axis]) if self.spread else 0.0
        return x + self.along(x, self.value + spread, 0.0)
