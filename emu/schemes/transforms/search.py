"""The transform `search`: the scales of both operands by what they do to the output.

* It starts from the scales that the layer's own schemes choose; both operands stay as they are.
* `rounds` times, first of the weights, then of the activations: among the candidates fl32(s · f_i), with s the first
  scale and f_i = fl32(low + i (high − low) / (candidates − 1)), the one with the least squared error of the output,
  Σ (Q(X) Q(W) − X W)² (`emu.schemes.transforms.loss`), the other operand quantised with its present scale; the first
  of equal ones.
* Weights: one choice for each scale, of an output channel or of all. Activations: one for the tensor, or, where every
  group of a convolution has one channel, one for each channel.
* Symmetric schemes with a scale step alone: no zero points, no groups or blocks along K, no scales of tokens.

Not modelled: the published metric weights the squared error by squared gradients of the loss at the layer's output,
which a layer by itself does not have: here all outputs weigh the same.

Source: Q-HyViT (Lee et al., arXiv:2303.12557) after PTQ4ViT (Yuan et al., arXiv:2111.12293) and EasyQuant (Wu et al.,
arXiv:2006.16669): 0.01 to 1.2 in 100 steps, 3 rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from emu.schemes.cast import Float32
from emu.schemes.draft import Fixed
from emu.schemes.steps.keys import Place
from emu.schemes.transforms.keys import TransformKeys
from emu.schemes.transforms.loss import product, total
from emu.schemes.transforms.pair import Pair, Parameters, Transform
from emu.spec.about import means

Float64 = NDArray[np.float64]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1024)]


class SearchKeys(TransformKeys, frozen=True, kw_only=True):
    """Keys of `search`."""

    low: Annotated[Positive, means("the smallest factor of the first scale")] = 0.01
    high: Annotated[Positive, means("the largest factor")] = 1.2
    candidates: Annotated[Annotated[int, msgspec.Meta(ge=2, le=1 << 12)], means("how many factors")] = 101
    rounds: Annotated[Annotated[int, msgspec.Meta(ge=1, le=64)], means("how often both are searched")] = 3

    def build(self, place: Place) -> Search:
        """The transform."""
        if self.low >= self.high:
            raise place.error("high", "must be larger than low", self.high)
        return Search(low=self.low, high=self.high, candidates=self.candidates, rounds=self.rounds)


@dataclass(frozen=True, kw_only=True)
class Search(Transform):
    """Choose both scales by the error of the output."""

    looks: ClassVar[bool] = True
    low: float
    high: float
    candidates: int
    rounds: int

    @property
    def factors(self) -> Float32:
        """What the first scale is multiplied by."""
        steps = np.arange(self.candidates) * (self.high - self.low) / (self.candidates - 1)
        return np.asarray(self.low + steps, np.float32)

    def choose(self, pair: Pair) -> Parameters:
        """`x`, `w`: float32, shaped as the schemes' own scales."""
        assert pair.quantised_x is not None  # of every layer
        assert pair.quantised_w is not None
        of_x, of_w = pair.quantised_x, pair.quantised_w
        first_x, first_w = _first(pair.scale_of_x, "activations"), _first(pair.scale_of_w, "weights")
        exact = product(pair.rows(pair.x), pair.w)

        def by_w(a: Float32, scale: Float32) -> Float64:
            return _error_by_w(scale, product(a, of_w(pair.w, Fixed(scale=scale))) - exact)

        def by_x(b: Float32, scale: Float32) -> Float64:
            return _error_by_x(scale, product(pair.rows(of_x(pair.x, Fixed(scale=scale))), b) - exact)

        x, w = first_x, first_w
        for _ in range(self.rounds):
            w = self._best(first_w, partial(by_w, pair.rows(of_x(pair.x, Fixed(scale=x)))))
            x = self._best(first_x, partial(by_x, of_w(pair.w, Fixed(scale=w))))
        return {"x": x, "w": w}

    def apply(self, pair: Pair, chosen: Parameters) -> Pair:
        """The same operands, with scales given."""
        x, w = (Fixed(scale=np.asarray(chosen[name], np.float32)) for name in ("x", "w"))
        return replace(pair, fixed_x=x, fixed_w=w)

    def _best(self, first: Float32, error: Callable[[Float32], Float64]) -> Float32:
        """For every scale, the candidate with the least error."""
        best, least = first, np.full(first.shape, np.inf)
        for factor in self.factors:
            scale = np.asarray(first * factor, np.float32)
            found = error(scale)
            better = found < least
            best, least = np.where(better, scale, best), np.where(better, found, least)
        return np.asarray(best, np.float32)


def _first(choose: Callable[[], Fixed | None] | None, what: str) -> Float32:
    found = None if choose is None else choose()
    if found is None or found.zero is not None:
        raise ValueError(f"a search for scales needs a symmetric scheme of the {what} with one scale for all of K")
    return found.scale


def _error_by_w(scale: Float32, error: Float64) -> Float64:
    """Squares [G, M, N], summed as the scales of weights [G / phases, 1, 1, N] or [] cover them."""
    if not scale.ndim:
        return total(np.ravel(error) ** 2, 0).reshape(())
    by_column = total(error**2, 1)[:, 0]  # [G, N]
    return total(by_column.reshape(scale.shape[0], -1, by_column.shape[-1]), 1).reshape(scale.shape)


def _error_by_x(scale: Float32, error: Float64) -> Float64:
    """Squares [G, M, N], summed as the scales of activations cover them: all, or one for every group."""
    if not scale.ndim:
        return total(np.ravel(error) ** 2, 0).reshape(())
    if scale.size != len(error):
        raise ValueError("a search for scales of activations needs one for the tensor, or one for every group")
    return total(error.reshape(len(error), -1) ** 2, 1).reshape(scale.shape)
