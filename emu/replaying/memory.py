"""How much memory each step of a replay needs, from the shapes of its tensors, before anything runs.

* Numbers of bytes for each element, measured with the built-in accelerators and rounded up: operands are quantised
  through copies, the truth and the metrics are in double.
* A layer's product is made in row tiles, so what goes with M × K and M × N is a part of the tile; B is whole, so are
  the tensor that A is gathered from, and the output.
* Shapes come from the inputs at hand and ONNX's shape inference. A step whose shapes it does not know is asked again
  when it begins, with its operands at hand (`emu.replaying.room`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emu.layers.gemm import Array, Lowered
from emu.replaying.layers import Layer
from emu.replaying.schedule import Island, Step
from emu.replaying.sizes import inferred_tensors
from emu.replaying.walk import node_label

if TYPE_CHECKING:
    from emu.replaying.graph import Graph

Shape = tuple[int, ...]
Shapes = Callable[[str], Shape | None]
"""From a tensor's name to its shape; None if that is not known."""

HELD_SOURCE, HELD_B, HELD_OUTPUT = 8, 8, 12
"""Bytes for each element as long as a layer is under way: float32 or double operands, truth and result."""
QUANTISED_SOURCE, QUANTISED_B = 40, 48
"""While an operand is quantised and multiplied, on top of that."""
TILE = 64
"""For each element of a tile: codes, their numbers in the kernel's type, the product, the truth's."""
JUDGED = 104
"""For each element of the output while it is judged: the metrics' own arrays, and the pages of its files."""
VECTOR_READ, VECTOR_MADE = 24, 120
"""For each element that a vector operation reads, and that it makes: in double, step by step, then judged."""
ISLAND = 24
"""For each element that enters or leaves an island: double, and the engine's copies."""
SLACK = 1.25
"""What the allocator loses between arrays, and to the borders of pages."""
LEAST_ROWS = 32
"""Rows of the smallest tile: below that a kernel's own overhead is most of the time."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """Bytes that a step needs."""

    name: str
    fixed: int
    """whatever the tile"""
    row: int
    """elements of one row of a tile, all groups"""

    @property
    def least(self) -> int:
        """With the smallest tile."""
        return int((self.fixed + LEAST_ROWS * self.row * TILE) * SLACK)


def needs(graph: Graph, types: Mapping[str, int], inputs: Mapping[str, Array], steps: Iterable[Step]) -> list[Need]:
    """What each step needs; steps whose shapes are not known are left out."""
    from onnx import helper

    infos = [helper.make_tensor_value_info(name, types[name], list(array.shape)) for name, array in inputs.items()]
    known = inferred_tensors(graph, graph.nodes, [*infos])

    def shape(name: str) -> Shape | None:
        if name in graph.constants:
            return tuple(graph.constants[name].dims)
        found = known[name].shape if name in known else None
        return None if found is None or None in found else tuple(axis or 0 for axis in found)

    found = (_need(graph, step, shape) for step in steps)
    return [need for need in found if need is not None]


def _need(graph: Graph, step: Step, shape: Shapes) -> Need | None:
    if isinstance(step, Island):
        return _plain(node_label(step.nodes[0]), [*step.inputs, *step.outputs], shape, ISLAND)
    if not isinstance(step, Layer):
        read = [name for name in step.node.input if name]
        return _plain(step.name, read, shape, VECTOR_READ, made=step.output)
    ghosts: dict[str, Array] = {}
    for name in filter(None, step.node.input):
        known = shape(name)
        if known is None:
            return None
        ghosts[name] = np.broadcast_to(np.float32(0), known)  # a shape that takes no memory
    return need_of(step.name, step.lower(ghosts, graph))


def _plain(name: str, tensors: Sequence[str], shape: Shapes, each: int, made: str | None = None) -> Need | None:
    total = 0
    for tensor, weight in [*((tensor, each) for tensor in tensors), *([(made, VECTOR_MADE)] if made else [])]:
        known = shape(tensor)
        if known is None:
            return None
        total += math.prod(known) * weight
    return Need(name=name, fixed=total, row=0)


def need_of(name: str, lowered: Lowered) -> Need:
    """What a layer needs whose operands are at hand, or their shapes."""
    g, source, b, y = lowered.geometry, lowered.source.size, lowered.b.size, math.prod(lowered.output_shape)
    held = source * HELD_SOURCE + b * HELD_B + y * HELD_OUTPUT
    while_running = max(source * QUANTISED_SOURCE + b * QUANTISED_B, y * JUDGED)
    return Need(name=name, fixed=held + while_running, row=g.groups * max(g.k, g.n))


MIB = 1 << 20


def in_units(size: int) -> str:
    """A size as a limit is written: whole MiB, rounded up."""
    return f"{-(-size // MIB)}MiB"
