"""What a model states in integers: it runs as stated, in the reference engine, and not under an accelerator's schemes.

* `MatMulInteger`, `ConvInteger`, `QLinearMatMul`, `QLinearConv`.
* Layers between DequantizeLinear and QuantizeLinear: both operands are dequantised integers, of the model's own scales.
  Weights may be constants, folded by now; what only moves elements may stand between. The engine runs such a layer as
  it is written, in floats; another scheme on top would quantise twice.
* A layer of which one operand alone is dequantised (weights stored in few bits) is a layer of floats.
* Dequantised float8 and float4 are no integers: such layers run under the accelerator.
* In a model that has any of these, the nodes that quantise and dequantise are the model's own as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

INTEGER_OPS = frozenset({"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"})
"""Operators of ONNX's own domain that multiply and accumulate integers."""
QUANTISERS = frozenset({"DequantizeLinear", "DynamicQuantizeLinear", "QuantizeLinear"})
"""Operators between floats and integers."""
MOVES = frozenset(
    {
        "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "SpaceToDepth", "Split",
        "Squeeze", "Tile", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
"""Operators behind which a dequantised tensor is still one."""


def dequantised(
    nodes: Iterable[NodeProto], constants: Mapping[str, TensorProto], known: Collection[str]
) -> frozenset[str]:
    """The tensors that are dequantised integers.

    Args:
        nodes: in topological order.
        constants: tell the integers' types.
        known: tensors that are such already.
    """
    found = set(known)
    for node in nodes:
        if node.domain not in ("", "ai.onnx"):
            continue
        made = node.op_type == "DequantizeLinear" and not _narrow_floats(node, constants)
        if made or (node.op_type in MOVES and node.input[0] in found):
            found.update(node.output)
    return frozenset(found)


def _narrow_floats(node: NodeProto, constants: Mapping[str, TensorProto]) -> bool:
    """Whether a DequantizeLinear reads float8 or float4, by its zero point or its constant input."""
    from onnx import TensorProto

    kinds = {constants[name].data_type for name in (*node.input[:1], *node.input[2:3]) if name in constants}
    return any(TensorProto.DataType.Name(kind).startswith("FLOAT") for kind in kinds)
