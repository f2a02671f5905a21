"""Which nodes the accelerator's vector unit runs, and running one.

* With `[vector]`, every node of ONNX's own domain whose operator `emu.vector` takes and whose output is a float tensor;
  of those, the ones whose names the `layers` glob matches. Nodes inside loops and branches fall back, and what
  dequantises in a model in integers.
* A node reads the tensors that the model has there, and makes a tensor of the model's type: values of the vector
  format, rounded once more only where the model's type is narrower.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

from emu.accelerators import Accelerator
from emu.layers.gemm import Array
from emu.replaying.integers import QUANTISERS
from emu.replaying.layers import has_integers
from emu.replaying.named import NamedNode
from emu.replaying.walk import attributes_of, bodies, node_label
from emu.vector import VectorUnit, run_node, softmax_axes, takes, vector_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import NodeProto

    from emu.replaying.graph import Graph


@dataclass(frozen=True, kw_only=True)
class VectorNode(NamedNode):
    """One node that the vector unit runs."""

    unit: VectorUnit

    def run(self, values: Mapping[str, Array], graph: Graph) -> NDArray[np.float64]:
        """The node's output: values of the vector format.

        Args:
            values: the tensors that are no constants.
            graph: holds the constants.
        """
        operands = [
            (values[name] if name in values else graph.array(name)) if name else None for name in self.node.input
        ]
        return run_node(self.unit, self.op, operands, self.attributes, graph.opsets.get("", 1))

    def softmax_axes(self, rank: int, graph: Graph) -> tuple[int, ...]:
        """The axes that a softmax of a tensor of so many axes normalises over; none for any other operator."""
        return softmax_axes(self.op, self.attributes, rank, graph.opsets.get("", 1))


def find_vector_nodes(
    graph: Graph, types: Mapping[str, int], accelerator: Accelerator, glob: str
) -> tuple[VectorNode, ...]:
    """The nodes that the accelerator's vector unit runs, in graph order; none if it has no `[vector]`."""
    if accelerator.vector is None:
        return ()
    unit = vector_unit(accelerator.vector)
    return tuple(
        VectorNode(name=node_label(node), node=node, index=index, unit=unit)
        for index, node in enumerate(graph.nodes)
        if fnmatchcase(node_label(node), glob) and _takes(graph, types, node)
    )


def _takes(graph: Graph, types: Mapping[str, int], node: NodeProto) -> bool:
    from onnx import TensorProto

    if node.domain not in ("", "ai.onnx") or any(True for _ in bodies(node)):
        return False
    used = [name for name in node.output if name]
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16)
    if not used or types.get(used[0]) not in floats:
        return False
    if node.op_type in QUANTISERS and has_integers(graph):
        return False
    return takes(node.op_type, attributes_of(node), len(used), graph.opsets.get("", 1))
