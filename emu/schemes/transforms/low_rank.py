"""The transform `low_rank`: what quantisation takes away from the weights comes back as a product of small rank.

* E = W − Q(W), with the layer's own weight scheme. For each group, E = U S Vᵀ in float64; the first `rank` columns of
  U √S and rows of √S Vᵀ are kept, each rounded to `factors` (ties to even, saturating).
* The second pair is X and the product of the two factors, in float64 and rounded to float32 once. Its plan says in
  which format and on which unit it runs, and what becomes of X there.
* The singular vectors are LAPACK's: on another machine a factor may be the next number of its format.
* It does not look at the activations: the error that the singular values count is that of the weights.

Not modelled: hardware that multiplies by one factor after the other, and rounds between; the two are one product here.

Source: LoRC of ZeroQuant-V2 (Yao et al., arXiv:2303.08302, section 5): Û = U √S, V̂ = √S Vᵀ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from emu.formats import Format, Overflow, Rounding
from emu.schemes.steps.keys import Place
from emu.schemes.transforms.keys import SplittingKeys, value_format
from emu.schemes.transforms.pair import Pair, Parameters, Transform
from emu.spec.about import FormatKeys, means

Float64 = NDArray[np.float64]


class LowRankKeys(SplittingKeys, frozen=True, kw_only=True):
    """Keys of `low_rank`."""

    rank: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=1 << 20)], means("how many singular values of the error are kept")
    ]
    factors: Annotated[FormatKeys, means("the format of both factors")] = "float16"

    def build(self, place: Place) -> LowRank:
        """The transform."""
        return LowRank(rank=self.rank, factors=value_format(self.factors, place, "factors"))


@dataclass(frozen=True, kw_only=True)
class LowRank(Transform):
    """Add the error of the weights, as far as a small rank has it."""

    splits: ClassVar[bool] = True
    compares: ClassVar[bool] = True
    rank: int
    factors: Format

    def choose(self, pair: Pair) -> Parameters:
        """`left`: [G, K, rank] and `right`: [G, rank, N], as values of the factors' format."""
        assert pair.quantised_w is not None  # of every layer
        error = pair.w.astype(np.float64) - pair.quantised_w(pair.w)
        u, s, v = np.linalg.svd(error, full_matrices=False)
        root = np.sqrt(s[:, : self.rank])
        return {
            "left": self._rounded(u[..., : self.rank] * root[:, None, :]),
            "right": self._rounded(root[..., None] * v[:, : self.rank]),
        }

    def apply(self, pair: Pair, chosen: Parameters) -> Pair:  # noqa: ARG002 - the main product stays as it is
        """The pair as it is."""
        return pair

    def split(self, pair: Pair, chosen: Parameters) -> Pair:
        """X, and the error."""
        return replace(pair, w=(chosen["left"] @ chosen["right"]).astype(np.float32), extra=None)

    def _rounded(self, values: Float64) -> Float64:
        codes = self.factors.encode(values, Rounding.TIES_TO_EVEN, Overflow.SATURATE)
        return np.asarray(self.factors.decode(codes), np.float64)
