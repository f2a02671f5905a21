"""A model under an accelerator, made ready once and run on many inputs.

* `emu.replaying.loaded.LoadedModel`: the model without an accelerator. Several sessions may share it.
* `ReplaySession`: the accelerator's plan for every layer, static scales, the steps of a propagated run and, if asked
  for, the quantised weights are made once. A run gives the same bits as `emu.replaying.driver.run` does.

Everything that can be refused is refused when a session is made, but for what depends on a run's inputs.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from emu.accelerators import Accelerator, load_accelerator
from emu.errors import SpecError
from emu.formats.backend import backend_of
from emu.layers.gemm import Array
from emu.replaying.bounds import room_of
from emu.replaying.calibration import as_record, calibrate, digest
from emu.replaying.course import Course, course
from emu.replaying.fallback import find_fallbacks, refuse
from emu.replaying.inputs import inputs_hash, read_inputs
from emu.replaying.isolated import run_isolated
from emu.replaying.job import Job, OnLayer, Progress
from emu.replaying.layers import plan_layers
from emu.replaying.loaded import Inputs, LoadedModel
from emu.replaying.machine import Machine, Weights
from emu.replaying.propagated import run_alone, run_propagated
from emu.replaying.result import Fallback, FallbackReason, Mode, ReplayRun, Truth
from emu.replaying.room import Scratch
from emu.replaying.route import Route
from emu.replaying.spill import Spill
from emu.replaying.vectors import find_vector_nodes

E = TypeVar("E", bound=enum.Enum)
__all__ = ["LoadedModel", "ReplaySession", "member"]


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
        share: tuple[int, int] = (0, 1),
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
            share: (n, of): of the layers and vector operations in graph order, every of-th one from the n-th on; the
                others run in reference arithmetic. For isolated replays that several processes share.

        Raises:
            SpecError: the accelerator or the backend.
            ModelError: a layer or an operator that the accelerator cannot run, or missing calibration.
        """
        backend_of(backend)
        self.accelerator = load_accelerator(accelerator)
        self._model, self._backend, self._events, self._attribution = model, backend, events, attribution
        self._shapley = shapley
        self._weights: Weights = {}
        self._keep_weights = keep_weights
        graph, reference = model.graph, model.reference
        self._vectors = find_vector_nodes(graph, reference.types, self.accelerator, layers)
        self._planned = plan_layers(graph, reference.types, self.accelerator, layers, needed=not self._vectors)
        names = frozenset(entry.layer.name for entry in self._planned)
        self.fallback = find_fallbacks(graph, reference.types, names, frozenset(one.index for one in self._vectors))
        refuse(graph, self.accelerator, self.fallback)
        if share != (0, 1):
            places = sorted([*(entry.layer.index for entry in self._planned), *(one.index for one in self._vectors)])
            own = set(places[share[0] :: share[1]])
            self._planned = tuple(entry for entry in self._planned if entry.layer.index in own)
            self._vectors = tuple(one for one in self._vectors if one.index in own)
        samples = None if calibration is None else read_inputs(calibration, graph, model.limits)
        self._scales = calibrate(graph, reference, self._planned, samples)

    @cached_property
    def _route(self) -> Route:
        return Route.of(self._model.graph, self._model.reference, self._machine(events=False).nodes)

    def _machine(self, *, events: bool) -> Machine:
        return Machine(
            graph=self._model.graph, types=self._model.reference.types, planned=self._planned, vectors=self._vectors,
            scales=self._scales, backend=self._backend, events=events, weights=self._weights,
            keep_weights=self._keep_weights,
        )  # fmt: skip

    def outputs(self, inputs: Inputs) -> dict[str, Array]:
        """The model's outputs under the accelerator: a propagated run without truth, records and events.

        Raises:
            ModelError: inputs that do not fit, or NaN where a format has none.
        """
        graph = self._model.graph
        given = read_inputs(inputs, graph, self._model.limits)
        job = Job(
            graph=graph, reference=self._model.reference, machine=self._machine(events=False), inputs=given,
            route=lambda: self._route, flows=True,
        )  # fmt: skip
        return run_alone(job)

    def run(
        self,
        inputs: Inputs,
        *,
        mode: str | Mode | Course = "isolated",
        truth: str | Truth = "float64",
        against: ReplaySession | None = None,
        progress: Progress | None = None,
        on_layer: OnLayer | None = None,
        keep: bool = True,
        unfinished: Path | None = None,
        memory_limit: int | None = None,
    ) -> ReplayRun:
        """One replay; the arguments are those of `emu.replaying.driver.run`.

        Args:
            inputs: as there.
            mode: as there.
            truth: as there.
            against: another accelerator on the same `LoadedModel`, in place of a truth.
            progress: as there.
            on_layer: as there.
            keep: as there.
            unfinished: as there.
            memory_limit: as there; quantised weights that were kept are dropped.

        Raises:
            SpecError: an unknown mode or truth, or what cannot be asked together.
            ModelError: inputs that do not fit, NaN where a format has none, no layer to start from, or a layer that is
                larger than the memory limit.
        """
        started = time.perf_counter()
        asked, measure = course(mode), self._measure(truth, against)
        graph, reference = self._model.graph, self._model.reference
        machine = self._machine(events=self._events)
        first = asked.first(graph, machine.nodes)
        skipped = [node for node in machine.nodes if node.index < first]
        others = () if against is None else (against._machine(events=False).starting(first),)
        given = read_inputs(inputs, graph, self._model.limits)
        machine = machine.starting(first)
        if memory_limit is not None:
            self._weights.clear()
            machine = replace(machine, keep_weights=False)
        owner = Scratch() if memory_limit is not None and unfinished is None else None
        folder = unfinished if owner is None else owner.folder
        job = Job(
            graph=graph, reference=reference, machine=machine, inputs=given, truth=measure, others=others,
            route=cache(lambda: Route.of(graph, reference, machine.nodes, first=first) if first else self._route),
            first=first, flows=asked.flows, attribution=self._attribution, shapley=self._shapley,
            progress=progress or _silent, on_layer=on_layer or _silent, keep=keep,
            spill=None if folder is None else Spill(folder, self._question(given, asked, measure, against)),
        )  # fmt: skip
        try:
            with room_of(job, memory_limit, folder) as job.room:
                outputs, widened = run_propagated(job) if asked.flows else ({}, run_isolated(job))
        except BaseException:
            if owner is not None:
                owner.remove()  # the exception's traceback would keep it
            raise
        job.progress(job.total, job.total, "")
        before = (Fallback(node=node.name, op=node.op, reason=FallbackReason.BEFORE) for node in skipped)
        return ReplayRun(
            model=graph.path, model_sha256=graph.sha256, inputs_sha256=inputs_hash(given),
            accelerator=self.accelerator.name, accelerator_hash=self.accelerator.spec_hash, mode=asked.mode,
            start=asked.start, truth=measure, against="" if against is None else against.accelerator.name,
            against_hash="" if against is None else against.accelerator.spec_hash,
            backend=self._backend, layers=job.layers(owner), outputs=outputs, fallback=(*before, *self.fallback),
            truth_float32=tuple(widened), calibration=as_record(self._scales),
            elapsed=time.perf_counter() - started,
        )  # fmt: skip

    def _measure(self, truth: str | Truth, against: ReplaySession | None) -> Truth:
        """What deviations are measured against.

        Raises:
            SpecError: an unknown truth, or what does not go with another accelerator.
        """
        found = member(Truth, truth)
        if against is None:
            if found is Truth.ACCELERATOR:
                raise SpecError("a truth that is an accelerator is named by `against`")
            return found
        if found is Truth.FLOAT32:
            raise SpecError("the truth is float32 or another accelerator, not both")
        if self._attribution:
            raise SpecError(
                "attribution goes from exact arithmetic to an accelerator, and is not defined from one accelerator "
                "to another: leave it out, or ask `emu diff` for the level where they part"
            )
        if against._model is not self._model:
            raise ValueError("both accelerators have to be sessions of one LoadedModel")
        return Truth.ACCELERATOR

    def _question(
        self, given: dict[str, Array], asked: Course, truth: Truth, against: ReplaySession | None
    ) -> dict[str, Any]:
        """All that decides a bit, an event or a share of a layer."""
        return {
            "model": self._model.graph.sha256, "fixed": self._model.fixed_sha256,
            "nodes": self._model.graph.nodes_sha256, "inputs": inputs_hash(given),
            "accelerator": self.accelerator.spec_hash,
            "mode": str(asked), "truth": truth.value, "events": self._events,
            "attribution": self._attribution, "shapley": self._shapley,
            "layers": self._names(),
            "calibration": digest(self._scales),
            "against": None if against is None
            else {
                "accelerator": against.accelerator.spec_hash, "calibration": digest(against._scales),
                "layers": against._names(),
            },
        }  # fmt: skip

    def _names(self) -> list[str]:
        """The layers and vector operations that the accelerator runs."""
        return [entry.layer.name for entry in self._planned] + [one.name for one in self._vectors]


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
