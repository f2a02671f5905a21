"""Operators that hide multiply-accumulates, taken apart into nodes that the unit and the vector unit run.

* `emu.replaying.decompose.recurrent`: RNN, GRU, LSTM.
* `emu.replaying.decompose.attention`: Attention.
* `emu.replaying.decompose.contrib`, `contrib_attention`, `grouped`, `rotary`, `norms`: what optimised exports have of
  onnxruntime's own domain.
* `emu.replaying.decompose.functions`: what ONNX defines by other operators, where the vector unit does not take it.
* What cannot be taken apart exactly stays whole, and is a fallback.
* The parts of NODE are called NODE/part; the last ones make the tensors that the node made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emu.replaying.decompose import (
    attention,
    contrib,
    contrib_attention,
    functions,
    grouped,
    norms,
    recurrent,
    rotary,
)
from emu.replaying.decompose.builder import Builder, rebuilt
from emu.replaying.sizes import inferred_tensors

if TYPE_CHECKING:
    from onnx import NodeProto

    from emu.replaying.graph import Graph

__all__ = ["decomposed", "whole"]

TakeApart = Callable[[Builder], bool]
OLDEST = 10
"""Since this opset, Slice has its bounds as inputs."""
CONTRIB = "com.microsoft"
OPERATORS: dict[tuple[str, str], TakeApart] = {
    **{("", op): recurrent.take_apart for op in recurrent.KINDS},
    ("", "Attention"): attention.take_apart,
    ("", "LayerNormalization"): norms.layer_normalization,
    (CONTRIB, "SkipLayerNormalization"): norms.skip_layer_normalization,
    (CONTRIB, "SkipSimplifiedLayerNormalization"): norms.skip_layer_normalization,
    (CONTRIB, "FusedMatMul"): contrib.fused_matmul,
    **{(CONTRIB, op): contrib.gelu for op in ("Gelu", "BiasGelu", "FastGelu")},
    (CONTRIB, "QuickGelu"): contrib.quick_gelu,
    (CONTRIB, "MultiHeadAttention"): contrib_attention.multi_head_attention,
    (CONTRIB, "Attention"): contrib_attention.attention,
    (CONTRIB, "GroupQueryAttention"): grouped.take_apart,
    (CONTRIB, "RotaryEmbedding"): rotary.rotary_embedding,
}
"""By domain and operator: builds the parts, or says that it cannot (and what it has built is dropped)."""


def decomposed(graph: Graph) -> Graph | None:
    """The graph with every such operator taken apart that can be, once; None if there is none."""
    if graph.opsets.get("", 1) < OLDEST or not any(_rule(graph, node) for node in graph.nodes):
        return None
    tensors = inferred_tensors(graph, graph.nodes, graph.inputs)

    def build(node: NodeProto, _: int) -> Builder | None:
        rule = _rule(graph, node)
        made = Builder(graph=graph, node=node, tensors=tensors) if rule else None
        return made if rule and made and rule(made) else None

    return rebuilt(graph, build)


def whole(graph: Graph) -> int:
    """How many operators a graph has that hide multiply-accumulates, and might be taken apart."""
    return sum(_key(node) in OPERATORS and _rule(graph, node) is not None for node in graph.nodes)


def _rule(graph: Graph, node: NodeProto) -> TakeApart | None:
    key = _key(node)
    rule = OPERATORS.get(key) or (functions.take_apart if functions.is_defined(graph, node) else None)
    return None if rule is not None and key[0] == "" and functions.taken_whole(graph, node) else rule


def _key(node: NodeProto) -> tuple[str, str]:
    return "" if node.domain == "ai.onnx" else str(node.domain), str(node.op_type)
