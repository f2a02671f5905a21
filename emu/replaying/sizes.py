"""How large the tensors are that folding would make, asked of shape inference before anything is computed.

A few bytes of model can ask for any amount of memory (ConstantOfShape, Expand, Tile, Range), even if what it folds to
in the end is small. A tensor beyond the limit is refused with its node. Small constants take part with their values,
because shapes are made of them; large ones with their types alone. A tensor whose shape is not inferred is not bounded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.errors import ModelError
from emu.replaying.engine import numpy_type
from emu.replaying.limits import Limits
from emu.replaying.walk import node_label, reads

if TYPE_CHECKING:
    from onnx import NodeProto, ValueInfoProto

    from emu.replaying.graph import Graph

SMALL = 1024
"""Elements of a constant that may describe a shape."""


def check_sizes(graph: Graph, nodes: Sequence[NodeProto], limits: Limits) -> None:
    """Refuse nodes that would make a tensor of more than `limits.folded` bytes.

    Args:
        graph: holds the constants.
        nodes: what is to be folded, in topological order.
        limits: the bound.

    Raises:
        ModelError: naming the node, its operator and the bytes.
    """
    sizes = {value.name: _bytes(value) for value in _inferred(graph, nodes, ())}
    for node in nodes:
        size = max((sizes.get(name, 0) for name in node.output), default=0)
        if size > limits.folded:
            raise ModelError(
                f"{graph.path}: node {node_label(node)!r}: operator {node.op_type!r} makes a constant of {size} bytes, "
                f"and at most {limits.folded} are allowed"
            )


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """What is known of a tensor before anything runs."""

    element: int
    """TensorProto.DataType; 0: not known"""
    shape: tuple[int | None, ...] | None
    """None: not even the number of axes; None for an axis: its size is not known"""


def inferred_tensors(graph: Graph, nodes: Sequence[NodeProto], inputs: Sequence[ValueInfoProto]) -> dict[str, Tensor]:
    """What is known of inputs, constants and what nodes make, by tensor.

    Args:
        graph: holds the constants.
        nodes: in topological order.
        inputs: the tensors from outside.
    """
    known = {name: Tensor(element=one.data_type, shape=tuple(one.dims)) for name, one in graph.constants.items()}
    for value in (*inputs, *_inferred(graph, nodes, inputs)):
        tensor = value.type.tensor_type
        axes = (axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim)
        known[value.name] = Tensor(element=tensor.elem_type, shape=tuple(axes) if tensor.HasField("shape") else None)
    return known


def _inferred(graph: Graph, nodes: Sequence[NodeProto], inputs: Sequence[ValueInfoProto]) -> Sequence[ValueInfoProto]:
    """What shape inference says about the tensors that nodes make."""
    from onnx import helper, shape_inference

    used = dict.fromkeys(name for node in nodes for name in reads(node) if name in graph.constants)
    small = {name: graph.constants[name] for name in used if math.prod(graph.constants[name].dims) <= SMALL}
    large = [graph.constants[name] for name in used if name not in small]
    infos = [helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)) for tensor in large]
    model = graph.submodel(nodes, [*inputs, *infos], [], small)
    try:
        inferred = shape_inference.infer_shapes(model, data_prop=True)
    except shape_inference.InferenceError:
        return ()  # a contradiction: the engine refuses it next, and `emu.replaying.blame` names the node
    return list(inferred.graph.value_info)


def _bytes(value: ValueInfoProto) -> int:
    """The size of a tensor; 0 if it is none, or its shape is not known."""
    tensor = value.type.tensor_type
    if not tensor.elem_type or not tensor.HasField("shape"):
        return 0
    if not all(axis.HasField("dim_value") for axis in tensor.shape.dim):
        return 0
    elements: int = math.prod(axis.dim_value for axis in tensor.shape.dim)
    return elements * numpy_type(tensor.elem_type).itemsize
