"""The transform `bias_correction`: the mean error that quantisation makes in each output channel leaves with the bias.

* `both`: the mean over all rows of Q(X) Q(W) − X W, in float64, by halves, with the layer's own schemes; it is
  subtracted as one float32 for each column.
* `weights`: of Q(X) (Q(W) − W): the error of the activations stays.
* Chosen by `range = "static"`, it is the mean of calibration data, as published; a dynamic one knows the true mean.
* It looks at the operands that the transforms before it left: it goes last.

Source: Q-HyViT (Lee et al., arXiv:2303.12557), whose code is described as `weights`; the idea is that of Nagel et al.
(arXiv:1906.04721).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from emu.formats.enums import Vocabulary
from emu.schemes.cast import Float32
from emu.schemes.steps.keys import Place
from emu.schemes.transforms.keys import TransformKeys
from emu.schemes.transforms.loss import Float64, total
from emu.schemes.transforms.pair import Pair, Parameters, Transform
from emu.spec.about import means


class ErrorOf(Vocabulary):
    """Whose error a bias takes back."""

    BOTH = "both"
    """of the product of both quantised operands"""
    WEIGHTS = "weights"
    """of the quantised weights alone"""


class BiasCorrectionKeys(TransformKeys, frozen=True, kw_only=True):
    """Keys of `bias_correction`."""

    of: Annotated[ErrorOf, means("whose mean error is taken back")] = ErrorOf.BOTH

    def build(self, place: Place) -> BiasCorrection:  # noqa: ARG002 - part of the protocol
        """The transform."""
        return BiasCorrection(of=self.of)


@dataclass(frozen=True, kw_only=True)
class BiasCorrection(Transform):
    """Take the mean error of each output channel back."""

    compares: ClassVar[bool] = True
    of: ErrorOf

    def choose(self, pair: Pair) -> Parameters:
        """`error`: float32 [G, 1, N], what is taken back."""
        assert pair.quantised_x is not None  # of every layer
        assert pair.quantised_w is not None
        # The mean of a product is the product of the mean: rows are averaged first.
        x, of_x = _mean(pair.rows(pair.x)), _mean(pair.rows(pair.quantised_x(pair.x)))
        w, of_w = pair.w.astype(np.float64), pair.quantised_w(pair.w).astype(np.float64)
        terms = of_x * of_w - x * w if self.of is ErrorOf.BOTH else of_x * (of_w - w)
        return {"error": total(terms, 1).astype(np.float32)}

    def apply(self, pair: Pair, chosen: Parameters) -> Pair:
        """The same operands, and the error less."""
        return pair.plus(-chosen["error"])


def _mean(rows: Float32) -> Float64:
    """[G, M, K] as [G, K, 1]."""
    return np.asarray(total(rows.astype(np.float64), 1).swapaxes(1, 2) / rows.shape[1])
