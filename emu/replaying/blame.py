"""Which node the engine refuses.

The engine's messages do not always say: an operator that it takes apart is reported by its parts. So the nodes are
tried in order: the shortest run of first nodes that is refused ends with the one to blame. Halving finds it with few
sessions, and only once something has gone wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emu.errors import ModelError
from emu.replaying.engine import EngineRefusalError, Session
from emu.replaying.walk import node_label

if TYPE_CHECKING:
    from onnx import NodeProto, ValueInfoProto

    from emu.replaying.graph import Graph


def checked_session(
    graph: Graph, nodes: Sequence[NodeProto], inputs: Sequence[ValueInfoProto], outputs: Sequence[str]
) -> Session:
    """A session of these nodes.

    Raises:
        ModelError: the engine refuses a node; named with its operator.
    """
    try:
        return Session(graph, graph.submodel(nodes, inputs, outputs))
    except EngineRefusalError as refusal:
        culprit, reason = _first_refused(graph, nodes, inputs), refusal.reason
    if culprit is None:
        raise ModelError(f"{graph.path}: cannot be run: {reason}")
    raise ModelError(
        f"{graph.path}: node {node_label(culprit)!r}: operator {culprit.op_type!r} cannot be run: {reason}"
    )


def _first_refused(graph: Graph, nodes: Sequence[NodeProto], inputs: Sequence[ValueInfoProto]) -> NodeProto | None:
    """The node that ends the shortest refused beginning; None if every beginning is accepted."""
    accepted, refused = 0, len(nodes) + 1
    while refused - accepted > 1:
        middle = (accepted + refused) // 2
        if middle <= len(nodes) and _accepts(graph, nodes[:middle], inputs):
            accepted = middle
        else:
            refused = middle
    return nodes[refused - 1] if refused <= len(nodes) else None


def _accepts(graph: Graph, nodes: Sequence[NodeProto], inputs: Sequence[ValueInfoProto]) -> bool:
    made = [name for node in nodes for name in node.output if name]
    try:
        Session(graph, graph.submodel(nodes, inputs, made))
    except EngineRefusalError:
        return False
    return True
