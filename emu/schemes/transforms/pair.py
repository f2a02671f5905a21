"""Both operands of a layer with weights, as a transform sees them, and what a transform is.

* A transform is a small frozen object with two methods: `choose` looks at a pair and chooses parameters (arrays by
  name; none for a transform that needs none), `apply` makes the next pair with them. What was chosen on calibration
  data is applied to other data of the same layer.
* A transform whose arithmetic were exact would not change the layer's output (but for noise and what is compensated).
* A transform that `splits` also makes a second pair, whose product a second plan computes and which is added.
* Channels are input channels: the entries of a row of a matrix, or the channels of a convolution's input;
  `channel_of_k` says which channel each row of the weights reads.
* All arithmetic of transforms is IEEE float32, ties to even, one rounding per operation, unless a module says otherwise
  (searches and least squares may work in float64: what they choose is rounded to float32 once).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from emu.schemes.cast import Float32
from emu.schemes.draft import Fixed

Parameters = Mapping[str, NDArray[Any]]
NONE: Parameters = {}


class Quantiser(Protocol):
    """The layer's own scheme for one operand."""

    def __call__(self, values: Float32, fixed: Fixed | None = None, /) -> Float32:
        """Values of the operand's shape as their codes mean them.

        Args:
            values: of the operand's shape.
            fixed: a scale in place of the scheme's own.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Activations and weights of one layer."""

    x: Float32
    """the activations, as the model has them"""
    channel_axis: int
    """of x, not negative"""
    w: Float32
    """[G, K, N]"""
    channel_of_k: NDArray[np.intp]
    """[G, K]: the channel that each row of w is multiplied by"""
    rows: Callable[[Float32], Float32]
    """from values in x's shape to the matrix [G, M, K] that w is multiplied with"""
    extra: Float32 | None = None
    """is added to the product, with the bias; broadcasts to [G, M, N]; None: nothing"""
    quantised_x: Quantiser | None = None
    """from values in x's shape to what they are after the layer's own activation scheme, as values"""
    quantised_w: Quantiser | None = None
    """from values in w's shape to what they are after the layer's own weight scheme, as values"""
    ranges: Float32 | None = None
    """in x's shape: what the scales of x are chosen from; None: x"""
    linear: bool = True
    """x and w are the operands of a matrix product: every channel is one k"""
    scale_of_x: Callable[[], Fixed | None] | None = None
    """what the layer's own scheme chooses for x; None: no one scale that could be given instead"""
    scale_of_w: Callable[[], Fixed | None] | None = None
    """of w, likewise"""
    fixed_x: Fixed | None = None
    """a scale of x that takes the place of the scheme's own choice"""
    fixed_w: Fixed | None = None
    """of w, likewise"""

    @property
    def channels(self) -> int:
        """How many input channels there are."""
        return int(self.x.shape[self.channel_axis])

    def per_channel(self, vector: NDArray[Any]) -> NDArray[Any]:
        """A vector over channels, broadcastable to x."""
        shape = [1] * self.x.ndim
        shape[self.channel_axis] = -1
        return vector.reshape(shape)

    def per_k(self, vector: NDArray[Any]) -> NDArray[Any]:
        """A vector over channels as [G, K, 1], broadcastable to w."""
        taken: NDArray[Any] = vector[self.channel_of_k][..., None]
        return taken

    @property
    def k_of_channel(self) -> NDArray[np.intp]:
        """[G, C, T]: the rows of w that read each of a group's C channels, in the order of K."""
        groups, k = self.channel_of_k.shape
        order = np.argsort(self.channel_of_k, axis=1, kind="stable")
        return order.reshape(groups, len(np.unique(self.channel_of_k[0])), -1) if k else order[..., None]

    @property
    def channels_of_group(self) -> NDArray[np.intp]:
        """[G, C]: the channels of each group, ascending."""
        first = self.k_of_channel[..., 0]
        return np.take_along_axis(self.channel_of_k, first, axis=1)

    def by_channel(self) -> Float32:
        """x as [elements, channels]."""
        return np.moveaxis(self.x, self.channel_axis, -1).reshape(-1, self.channels)

    def plus(self, extra: Float32) -> Pair:
        """The pair with something [G, 1, N] or [G, M, N] more that is added to the product, in float32."""
        return replace(self, extra=extra if self.extra is None else self.extra + extra)


@dataclass(frozen=True, kw_only=True)
class Transform:
    """One transform: the base of all."""

    splits: ClassVar[bool] = False
    """it makes a second pair"""
    pads: ClassVar[bool] = False
    """a zero does not stay zero: padding must be part of x"""
    looks: ClassVar[bool] = False
    """`choose` looks at the activations and the weights change with it: another thing for other data"""
    compares: ClassVar[bool] = False
    """`choose` looks at the weights as they are quantised"""

    @property
    def reads(self) -> bool:
        """Whether it needs the weights as they are quantised whenever the layer runs, whatever was chosen."""
        return False

    def choose(self, pair: Pair) -> Parameters:  # noqa: ARG002 - of transforms that decide something
        """What the transform decides from data."""
        return NONE

    def apply(self, pair: Pair, chosen: Parameters) -> Pair:
        """The pair after it; the main one of a transform that splits."""
        raise NotImplementedError

    def split(self, pair: Pair, chosen: Parameters) -> Pair | None:  # noqa: ARG002 - of transforms that split
        """The second pair, made of the pair before `apply`; None if there is nothing in it."""
        return None
