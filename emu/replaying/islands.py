"""Islands in float32: one session of the reference engine per island, made before work starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from emu.errors import ModelError
from emu.layers.gemm import Array
from emu.replaying.engine import Session
from emu.replaying.schedule import Island

if TYPE_CHECKING:
    from onnx import ValueInfoProto

    from emu.replaying.graph import Graph


class IslandRunner:
    """Runs islands in the types that the model has."""

    def __init__(self, graph: Graph, types: Mapping[str, int], islands: tuple[Island, ...]) -> None:
        """Make all sessions.

        Raises:
            ModelError: something that is no tensor would cross from an island to a layer or another island.
        """
        self._sessions = {id(island): self._session(graph, types, island) for island in islands}

    @staticmethod
    def _session(graph: Graph, types: Mapping[str, int], island: Island) -> Session:
        inputs = [tensor_info(graph, types, name) for name in island.inputs]
        return Session(graph, graph.submodel(island.nodes, inputs, island.outputs))

    def __call__(self, island: Island, values: Mapping[str, Array]) -> dict[str, Array]:
        """The island's outputs."""
        inputs = {name: values[name] for name in island.inputs}
        return self._sessions[id(island)].run(inputs, island.outputs)


def tensor_info(graph: Graph, types: Mapping[str, int], name: str) -> ValueInfoProto:
    """A tensor of known type and unknown shape as a graph input.

    Raises:
        ModelError: it is a sequence, map or optional.
    """
    from onnx import helper

    if name not in types:
        raise ModelError(f"{graph.path}: {name!r} is no tensor and would leave an island: select layers behind it only")
    return helper.make_tensor_value_info(name, types[name], None)
