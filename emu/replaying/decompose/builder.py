"""The nodes that take the place of one node: how they are named, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emu.layers.gemm import Array
from emu.replaying.sizes import Tensor
from emu.replaying.walk import attributes_of, node_label

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

    from emu.replaying.graph import Graph

UNKNOWN = Tensor(element=0, shape=None)
REDUCE_INPUTS = 18
"""Since this opset, ReduceMax and ReduceMean have their axes as an input."""


@dataclass(kw_only=True)
class Builder:
    """One node, being taken apart: nodes are called NODE/name, tensors OUTPUT/name."""

    graph: Graph
    node: NodeProto
    tensors: Mapping[str, Tensor]
    """what is known of the graph's tensors"""
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, TensorProto] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.attributes = attributes_of(self.node)
        self.label = node_label(self.node)
        self.unique = next(name for name in self.node.output if name)
        self._outputs: set[str] = set()

    def given(self, position: int) -> str:
        """The name of an input; empty if it is left out."""
        return str(self.node.input[position]) if len(self.node.input) > position else ""

    def wanted(self, position: int) -> str:
        """The name of an output; empty if nobody asks for it."""
        return str(self.node.output[position]) if len(self.node.output) > position else ""

    def tensor(self, position: int) -> Tensor:
        """What is known of an input."""
        return self.tensors.get(self.given(position), UNKNOWN)

    def op(self, op: str, inputs: Sequence[str], name: str, output: str = "", **attributes: Any) -> str:
        """Append a node and return its output."""
        from onnx import helper

        output = output or f"{self.unique}/{name}"
        self._outputs.add(output)
        self.nodes.append(helper.make_node(op, list(inputs), [output], f"{self.label}/{name}", **attributes))
        return output

    def made(self, name: str) -> bool:
        """Whether there is a tensor of this name already."""
        return f"{self.unique}/{name}" in self._outputs

    def constant(self, name: str, value: Array) -> str:
        """Store a constant and return its name; equal names have equal values."""
        from onnx import numpy_helper

        name = f"{self.unique}/{name}"
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(value.copy(), name)
        return name

    def number(self, value: float, dtype: Any) -> str:
        """A constant of no axes; rounded into its type, to nearest."""
        made = np.array(value, dtype)
        return self.constant(f"{made.dtype}_{value!r}", made)

    def same(self, tensor: str, name: str, output: str) -> None:
        """A tensor under an output's name, if anybody asks for it."""
        if output:
            self.op("Identity", [tensor], name, output)

    def integers(self, *values: int) -> str:
        """A constant list of integers."""
        return self.constant("ints" + "_".join(map(str, values)), np.array(values, np.int64))

    def pick(self, tensor: str, at: int, axis: int, name: str) -> str:
        """One place of an axis, without the axis."""
        return self.op("Gather", [tensor, self.constant(f"int{at}", np.array(at, np.int64))], name, axis=axis)

    def reshape(self, tensor: str, shape: Sequence[int], name: str, output: str = "") -> str:
        """Another shape; 0 is a size that stays."""
        return self.op("Reshape", [tensor, self.integers(*shape)], name, output)

    def cut(self, tensor: str, bounds: tuple[int, int], axis: int, name: str) -> str:
        """Some places of an axis, next to each other."""
        return self.op("Slice", [tensor, *(self.integers(at) for at in bounds), self.integers(axis)], name)

    def size(self, tensor: str, axis: int, name: str) -> str:
        """The size of an axis: a list of one integer."""
        shape = self.op("Shape", [tensor], f"{name}_shape")
        return self.op("Gather", [shape, self.integers(axis)], name, axis=0)

    def reduce(self, op: str, tensor: str, axes: Sequence[int], name: str, output: str = "") -> str:
        """A ReduceMax or ReduceMean over some axes, which stay with size 1."""
        if self.graph.opsets.get("", 1) >= REDUCE_INPUTS:
            return self.op(op, [tensor, self.integers(*axes)], name, output)
        return self.op(op, [tensor], name, output, axes=list(axes))

    def dtype(self, position: int) -> Any:
        """The type of an input, if it is float32, float16 or float64; else None."""
        from onnx import TensorProto, helper

        element = self.tensor(position).element
        known = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
        return helper.tensor_dtype_to_np_dtype(element) if element in known else None


def rebuilt(graph: Graph, build: Callable[[NodeProto, int], Builder | None]) -> Graph | None:
    """The graph with the parts of a node in its place, wherever it was taken apart; None if none was.

    Args:
        graph: the graph.
        build: the parts of a node; None if it stays. The second argument is how many nodes come before it.
    """
    nodes: list[NodeProto] = []
    constants: dict[str, TensorProto] = {}
    found = False
    for node in graph.nodes:
        made = build(node, len(nodes))
        nodes += [node] if made is None else made.nodes
        if made is not None:
            constants |= made.constants
            found = True
    return replace(graph, nodes=tuple(nodes), constants=graph.constants | constants) if found else None
