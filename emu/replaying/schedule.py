"""The order in which a graph is run: layers and vector nodes one by one, all else in large islands.

List scheduling: take every node that is ready and is neither, and so on until there is none: that is an island; then
take the ready layers and vector nodes; and again. An island is one session of the reference engine: there are few.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, TypeAlias

from emu.layers.gemm import Array
from emu.replaying.walk import reads

if TYPE_CHECKING:
    from onnx import NodeProto

    from emu.replaying.graph import Graph
    from emu.replaying.layers import Layer
    from emu.replaying.vectors import VectorNode


@dataclass(frozen=True, kw_only=True)
class Island:
    """A maximal run of nodes that are no layers."""

    nodes: tuple[NodeProto, ...]
    inputs: tuple[str, ...]
    """tensors from outside that are no constants"""
    outputs: tuple[str, ...]
    """tensors that are needed outside"""


Step: TypeAlias = "Island | Layer | VectorNode"
Hold = Callable[[Mapping[str, Array]], MutableMapping[str, Array]]
"""From the tensors at the start of a run to what keeps the live ones."""


def schedule(graph: Graph, layers: Iterable[Layer | VectorNode], *, first: int = 0) -> tuple[Step, ...]:
    """The steps of a run, in an order in which every tensor is made before it is read.

    Args:
        graph: the model.
        layers: the nodes that are steps of their own.
        first: what comes before this place in the graph has run already.
    """
    of_node = {layer.index: layer for layer in layers}
    ready = _Ready(graph, of_node.keys(), first)
    groups: list[list[NodeProto] | Layer | VectorNode] = []
    while ready.others or ready.boundary:
        island = [graph.nodes[index] for index in ready.take_others()]
        if island:
            groups.append(island)
        groups += [of_node[index] for index in ready.take_boundary()]
    return tuple(_outlined(graph, groups))


class _Ready:
    """The nodes whose inputs are there, layers and vector nodes apart; lowest places first."""

    def __init__(self, graph: Graph, boundary: Collection[int], first: int) -> None:
        self._nodes, self._boundary = graph.nodes, boundary
        given = {value.name for value in graph.inputs} | set(graph.constants)
        given.update(name for node in graph.nodes[:first] for name in node.output)
        self._readers: defaultdict[str, list[int]] = defaultdict(list)
        self._missing: dict[int, int] = {}
        self.others: list[int] = []
        self.boundary: list[int] = []
        for index, node in list(enumerate(graph.nodes))[first:]:
            needed = [name for name in reads(node) if name not in given]
            self._missing[index] = len(needed)
            for name in needed:
                self._readers[name].append(index)
            if not needed:
                self._add(index)

    def take_others(self) -> Iterator[int]:
        """Nodes that are no layers; what one makes is there for the next."""
        while self.others:
            index = heappop(self.others)
            yield index
            self._made(index)

    def take_boundary(self) -> list[int]:
        """Layers and vector nodes; what they make is there for what comes after all of them."""
        taken, self.boundary = sorted(self.boundary), []
        for index in taken:
            self._made(index)
        return taken

    def _made(self, index: int) -> None:
        for name in self._nodes[index].output:
            for reader in self._readers.pop(name, ()):
                self._missing[reader] -= 1
                if not self._missing[reader]:
                    self._add(reader)

    def _add(self, index: int) -> None:
        heappush(self.boundary if index in self._boundary else self.others, index)


def island_of(graph: Graph, which: Layer | VectorNode) -> Island:
    """A layer or vector node as an island, for an engine that runs it in its own arithmetic."""
    inputs = tuple(name for name in reads(which.node) if name not in graph.constants)
    return Island(nodes=(which.node,), inputs=inputs, outputs=(which.output,))


def islands_of(steps: Iterable[Step]) -> tuple[Island, ...]:
    """The islands among some steps."""
    return tuple(step for step in steps if isinstance(step, Island))


def _outlined(graph: Graph, groups: list[list[NodeProto] | Layer | VectorNode]) -> Iterator[Step]:
    """Give every island its inputs and outputs."""
    readers: Counter[str] = Counter()
    for group in groups:
        readers.update(set(_reads(group)))
    for group in groups:
        if not isinstance(group, list):
            yield group
            continue
        made = dict.fromkeys(name for node in group for name in node.output if name)
        inside = Counter(set(_reads(group)))
        needed = {name for name in made if readers[name] > inside[name]} | made.keys() & set(graph.outputs)
        outside = dict.fromkeys(name for name in _reads(group) if name not in made and name not in graph.constants)
        yield Island(nodes=tuple(group), inputs=tuple(outside), outputs=tuple(name for name in made if name in needed))


def _reads(group: list[NodeProto] | Layer | VectorNode) -> list[str]:
    nodes = group if isinstance(group, list) else [group.node]
    return [name for node in nodes for name in reads(node)]


def execute(
    graph: Graph,
    steps: Iterable[Step],
    values: Mapping[str, Array],
    run: Callable[[Step, Mapping[str, Array]], Mapping[str, Array]],
    hold: Hold = dict,
) -> dict[str, Array]:
    """Run the steps; a tensor is dropped after its last reader.

    Args:
        graph: holds the constants and names the outputs.
        steps: from `schedule`.
        values: the graph's inputs, or what is known where the steps begin.
        run: makes a step's outputs from the tensors that it reads.
        hold: what keeps the tensors that are still to be read.

    Returns:
        The graph's outputs.
    """
    steps = list(steps)
    left: Counter[str] = Counter(name for step in steps for name in step_reads(step))
    live = hold(values)
    for step in steps:
        live.update(run(step, live))
        for name in step_reads(step):
            left[name] -= 1
            if not left[name] and name not in graph.outputs and name in live:
                del live[name]
    return {name: live[name] if name in live else graph.array(name) for name in graph.outputs}


def step_reads(step: Step) -> tuple[str, ...]:
    """The tensors that a step reads, constants included for a layer or vector node."""
    return step.inputs if isinstance(step, Island) else tuple(dict.fromkeys(reads(step.node)))
