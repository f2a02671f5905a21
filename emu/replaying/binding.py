"""A graph for inputs of given shapes: what was symbolic is a number, and what follows from it is a constant.

* An axis is bound if all the given inputs (those of a run, and of its calibration) agree on its size.
* A Shape of a tensor whose axes are all known by then is a constant, and what is computed from it is folded: lengths of
  loops, and conditions of branches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from emu.layers.gemm import Array
from emu.replaying.sizes import inferred_tensors
from emu.replaying.walk import attributes_of

if TYPE_CHECKING:
    from onnx import NodeProto

    from emu.replaying.graph import Graph


def with_shapes(graph: Graph, given: Sequence[Mapping[str, Array]]) -> Graph:
    """The graph with every symbolic axis of its inputs bound that the given inputs agree on."""
    from onnx import ValueInfoProto

    inputs = []
    for value in graph.inputs:
        copy = ValueInfoProto()
        copy.CopyFrom(value)
        shapes = [np.shape(arrays[value.name]) for arrays in given]
        for at, axis in enumerate(copy.type.tensor_type.shape.dim):
            sizes = {shape[at] for shape in shapes}
            if len(sizes) == 1:
                axis.dim_value = sizes.pop()
        inputs.append(copy)
    return replace(graph, inputs=tuple(inputs))


def with_sizes(graph: Graph) -> Graph | None:
    """The graph with every Shape made a constant that is known; None if there is none."""
    from onnx import numpy_helper

    tensors = inferred_tensors(graph, graph.nodes, graph.inputs)
    left: list[NodeProto] = []
    constants = {}
    for node in graph.nodes:
        known = tensors.get(node.input[0]) if node.op_type == "Shape" and node.domain in ("", "ai.onnx") else None
        if known is None or known.shape is None or None in known.shape:
            left.append(node)
            continue
        attributes = attributes_of(node)
        sizes = np.array(known.shape, np.int64)[attributes.get("start", 0) : attributes.get("end")]
        constants[node.output[0]] = numpy_helper.from_array(sizes, node.output[0])
    return replace(graph, nodes=tuple(left), constants=graph.constants | constants) if constants else None
