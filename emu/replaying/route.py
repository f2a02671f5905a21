"""The way through a graph: its steps in order, with a session of the reference engine for each that it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from emu.layers.gemm import Array
from emu.replaying.graph import Graph
from emu.replaying.islands import IslandRunner
from emu.replaying.layers import Layer
from emu.replaying.reference import Reference
from emu.replaying.schedule import Hold, Island, Step, execute, island_of, islands_of, schedule
from emu.replaying.vectors import VectorNode
from emu.replaying.walk import reads

OneNode = Callable[[Layer | VectorNode, Mapping[str, Array]], Mapping[str, Array]]
"""Makes what a node makes, from the tensors at hand."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Route:
    """Nodes one by one, all between them in the reference engine."""

    graph: Graph
    steps: tuple[Step, ...]
    _engine: IslandRunner
    _alone: dict[int, Island]

    @staticmethod
    def of(
        graph: Graph,
        reference: Reference,
        nodes: Iterable[Layer | VectorNode],
        *,
        first: int = 0,
        alone: Iterable[Layer | VectorNode] = (),
    ) -> Route:
        """A route.

        Args:
            graph: the model.
            reference: knows its types.
            nodes: to be run one by one.
            first: where it begins: nodes before this place in the graph are not on it.
            alone: those of them that the reference engine may be asked to run, by themselves.
        """
        steps = schedule(graph, nodes, first=first)
        by_themselves = {node.index: island_of(graph, node) for node in alone}
        engine = IslandRunner(graph, reference.types, (*islands_of(steps), *by_themselves.values()))
        return Route(graph=graph, steps=steps, _engine=engine, _alone=by_themselves)

    def run(self, values: Mapping[str, Array], one: OneNode, hold: Hold = dict) -> dict[str, Array]:
        """Go through it; the graph's outputs.

        Args:
            values: what is known at its beginning.
            one: runs a node.
            hold: what keeps the tensors that are still to be read.
        """

        def step(which: Step, live: Mapping[str, Array]) -> Mapping[str, Array]:
            return self._engine(which, live) if isinstance(which, Island) else one(which, live)

        return execute(self.graph, self.steps, values, step, hold)

    def engine(self, which: Layer | VectorNode, values: Mapping[str, Array]) -> dict[str, Array]:
        """A node, one of `alone`, in the reference engine."""
        return self._engine(self._alone[which.index], values)


def beginning(graph: Graph, first: int) -> list[str]:
    """The tensors that the nodes from a place on read, or that the model gives, and that they do not make."""
    made = {name for node in graph.nodes[first:] for name in node.output}
    read = dict.fromkeys(name for node in graph.nodes[first:] for name in reads(node))
    wanted = {**read, **dict.fromkeys(graph.outputs)}
    return [name for name in wanted if name not in made and name not in graph.constants]
