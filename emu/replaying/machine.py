"""One accelerator on one graph: how each layer and vector operation is run, and running one of them.

A machine knows nothing of the order of a run, of truths or of records.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from emu.accelerators import OutputCast
from emu.errors import ModelError, OverflowRaised
from emu.formats import Format, load_format
from emu.layers.emulate import LayerOutput, emulate
from emu.layers.gemm import Array, Lowered
from emu.layers.static import AT_HAND, Static
from emu.layers.transposed import TransposedGeometry
from emu.replaying.engine import numpy_type
from emu.replaying.graph import Graph
from emu.replaying.layers import Layer, PlannedLayer
from emu.replaying.room import Room
from emu.replaying.vectors import VectorNode
from emu.schemes import Quantised

AS_MUCH_AS_THERE_IS = Room()
Layout = tuple[tuple[int, ...], ...]
Weights = dict[str, tuple[Layout, Quantised]]
"""By layer: how they are laid out as B, and what was made of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ran:
    """What an accelerator made of one layer or vector operation."""

    y: Array
    """float32: the output as the model's next node reads it"""
    seconds: float
    lowered: Lowered | None = None
    """the layer with its operands; None for a vector operation"""
    output: LayerOutput | None = None
    """what the unit made of it; None for a vector operation"""


@dataclass(kw_only=True, eq=False)
class Machine:
    """An accelerator's plans for the layers of a graph."""

    graph: Graph
    types: Mapping[str, int]
    """element types by tensor"""
    planned: tuple[PlannedLayer, ...]
    vectors: tuple[VectorNode, ...]
    scales: Mapping[str, Static]
    """chosen beforehand, by layer"""
    backend: str | None
    events: bool
    weights: Weights = field(default_factory=dict)
    """quantised weights by layer, good for every run under the same plans where they are laid out alike"""
    keep_weights: bool = False
    """fill `weights`"""

    @cached_property
    def entries(self) -> dict[int, PlannedLayer]:
        """The layers by their place in the graph."""
        return {entry.layer.index: entry for entry in self.planned}

    @cached_property
    def nodes(self) -> tuple[Layer | VectorNode, ...]:
        """Layers and vector operations, in graph order."""
        both: list[Layer | VectorNode] = [*(entry.layer for entry in self.planned), *self.vectors]
        return tuple(sorted(both, key=lambda node: node.index))

    @cached_property
    def _vectors(self) -> dict[int, VectorNode]:
        return {node.index: node for node in self.vectors}

    def starting(self, first: int) -> Machine:
        """The same machine for what does not come before a place in the graph."""
        planned = tuple(entry for entry in self.planned if entry.layer.index >= first)
        return replace(self, planned=planned, vectors=tuple(one for one in self.vectors if one.index >= first))

    def runs(self, which: Layer | VectorNode) -> bool:
        """Whether the accelerator runs this node: another one's may not."""
        return which.index in self.entries or which.index in self._vectors

    def run(self, which: Layer | VectorNode, values: Mapping[str, Array], room: Room = AS_MUCH_AS_THERE_IS) -> Ran:
        """One layer or vector operation that the accelerator runs.

        Args:
            which: the node.
            values: the tensors that it reads; constants need not be among them.
            room: how much memory it may hold.

        Raises:
            ModelError: NaN that came up on the way, shapes that do not go together, a K that the unit cannot take, or a
                layer that there is no room for.
        """
        entry = self.entries.get(which.index)
        return self._vector(self._vectors[which.index], values) if entry is None else self._layer(entry, values, room)

    def _layer(self, entry: PlannedLayer, values: Mapping[str, Array], room: Room) -> Ran:
        layer, plan = entry.layer, entry.plan
        start = time.perf_counter()
        read = {name: values[name] for name in layer.node.input if name in values}
        lowered = room.in_tiles(layer.lower(read, self.graph, plan.k_order))
        layout = _layout(lowered)
        kept, columns = self.weights.get(layer.name, (None, None))
        try:
            output = emulate(
                lowered, plan, static=self.scales.get(layer.name, AT_HAND), backend=self.backend,
                events=self.events, columns=columns if kept == layout else None,
            )  # fmt: skip
        except (ValueError, OverflowRaised) as error:  # NaN that came up on the way, K that the unit cannot take
            raise ModelError(f"{self.graph.path}: layer {layer.name!r}: {error}") from None
        if self.keep_weights and lowered.b_is_weights and plan.keeps_weights:
            self.weights[layer.name] = layout, output.columns
        y, beyond = OutputCast(format=self.format_of(layer))(output.y)
        output = replace(output, y=y, output=output.output + beyond)
        return Ran(y=y, lowered=lowered, output=output, seconds=time.perf_counter() - start)

    def _vector(self, node: VectorNode, values: Mapping[str, Array]) -> Ran:
        start = time.perf_counter()
        try:
            made = node.run({name: values[name] for name in node.node.input if name in values}, self.graph)
        except ValueError as error:  # more elements than a sum of this order takes
            raise ModelError(f"{self.graph.path}: node {node.name!r}: {error}") from None
        with np.errstate(over="ignore"):
            y, _ = OutputCast(format=self.format_of(node))(made.astype(np.float32))
        return Ran(y=y, seconds=time.perf_counter() - start)

    def format_of(self, which: Layer | VectorNode) -> Format:
        """The format of the tensor that the model makes of the node's output: float32 or float16."""
        return load_format(numpy_type(self.types[which.output]).name)

    def tensor(self, which: Layer | VectorNode, y: Array) -> Array:
        """An output in the model's own type: exact, every machine has cast it."""
        return y.astype(numpy_type(self.types[which.output]))

    def refuse_nan(self, values: Mapping[str, Array]) -> None:
        """NaN in an operand whose format has none: refused before the first layer runs.

        Raises:
            ModelError: naming the layer and the tensor.
        """
        for entry in self.planned:
            self.refuse_nan_of(entry, values)

    def refuse_nan_of(self, entry: PlannedLayer, values: Mapping[str, Array]) -> None:
        """The same for one layer."""
        unit = entry.plan.unit
        if unit.a.has_nan and unit.b.has_nan:
            return
        for name in entry.layer.node.input[:2]:
            if name in values:
                known = values[name]
            elif name in self.graph.constants:
                known = self.graph.array(name)
            else:
                continue
            if np.isnan(known).any():
                raise ModelError(
                    f"{self.graph.path}: layer {entry.layer.name!r}: tensor {name!r} holds NaN, "
                    f"and an operand format of unit {unit.name} has none"
                )


def _layout(lowered: Lowered) -> Layout:
    """What B depends on besides the weights: B is repeated along a batch, and parted in a ConvTranspose's phases."""
    geometry = lowered.geometry
    batch: tuple[int, ...] = ()
    cut: tuple[int, ...] = ()
    if lowered.op == "MatMul" and geometry.groups > 1:
        batch = lowered.output_shape[:-2]
    if isinstance(geometry, TransposedGeometry):
        cut = tuple(axis.before % axis.stride for axis in geometry.axes)
    return lowered.b.shape, batch, cut
