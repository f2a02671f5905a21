"""ONNX operators that add up: reductions, softmax, norms. See `emu.vector.operators` for the rules."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators.keys import Deviation
from emu.arithmetic.rounded import Floats
from emu.functions import Function
from emu.vector.operators import Attributes, Operands, Operator, given
from emu.vector.unit import VectorUnit


def axes_of(x: NDArray[Any], operands: Operands, attributes: Attributes) -> tuple[int, ...]:
    """The axes that a reduction sums over: an attribute (old opsets) or the second operand; all without either."""
    given = attributes.get("axes")
    if given is None and len(operands) > 1 and operands[1] is not None:
        given = operands[1].ravel().tolist()
    if not given:
        return () if attributes.get("noop_with_empty_axes") else tuple(range(x.ndim))
    return tuple(sorted(int(axis) % x.ndim for axis in given))


def reduction(how: Any) -> Operator:
    """A Reduce… operator: `how` takes the unit, x and the axes, and keeps them."""

    def run(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
        assert x[0] is not None
        value = unit.load(x[0])
        axes = axes_of(value, x, attributes)
        made = how(unit, value, axes) if axes else value
        return (unit.arithmetic.round(made if attributes.get("keepdims", 1) else made.squeeze(axes)),)

    return run


def log_sum(unit: VectorUnit, x: Floats, axes: tuple[int, ...]) -> Floats:
    """log Σ x; the sum is rounded into the vector format first."""
    return unit.function(Function.LOG, unit.arithmetic.round(unit.sum(x, axes)))


def log_sum_exp(unit: VectorUnit, x: Floats, axes: tuple[int, ...]) -> Floats:
    """m + log Σ exp(x − m), m = max x; m = 0 where that is not finite."""
    top = x.max(axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    return unit.add(top, log_sum(unit, unit.function(Function.EXP, unit.sub(x, top)), axes))


def product(unit: VectorUnit, x: Floats, axes: tuple[int, ...]) -> Floats:
    """Π x, one factor after the other in C order, from 1, in the vector format, whatever the order of sums."""
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    count = math.prod(x.shape[axis] for axis in axes)
    factors = x.transpose(*axes, *kept).reshape(count, *(x.shape[axis] for axis in kept))
    made = np.ones(factors.shape[1:])
    for factor in factors:
        made = unit.mul(made, factor)
    return np.expand_dims(made, axes)


def softmax_axis(x: NDArray[Any], attributes: Attributes) -> tuple[Floats, tuple[int, ...]]:
    """The tensor and the axes of its softmax: one, or (`coerced`: before opset 13) all from `axis` on."""
    return x, axes_of_softmax(x.ndim, attributes)


def axes_of_softmax(rank: int, attributes: Attributes) -> tuple[int, ...]:
    """The axes that a softmax of a tensor of so many axes normalises over."""
    axis = int(attributes.get("axis", 1 if attributes.get("coerced") else -1)) % max(rank, 1)
    return tuple(range(axis, rank)) if attributes.get("coerced") else (axis,)


def softmax(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """Softmax."""
    assert x[0] is not None
    value, axes = softmax_axis(unit.load(x[0]), attributes)
    e = unit.function(Function.EXP, unit.sub(value, value.max(axis=axes, keepdims=True, initial=-np.inf)))
    return (unit.div(e, unit.sum(e, axes)),)


def log_softmax(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """LogSoftmax."""
    assert x[0] is not None
    value, axes = softmax_axis(unit.load(x[0]), attributes)
    d = unit.sub(value, value.max(axis=axes, keepdims=True, initial=-np.inf))
    total = unit.arithmetic.round(unit.sum(unit.function(Function.EXP, d), axes))
    return (unit.sub(d, unit.function(Function.LOG, total)),)


def _normalised(unit: VectorUnit, d: Floats, axes: tuple[int, ...], epsilon: float) -> Floats:
    """d / √(Σ d² / n + ε), or d / (Σ |d| / n + ε), with √(π/2) as a factor of the mean for `l1_normal`."""
    if unit.deviation is not Deviation.L2:
        middle = unit.mean(np.abs(d), axes)
        if unit.deviation is Deviation.L1_NORMAL:
            middle = unit.mul(middle, unit.constant(math.sqrt(math.pi / 2)))
        return unit.div(d, unit.add(middle, unit.constant(epsilon)))
    variance = unit.mean(unit.mul(d, d), axes)
    return unit.div(d, unit.sqrt(unit.add(variance, unit.constant(epsilon))))


def _scaled(unit: VectorUnit, y: Floats, scale: NDArray[Any] | None, bias: NDArray[Any] | None) -> Floats:
    if scale is not None:
        y = unit.mul(y, unit.load(scale))
    return y if bias is None else unit.add(y, unit.load(bias))


def layer_norm(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """LayerNormalization; its first output alone."""
    assert x[0] is not None
    value = unit.load(x[0])
    axes = tuple(range(int(attributes.get("axis", -1)) % value.ndim, value.ndim))
    d = unit.sub(value, unit.mean(value, axes))
    y = _normalised(unit, d, axes, float(attributes.get("epsilon", 1e-5)))
    return (_scaled(unit, y, x[1], x[2] if len(x) > 2 else None),)


def rms_norm(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """RMSNormalization, and SimplifiedLayerNormalization."""
    assert x[0] is not None
    value = unit.load(x[0])
    axes = tuple(range(int(attributes.get("axis", -1)) % value.ndim, value.ndim))
    y = _normalised(unit, value, axes, float(attributes.get("epsilon", 1e-5)))
    return (_scaled(unit, y, x[1], None),)


def mean_variance_norm(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """MeanVarianceNormalization: (x − m) / (√(Σ x² / n − m²) + 1e-9), m = Σ x / n."""
    assert x[0] is not None
    value = unit.load(x[0])
    axes = tuple(sorted(int(axis) % value.ndim for axis in attributes.get("axes", (0, 2, 3))))
    middle = unit.mean(value, axes)
    variance = unit.sub(unit.mean(unit.mul(value, value), axes), unit.mul(middle, middle))
    spread = unit.add(unit.sqrt(variance), unit.constant(1e-9))
    return (unit.div(unit.sub(value, middle), spread),)


def _per_channel(x: NDArray[Any] | None, ndim: int) -> NDArray[Any]:
    assert x is not None
    return x.reshape(1, -1, *(1,) * (ndim - 2))


def batch_norm(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """BatchNormalization at inference: (x − mean) / √(var + ε) · scale + bias."""
    assert x[0] is not None
    value = unit.load(x[0])
    scale, bias, mean, variance = (_per_channel(y, value.ndim) for y in x[1:5])
    spread = unit.sqrt(unit.add(unit.load(variance), unit.constant(float(attributes.get("epsilon", 1e-5)))))
    y = unit.div(unit.sub(value, unit.load(mean)), spread)
    return (_scaled(unit, y, scale, bias),)


def instance_norm(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """InstanceNormalization."""
    assert x[0] is not None
    value = unit.load(x[0])
    axes = tuple(range(2, value.ndim))
    d = unit.sub(value, unit.mean(value, axes))
    y = _normalised(unit, d, axes, float(attributes.get("epsilon", 1e-5)))
    return (_scaled(unit, y, _per_channel(x[1], value.ndim), _per_channel(x[2], value.ndim)),)


def group_norm(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """GroupNormalization, with scale and bias for each channel (opset 21), or for each group (opset 18)."""
    assert x[0] is not None
    value = unit.load(x[0])
    groups = int(attributes["num_groups"])
    split = value.reshape(value.shape[0], groups, math.prod(value.shape[1:]) // groups)
    d = unit.sub(split, unit.mean(split, (2,)))
    y = _normalised(unit, d, (2,), float(attributes.get("epsilon", 1e-5))).reshape(value.shape)
    scale, bias = (np.repeat(given(one), value.shape[1] // given(one).size) for one in x[1:3])
    return (_scaled(unit, y, _per_channel(scale, value.ndim), _per_channel(bias, value.ndim)),)


def lp_norm(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """LpNormalization: x / Σ|x| (p = 1), x / √Σx² (p = 2)."""
    assert x[0] is not None
    value, axis = unit.load(x[0]), int(attributes.get("axis", -1)) % x[0].ndim
    if int(attributes.get("p", 2)) == 1:
        return (unit.div(value, unit.sum(np.abs(value), (axis,))),)
    return (unit.div(value, unit.sqrt(unit.sum(unit.mul(value, value), (axis,)))),)


REDUCTIONS: dict[str, Operator] = {
    "ReduceSum": reduction(VectorUnit.sum),
    "ReduceMean": reduction(VectorUnit.mean),
    "ReduceL1": reduction(lambda unit, x, axes: unit.sum(np.abs(x), axes)),
    "ReduceL2": reduction(lambda unit, x, axes: unit.sqrt(unit.sum(unit.mul(x, x), axes))),
    "ReduceSumSquare": reduction(lambda unit, x, axes: unit.sum(unit.mul(x, x), axes)),
    "ReduceLogSum": reduction(log_sum),
    "ReduceLogSumExp": reduction(log_sum_exp),
    "ReduceProd": reduction(product),
    "Softmax": softmax,
    "LogSoftmax": log_softmax,
    "LayerNormalization": layer_norm,
    "RMSNormalization": rms_norm,
    "SimplifiedLayerNormalization": rms_norm,
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
    "LpNormalization": lp_norm,
    "MeanVarianceNormalization": mean_variance_norm,
}
