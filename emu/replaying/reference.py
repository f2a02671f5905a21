"""The whole model in the reference engine.

It gives the float32 activations and the element type of every tensor, and it shows, before work starts, that the
engine can run every operator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from emu.layers.gemm import Array
from emu.replaying.blame import checked_session
from emu.replaying.engine import Session

if TYPE_CHECKING:
    from emu.replaying.graph import Graph


class Reference:
    """A session of the whole graph from which any tensor can be fetched."""

    def __init__(self, graph: Graph) -> None:
        """Make the session.

        Raises:
            ModelError: the engine cannot run an operator; named with its node.
        """
        made = [name for node in graph.nodes for name in node.output if name]
        outputs = list(dict.fromkeys([*made, *graph.outputs]))
        self._graph = graph
        self._sessions: dict[tuple[str, ...], Session] = {}
        self.types = checked_session(graph, graph.nodes, graph.inputs, outputs).types()
        """element type (TensorProto.DataType) by tensor; what is no tensor is left out"""
        self.types |= {name: tensor.data_type for name, tensor in graph.constants.items()}

    def run(self, inputs: Mapping[str, Array], names: Iterable[str]) -> dict[str, Array]:
        """The named tensors; inputs and constants may be among them."""
        names = list(dict.fromkeys(names))
        made = [name for name in names if name not in inputs and name not in self._graph.constants]
        values = self._session(tuple(made)).run(inputs, made) if made else {}
        left = [name for name in names if name not in values]
        given = {name: inputs[name] if name in inputs else self._graph.array(name) for name in left}
        return values | given

    def _session(self, names: tuple[str, ...]) -> Session:
        """A session that gives these tensors only: the engine keeps every output until the end of a run."""
        if names not in self._sessions:
            graph = self._graph
            self._sessions[names] = Session(graph, graph.submodel(graph.nodes, graph.inputs, names))
        return self._sessions[names]
