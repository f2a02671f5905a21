"""What a layer decides beforehand, from calibration data: scales, zero points, transforms, and weights that need them.

Each decision is made as the layer's own schemes and transforms make it, on the calibration tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emu.accelerators import LayerPlan
from emu.layers.gemm import Array
from emu.schemes import Fixed, Quantised, Target
from emu.schemes.transforms.pair import Parameters


@dataclass(frozen=True, kw_only=True, eq=False)
class Static:
    """What was chosen beforehand for one layer; empty: everything is chosen from the tensors at hand."""

    a: Fixed | None = None
    """of operand a, if it has a static range"""
    b: Fixed | None = None
    """of operand b, if it is an activation with a static range"""
    y: Fixed | None = None
    """of the output, if it is requantised with a static range"""
    transforms: tuple[Parameters | None, ...] = ()
    """of each transform of the plan; None, or not there: it is dynamic"""
    columns: Quantised | None = None
    """weights, where what becomes of them depends on the activations"""

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Everything that was chosen, by name."""
        for side, fixed in (("a", self.a), ("b", self.b), ("y", self.y)):
            if fixed is not None:
                yield f"{side}/scale", fixed.scale
                if fixed.zero is not None:
                    yield f"{side}/zero", fixed.zero
        for index, chosen in enumerate(self.transforms):
            yield from ((f"transform/{index}/{name}", array) for name, array in (chosen or {}).items())
        if self.columns is not None:
            kept = self.columns
            named = {"codes": kept.codes, "scale": kept.scale, "blocks": kept.block_scales, "zero": kept.zero}
            yield from ((f"weights/{name}", array) for name, array in named.items() if array is not None)

    def of_transform(self, index: int) -> Parameters | None:
        """What a transform chose; None: nothing yet."""
        return self.transforms[index] if index < len(self.transforms) else None


AT_HAND = Static()
"""Nothing was chosen beforehand."""


def fixed_scale(
    values: Array, plan: LayerPlan, *, at_b: bool = False, axes: tuple[int, ...] | None = None
) -> Fixed | None:
    """The scale of an activation, as it is chosen from a tensor at hand; None if its scheme has none."""
    unit = plan.unit
    fmt, scale = (unit.b, unit.scale_b) if at_b else (unit.a, unit.scale_a)
    target = Target(
        format=fmt, axes=axes, scale_format=None if scale is None else scale.format,
        seed=None if plan.seed is None else plan.seed ^ at_b,
    )  # fmt: skip
    return plan.activations.scheme.choose(values.astype(np.float32), target)
