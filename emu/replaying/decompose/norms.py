"""Layer norms whose statistics are outputs too, and those that add before they normalise.

* LayerNormalization with Mean or InvStdDev: NODE/norm is the LayerNormalization of the first output alone, which the
  vector unit takes whole; the others are m = Σ x / n; d = x − m; v = Σ d² / n; 1 / √(v + ε), as the vector unit has
  them inside.
* SkipLayerNormalization and SkipSimplifiedLayerNormalization (com.microsoft): (x + skip) + bias, then NODE/norm.
  Without that operator in the model's opset, d / √(v + ε) · scale + bias by elementary nodes.

Sources: ONNX operator LayerNormalization, opset 17; the contrib operators' page of onnxruntime.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emu.replaying.decompose.builder import Builder

NORM = 17
"""LayerNormalization exists since this opset."""
RMS_NORM = 23
"""RMSNormalization exists since this opset."""
SKIP_EPSILON = 1e-12
"""The contrib operators' default."""


def layer_normalization(b: Builder) -> bool:
    """LayerNormalization with more than its first output."""
    dtype, shape = b.dtype(0), b.tensor(0).shape
    axis = int(b.attributes.get("axis", -1))
    if dtype != np.float32 or (axis >= 0 and shape is None):
        return False  # statistics have the type of `stash_type`
    axes = range(axis if axis < 0 else axis - len(shape or ()), 0)
    if b.wanted(0):
        given = [b.given(at) for at in range(len(b.node.input))]
        kept = {key: b.attributes[key] for key in ("axis", "epsilon", "stash_type") if key in b.attributes}
        b.op("LayerNormalization", given, "norm", b.wanted(0), **kept)
    _, deviation = statistics(b, b.given(0), axes, _epsilon(b, 1e-5, dtype), b.wanted(1))
    b.op("Reciprocal", [deviation], "inverse", b.wanted(2))
    return True


def skip_layer_normalization(b: Builder) -> bool:
    """SkipLayerNormalization, and the simplified one without a mean."""
    dtype = b.dtype(0)
    if dtype is None or b.wanted(1) or b.wanted(2):
        return False
    simple = "Simplified" in b.node.op_type
    scale, shift, bias = b.given(2), "" if simple else b.given(3), b.given(3 if simple else 4)
    total = b.op("Add", [b.given(0), b.given(1)], "sum")
    if bias:
        total = b.op("Add", [total, bias], "biased")
    b.same(total, "sum_output", b.wanted(3))
    opset, epsilon = b.graph.opsets.get("", 1), float(b.attributes.get("epsilon", SKIP_EPSILON))
    if opset >= (RMS_NORM if simple else NORM):
        op = "RMSNormalization" if simple else "LayerNormalization"
        b.op(op, [total, scale, *([shift] if shift else [])], "norm", b.wanted(0), axis=-1, epsilon=epsilon)
        return True
    d, deviation = statistics(b, total, [-1], _epsilon(b, SKIP_EPSILON, dtype), centred=not simple)
    y = b.op("Div", [d, deviation], "normalised")
    y = b.op("Mul", [y, scale], "norm" if shift else "norm_scaled", "" if shift else b.wanted(0))
    if shift:
        b.op("Add", [y, shift], "norm_shifted", b.wanted(0))
    return True


def _epsilon(b: Builder, default: float, dtype: Any) -> str:
    return b.number(float(b.attributes.get("epsilon", default)), dtype)


def statistics(b: Builder, x: str, axes: Any, epsilon: str, mean: str = "", *, centred: bool = True) -> tuple[str, str]:
    """x − m (x, if it is not centred) and √(v + ε); `mean` is the output that m goes to."""
    d = b.op("Sub", [x, b.reduce("ReduceMean", x, list(axes), "mean", mean)], "centred") if centred else x
    variance = b.reduce("ReduceMean", b.op("Mul", [d, d], "square"), list(axes), "variance")
    return d, b.op("Sqrt", [b.op("Add", [variance, epsilon], "variance_epsilon")], "deviation")
