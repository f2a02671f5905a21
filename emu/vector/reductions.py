"""ONNX operators that add up: reductions, softmax, norms, pooling. See `emu.vector.operators` for the rules."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from emu.functions import Function
from emu.layers.conv import AutoPad, resolve_pads
from emu.vector.arithmetic import Floats
from emu.vector.operators import Attributes, Operands, Operator
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
    e = unit.function(Function.EXP, unit.sub(value, value.max(axis=axes, keepdims=True)))
    return (unit.div(e, unit.sum(e, axes)),)


def log_softmax(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """LogSoftmax."""
    assert x[0] is not None
    value, axes = softmax_axis(unit.load(x[0]), attributes)
    d = unit.sub(value, value.max(axis=axes, keepdims=True))
    total = unit.arithmetic.round(unit.sum(unit.function(Function.EXP, d), axes))
    return (unit.sub(d, unit.function(Function.LOG, total)),)


def _normalised(unit: VectorUnit, d: Floats, axes: tuple[int, ...], epsilon: float) -> Floats:
    """d / √(Σ d² / n + ε)."""
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
    """GroupNormalization, with scale and bias for each channel (opset 21)."""
    assert x[0] is not None
    value = unit.load(x[0])
    groups = int(attributes["num_groups"])
    split = value.reshape(value.shape[0], groups, -1)
    d = unit.sub(split, unit.mean(split, (2,)))
    y = _normalised(unit, d, (2,), float(attributes.get("epsilon", 1e-5))).reshape(value.shape)
    return (_scaled(unit, y, _per_channel(x[1], value.ndim), _per_channel(x[2], value.ndim)),)


def lp_norm(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """LpNormalization: x / Σ|x| (p = 1), x / √Σx² (p = 2)."""
    assert x[0] is not None
    value, axis = unit.load(x[0]), int(attributes.get("axis", -1)) % x[0].ndim
    if int(attributes.get("p", 2)) == 1:
        return (unit.div(value, unit.sum(np.abs(value), (axis,))),)
    return (unit.div(value, unit.sqrt(unit.sum(unit.mul(value, value), (axis,)))),)


def global_average(unit: VectorUnit, x: Operands, _: Attributes) -> tuple[Floats]:
    """GlobalAveragePool."""
    assert x[0] is not None
    value = unit.load(x[0])
    return (unit.mean(value, tuple(range(2, value.ndim))),)


def average_pool(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """AveragePool: the window's sum in C order (padding adds +0), divided by the number of elements that count."""
    assert x[0] is not None
    value = unit.load(x[0])
    kernel = tuple(int(n) for n in attributes["kernel_shape"])
    rank = len(kernel)
    strides, dilations = (tuple(attributes.get(key, (1,) * rank)) for key in ("strides", "dilations"))
    pads = tuple(attributes["pads"]) if "pads" in attributes else None
    auto = AutoPad(attributes.get("auto_pad", "NOTSET"))
    margins = resolve_pads(auto, pads, value.shape[2:], kernel, strides, dilations)
    windows = _windows(value, kernel, strides, dilations, margins)
    inside = np.ones((1, 1, *value.shape[2:]))
    counts = _windows(inside, kernel, strides, dilations, margins).sum(axis=-1)
    if attributes.get("count_include_pad", 0):
        counts = np.full_like(counts, float(prod(kernel)))
    total = unit.sum(windows, (windows.ndim - 1,))[..., 0]
    return (unit.div(total, counts),)


def _windows(x: Floats, kernel: Any, strides: Any, dilations: Any, margins: Any) -> Floats:
    """[N, C, output…, elements of the window]."""
    rank = len(kernel)
    padded = np.pad(x, ((0, 0), (0, 0), *margins))
    extent = tuple((size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True))
    found = sliding_window_view(padded, extent, axis=tuple(range(2, 2 + rank)))
    every = tuple(slice(None, None, int(step)) for step in (*strides, *dilations))
    found = found[(slice(None), slice(None), *every)]
    return found.reshape(*found.shape[: 2 + rank], -1)


REDUCTIONS: dict[str, Operator] = {
    "ReduceSum": reduction(VectorUnit.sum),
    "ReduceMean": reduction(VectorUnit.mean),
    "ReduceL1": reduction(lambda unit, x, axes: unit.sum(np.abs(x), axes)),
    "ReduceL2": reduction(lambda unit, x, axes: unit.sqrt(unit.sum(unit.mul(x, x), axes))),
    "ReduceSumSquare": reduction(lambda unit, x, axes: unit.sum(unit.mul(x, x), axes)),
    "Softmax": softmax,
    "LogSoftmax": log_softmax,
    "LayerNormalization": layer_norm,
    "RMSNormalization": rms_norm,
    "SimplifiedLayerNormalization": rms_norm,
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
    "LpNormalization": lp_norm,
    "GlobalAveragePool": global_average,
    "AveragePool": average_pool,
}
