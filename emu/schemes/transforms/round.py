"""The transform `round`: the operands as values of a format, before anything else looks at them.

Ties to even; beyond the range as the format itself has it. A layer whose tensors are FP16 has them so wherever they
come from: what a threshold or a range is compared with are then FP16 numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from emu.formats import Format, Rounding
from emu.schemes.cast import Float32, cast_tensor
from emu.schemes.steps.keys import Place
from emu.schemes.transforms.keys import TransformKeys, value_format
from emu.schemes.transforms.pair import Pair, Parameters, Transform
from emu.spec.about import FormatKeys, means


class RoundKeys(TransformKeys, frozen=True, kw_only=True):
    """Keys of `round`."""

    activations: Annotated[FormatKeys | None, means("what activations are rounded to", default="they are not")] = None
    weights: Annotated[FormatKeys | None, means("what weights are rounded to", default="they are not")] = None

    def build(self, place: Place) -> Round:
        """The transform."""
        if self.activations is None and self.weights is None:
            raise place.error("activations", "nothing is rounded: say what activations or weights are rounded to")
        of_x, of_w = (
            None if spec is None else value_format(spec, place, key)
            for key, spec in (("activations", self.activations), ("weights", self.weights))
        )
        return Round(activations=of_x, weights=of_w)


@dataclass(frozen=True, kw_only=True)
class Round(Transform):
    """Round the operands to formats."""

    activations: Format | None = None
    weights: Format | None = None

    def apply(self, pair: Pair, chosen: Parameters) -> Pair:  # noqa: ARG002 - it chooses nothing
        """Both rounded."""
        x = pair.x if self.activations is None else rounded(pair.x, self.activations, "x")
        w = pair.w if self.weights is None else rounded(pair.w, self.weights, "w")
        return replace(pair, x=x, w=w)


def rounded(x: Float32, fmt: Format, name: str) -> Float32:
    """Values of a format."""
    codes, _ = cast_tensor(x, fmt, Rounding.TIES_TO_EVEN, None, name)
    with np.errstate(over="ignore"):
        return fmt.decode(codes).astype(np.float32)
