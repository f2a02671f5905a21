"""One replay under way: the layers under the accelerator, in either mode.

* Isolated: one float32 reference run gives every layer's inputs; truth and accelerator both start from those. With a
  folder for finished layers (`emu.replaying.spill`) the reference run goes along, and a tensor is dropped after its
  last reader.
* Propagated: a whole run in truth arithmetic, then a whole run in which the accelerator's layers and vector operations
  replace the reference's, with what lies between them in the reference engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import OutputCast
from emu.attribution import Attribution, attribute, attribute_vector
from emu.errors import ModelError, OverflowRaised
from emu.formats import Format, load_format
from emu.layers.emulate import LayerOutput, StaticScales, emulate
from emu.layers.gemm import Array, Lowered
from emu.layers.plain import evaluate
from emu.replaying.engine import numpy_type
from emu.replaying.graph import Graph
from emu.replaying.islands import IslandRunner
from emu.replaying.layers import Layer, PlannedLayer
from emu.replaying.reference import Reference
from emu.replaying.result import Kind, LayerRun, OutputPair, Truth
from emu.replaying.schedule import Island, Step, execute, island_of, islands_of, schedule
from emu.replaying.spill import Spill
from emu.replaying.truth import true_run
from emu.replaying.vectors import VectorNode
from emu.replaying.widen import WideRunner
from emu.schemes import Quantised

Progress = Callable[[int, int, str], object]
"""Called with (layers done, layers in all, name of the layer that starts; empty at the end)."""
OnLayer = Callable[[LayerRun], object]
"""Called with each layer when it is done."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """The steps of a propagated run, with a session of the engine for every island."""

    steps: tuple[Step, ...]
    islands: IslandRunner

    @staticmethod
    def of(
        graph: Graph, reference: Reference, planned: tuple[PlannedLayer, ...], vectors: tuple[VectorNode, ...]
    ) -> Route:
        """The route of a graph whose planned layers and vector nodes the accelerator runs."""
        steps = schedule(graph, [*(entry.layer for entry in planned), *vectors])
        return Route(steps=steps, islands=IslandRunner(graph, reference.types, islands_of(steps)))


def _silent(*_: object) -> None:
    """No record."""


@dataclass(kw_only=True)
class Job:
    """One replay under way."""

    graph: Graph
    reference: Reference
    planned: tuple[PlannedLayer, ...]
    vectors: tuple[VectorNode, ...]
    scales: Mapping[str, StaticScales]
    inputs: dict[str, Array]
    truth: Truth
    backend: str | None
    progress: Progress
    on_layer: OnLayer
    keep: bool
    events: bool
    attribution: int
    """elements of each layer whose error is charged to the stages of the datapath; 0: none"""
    shapley: bool
    """charge it over all orders of the stages, too"""
    weights: dict[str, Quantised]
    """quantised weights by layer, good for every run under the same plans"""
    keep_weights: bool
    """fill `weights`"""
    route: Callable[[], Route]
    """gives the steps of a propagated run"""
    spill: Spill | None = None
    """where finished layers are kept"""
    inherits: bool = False
    """whether layers read what the accelerator made of the layers before: their truth is the model's"""
    done: list[LayerRun] = field(default_factory=list)
    started: int = 0

    def _wanted(self) -> list[str]:
        return [*(entry.layer.output for entry in self.planned), *(one.output for one in self.vectors)]

    @property
    def total(self) -> int:
        """How many layers and vector operations there are."""
        return len(self.planned) + len(self.vectors)

    def isolated(self) -> dict[str, OutputPair]:
        """Every layer and vector operation on the reference activations."""
        alone = {index: island_of(self.graph, which) for index, which in self._all().items()}
        vectors = tuple(alone[one.index] for one in self.vectors)
        wide = WideRunner(self.graph, self.reference.types, vectors)
        if self.spill is not None:
            self._stream(alone, wide)
            return {}
        nodes = [*(entry.layer.node for entry in self.planned), *(one.node for one in self.vectors)]
        names = {name for node in nodes for name in node.input if name not in self.graph.constants}
        if self.truth is Truth.FLOAT32:
            names.update(self._wanted())
        values = self.reference.run(self.inputs, names - {""})
        self._refuse_nan(values)
        for _, which in sorted(self._all().items()):
            self._alone(which, alone[which.index], values, wide, lambda name: values[name])
        return {}

    def _all(self) -> dict[int, Layer | VectorNode]:
        """Layers and vector nodes by their place in the graph."""
        layers = {entry.layer.index: entry.layer for entry in self.planned}
        return {**layers, **{one.index: one for one in self.vectors}}

    def _alone(
        self, which: Layer | VectorNode, island: Island, values: Mapping[str, Array], wide: WideRunner,
        reference: Callable[[str], Array],
    ) -> None:  # fmt: skip
        """One layer or vector operation on reference activations; `reference` gives the engine's own output."""
        if isinstance(which, VectorNode):
            y, seconds = self._vector(which, values)
            double = self.truth is Truth.FLOAT64
            exact = wide(island, values)[which.output] if double else reference(which.output)
            self._record_vector(which, values, y, exact.astype(np.float64), seconds)
            return
        entry = next(entry for entry in self.planned if entry.layer.index == which.index)
        lowered, output, seconds = self._emulate(entry, values)
        truth = evaluate(lowered) if self.truth is Truth.FLOAT64 else reference(which.output).astype(np.float64)
        self._record(entry, values, lowered, output, truth, seconds)

    def _stream(self, alone: Mapping[int, Island], wide: WideRunner) -> None:
        """The isolated run, layer by layer along the reference run: tensors are dropped after their last reader."""
        self._refuse_nan(self.inputs)
        route = self.route()
        engine = IslandRunner(self.graph, self.reference.types, tuple(alone.values()))

        def step(which: Step, values: Mapping[str, Array]) -> Mapping[str, Array]:
            if isinstance(which, Island):
                return route.islands(which, values)
            made = engine(alone[which.index], values)
            if not self._known(which):
                self._refuse_nan(values)
                self._alone(which, alone[which.index], values, wide, lambda name: made[name])
            return made

        execute(self.graph, route.steps, self.inputs, step)

    def _known(self, which: Layer | VectorNode) -> LayerRun | None:
        """A layer that was finished before; it is handed on as if it were done now."""
        found = None if self.spill is None else self.spill.get(which.index)
        if found is not None:
            self.progress(self.started, self.total, which.name)
            self.started += 1
            self._hand_on(found)
        return found

    def propagated(self) -> tuple[dict[str, OutputPair], list[str]]:
        """A whole run in truth arithmetic, then one under the accelerator. Also the nodes that truth ran in float32."""
        self._refuse_nan(self.inputs)
        self.inherits = True
        truths, outputs, widened = true_run(
            self.graph, self.reference, self.inputs, self._wanted(), self.truth, self.vectors
        )

        def record(
            entry: PlannedLayer, values: Mapping[str, Array], lowered: Lowered, output: LayerOutput, seconds: float
        ) -> None:
            self._record(entry, values, lowered, output, truths.pop(entry.layer.output), seconds)

        def record_vector(which: VectorNode, values: Mapping[str, Array], y: Array, seconds: float) -> None:
            self._record_vector(which, values, y, truths.pop(which.output), seconds)

        emulated = self._flow(record, record_vector)
        pairs = {name: OutputPair(truth=outputs[name], emulated=emulated[name]) for name in self.graph.outputs}
        return pairs, widened

    def outputs_alone(self) -> dict[str, Array]:
        """The model's outputs under the accelerator, propagated, with nothing to compare them with."""
        self._refuse_nan(self.inputs)
        return self._flow(_silent, _silent)

    def _flow(
        self,
        record: Callable[[PlannedLayer, Mapping[str, Array], Lowered, LayerOutput, float], object],
        record_vector: Callable[[VectorNode, Mapping[str, Array], Array, float], object],
    ) -> dict[str, Array]:
        """The run under the accelerator; the callbacks see each layer and vector operation when it is done."""
        entries = {entry.layer.name: entry for entry in self.planned}
        route = self.route()

        def step(which: Step, values: Mapping[str, Array]) -> Mapping[str, Array]:
            if isinstance(which, Island):
                return route.islands(which, values)
            found = self._known(which)
            if found is not None:
                return {which.output: found.emulated.astype(numpy_type(self.reference.types[which.output]))}
            if isinstance(which, VectorNode):
                y, seconds = self._vector(which, values)
                record_vector(which, values, y, seconds)
                return {which.output: y.astype(numpy_type(self.reference.types[which.output]))}
            entry = entries[which.name]
            lowered, output, seconds = self._emulate(entry, values)
            record(entry, values, lowered, output, seconds)
            dtype = numpy_type(self.reference.types[which.output])
            return {which.output: output.y.astype(dtype)}  # exact: _emulate has cast it

        return execute(self.graph, route.steps, self.inputs, step)

    def _refuse_nan(self, values: Mapping[str, Array]) -> None:
        """NaN in an operand whose format has none: refused before the first layer runs.

        Raises:
            ModelError: naming the layer and the tensor.
        """
        for entry in self.planned:
            unit = entry.plan.unit
            if unit.a.has_nan and unit.b.has_nan:
                continue
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

    def _emulate(self, entry: PlannedLayer, values: Mapping[str, Array]) -> tuple[Lowered, LayerOutput, float]:
        """One layer under the accelerator, and how long it took."""
        layer, plan = entry.layer, entry.plan
        self.progress(self.started, self.total, layer.name)
        self.started += 1
        start = time.perf_counter()
        lowered = layer.lower(values, self.graph, plan.k_order)
        try:
            output = emulate(
                lowered, plan, static=self.scales.get(layer.name, (None, None)), backend=self.backend,
                events=self.events, columns=self.weights.get(layer.name),
            )  # fmt: skip
        except (ValueError, OverflowRaised) as error:  # NaN that came up on the way, K that the unit cannot take
            raise ModelError(f"{self.graph.path}: layer {layer.name!r}: {error}") from None
        if self.keep_weights and lowered.b_is_weights:
            self.weights[layer.name] = output.columns
        y, beyond = OutputCast(format=self._model_format(layer))(output.y)
        output = replace(output, y=y, output=output.output + beyond)
        return lowered, output, time.perf_counter() - start

    def _vector(self, which: VectorNode, values: Mapping[str, Array]) -> tuple[Array, float]:
        """One vector operation under the accelerator, and how long it took."""
        self.progress(self.started, self.total, which.name)
        self.started += 1
        start = time.perf_counter()
        made = which.run(values, self.graph)
        with np.errstate(over="ignore"):
            y, _ = OutputCast(format=self._model_format(which))(made.astype(np.float32))
        return y, time.perf_counter() - start

    def _model_format(self, layer: Layer | VectorNode) -> Format:
        """The format of the tensor that the model makes of the layer's output: float32 or float16."""
        return load_format(numpy_type(self.reference.types[layer.output]).name)

    def _record(
        self,
        entry: PlannedLayer,
        values: Mapping[str, Array],
        lowered: Lowered,
        output: LayerOutput,
        truth: NDArray[np.float64],
        seconds: float,
    ) -> None:
        layer, plan = entry.layer, entry.plan
        weights = plan.weights if lowered.b_is_weights else plan.activations
        shares, reason = self._attributed(entry, lowered, output, truth)
        record = LayerRun(
            name=layer.name, op=layer.op, node_index=layer.index,
            input_shapes=self._shapes(layer, values), output_shape=output.y.shape,
            k=lowered.geometry.k, macs=lowered.macs, truth=truth, emulated=output.y,
            output_format=self._model_format(layer) if plan.output.identity else plan.output.format,
            events=output.events,
            quantiser_saturated=output.quantiser.saturated, quantiser_overflowed=output.quantiser.overflowed,
            output_saturated=output.output.saturated, output_overflowed=output.output.overflowed,
            unit_name=plan.unit.name, activations=str(plan.activations), weights=str(weights), seconds=seconds,
            attribution=shares, no_attribution=reason,
        )  # fmt: skip
        self._done(record)

    def _attributed(
        self, entry: PlannedLayer, lowered: Lowered, output: LayerOutput, truth: NDArray[np.float64]
    ) -> tuple[Attribution | None, str]:
        """What the layer's error is made of, or why that cannot be said."""
        if not self.attribution:
            return None, ""
        try:
            made = attribute(
                lowered, entry.plan, output.y, truth=truth if self.inherits else None, most=self.attribution,
                static=self.scales.get(entry.layer.name, (None, None)), with_shapley=self.shapley, backend=self.backend,
            )  # fmt: skip
        except (ValueError, OverflowRaised) as error:
            return None, str(error)
        return made, ""

    def _record_vector(
        self, which: VectorNode, values: Mapping[str, Array], y: Array, truth: NDArray[np.float64], seconds: float
    ) -> None:
        shares = None
        if self.attribution:
            shares = attribute_vector(truth, self._own_truth(which, values) if self.inherits else None, y)
        made = self._model_format(which)
        narrow = which.unit.arithmetic.format
        record = LayerRun(
            kind=Kind.VECTOR, name=which.name, op=which.op, node_index=which.index,
            input_shapes=self._shapes(which, values), output_shape=y.shape, k=0, macs=0, truth=truth, emulated=y,
            output_format=narrow if narrow.precision <= made.precision else made, events=None, quantiser_saturated=0,
            output_saturated=0, unit_name=which.unit.name, activations="", weights="", seconds=seconds,
            attribution=shares, softmax_axes=which.softmax_axes(y.ndim, self.graph),
        )  # fmt: skip
        self._done(record)

    @cached_property
    def _doubles(self) -> tuple[dict[int, Island], WideRunner]:
        """Every vector operation as an island, by its place, and what runs them in double."""
        alone = {one.index: island_of(self.graph, one) for one in self.vectors}
        return alone, WideRunner(self.graph, self.reference.types, tuple(alone.values()))

    def _own_truth(self, which: VectorNode, values: Mapping[str, Array]) -> NDArray[np.float64]:
        """A vector operation in double, of what it read."""
        alone, wide = self._doubles
        return wide(alone[which.index], values)[which.output].astype(np.float64)

    def _done(self, record: LayerRun) -> None:
        self._hand_on(record if self.spill is None else self.spill.put(record))

    def _hand_on(self, record: LayerRun) -> None:
        self.on_layer(record)
        if self.keep:
            self.done.append(record)

    def _shapes(self, layer: Layer | VectorNode, values: Mapping[str, Array]) -> tuple[tuple[int, ...], ...]:
        return tuple(
            values[name].shape if name in values else tuple(self.graph.constants[name].dims)
            for name in layer.node.input[:2]
            if name
        )
