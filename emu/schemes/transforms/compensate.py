"""The transform `compensate`: weights that make the best of damaged activations, before they are quantised.

* X̃ is what the layer's own scheme leaves of the activations, without the input channels that are pruned.
* W' = argmin ‖X̃ W' − X W‖² + λ ‖W' − W‖², in float64 for each group: W' = W + (X̃ᵀX̃ + λ I)⁻¹ X̃ᵀ (X − X̃) W, rounded to
  float32 once. λ = `damping` times the mean of the diagonal of X̃ᵀX̃ over what is kept; 0 rows of pruned channels.
* Products are those of `emu.schemes.transforms.loss`, the equations are solved by `emu.schemes.cholesky`: the weights
  are the same on every machine.
* A pruned channel is so replaced by the linear combination of the others that comes closest to it.
* `prune`: so many parts of all input channels, round(prune · channels) of them, go: those with the smallest
  Σ x² · Σ w² over the elements of the channel, the first of equal ones. Their activations become 0 too.
* `reconstruct = false`: channels are pruned, and the weights of the others stay.

Source: UDFC (Bai et al., arXiv:2308.07209): a damaged channel as a linear combination of others, made good in the
weights of the next layer. Its closed form works without data, and was not readable: this least squares on calibration
data, its damping and the choice of the channels are reconstructions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from emu.schemes.cast import Float32
from emu.schemes.cholesky import solve
from emu.schemes.steps.keys import Place
from emu.schemes.transforms.keys import TransformKeys
from emu.schemes.transforms.loss import Float64, product, total
from emu.schemes.transforms.pair import Pair, Parameters, Transform
from emu.spec.about import means


class CompensateKeys(TransformKeys, frozen=True, kw_only=True):
    """Keys of `compensate`."""

    damping: Annotated[
        Annotated[float, msgspec.Meta(gt=0)],
        means("how dear a change of the weights is: λ, in mean squares of the activations, summed over rows"),
    ] = 0.01
    prune: Annotated[
        Annotated[float, msgspec.Meta(ge=0, lt=1)], means("which part of the input channels is left out")
    ] = 0.0
    reconstruct: Annotated[
        bool, means("whether the other weights change; false: channels are pruned, and that is all")
    ] = True

    def build(self, place: Place) -> Compensate:
        """The transform."""
        if not self.reconstruct and not self.prune:
            raise place.error("reconstruct", "without it, and without prune, nothing is done", self.reconstruct)
        return Compensate(damping=self.damping, prune=self.prune, reconstruct=self.reconstruct)


@dataclass(frozen=True, kw_only=True)
class Compensate(Transform):
    """Make good in the weights what becomes of the activations."""

    looks: ClassVar[bool] = True
    damping: float
    prune: float
    reconstruct: bool

    def choose(self, pair: Pair) -> Parameters:
        """`weights`: float32 [G, K, N]; `kept`: bool [channels]."""
        kept = self._kept(pair)
        w = pair.w.astype(np.float64) * pair.per_k(kept)
        if self.reconstruct:
            assert pair.quantised_x is not None  # of every layer
            found = pair.rows(pair.quantised_x(_only(pair, kept).x))
            lost = product(pair.rows(pair.x), pair.w) - product(found, w)
            for g in range(len(w)):
                rows = kept[pair.channel_of_k[g]]
                w[g, rows] += self._change(found[g][:, rows], lost[g])
        return {"weights": w.astype(np.float32), "kept": kept}

    def apply(self, pair: Pair, chosen: Parameters) -> Pair:
        """The channels that are kept, with the weights that were found."""
        return replace(_only(pair, chosen["kept"]), w=np.asarray(chosen["weights"], np.float32))

    def _kept(self, pair: Pair) -> NDArray[np.bool_]:
        kept = np.ones(pair.channels, np.bool_)
        of_x = total(pair.by_channel().astype(np.float64) ** 2, 0)[0]
        of_w = np.zeros(pair.channels)
        np.add.at(of_w, pair.channel_of_k, total(pair.w.astype(np.float64) ** 2, -1)[..., 0])
        kept[np.argsort(of_x * of_w, kind="stable")[: round(self.prune * pair.channels)]] = False
        return kept

    def _change(self, found: Float32, lost: Float64) -> Float64:
        """(X̃ᵀX̃ + λ I)⁻¹ X̃ᵀ (X W − X̃ W)."""
        square = product(found.T, found)
        mean = float(total(np.diagonal(square), 0)[0]) / max(len(square), 1) if square.size else 0.0
        return solve(square + self.damping * (mean or 1.0) * np.eye(len(square)), product(found.T, lost))


def _only(pair: Pair, kept: NDArray[np.bool_]) -> Pair:
    return pair if kept.all() else replace(pair, x=np.where(pair.per_channel(kept), pair.x, np.float32(0)))
