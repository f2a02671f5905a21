"""A Loop or Scan of a known number of steps is its body, as often: the copies take the place of the node.

* Loop: the number is a constant, the condition before the first step is none or true, and the body hands its condition
  on, or true. Scan: the sizes of the scanned axes are known.
* Its body computes something: a loop that only moves and compares has nothing to emulate.
* At least one step, and at most as many as keep the graph below `MOST_NODES` nodes. Other loops stay, and what they
  hide is a fallback.
* The nodes of a step are called NODE/step3/name, as the body calls them; a slice of what is scanned is a Gather, and
  what is stacked is a Concat of Unsqueezes.

Source: ONNX operators Loop and Scan, opset 9 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emu.replaying.branches import copied
from emu.replaying.decompose.builder import Builder, rebuilt
from emu.replaying.fallback import NO_ROUNDING
from emu.replaying.sizes import inferred_tensors
from emu.replaying.walk import all_nodes, attributes_of, bodies

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

    from emu.replaying.graph import Graph

MOST_NODES = 16384
"""Of a graph after a loop in it was unrolled."""
OLDEST = 9
"""Since this opset, Scan has no axis of batches."""
UNSQUEEZE_INPUTS = 13
"""Since this opset, Unsqueeze has its axes as an input."""
LOOPS = ("Loop", "Scan")


def unrolled(graph: Graph) -> Graph | None:
    """The graph with every loop unrolled that can be; None if there is none at its top level."""
    if graph.opsets.get("", 1) < OLDEST or not any(_is_loop(node) for node in graph.nodes):
        return None
    tensors = inferred_tensors(graph, graph.nodes, graph.inputs)

    def build(node: NodeProto, before: int) -> Builder | None:
        if not _is_loop(node):
            return None
        made = _Unrolled(graph=graph, node=node, tensors=tensors)
        room = MOST_NODES - before
        return made if (made.loop(room) if node.op_type == "Loop" else made.scan(room)) else None

    return rebuilt(graph, build)


def computing_bodies(graph: Graph) -> int:
    """How many loops and branches a graph has at its top level that compute something."""
    return sum(_computes(node) for node in graph.nodes)


def _is_loop(node: NodeProto) -> bool:
    return node.op_type in LOOPS and node.domain in ("", "ai.onnx") and _computes(node)


def _computes(node: NodeProto) -> bool:
    return any(inner.op_type not in NO_ROUNDING for body in bodies(node) for inner in all_nodes(body))


class _Unrolled(Builder):
    """One loop."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.body: GraphProto = self.attributes["body"]

    def loop(self, room: int) -> bool:
        """Unroll a Loop, if it can be done in so many nodes."""
        trips, condition = self.node.input[:2]
        known = self.graph.constants
        if trips not in known or not (not condition or (condition in known and self.graph.array(condition).all())):
            return False
        steps = int(self.graph.array(trips).reshape(-1)[0])
        if not self._fits(steps, room) or not self._goes_on():
            return False
        carried = list(self.node.input[2:])
        stacked: list[list[str]] = [[] for _ in self.body.output[1 + len(carried) :]]
        for t in range(steps):
            given = [self.constant(f"step{t}/number", np.array(t, np.int64)), self.constant("true", np.array(True))]
            made = self._step(t, [*given, *carried])[1:]
            carried, rows = made[: len(carried)], made[len(carried) :]
            for rest, row in zip(stacked, rows, strict=True):
                rest.append(row)
        self._hand_out(carried, stacked, [0] * len(stacked))
        return True

    def scan(self, room: int) -> bool:
        """Unroll a Scan, if it can be done in so many nodes."""
        count = int(self.attributes["num_scan_inputs"])
        scanned = list(self.node.input[len(self.node.input) - count :])
        carried = list(self.node.input[: len(self.node.input) - count])
        outputs = len(self.node.output) - len(carried)
        read, backwards = (self._per(f"scan_input_{key}", count) for key in ("axes", "directions"))
        put, reversed_ = (self._per(f"scan_output_{key}", outputs) for key in ("axes", "directions"))
        sizes = {self._size(name, axis) for name, axis in zip(scanned, read, strict=True)}
        steps = sizes.pop() if len(sizes) == 1 else None
        if steps is None or not self._fits(steps, room):
            return False
        stacked: list[list[str]] = [[] for _ in range(outputs)]
        for t in range(steps):
            rows = []
            for at, (name, axis, turned) in enumerate(zip(scanned, read, backwards, strict=True)):
                place = self.constant(f"at{steps - 1 - t if turned else t}", np.array(steps - 1 - t if turned else t))
                rows.append(self.op("Gather", [name, place], f"step{t}/slice{at}", axis=axis))
            made = self._step(t, [*carried, *rows])
            carried, new = made[: len(carried)], made[len(carried) :]
            for rest, row in zip(stacked, new, strict=True):
                rest.append(row)
        turned_rows = [rows[::-1] if turned else rows for rows, turned in zip(stacked, reversed_, strict=True)]
        self._hand_out(carried, turned_rows, put)
        return True

    def _per(self, key: str, count: int) -> list[int]:
        return list(self.attributes.get(key, [0] * count))

    def _size(self, name: str, axis: int) -> int | None:
        known = self.tensors.get(name)
        return None if known is None or known.shape is None else known.shape[axis]

    def _fits(self, steps: int, room: int) -> bool:
        return steps > 0 and steps * (2 + len(list(all_nodes(self.body)))) <= room

    def _goes_on(self) -> bool:
        """Whether the body of a Loop hands its condition on, or true."""
        from onnx import numpy_helper

        name, going = self.body.output[0].name, {self.body.input[1].name}
        going |= {one.name for one in self.body.initializer if numpy_helper.to_array(one).all() and one.name == name}
        for node in self.body.node:
            constant = node.op_type == "Constant" and name in node.output
            if constant and numpy_helper.to_array(attributes_of(node)["value"]).all():
                going.add(name)
            elif node.op_type == "Identity" and node.input[0] in going:
                going.update(node.output)
        return name in going or (name in self.graph.constants and bool(self.graph.array(name).all()))

    def _step(self, t: int, given: Sequence[str]) -> list[str]:
        """One copy of the body; what its outputs are called."""
        names = dict(zip((value.name for value in self.body.input), given, strict=True))
        nodes, constants = copied(self.body, names, f"{self.unique}/step{t}", f"{self.label}/step{t}")
        self.nodes += nodes
        self.constants |= constants
        return [names.get(value.name, value.name) for value in self.body.output]

    def _hand_out(self, carried: Sequence[str], stacked: Sequence[Sequence[str]], axes: Sequence[int]) -> None:
        """The outputs under the names that the node gave them."""
        outputs = list(self.node.output)
        for at, (name, output) in enumerate(zip(carried, outputs, strict=False)):
            if output:
                self.op("Identity", [name], f"last{at}", output)
        for at, (rows, axis) in enumerate(zip(stacked, axes, strict=True)):
            output = outputs[len(carried) + at] if len(outputs) > len(carried) + at else ""
            if output:
                each = [self._unsqueeze(row, axis, f"row{at}_{t}") for t, row in enumerate(rows)]
                self.op("Concat", each, f"rows{at}", output, axis=axis)

    def _unsqueeze(self, row: str, axis: int, name: str) -> str:
        if self.graph.opsets.get("", 1) < UNSQUEEZE_INPUTS:
            return self.op("Unsqueeze", [row], name, axes=[axis])
        return self.op("Unsqueeze", [row, self.constant(f"axis{axis}", np.array([axis], np.int64))], name)
