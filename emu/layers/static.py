"""What a layer decides beforehand, from calibration data: scales, zero points, transforms, and weights that need them.

Each decision is made as the layer's own schemes and transforms make it, on the calibration tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from emu.accelerators import LayerPlan
from emu.layers.gemm import Array, Lowered
from emu.layers.plain import evaluate
from emu.layers.requantize import chosen_output
from emu.schemes import Fixed, Granularity, Quantised, Range, Target
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


def static_of(lowered: Lowered, plan: LayerPlan) -> Static:
    """What a plan chooses from a layer with calibration data in it."""
    from emu.layers.operands import ALL_BUT_K, operands_of, source_axes  # which take what is made here
    from emu.layers.prepare import prepare

    prepared = prepare(lowered, plan)
    kept = tuple(
        found if one.range is Range.STATIC else None
        for one, found in zip(plan.transforms, prepared.chosen, strict=False)
    )
    of_a = of_b = None
    if plan.activations.static:
        seen = prepared.lowered.source if prepared.lowered.ranges is None else prepared.lowered.ranges
        of_a = fixed_scale(seen, plan, axes=source_axes(prepared.lowered, plan.activations.per))
        if not lowered.b_is_weights:
            by_phases = prepared.lowered.b[:, None]
            of_k = ALL_BUT_K if plan.activations.per is Granularity.CHANNEL else None
            of_b = fixed_scale(by_phases, plan, at_b=True, axes=of_k)
    requantize = plan.epilogue.requantize
    of_y = None
    if requantize is not None and requantize.range is Range.STATIC:
        of_y = chosen_output(evaluate(lowered).astype(np.float32), requantize)
    made = Static(a=of_a, b=of_b, y=of_y, transforms=kept)
    if not (plan.weights.scheme.looks and lowered.b_is_weights):
        return made
    return replace(made, columns=operands_of(prepared.lowered, prepared.plan, made).columns)


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
