"""Static scales of activations: chosen beforehand, by the layer's own scheme, from tensors that calibration gives."""

from __future__ import annotations

import numpy as np

from emu.accelerators import LayerPlan
from emu.formats import Format
from emu.layers.emulate import StaticScales
from emu.layers.gemm import Array, Lowered
from emu.schemes import Target
from emu.schemes.cast import Float32


def static_scales(lowered: Lowered, plan: LayerPlan) -> StaticScales:
    """The scales of A and, if it is an activation, of B."""
    return (
        static_scale(lowered.source, plan, plan.unit.a),
        None if lowered.b_is_weights else static_scale(lowered.b, plan, plan.unit.b),
    )


def static_scale(values: Array, plan: LayerPlan, fmt: Format) -> Float32 | None:
    """The scale of one operand; None if the scheme has none."""
    return plan.activations.scheme.choose_scale(values.astype(np.float32), Target(format=fmt))
