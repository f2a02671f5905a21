"""Walking ONNX graphs: nodes, their names, the bodies inside them, and what they read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, NodeProto, SparseTensorProto, TensorProto

STANDARD_DOMAINS = ("", "ai.onnx.ml")
"""Domains whose operators ONNX itself defines (`ai.onnx` is another spelling of the first)."""


def node_label(node: NodeProto) -> str:
    """What a node is called: its name, else its first output."""
    return node.name or next((name for name in node.output if name), node.op_type)


def bodies(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs in a node's attributes (If, Loop, Scan)."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def all_nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """Every node of a graph, those of bodies included."""
    for node in graph.node:
        yield node
        for body in bodies(node):
            yield from all_nodes(body)


def all_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every constant of a graph: initialisers and attributes, those of bodies included."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from tensors_of(graph.node)


def tensors_of(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    """Every constant in the attributes and bodies of some nodes."""
    for node in nodes:
        yield from attribute_tensors(node.attribute)
        for body in bodies(node):
            yield from all_tensors(body)


def attribute_tensors(attributes: Iterable[AttributeProto]) -> Iterator[TensorProto]:
    """Every constant in some attributes, but for those of bodies."""
    for attribute in attributes:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for sparse in sparse_tensors(attribute):
            yield from (sparse.values, sparse.indices)


def sparse_tensors(attribute: AttributeProto) -> Iterator[SparseTensorProto]:
    """The sparse constants of an attribute."""
    if attribute.HasField("sparse_tensor"):
        yield attribute.sparse_tensor
    yield from attribute.sparse_tensors


def reads(node: NodeProto) -> list[str]:
    """The tensors a node needs from its graph: its inputs, and what its bodies capture. Without duplicates."""
    names = dict.fromkeys(name for name in node.input if name)
    for body in bodies(node):
        names.update(dict.fromkeys(captures(body)))
    return list(names)


def captures(graph: GraphProto) -> list[str]:
    """The tensors that a body takes from the graphs around it."""
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    own |= {sparse.values.name for sparse in graph.sparse_initializer}
    outside: dict[str, None] = {}
    for node in graph.node:
        outside.update((name, None) for name in reads(node) if name not in own)
        own.update(node.output)
    outside.update((value.name, None) for value in graph.output if value.name not in own)
    return list(outside)


def attributes_of(node: NodeProto) -> dict[str, Any]:
    """A node's attributes as Python values, text decoded."""
    from onnx import helper

    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}
