"""Which nodes are layers that a unit can run, what they are called, and how the accelerator would run them.

* A layer is a MatMul, Gemm, Conv, ConvTranspose, or Einsum that is a matrix product, at the top level of the graph,
  whose operands are float32 or float16. One whose operands are both dequantised integers is the model's own
  (`emu.replaying.integers`).
* Its name is the node's name, else the name of its first output; a name that several layers share gets the first
  output appended (and primes, if another layer has that name).
* `layers` selects by glob; what it leaves out runs in reference arithmetic. A glob that selects nothing is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from emu.accelerators import Accelerator, KOrder, LayerPlan
from emu.errors import ModelError, nearest
from emu.layers.gemm import Array, Lowered
from emu.layers.lowering import lower, lowers
from emu.replaying.integers import INTEGER_OPS, dequantised
from emu.replaying.named import NamedNode
from emu.replaying.walk import attributes_of, node_label

if TYPE_CHECKING:
    from onnx import NodeProto

    from emu.replaying.graph import Graph

MANY = 12
"""How many layer names an error lists."""


@dataclass(frozen=True, kw_only=True)
class Layer(NamedNode):
    """One layer of a model."""

    constant: tuple[bool, bool]
    """for the first two operands, whether they are constants of the model"""
    in_integers: bool = False
    """both operands are dequantised integers: the accelerator does not run it"""

    @property
    def activations(self) -> tuple[str, ...]:
        """The first two operands that are no constants."""
        names = zip(self.node.input[:2], self.constant, strict=True)
        return tuple(dict.fromkeys(name for name, constant in names if not constant))

    def lower(self, values: Mapping[str, Array], graph: Graph, k_order: KOrder = KOrder.C_KH_KW) -> Lowered:
        """The layer as a product.

        Args:
            values: the tensors that are no constants.
            graph: holds the constants.
            k_order: of a convolution.

        Raises:
            ModelError: shapes that do not go together.
        """
        operands = [
            (values[name] if name in values else graph.array(name)) if name else None for name in self.node.input
        ]
        names = tuple(self.node.input[:2])
        try:
            return lower(self.op, operands, self.attributes, constant=self.constant, k_order=k_order, names=names)
        except ValueError as error:
            raise ModelError(f"{graph.path}: layer {self.name!r}: {error}") from None


@dataclass(frozen=True, kw_only=True)
class PlannedLayer:
    """A layer that the accelerator runs, and how."""

    layer: Layer
    plan: LayerPlan


def find_layers(graph: Graph) -> tuple[Layer, ...]:
    """Every MatMul, Gemm, Conv, ConvTranspose and Einsum at the top level, whatever its types, in graph order."""
    nodes = [(index, node) for index, node in enumerate(graph.nodes) if is_mac(node)]
    integers = dequantised(graph.nodes, graph.constants, graph.dequantised)
    names = _names([node for _, node in nodes])
    return tuple(
        Layer(
            name=name,
            node=node,
            index=index,
            constant=(node.input[0] in graph.constants, node.input[1] in graph.constants),
            in_integers=integers.issuperset(node.input[:2]),
        )
        for name, (index, node) in zip(names, nodes, strict=True)
    )


def _names(nodes: Sequence[NodeProto]) -> list[str]:
    """A name of its own for each: weights, scales and records go by it."""
    labels = [node_label(node) for node in nodes]
    count = Counter(labels)
    taken, names = {label for label in labels if count[label] == 1}, []
    for label, node in zip(labels, nodes, strict=True):
        name = label
        if count[label] > 1:
            name = f"{label}:{node.output[0]}"
            while name in taken:
                name += "'"
            taken.add(name)
        names.append(name)
    return names


def is_mac(node: NodeProto) -> bool:
    """Whether a node is one of the operators that are lowered."""
    return node.domain in ("", "ai.onnx") and lowers(node.op_type, attributes_of(node), len(node.input))


def has_integers(graph: Graph) -> bool:
    """Whether a model multiplies and accumulates in integers somewhere at its top level."""
    return any(layer.in_integers for layer in find_layers(graph)) or any(
        node.op_type in INTEGER_OPS and node.domain in ("", "ai.onnx") for node in graph.nodes
    )


def runs_in_unit(layer: Layer, types: Mapping[str, int]) -> bool:
    """Whether every operand is float32 or float16, so that it is exact in float32, and no dequantised integer."""
    from onnx import TensorProto

    exact = (TensorProto.FLOAT, TensorProto.FLOAT16)
    return types.get(layer.output) in exact and not layer.in_integers


def is_float(layer: Layer, types: Mapping[str, int]) -> bool:
    """Whether the layer is one of floats at all (MatMul and Gemm also exist on integers)."""
    from onnx import TensorProto

    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
    return types.get(layer.output) in floats


def plan_layers(
    graph: Graph, types: Mapping[str, int], accelerator: Accelerator, glob: str, *, needed: bool = True
) -> tuple[PlannedLayer, ...]:
    """The layers that the accelerator runs.

    Args:
        graph: the model.
        types: element types by tensor.
        accelerator: what runs them.
        glob: over layer names.
        needed: refuse a model, or a glob, without a layer; a model in integers need not have one.

    Raises:
        ModelError: no layer has such a name, or the model has none.
    """
    chosen = select_layers(graph, types, glob, needed=needed)
    return tuple(PlannedLayer(layer=layer, plan=accelerator.plan(layer.name, layer.op)) for layer in chosen)


def select_layers(graph: Graph, types: Mapping[str, int], glob: str, *, needed: bool = True) -> tuple[Layer, ...]:
    """The layers that units can run and whose names match; the arguments are those of `plan_layers`.

    Raises:
        ModelError: no layer has such a name, or the model has none.
    """
    candidates = [layer for layer in find_layers(graph) if runs_in_unit(layer, types)]
    if not candidates and has_integers(graph):
        return ()
    if not candidates and needed:
        raise ModelError(
            f"{graph.path}: has no float MatMul, Gemm, Conv, ConvTranspose or Einsum at its top level to emulate"
        )
    chosen = [layer for layer in candidates if fnmatchcase(layer.name, glob)]
    if not chosen and needed:
        names = [layer.name for layer in candidates]
        close = nearest(glob, names)
        hint = f"; did you mean {close!r}?" if close else ""
        shown = ", ".join(names[:MANY]) + (", …" if len(names) > MANY else "")
        raise ModelError(f"{graph.path}: no layer matches {glob!r}; the layers are: {shown}{hint}")
    return tuple(chosen)
