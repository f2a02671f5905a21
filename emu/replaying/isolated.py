"""The isolated run: every layer and vector operation on the float32 reference activations.

* Truth and accelerators read the same activations, so a row is that layer's own error.
* All activations come from one run of the engine; or, if finished layers are kept on disk or memory is bounded, the
  reference run goes along layer by layer, and a tensor is dropped after its last reader. The bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from emu.layers.gemm import Array
from emu.layers.plain import evaluate
from emu.replaying.islands import IslandRunner
from emu.replaying.layers import Layer
from emu.replaying.machine import Ran
from emu.replaying.result import Truth
from emu.replaying.schedule import Island, island_of
from emu.replaying.vectors import VectorNode
from emu.replaying.widen import WideRunner

if TYPE_CHECKING:
    from emu.replaying.job import Job
    from emu.replaying.records import Floats

Fetch = Callable[[str], Array]
"""From the name of a layer's output to what the engine makes of it in float32."""


def run_isolated(job: Job) -> list[str]:
    """Run and record every layer; the nodes that the truth ran in float32."""
    truths = _Truths(job)
    if job.streams:
        _along_the_run(job, truths)
    else:
        _all_at_once(job, truths)
    return truths.widened


def _all_at_once(job: Job, truths: _Truths) -> None:
    graph, machine = job.graph, job.machine
    names = {name for one in machine.nodes for name in one.node.input if name not in graph.constants}
    if job.truth is not Truth.FLOAT64:
        names.update(one.output for one in machine.nodes)
    values = job.reference.run(job.inputs, names - {""})
    for one in (machine, *job.others):
        one.refuse_nan(values)
    for which in machine.nodes:
        _one(job, truths, which, values, lambda name: values[name])


def _along_the_run(job: Job, truths: _Truths) -> None:
    machine, route = job.machine, job.route()
    alone = {which.index: island_of(job.graph, which) for which in machine.nodes}
    engine = IslandRunner(job.graph, job.reference.types, tuple(alone.values()))
    for one in (machine, *job.others):
        one.refuse_nan(job.inputs)

    def step(which: Layer | VectorNode, values: Mapping[str, Array]) -> Mapping[str, Array]:
        made = engine(alone[which.index], values)
        if job.known(which) is None:
            for one in (machine, *job.others):
                if which.index in one.entries:
                    one.refuse_nan_of(one.entries[which.index], values)
            _one(job, truths, which, values, lambda name: made[name])
        return made

    route.run(job.inputs, step, job.room.hold)


def _one(job: Job, truths: _Truths, which: Layer | VectorNode, values: Mapping[str, Array], reference: Fetch) -> None:
    job.begin(which)
    ran = job.machine.run(which, values, job.room)
    job.finish(job.recorder.record(which, values, ran, truths(which, values, ran, reference)))


class _Truths:
    """The truth of a layer on the activations that it reads."""

    def __init__(self, job: Job) -> None:
        self._job = job
        vectors = job.machine.vectors if job.truth is Truth.FLOAT64 else ()
        self._alone: dict[int, Island] = {one.index: island_of(job.graph, one) for one in vectors}
        self._wide = WideRunner(job.graph, job.reference.types, tuple(self._alone.values()))

    @property
    def widened(self) -> list[str]:
        """Vector operations whose float64 truth is one of float32."""
        return self._wide.float32_nodes

    def __call__(self, which: Layer | VectorNode, values: Mapping[str, Array], ran: Ran, reference: Fetch) -> Floats:
        """The truth.

        Args:
            which: the layer.
            values: what it reads.
            ran: what the accelerator made of it.
            reference: gives what the engine makes of it.
        """
        job = self._job
        if job.truth is Truth.FLOAT64:
            if ran.lowered is not None:
                return evaluate(job.room.in_tiles(ran.lowered))
            return self._wide(self._alone[which.index], values)[which.output].astype(np.float64)
        if job.truth is Truth.ACCELERATOR:
            (other,) = job.others
            if other.runs(which):
                return other.run(which, values, job.room).y.astype(np.float64)
        return reference(which.output).astype(np.float64)
