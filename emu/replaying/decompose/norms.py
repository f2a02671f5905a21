"""Layer norms whose statistics are outputs too, and those that add before they normalise.

* LayerNormalization with Mean or InvStdDev: NODE/norm is the LayerNormalization of the first output alone, which the
  vector unit takes whole; the others are m = Σ x / n; d = x − m; v = Σ d² / n; 1 / √(v + ε), as the vector unit has
  them inside.
* SkipLayerNormalization and SkipSimplifiedLayerNormalization (com.microsoft) with the sum as an output: NODE/norm is
  the operator without that output, which the vector unit takes whole; the sum, (x + skip) + bias, is made beside it.

Sources: ONNX operator LayerNormalization, opset 17; the contrib operators' page of onnxruntime.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emu.replaying.decompose.builder import Builder

EPSILON = 1e-5
"""The operator's default."""


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
    epsilon = b.number(float(b.attributes.get("epsilon", EPSILON)), dtype)
    deviation = statistics(b, b.given(0), axes, epsilon, b.wanted(1))
    b.op("Reciprocal", [deviation], "inverse", b.wanted(2))
    return True


def skip_layer_normalization(b: Builder) -> bool:
    """SkipLayerNormalization, and the simplified one without a mean, whose sum is an output."""
    if b.dtype(0) is None or b.wanted(1) or b.wanted(2):
        return False
    bias = b.given(3 if "Simplified" in b.node.op_type else 4)
    if b.wanted(0):
        given = [b.given(at) for at in range(len(b.node.input))]
        b.op(b.node.op_type, given, "norm", b.wanted(0), domain=b.node.domain, **b.attributes)
    total = b.op("Add", [b.given(0), b.given(1)], "sum", "" if bias else b.wanted(3))
    if bias:
        b.op("Add", [total, bias], "biased", b.wanted(3))
    return True


def statistics(b: Builder, x: str, axes: Any, epsilon: str, mean: str) -> str:
    """√(v + ε); `mean` is the output that m goes to."""
    d = b.op("Sub", [x, b.reduce("ReduceMean", x, list(axes), "mean", mean)], "centred")
    variance = b.reduce("ReduceMean", b.op("Mul", [d, d], "square"), list(axes), "variance")
    return b.op("Sqrt", [b.op("Add", [variance, epsilon], "variance_epsilon")], "deviation")
