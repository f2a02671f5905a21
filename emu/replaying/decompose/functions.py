"""Operators that ONNX itself defines by others: the nodes of the definition take the place of the node.

* Meant is every operator of ONNX's own domain that has a function body, makes floats, and is neither a layer nor one
  that the vector unit takes whole: SoftmaxCrossEntropyLoss, NegativeLogLikelihoodLoss, and what later opsets define.
* The body is the one of the highest opset that is not above the model's. Its operators are read at the model's opset:
  the node stays whole if one of them has other operands or attributes there, or a body of its own (Loop, Scan).
* Constants of the body become constants, cast to the types that the body asks for; a Cast to the type that a tensor has
  is left out. A part is called as the body calls the tensor: NODE/Tensor.
* From there on these are nodes like any, and are taken apart again if need be.

Source: the function bodies that the onnx package defines with its operators.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emu.replaying.decompose.builder import UNKNOWN, Builder
from emu.replaying.fallback import NO_ROUNDING
from emu.replaying.integers import INTEGER_OPS
from emu.replaying.layers import is_mac
from emu.replaying.sizes import Tensor, inferred_tensors
from emu.replaying.walk import attributes_of, bodies
from emu.vector import takes

if TYPE_CHECKING:
    from onnx import AttributeProto, FunctionProto, NodeProto, TensorProto, ValueInfoProto

    from emu.replaying.graph import Graph

NOT_MEANT = frozenset({"AffineGrid", "Bernoulli", "CastLike", "CenterCropPad", "DynamicQuantizeLinear", "Range"})
"""Bodies that draw, make integers, or only move and count."""
CASTS = ("Cast", "CastLike")


def is_defined(graph: Graph, node: NodeProto) -> bool:
    """Whether ONNX defines a node by others, and it computes something."""
    from onnx import defs

    op, version = node.op_type, graph.opsets.get("", 1)
    if node.domain not in ("", "ai.onnx") or op in NO_ROUNDING | INTEGER_OPS | NOT_MEANT or is_mac(node):
        return False
    if any(True for _ in bodies(node)) or not defs.has(op, version, ""):
        return False
    schema: Any = defs.get_schema(op, version, "")
    return bool(schema.has_function or schema.has_context_dependent_function)


def taken_whole(graph: Graph, node: NodeProto) -> bool:
    """Whether the vector unit takes a node as it is: one of ONNX's own domain."""
    if node.domain not in ("", "ai.onnx"):
        return False
    used = sum(bool(name) for name in node.output)
    return takes(node.op_type, attributes_of(node), used, graph.opsets.get("", 1))


def take_apart(b: Builder) -> bool:
    """Build the definition of a node, if there is one that fits."""
    from onnx import TensorProto

    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    if b.tensors.get(b.unique, UNKNOWN).element not in floats:
        return False
    body = _body(b)
    if body is None or not all(_reads_the_same(b, body, node) for node in body.node):
        return False
    names = dict(zip(body.input, b.node.input, strict=False))
    names |= dict.fromkeys(body.input[len(b.node.input) :], "")
    names |= {inner: outer for inner, outer in zip(body.output, b.node.output, strict=False) if outer}
    for node in body.node:
        _copy(b, node, names)
    _without_casts(b)
    return True


def _body(b: Builder) -> FunctionProto | None:
    """The definition for the model's opset."""
    from onnx import FunctionProto, defs, helper

    version = b.graph.opsets.get("", 1)
    schema: Any = defs.get_schema(b.node.op_type, version, "")
    fitting = [at for at in schema.function_opset_versions if at <= version]
    body = FunctionProto()
    if fitting:
        body.ParseFromString(schema.get_function_with_opset_version(max(fitting)))
        return body
    fitting = [at for at in schema.context_dependent_function_opset_versions if at <= version]
    if not fitting:
        return None
    known = [b.tensors.get(name, UNKNOWN) for name in b.node.input]
    types = [helper.make_tensor_type_proto(one.element, one.shape).SerializeToString() for one in known]
    found = schema.get_context_dependent_function_with_opset_version(max(fitting), b.node.SerializeToString(), types)
    body.ParseFromString(found)
    return body if body.node else None


def _reads_the_same(b: Builder, body: FunctionProto, node: NodeProto) -> bool:
    """Whether a node of a definition means at the model's opset what it means at the definition's."""
    from onnx import defs

    (then,) = (entry.version for entry in body.opset_import if entry.domain in ("", "ai.onnx"))
    now = b.graph.opsets.get("", 1)
    if any(True for _ in bodies(node)) or node.domain not in ("", "ai.onnx"):
        return False
    old, new = (defs.get_schema(node.op_type, version, "") for version in (then, now))
    if old.since_version == new.since_version:
        return True
    given = len(node.input)
    operands = [[one.name for one in schema.inputs][:given] for schema in (old, new)]
    return operands[0] == operands[1] and all(one.name in new.attributes for one in node.attribute)


def _copy(b: Builder, node: NodeProto, names: dict[str, str]) -> None:
    """One node of the definition; `names` are those that its tensors have here."""
    from onnx import AttributeProto, NodeProto

    attributes = list(_attributes(b, node))
    label = node.output[0]
    for name in node.output:
        if name:
            names.setdefault(name, f"{b.unique}/{name}")
    if node.op_type == "Constant":
        (attribute,) = attributes
        b.constants[names[label]] = _tensor(attribute, names[label])
        return
    made = NodeProto(op_type=node.op_type, domain=node.domain, name=f"{b.label}/{label}")
    made.input.extend(names[name] if name else "" for name in node.input)
    made.output.extend(names[name] if name else "" for name in node.output)
    made.attribute.extend(attributes)
    assert all(attribute.type != AttributeProto.GRAPH for attribute in attributes)
    b.nodes.append(made)


def _attributes(b: Builder, node: NodeProto) -> Iterator[AttributeProto]:
    """The attributes of a node of the definition; those of the operator filled in."""
    from onnx import AttributeProto, defs

    own = {attribute.name: attribute for attribute in b.node.attribute}
    schema = defs.get_schema(b.node.op_type, b.graph.opsets.get("", 1), "")
    for attribute in node.attribute:
        copy = AttributeProto()
        copy.CopyFrom(attribute)
        if attribute.ref_attr_name:
            outer = own.get(attribute.ref_attr_name)
            if outer is None:
                outer = schema.attributes[attribute.ref_attr_name].default_value
            if not outer.type:
                continue
            copy.CopyFrom(outer)
            copy.name = attribute.name
        yield copy


def _tensor(attribute: AttributeProto, name: str) -> TensorProto:
    """What a Constant node holds."""
    from onnx import TensorProto, helper, numpy_helper

    value = helper.get_attribute_value(attribute)
    if attribute.name != "value":
        value = numpy_helper.from_array(np.array(value, np.int64 if "int" in attribute.name else np.float32), name)
    made = TensorProto()
    made.CopyFrom(value)
    made.name = name
    return made


def _without_casts(b: Builder) -> None:
    """Casts of constants carried out; casts that change nothing left out."""
    from onnx import helper, numpy_helper

    alias: dict[str, str] = {}
    known = _known(b)
    kept = []
    for node in b.nodes:
        node.input[:] = [alias.get(name, name) for name in node.input]
        if node.op_type not in CASTS:
            kept.append(node)
            continue
        like = known.get(node.input[1], UNKNOWN).element if node.op_type == "CastLike" else node.attribute[0].i
        source, output = node.input[0], node.output[0]
        if source in b.constants and like:
            array = numpy_helper.to_array(b.constants[source]).astype(helper.tensor_dtype_to_np_dtype(like))
            b.constants[output] = numpy_helper.from_array(array, output)
        elif like and known.get(source, UNKNOWN).element == like:
            if output in b.node.output:
                kept.append(helper.make_node("Identity", [source], [output], node.name))
            else:
                alias[output] = source
        else:
            kept.append(node)
    b.nodes = kept


def _known(b: Builder) -> dict[str, Tensor]:
    """What is known of the parts' tensors."""
    inside = replace(b.graph, constants=b.graph.constants | b.constants)
    return inferred_tensors(inside, b.nodes, _inputs(b))


def _inputs(b: Builder) -> list[ValueInfoProto]:
    from onnx import helper

    names = dict.fromkeys(name for name in b.node.input if name and name not in b.graph.constants)
    known = {name: b.tensors.get(name, UNKNOWN) for name in names}
    return [helper.make_tensor_value_info(name, one.element, one.shape) for name, one in known.items()]
