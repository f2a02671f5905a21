"""A whole run in truth arithmetic.

* float64: every float layer (`emu.replaying.layers`) by NumPy in float64, everything else in double where
  the engine has a double kernel (`emu.replaying.widen`), the rest in float32, listed.
* float32: the model in the reference engine, as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from emu.layers.gemm import Array
from emu.layers.plain import evaluate
from emu.replaying.graph import Graph
from emu.replaying.layers import find_layers, is_float
from emu.replaying.reference import Reference
from emu.replaying.result import Truth
from emu.replaying.schedule import Island, Step, execute, island_of, islands_of, schedule
from emu.replaying.vectors import VectorNode
from emu.replaying.widen import WideRunner


def true_run(
    graph: Graph,
    reference: Reference,
    inputs: Mapping[str, Array],
    wanted: Collection[str],
    truth: Truth,
    vectors: Sequence[VectorNode] = (),
) -> tuple[dict[str, Array], dict[str, Array], list[str]]:
    """Run the model.

    Args:
        graph: the model.
        reference: the same model in the engine.
        inputs: the graph's inputs.
        wanted: outputs of layers and vector nodes that are to be kept.
        truth: the arithmetic.
        vectors: nodes whose outputs may be wanted.

    Returns:
        The wanted tensors in float64, the graph's outputs, and the nodes that a float64 run ran in float32.
    """
    if truth is Truth.FLOAT32:
        values = reference.run(inputs, [*wanted, *graph.outputs])
        kept = {name: values[name].astype(np.float64) for name in wanted}
        return kept, {name: values[name] for name in graph.outputs}, []
    return _float64(graph, reference, inputs, wanted, vectors)


def _float64(
    graph: Graph,
    reference: Reference,
    inputs: Mapping[str, Array],
    wanted: Collection[str],
    vectors: Sequence[VectorNode],
) -> tuple[dict[str, Array], dict[str, Array], list[str]]:
    layers = [layer for layer in find_layers(graph) if is_float(layer, reference.types)]
    steps = schedule(graph, [*layers, *vectors])
    alone = {one.index: island_of(graph, one) for one in vectors}
    wide = WideRunner(graph, reference.types, (*islands_of(steps), *alone.values()))
    kept: dict[str, Array] = {}

    def step(which: Step, values: Mapping[str, Array]) -> Mapping[str, Array]:
        if isinstance(which, Island):
            return wide(which, values)
        if isinstance(which, VectorNode):
            made = wide(alone[which.index], values)
            kept.update((name, value) for name, value in made.items() if name in wanted)
            return made
        y = evaluate(which.lower({name: wide.widened(name, value) for name, value in values.items()}, graph))
        if which.output in wanted:
            kept[which.output] = y
        return {which.output: y}

    return kept, execute(graph, steps, inputs, step), wide.float32_nodes
