"""A layer that was run, as the record of a replay: next to its truth, and with what its error is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from emu.attribution import Attribution, attribute, attribute_vector
from emu.errors import OverflowRaised
from emu.layers.gemm import Array
from emu.layers.static import AT_HAND
from emu.replaying.layers import Layer, PlannedLayer
from emu.replaying.machine import Machine, Ran
from emu.replaying.result import Kind, LayerRun
from emu.replaying.schedule import Island, island_of
from emu.replaying.vectors import VectorNode
from emu.replaying.widen import WideRunner

Floats = NDArray[np.float64]


@dataclass(kw_only=True, eq=False)
class Recorder:
    """Makes the records of one replay."""

    machine: Machine
    attribution: int
    """elements of each layer whose error is charged to the stages of the datapath; 0: none"""
    shapley: bool
    """charge it over all orders of the stages, too"""
    inherits: bool
    """whether layers read what the accelerator made of the layers before: their truth is the model's"""

    def record(self, which: Layer | VectorNode, values: Mapping[str, Array], ran: Ran, truth: Floats) -> LayerRun:
        """One layer or vector operation that was run on these values."""
        if isinstance(which, VectorNode):
            return self._vector(which, values, ran, truth)
        return self._layer(self.machine.entries[which.index], values, ran, truth)

    def _layer(self, entry: PlannedLayer, values: Mapping[str, Array], ran: Ran, truth: Floats) -> LayerRun:
        layer, plan, lowered, output = entry.layer, entry.plan, ran.lowered, ran.output
        assert lowered is not None
        assert output is not None
        weights = plan.weights if lowered.b_is_weights else plan.activations
        shares, reason = self._attributed(entry, ran, truth)
        return LayerRun(
            name=layer.name, op=layer.op, node_index=layer.index,
            input_shapes=self._shapes(layer, values), output_shape=ran.y.shape,
            k=lowered.geometry.k, macs=lowered.macs, truth=truth, emulated=ran.y,
            output_format=self.machine.format_of(layer) if plan.output.identity else plan.output.format,
            events=output.events,
            quantiser_saturated=output.quantiser.saturated, quantiser_overflowed=output.quantiser.overflowed,
            output_saturated=output.output.saturated, output_overflowed=output.output.overflowed,
            unit_name=plan.unit.name, activations=str(plan.activations), weights=str(weights), seconds=ran.seconds,
            attribution=shares, no_attribution=reason,
        )  # fmt: skip

    def _attributed(self, entry: PlannedLayer, ran: Ran, truth: Floats) -> tuple[Attribution | None, str]:
        """What the layer's error is made of, or why that cannot be said."""
        if not self.attribution:
            return None, ""
        assert ran.lowered is not None
        static = self.machine.scales.get(entry.layer.name, AT_HAND)
        try:
            made = attribute(
                ran.lowered, entry.plan, ran.y, truth=truth if self.inherits else None, most=self.attribution,
                static=static, with_shapley=self.shapley, backend=self.machine.backend,
            )  # fmt: skip
        except (ValueError, OverflowRaised) as error:
            return None, str(error)
        return made, ""

    def _vector(self, which: VectorNode, values: Mapping[str, Array], ran: Ran, truth: Floats) -> LayerRun:
        shares = None
        if self.attribution:
            shares = attribute_vector(truth, self._own_truth(which, values) if self.inherits else None, ran.y)
        made = self.machine.format_of(which)
        narrow = which.unit.arithmetic.format
        return LayerRun(
            kind=Kind.VECTOR, name=which.name, op=which.op, node_index=which.index,
            input_shapes=self._shapes(which, values), output_shape=ran.y.shape, k=0, macs=0, truth=truth,
            emulated=ran.y, output_format=narrow if narrow.precision <= made.precision else made, events=None,
            quantiser_saturated=0, output_saturated=0, unit_name=which.unit.name, activations="", weights="",
            seconds=ran.seconds, attribution=shares,
            softmax_axes=which.softmax_axes(ran.y.ndim, self.machine.graph),
        )  # fmt: skip

    @cached_property
    def _doubles(self) -> tuple[dict[int, Island], WideRunner]:
        """Every vector operation as an island, by its place, and what runs them in double."""
        graph = self.machine.graph
        alone = {one.index: island_of(graph, one) for one in self.machine.vectors}
        return alone, WideRunner(graph, self.machine.types, tuple(alone.values()))

    def _own_truth(self, which: VectorNode, values: Mapping[str, Array]) -> Floats:
        """A vector operation in double, of what it read."""
        alone, wide = self._doubles
        return wide(alone[which.index], values)[which.output].astype(np.float64)

    def _shapes(self, which: Layer | VectorNode, values: Mapping[str, Array]) -> tuple[tuple[int, ...], ...]:
        constants = self.machine.graph.constants
        return tuple(
            values[name].shape if name in values else tuple(constants[name].dims)
            for name in which.node.input[:2]
            if name
        )
