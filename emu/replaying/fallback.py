"""What is not run as the accelerator would run it: found before work starts, listed in every run, or refused.

* Operators that multiply and accumulate inside (a list, and every operator outside ONNX's own domains), and loops and
  branches that hold a layer.
* What the model states in integers (`emu.replaying.integers`).
* Quantising and dequantising nodes: in a model in integers as such (its own scales make its integers); elsewhere as
  vector operations, of which the vector unit runs DequantizeLinear.
* Layers that were not selected, or whose type no unit takes.
* Vector operations that no vector unit runs. Operators that only move, compare or count are not listed: they have no
  rounding to emulate. Nor are casts: the one rounding into a narrower type is what the model states, ties to even.
* What `emu.vector` leaves, and why: functions that are not correctly rounded here (Acos, Acosh, Asin, Asinh, Atan,
  Atanh); sampling at places that are data, whose arithmetic is an address unit's (AffineGrid, GridSample, RoiAlign,
  Resize with `antialias`, `tf_crop_and_resize` or a kept aspect ratio); no stated order of operations (Det, Col2Im);
  results that are integers (QuantizeLinear, DynamicQuantizeLinear, TfIdfVectorizer's counts); tables made of sizes,
  which are constants by now if the sizes are (the windows, MelWeightMatrix); random draws (Bernoulli, Dropout in
  training, Random…); BatchNormalization in training; types other than float32 and float16.
* `fallback.ops = "error"` refuses hidden layers, integers and types, and vector operations if the accelerator states
  their formats; what the user deselected is no fallback of the accelerator's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from emu.accelerators import Accelerator, FallbackOps
from emu.errors import ModelError
from emu.replaying.integers import INTEGER_OPS, QUANTISERS
from emu.replaying.layers import find_layers, has_integers, is_mac, runs_in_unit
from emu.replaying.result import Fallback, FallbackReason
from emu.replaying.walk import STANDARD_DOMAINS, attributes_of, bodies, node_label

if TYPE_CHECKING:
    from onnx import NodeProto

    from emu.replaying.graph import Graph

HIDDEN_MACS = frozenset(
    {
        "Attention", "CausalConvWithState", "DFT", "DeformConv", "Einsum", "GRU",
        "LSTM", "LinearAttention", "RNN", "STFT",
    }
)  # fmt: skip
"""Operators of ONNX's own domains that multiply and accumulate inside; an Einsum that is a layer is not meant."""

NO_ROUNDING = frozenset(
    {
        "Abs", "And", "ArgMax", "ArgMin", "BitCast", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr",
        "BitwiseXor", "Cast", "CastLike", "Ceil", "CenterCropPad", "Clip", "Compress", "Concat", "ConcatFromSequence",
        "Constant", "ConstantOfShape", "DepthToSpace", "Equal", "Expand", "EyeLike", "Flatten", "Floor", "Gather",
        "GatherElements", "GatherND", "GlobalMaxPool", "Greater", "GreaterOrEqual", "Hardmax", "Identity", "If",
        "IsInf", "IsNaN", "Less", "LessOrEqual", "Loop", "Max", "MaxPool", "MaxRoiPool", "MaxUnpool", "Min", "Neg",
        "NonMaxSuppression", "NonZero", "Not", "OneHot", "Optional", "OptionalGetElement", "OptionalHasElement", "Or",
        "Pad", "Range", "ReduceMax", "ReduceMin", "Relu", "Reshape", "ReverseSequence", "Round", "Scan", "Scatter",
        "ScatterElements", "ScatterND", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase",
        "SequenceInsert", "SequenceLength", "SequenceMap", "Shape", "Sign", "Size", "Slice", "SpaceToDepth", "Split",
        "SplitToSequence", "Squeeze", "StringNormalizer", "TensorScatter", "ThresholdedRelu", "Tile", "TopK",
        "Transpose", "Trilu", "Unique", "Unsqueeze", "Where", "Xor",
    }
)  # fmt: skip
"""Operators that select, move, compare or count: every value they give is one they were given, or an integer; and
casts.

Scatters with a `reduction` that adds or multiplies are the exception; see `_rounds`."""


STANDARD = (*STANDARD_DOMAINS, "ai.onnx")
TRAINING_MODE = 2
"""The operand of Dropout that switches it on."""


def find_fallbacks(
    graph: Graph, types: Mapping[str, int], selected: frozenset[str], vectors: frozenset[int] = frozenset()
) -> tuple[Fallback, ...]:
    """Every node that runs in reference arithmetic, in graph order.

    Args:
        graph: the model.
        types: element types by tensor.
        selected: names of the layers that the accelerator runs.
        vectors: positions of the nodes that its vector unit runs.
    """
    layers = {layer.index: layer for layer in find_layers(graph)}
    in_integers = has_integers(graph)
    out: list[Fallback] = []
    for index, node in enumerate(graph.nodes):
        if index in vectors:
            continue
        layer = layers.get(index)
        if node.op_type in QUANTISERS and node.domain in STANDARD:
            reason = FallbackReason.INTEGER_SEMANTICS if in_integers else FallbackReason.VECTOR
            out.append(Fallback(node=node_label(node), op=node.op_type, reason=reason))
        elif layer is None:
            found = _inside(node, types)
            out += [Fallback(node=node_label(inner), op=inner.op_type, reason=reason) for inner, reason in found]
        elif layer.in_integers:
            out.append(Fallback(node=layer.name, op=layer.op, reason=FallbackReason.INTEGER_SEMANTICS))
        elif not runs_in_unit(layer, types):
            out.append(Fallback(node=layer.name, op=layer.op, reason=FallbackReason.UNSUPPORTED_TYPE))
        elif layer.name not in selected:
            out.append(Fallback(node=layer.name, op=layer.op, reason=FallbackReason.NOT_SELECTED))
    return tuple(out)


def _inside(node: NodeProto, types: Mapping[str, int]) -> Iterator[tuple[NodeProto, FallbackReason]]:
    """A node that is no layer, and the nodes of its bodies, with the reasons why they are listed."""
    for body in bodies(node):
        for inner in body.node:
            if is_mac(inner):
                yield inner, FallbackReason.HIDDEN_MACS
            else:
                yield from _inside(inner, types)
    if node.op_type in INTEGER_OPS and node.domain in ("", "ai.onnx"):
        yield node, FallbackReason.INTEGER_SEMANTICS
    elif node.op_type in HIDDEN_MACS or node.domain not in STANDARD:
        yield node, FallbackReason.HIDDEN_MACS
    elif _rounds(node) and _makes_floats(node, types):
        yield node, FallbackReason.VECTOR


def _rounds(node: NodeProto) -> bool:
    """Whether an operator computes values.

    A scatter does if it adds or multiplies what falls on one place; a change of size, unless it takes the nearest
    element; Dropout, in training.
    """
    attributes = attributes_of(node)
    match node.op_type:
        case "Resize" | "Upsample":
            return bool(attributes.get("mode", "nearest") != "nearest")
        case "Dropout":
            return len(node.input) > TRAINING_MODE
    return node.op_type not in NO_ROUNDING or attributes.get("reduction") in ("add", "mul")


def _makes_floats(node: NodeProto, types: Mapping[str, int]) -> bool:
    """Whether an output is a float tensor; inside bodies, where types are not known, yes."""
    from onnx import TensorProto

    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
    return any(types.get(name, TensorProto.FLOAT) in floats for name in node.output if name)


def refuse(graph: Graph, accelerator: Accelerator, fallbacks: tuple[Fallback, ...]) -> None:
    """Apply `fallback.ops = "error"`.

    Raises:
        ModelError: naming the first node that would fall back.
    """
    if accelerator.fallback is not FallbackOps.ERROR:
        return
    refused = {FallbackReason.HIDDEN_MACS, FallbackReason.INTEGER_SEMANTICS, FallbackReason.UNSUPPORTED_TYPE}
    if accelerator.vector is not None:
        refused.add(FallbackReason.VECTOR)
    for fallback in fallbacks:
        if fallback.reason in refused:
            raise ModelError(
                f"{graph.path}: node {fallback.node!r}: operator {fallback.op!r} would fall back to reference "
                f'arithmetic ({fallback.reason.value}), and accelerator {accelerator.name} has fallback.ops = "error"'
            )
