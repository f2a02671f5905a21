"""An If whose condition is a constant is the branch that it takes: its nodes take the place of the If.

* Names made inside the branch get the If's first output in front, so that they meet no other name of the graph; what
  the branch captures keeps its name, also inside bodies of its own nodes.
* The branch's initialisers become constants of the graph. Its outputs reach the names of the If's outputs by Identity
  nodes: a branch may hand out one of its initialisers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from emu.errors import ModelError
from emu.replaying.walk import bodies, node_label

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

    from emu.replaying.graph import Graph


def taken(graph: Graph) -> Graph | None:
    """The graph with every If on a constant inlined; None if it has none at its top level.

    Raises:
        ModelError: a condition that is not one truth value.
    """
    nodes: list[NodeProto] = []
    constants: dict[str, TensorProto] = {}
    found = False
    for node in graph.nodes:
        if node.op_type != "If" or node.domain not in ("", "ai.onnx") or node.input[0] not in graph.constants:
            nodes.append(node)
            continue
        found = True
        inner, known = _inlined(node, _branch(graph, node))
        nodes += inner
        constants |= known
    return replace(graph, nodes=tuple(nodes), constants=graph.constants | constants) if found else None


def _branch(graph: Graph, node: NodeProto) -> GraphProto:
    condition = graph.array(node.input[0])
    if condition.size != 1:
        raise ModelError(f"{graph.path}: node {node_label(node)!r}: the condition of an If has {condition.size} values")
    wanted = "then_branch" if condition.reshape(-1)[0] else "else_branch"
    (branch,) = (attribute.g for attribute in node.attribute if attribute.name == wanted)
    chosen: GraphProto = branch
    return chosen


def _inlined(node: NodeProto, branch: GraphProto) -> tuple[list[NodeProto], dict[str, TensorProto]]:
    from onnx import helper

    names: dict[str, str] = {}
    nodes, constants = copied(branch, names, node.output[0])
    pairs = zip(branch.output, node.output, strict=False)
    nodes += [helper.make_node("Identity", [names.get(a.name, a.name)], [b]) for a, b in pairs if b]
    return nodes, constants


def copied(
    body: GraphProto, names: dict[str, str], prefix: str, label: str = ""
) -> tuple[list[NodeProto], dict[str, TensorProto]]:
    """The nodes of a body and its initialisers, under names of their own.

    Args:
        body: of an If, Loop or Scan.
        names: what its inputs are called outside; what it makes is added.
        prefix: of the tensors that it makes.
        label: of its nodes' names; empty: they stay as they are.
    """
    from onnx import NodeProto, TensorProto

    made = [tensor.name for tensor in body.initializer]
    made += [name for inner in body.node for name in inner.output if name]
    names.update((name, f"{prefix}/{name}") for name in made)
    constants = {}
    for tensor in body.initializer:
        copy = TensorProto()
        copy.CopyFrom(tensor)
        copy.name = names[tensor.name]
        constants[copy.name] = copy
    nodes = []
    for inner in body.node:
        renamed = NodeProto()
        renamed.CopyFrom(inner)
        _rename(renamed, names)
        if label:
            renamed.name = f"{label}/{node_label(inner)}"
        nodes.append(renamed)
    return nodes, constants


def _rename(node: NodeProto, names: Mapping[str, str]) -> None:
    """Rename what a node reads and makes, bodies included; ONNX forbids a body to hide a name from outside."""
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]
    for body in bodies(node):
        for inner in body.node:
            _rename(inner, names)
        for value in body.output:
            value.name = names.get(value.name, value.name)
