"""A whole run in truth arithmetic, from the model's inputs or from the tensors where a replay begins.

* float64: every float layer (`emu.replaying.layers`) by NumPy in float64, everything else in double where
  the engine has a double kernel (`emu.replaying.widen`), the rest in float32, listed.
* float32: the model in the reference engine, as it is.
* Another accelerator: what it computes in a run of its own, from the same tensors on. Nodes that it does not run are
  the reference engine's, as in any run of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from emu.layers.gemm import Array
from emu.layers.plain import evaluate
from emu.replaying.graph import Graph
from emu.replaying.layers import Layer, find_layers, is_float
from emu.replaying.machine import Machine
from emu.replaying.reference import Reference
from emu.replaying.room import Room
from emu.replaying.route import Route
from emu.replaying.schedule import Island, Step, execute, island_of, islands_of, schedule
from emu.replaying.vectors import VectorNode
from emu.replaying.widen import WideRunner

OnNode = Callable[[Layer | VectorNode], Array | None]
"""Called when a node begins; gives what it makes, if that is known from an earlier run."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrueRun:
    """What a run in truth arithmetic leaves behind."""

    tensors: MutableMapping[str, Array]
    """outputs of the wanted nodes, float64"""
    outputs: dict[str, Array]
    """the graph's"""
    widened: list[str] = field(default_factory=list)
    """nodes that a float64 run ran in float32"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """Where a run begins, and how much room it has."""

    graph: Graph
    reference: Reference
    inputs: Mapping[str, Array]
    """the model's"""
    first: int = 0
    """the place in the graph"""
    values: Mapping[str, Array]
    """the tensors that are known there, in float32"""
    room: Room


def float64_run(start: Start, wanted: Collection[str], vectors: Sequence[VectorNode] = ()) -> TrueRun:
    """The run in double.

    Args:
        start: of the run.
        wanted: outputs of layers and vector nodes that are to be kept.
        vectors: nodes whose outputs may be wanted.
    """
    graph, types = start.graph, start.reference.types
    layers = [layer for layer in find_layers(graph) if layer.index >= start.first and is_float(layer, types)]
    steps = schedule(graph, [*layers, *vectors], first=start.first)
    alone = {one.index: island_of(graph, one) for one in vectors}
    wide = WideRunner(graph, types, (*islands_of(steps), *alone.values()))
    kept = start.room.put_aside()

    def step(which: Step, values: Mapping[str, Array]) -> Mapping[str, Array]:
        if isinstance(which, Island):
            return wide(which, values)
        if isinstance(which, VectorNode):
            made = wide(alone[which.index], values)
            kept.update((name, value) for name, value in made.items() if name in wanted)
            return made
        read = {name: wide.widened(name, values[name]) for name in which.node.input if name in values}
        y = evaluate(start.room.in_tiles(which.lower(read, graph)))
        if which.output in wanted:
            kept[which.output] = y
        return {which.output: y}

    outputs = execute(graph, steps, start.values, step, start.room.hold)
    return TrueRun(tensors=kept, outputs=outputs, widened=wide.float32_nodes)


def float32_run(start: Start, nodes: Sequence[Layer | VectorNode]) -> TrueRun:
    """The run in the reference engine; the outputs of these nodes are kept."""
    graph, reference, kept = start.graph, start.reference, start.room.put_aside()
    if start.room.bounded:  # node by node: the same kernels, and nothing is held for long
        route = Route.of(graph, reference, nodes, first=start.first, alone=nodes)

        def one(which: Layer | VectorNode, values: Mapping[str, Array]) -> Mapping[str, Array]:
            made = route.engine(which, values)
            kept[which.output] = made[which.output].astype(np.float64)
            return made

        return TrueRun(tensors=kept, outputs=route.run(start.values, one, start.room.hold))
    values = reference.run(start.inputs, [*(node.output for node in nodes), *graph.outputs])
    kept.update((node.output, values[node.output].astype(np.float64)) for node in nodes)
    return TrueRun(tensors=kept, outputs={name: values[name] for name in graph.outputs})


def accelerated_run(start: Start, nodes: Sequence[Layer | VectorNode], other: Machine, begun: OnNode) -> TrueRun:
    """The run under another accelerator.

    Args:
        start: of the run.
        nodes: their outputs are kept.
        other: the accelerator.
        begun: called with each node that it runs.
    """
    own = {node.index: node for node in nodes}
    both = {**own, **{node.index: node for node in other.nodes}}
    left = [node for node in both.values() if not other.runs(node)]
    route = Route.of(start.graph, start.reference, both.values(), first=start.first, alone=left)
    kept = start.room.put_aside()
    other.refuse_nan(start.values)

    def one(which: Layer | VectorNode, values: Mapping[str, Array]) -> Mapping[str, Array]:
        if not other.runs(which):
            y = route.engine(which, values)[which.output]
        else:
            known = begun(which)
            y = other.tensor(which, other.run(which, values, start.room).y if known is None else known)
        if which.index in own:
            kept[which.output] = y.astype(np.float64)
        return {which.output: y}

    return TrueRun(tensors=kept, outputs=route.run(start.values, one, start.room.hold))
