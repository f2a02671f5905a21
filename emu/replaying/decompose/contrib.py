"""Operators of onnxruntime's own domain, as optimised exports have them, by ONNX's.

* FusedMatMul: NODE/product is the MatMul, of transposed operands if asked for; alpha multiplies the product.
* Gelu, FastGelu, BiasGelu: the bias is added; then one Gelu (exact, or the tanh one). Where the model's opset has none:
  ((erf(x / √2) + 1) · x) · 0.5, or ((tanh(√(2/π) · (x + 0.044715 · (x · x · x))) + 1) · x) · 0.5.
* QuickGelu: x · sigmoid(alpha · x).

Source: the contrib operators' page of onnxruntime.
"""

from __future__ import annotations

import math
from typing import Any

from emu.replaying.decompose.builder import Builder

GELU = 20
"""Gelu exists since this opset."""
CUBE = 0.044715


def fused_matmul(b: Builder) -> bool:
    """FusedMatMul, unless batches are transposed too."""
    dtype = b.dtype(0)
    if dtype is None or b.attributes.get("transBatchA") or b.attributes.get("transBatchB"):
        return False
    operands = []
    for at, letter in enumerate("AB"):
        x, shape = b.given(at), b.tensor(at).shape
        if b.attributes.get(f"trans{letter}"):
            if shape is None or len(shape) < 2:
                return False
            axes = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
            x = b.op("Transpose", [x], f"{letter.lower()}_transposed", perm=axes)
        operands.append(x)
    alpha = float(b.attributes.get("alpha", 1.0))
    y = b.op("MatMul", operands, "product", b.wanted(0) if alpha == 1 else "")
    if alpha != 1:
        b.op("Mul", [y, b.number(alpha, dtype)], "scaled", b.wanted(0))
    return True


def gelu(b: Builder) -> bool:
    """Gelu, BiasGelu and FastGelu."""
    dtype = b.dtype(0)
    if dtype is None:
        return False
    x, fast = b.given(0), b.node.op_type == "FastGelu"
    if b.given(1):
        x = b.op("Add", [x, b.given(1)], "biased")
    if b.graph.opsets.get("", 1) >= GELU:
        b.op("Gelu", [x], "gelu", b.wanted(0), approximate="tanh" if fast else "none")
        return True
    inner = _tanh(b, x, dtype) if fast else _erf(b, x, dtype)
    y = b.op("Mul", [b.op("Add", [inner, b.number(1.0, dtype)], "one_more"), x], "twice")
    b.op("Mul", [y, b.number(0.5, dtype)], "gelu", b.wanted(0))
    return True


def _erf(b: Builder, x: str, dtype: Any) -> str:
    return b.op("Erf", [b.op("Div", [x, b.number(math.sqrt(2), dtype)], "scaled")], "erf")


def _tanh(b: Builder, x: str, dtype: Any) -> str:
    cube = b.op("Mul", [b.op("Mul", [x, x], "square"), x], "cube")
    total = b.op("Add", [x, b.op("Mul", [b.number(CUBE, dtype), cube], "cube_scaled")], "inner")
    return b.op("Tanh", [b.op("Mul", [b.number(math.sqrt(2 / math.pi), dtype), total], "scaled")], "tanh")


def quick_gelu(b: Builder) -> bool:
    """QuickGelu."""
    dtype = b.dtype(0)
    if dtype is None:
        return False
    alpha = float(b.attributes.get("alpha", 1.702))
    inner = b.op("Mul", [b.number(alpha, dtype), b.given(0)], "scaled")
    b.op("Mul", [b.given(0), b.op("Sigmoid", [inner], "sigmoid")], "gelu", b.wanted(0))
    return True
