"""A model under an accelerator, made ready once and run on many inputs.

* `LoadedModel`: the file is read, checked, folded and tried in the reference engine. Several sessions may share it.
* `ReplaySession`: the accelerator's plan for every layer, static scales, the steps of a propagated run and, if asked
  for, the quantised weights are made once. A run gives the same bits as `emu.replaying.driver.run` does.

Everything that can be refused is refused when a session is made, but for what depends on a run's inputs.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from emu.accelerators import Accelerator, load_accelerator
from emu.errors import SpecError
from emu.formats.backend import backend_of
from emu.layers.gemm import Array
from emu.replaying.calibration import as_record, calibrate
from emu.replaying.fallback import find_fallbacks, refuse
from emu.replaying.graph import Graph, bind, load_graph
from emu.replaying.inputs import inputs_hash, read_inputs
from emu.replaying.job import Job, OnLayer, Progress, Route
from emu.replaying.layers import plan_layers
from emu.replaying.limits import Limits
from emu.replaying.reference import Reference
from emu.replaying.result import Mode, ReplayRun, Truth
from emu.replaying.spill import Spill
from emu.replaying.vectors import find_vector_nodes

if TYPE_CHECKING:
    from onnx import ModelProto

    from emu.schemes import Quantised

E = TypeVar("E", bound=enum.Enum)
Inputs = str | Path | Mapping[str, Any]


class LoadedModel:
    """A model, ready for any accelerator."""

    def __init__(
        self,
        model: str | Path | ModelProto,
        *,
        fixed: Mapping[str, Array] | None = None,
        limits: Limits | None = None,
        like: Sequence[Inputs] = (),
    ) -> None:
        """Load, check and fold a model, and try it in the reference engine.

        Args:
            model: an ONNX file, or a model built in memory.
            fixed: inputs that have one value for good; branches on them are taken.
            limits: bounds on what is read.
            like: inputs whose shapes all runs have. A cell whose number of steps only they tell is taken apart then,
                and inputs of other shapes are refused; without such a cell, or without `like`, any shape goes.

        Raises:
            ModelError: anything that is wrong with the model, or with those inputs.
        """
        self.limits = limits or Limits()
        loaded = load_graph(model, self.limits, fixed)
        self.graph: Graph = loaded
        if like:
            self.graph = bind(loaded, lambda: [read_inputs(one, loaded, self.limits) for one in like], self.limits)
        self.reference = Reference(self.graph)

    def run(self, inputs: Inputs) -> dict[str, Array]:
        """The outputs in float32 by the reference engine: what IEEE hardware makes of the model.

        Raises:
            ModelError: inputs that do not fit, or the engine fails.
        """
        return self.reference.run(read_inputs(inputs, self.graph, self.limits), self.graph.outputs)


class ReplaySession:
    """A model under an accelerator."""

    def __init__(
        self,
        model: LoadedModel,
        accelerator: str | Path | Mapping[str, Any] | Accelerator,
        *,
        layers: str = "*",
        backend: str | None = None,
        events: bool = True,
        attribution: int = 0,
        shapley: bool = False,
        calibration: Inputs | None = None,
        keep_weights: bool = True,
    ) -> None:
        """Plan every layer.

        Args:
            model: what to run.
            accelerator: a built-in name, a path, a mapping, or a loaded accelerator.
            layers: a glob over layer names; the others run in reference arithmetic.
            backend: as for `Unit.matmul`.
            events: count them in runs that record layers.
            attribution: elements of each layer whose error is charged to stages of the datapath, in runs that record.
            shapley: charge it over all orders of the stages, too.
            calibration: inputs from which static activation scales are chosen.
            keep_weights: quantise each layer's weights once; costs the memory of their codes.

        Raises:
            SpecError: the accelerator or the backend.
            ModelError: a layer or an operator that the accelerator cannot run, or missing calibration.
        """
        backend_of(backend)
        self.accelerator = load_accelerator(accelerator)
        self._model, self._backend, self._events, self._attribution = model, backend, events, attribution
        self._shapley = shapley
        self._weights: dict[str, Quantised] = {}
        self._keep_weights = keep_weights
        graph, reference = model.graph, model.reference
        self._vectors = find_vector_nodes(graph, reference.types, self.accelerator, layers)
        self._planned = plan_layers(graph, reference.types, self.accelerator, layers, needed=not self._vectors)
        names = frozenset(entry.layer.name for entry in self._planned)
        self.fallback = find_fallbacks(graph, reference.types, names, frozenset(one.index for one in self._vectors))
        refuse(graph, self.accelerator, self.fallback)
        samples = None if calibration is None else read_inputs(calibration, graph, model.limits)
        self._scales = calibrate(graph, reference, self._planned, samples)

    @cached_property
    def _route(self) -> Route:
        return Route.of(self._model.graph, self._model.reference, self._planned, self._vectors)

    def outputs(self, inputs: Inputs) -> dict[str, Array]:
        """The model's outputs under the accelerator: a propagated run without truth, records and events.

        Raises:
            ModelError: inputs that do not fit, or NaN where a format has none.
        """
        given = read_inputs(inputs, self._model.graph, self._model.limits)
        return self._job(given, Truth.FLOAT32, events=False).outputs_alone()

    def run(
        self,
        inputs: Inputs,
        *,
        mode: str | Mode = "isolated",
        truth: str | Truth = "float64",
        progress: Progress | None = None,
        on_layer: OnLayer | None = None,
        keep: bool = True,
        unfinished: Path | None = None,
    ) -> ReplayRun:
        """One replay; the arguments are those of `emu.replaying.driver.run`.

        Raises:
            SpecError: an unknown mode or truth.
            ModelError: inputs that do not fit, or NaN where a format has none.
        """
        started = time.perf_counter()
        mode, truth = member(Mode, mode), member(Truth, truth)
        graph = self._model.graph
        given = read_inputs(inputs, graph, self._model.limits)
        spill = None if unfinished is None else Spill(unfinished, self._question(given, mode, truth))
        job = self._job(
            given,
            truth,
            events=self._events,
            attribution=self._attribution,
            progress=progress,
            on_layer=on_layer,
            keep=keep,
            spill=spill,
        )
        outputs, widened = (job.isolated(), []) if mode is Mode.ISOLATED else job.propagated()
        job.progress(job.total, job.total, "")
        in_order = sorted(job.done, key=lambda one: one.node_index)  # however they were run
        return ReplayRun(
            model=graph.path, model_sha256=graph.sha256, inputs_sha256=inputs_hash(given),
            accelerator=self.accelerator.name, accelerator_hash=self.accelerator.spec_hash, mode=mode, truth=truth,
            backend=self._backend, layers=tuple(in_order), outputs=outputs, fallback=self.fallback,
            truth_float32=tuple(widened), calibration=as_record(self._scales),
            elapsed=time.perf_counter() - started,
        )  # fmt: skip

    def _question(self, given: dict[str, Array], mode: Mode, truth: Truth) -> dict[str, Any]:
        """All that decides a bit, an event or a share of a layer."""
        return {
            "model": self._model.graph.sha256, "inputs": inputs_hash(given), "accelerator": self.accelerator.spec_hash,
            "mode": mode.value, "truth": truth.value, "events": self._events,
            "attribution": self._attribution, "shapley": self._shapley,
            "layers": [entry.layer.name for entry in self._planned] + [one.name for one in self._vectors],
            "calibration": as_record(self._scales),
        }  # fmt: skip

    def _job(
        self,
        given: dict[str, Array],
        truth: Truth,
        *,
        events: bool,
        attribution: int = 0,
        progress: Progress | None = None,
        on_layer: OnLayer | None = None,
        keep: bool = True,
        spill: Spill | None = None,
    ) -> Job:
        return Job(
            graph=self._model.graph, reference=self._model.reference, planned=self._planned,
            vectors=self._vectors, scales=self._scales,
            inputs=given, truth=truth, backend=self._backend, progress=progress or _silent,
            on_layer=on_layer or _silent, keep=keep, events=events, attribution=attribution, shapley=self._shapley,
            spill=spill,
            weights=self._weights,
            keep_weights=self._keep_weights,
            route=lambda: self._route,
        )  # fmt: skip


def member(kind: type[E], value: str | E) -> E:
    """The member of a vocabulary.

    Raises:
        SpecError: there is none of that value.
    """
    try:
        return kind(value)
    except ValueError:
        allowed = [str(one.value) for one in kind]
        raise SpecError(f"unknown {kind.__name__.lower()}", value=value, allowed=allowed) from None


def _silent(*_: object) -> None:
    """No callback."""
