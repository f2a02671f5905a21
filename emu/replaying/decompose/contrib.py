"""FusedMatMul of onnxruntime's own domain, as optimised exports have it.

NODE/product is the MatMul, of transposed operands if asked for; alpha multiplies the product.

Source: the contrib operators' page of onnxruntime.
"""

from __future__ import annotations

from emu.replaying.decompose.builder import Builder


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
