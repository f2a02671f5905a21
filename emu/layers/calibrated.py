"""What a layer's plan chooses from calibration data: the scales, transforms and weights of `emu.layers.static`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emu.accelerators import LayerPlan
from emu.layers.gemm import Lowered
from emu.layers.operands import ALL_BUT_K, operands_of, source_axes
from emu.layers.plain import evaluate
from emu.layers.prepare import prepare
from emu.layers.requantize import chosen_output
from emu.layers.static import Static, fixed_scale
from emu.schemes import Granularity, Range


def static_of(lowered: Lowered, plan: LayerPlan) -> Static:
    """What a plan chooses from a layer with calibration data in it."""
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
