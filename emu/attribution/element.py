"""One output element of a layer: where it comes from, what it is, what it should be, and its trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import LayerPlan
from emu.attribution.ladder import Runner
from emu.attribution.sample import explained, sample_at
from emu.attribution.stages import LADDER
from emu.attribution.trace import Trace, trace
from emu.layers.emulate import emulate
from emu.layers.epilogue import accumulator_bias, scale_product, scaled_bias
from emu.layers.gemm import Lowered
from emu.layers.operands import operands_of
from emu.layers.plain import evaluate
from emu.layers.static import AT_HAND, Static

Index = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ElementTrace:
    """An element and its trace."""

    index: Index
    """in the layer's output"""
    row: int
    column: int
    group: int
    """where it stands in the product A[g] x B[g]"""
    truth: float
    """the exact element, rounded to float64"""
    emulated: float
    scale: float
    """what the epilogue multiplies the unit's output by; 1 if nothing"""
    trace: Trace


def first_divergent(lowered: Lowered, plan: LayerPlan, static: Static = AT_HAND) -> Index | None:
    """The first element of the output, in C order, that is not the correctly rounded truth; None if all are."""
    y = emulate(lowered, plan, static=static, events=False).y
    with np.errstate(all="ignore"):
        wanted = plan.output(evaluate(lowered).astype(np.float32))[0]
    return first_different(y, wanted)


def first_different(x: NDArray[Any], y: NDArray[Any]) -> Index | None:
    """The first place, in C order, where two float32 tensors have different values; NaN are equal."""
    differs = different(x, y)
    if not differs.any():
        return None
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(differs)), x.shape))


def different(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.bool_]:
    """Where two tensors have different values; NaN are equal."""
    return np.asarray((x != y) & ~(np.isnan(x) & np.isnan(y)))


def trace_element(lowered: Lowered, plan: LayerPlan, index: Index, static: Static = AT_HAND) -> ElementTrace:
    """Trace one element.

    Args:
        lowered: the layer with its operands.
        plan: unit, schemes, epilogue.
        index: of the element in the layer's output.
        static: scales that were chosen beforehand.

    Raises:
        ValueError: the output has no such element.
    """
    shape = lowered.output_shape
    if len(index) != len(shape) or any(not 0 <= i < size for i, size in zip(index, shape, strict=True)):
        raise ValueError(f"element {list(index)} is outside the layer's output of shape {list(shape)}")
    lowered, plan = explained(lowered, plan, static)
    g = lowered.geometry
    made = lowered.assemble(np.arange(g.groups * g.m * g.n).reshape(g.groups, g.m, g.n))
    linear = int(made[index])
    group, row, column = (int(i) for i in np.unravel_index(linear, (g.groups, g.m, g.n)))
    sample = sample_at(operands_of(lowered, plan, static), lowered, plan, np.array([row]), np.array([column]))
    runner, unit = Runner(sample), plan.unit
    single = scale_product(sample.a.epilogue_scale, sample.b.epilogue_scale, lowered.alpha)
    bias = None if sample.bias is None else scaled_bias(sample.bias, lowered.beta)
    codes = accumulator_bias(bias, lambda: single, plan.bias, unit.c)
    c = None if codes is None else int(np.broadcast_to(codes, (g.groups, 1, 1))[group, 0, 0])
    last = (g.groups, 1, 1)
    found = trace(
        unit, sample.a.codes[group, 0], sample.b.codes[group, :, 0], c,
        a_scale=None if sample.a.unit_scale is None else sample.a.unit_scale[group, 0],
        b_scale=None if sample.b.unit_scale is None else sample.b.unit_scale[group, :, 0],
        column=column, index=linear, seed=plan.seed or 0,
    )  # fmt: skip
    return ElementTrace(
        index=index, row=row, column=column, group=group, trace=found,
        truth=float(runner.run(frozenset())[group, 0, 0]),
        emulated=_emulated(lowered, plan, static, index) if unit.form.stochastic
        else float(runner.run(frozenset(LADDER))[group, 0, 0]),
        scale=1.0 if single is None else float(np.broadcast_to(single, last)[group, 0, 0]),
    )  # fmt: skip


def _emulated(lowered: Lowered, plan: LayerPlan, static: Static, index: Index) -> float:
    """From the whole layer, whose elements number the draws."""
    return float(emulate(lowered, plan, static=static, events=False).y[index])
