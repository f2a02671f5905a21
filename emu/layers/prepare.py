"""What becomes of a layer's operands before they are quantised: the plan's transforms, one after the other.

* Only of a layer with weights: a product of two activations runs as it is, and so does one without any products.
* Each transform chooses its parameters from the operands that the one before it left, or has them from calibration.
* A transform that splits makes a second layer, run by a plan of its own, whose output is added to the first one's.
* What transforms add to the product is part of the bias: fl32(fl32(beta · C) + fl32(alpha · extra)).
* Where a transform moves zeros, padding is made part of the source first.
* A transform that says what scales are chosen from (`Pair.ranges`) is the last one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from emu.accelerators import LayerPlan
from emu.layers.epilogue import scaled_bias
from emu.layers.gemm import Lowered
from emu.layers.narrow import narrowed
from emu.layers.operands import requantised_columns, requantised_source, scale_of_columns, scale_of_source
from emu.layers.static import AT_HAND, Static
from emu.schemes import Fixed
from emu.schemes.cast import Float32
from emu.schemes.transforms.pair import Pair, Parameters


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A layer after its transforms."""

    lowered: Lowered
    plan: LayerPlan
    """without transforms"""
    seconds: tuple[tuple[Lowered, LayerPlan], ...] = ()
    """the second products: their outputs are added, in this order"""
    chosen: tuple[Parameters, ...] = ()
    """what each transform chose"""


def prepare(lowered: Lowered, plan: LayerPlan, static: Static = AT_HAND) -> Prepared:
    """Apply the transforms.

    Raises:
        ValueError: a transform that this operator cannot have.
    """
    own = replace(plan, transforms=())
    empty = not np.size(lowered.source) or not np.size(lowered.b)
    if not plan.transforms or not lowered.b_is_weights or empty:
        return Prepared(lowered=lowered, plan=own)
    if any(one.transform.pads for one in plan.transforms):
        lowered = lowered.padded()
    seconds: list[tuple[Lowered, LayerPlan]] = []
    chosen: list[Parameters] = []
    for index, one in enumerate(plan.transforms):
        if lowered.ranges is not None:
            raise ValueError("a transform that says what scales are chosen from is the last one")
        pair = _pair(lowered, own)
        found = static.of_transform(index)
        if found is None:
            found = one.transform.choose(pair)
        chosen.append(found)
        if one.second is not None:
            second = one.transform.split(pair, found)
            if second is not None:
                geometry = lowered.geometry
                if second.channels != pair.channels:
                    geometry = narrowed(geometry, second.channels)
                alone = replace(
                    lowered, geometry=geometry, source=second.x, b=second.w,
                    bias=None, ranges=None, fixed_a=None, fixed_b=None,
                )  # fmt: skip
                seconds.append((alone, one.second))
        lowered = _lowered(lowered, one.transform.apply(pair, found))
    return Prepared(lowered=lowered, plan=own, seconds=tuple(seconds), chosen=tuple(chosen))


def _pair(lowered: Lowered, plan: LayerPlan) -> Pair:
    geometry = lowered.geometry
    source = np.asarray(lowered.source, np.float32)
    taken = geometry.rows
    return Pair(
        x=source, channel_axis=geometry.channel_axis % source.ndim, w=np.asarray(lowered.b, np.float32),
        channel_of_k=geometry.channel_of_k,
        rows=lambda x: np.asarray(taken(x, np.float32(0))(0, geometry.m)),
        quantised_x=partial(_requantised_x, lowered, plan), quantised_w=partial(_requantised_w, lowered, plan),
        scale_of_x=partial(_scale_of_x, lowered, plan), scale_of_w=partial(_scale_of_w, lowered, plan),
        fixed_x=lowered.fixed_a, fixed_w=lowered.fixed_b,
        linear=geometry.channel_of_k.shape[-1] == source.shape[geometry.channel_axis],
    )  # fmt: skip


def _lowered(lowered: Lowered, pair: Pair) -> Lowered:
    """The layer with a pair's operands; what is added to the product is multiplied by alpha, and part of the bias."""
    made = replace(lowered, source=pair.x, b=pair.w, ranges=pair.ranges, fixed_a=pair.fixed_x, fixed_b=pair.fixed_w)
    if pair.extra is None:
        return made
    extra = pair.extra if lowered.alpha == 1.0 else pair.extra * np.float32(lowered.alpha)
    bias = extra if lowered.bias is None else scaled_bias(lowered.bias, lowered.beta) + extra
    return replace(made, bias=bias, beta=1.0)


def _requantised_x(lowered: Lowered, plan: LayerPlan, x: Float32, fixed: Fixed | None = None, /) -> Float32:
    """Values as the unit would read them, of the source's shape."""
    return requantised_source(replace(lowered, source=x, fixed_a=fixed or lowered.fixed_a), plan)


def _requantised_w(lowered: Lowered, plan: LayerPlan, w: Float32, fixed: Fixed | None = None, /) -> Float32:
    return requantised_columns(replace(lowered, b=w, fixed_b=fixed or lowered.fixed_b), plan)


def _scale_of_x(lowered: Lowered, plan: LayerPlan) -> Fixed | None:
    return scale_of_source(lowered, plan)


def _scale_of_w(lowered: Lowered, plan: LayerPlan) -> Fixed | None:
    return scale_of_columns(lowered, plan)
