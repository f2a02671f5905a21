"""The run in which errors flow: from the model's inputs, or from one layer on.

* The truth goes first, as a whole run of its own (`emu.replaying.truth`); then the accelerator's layers and vector
  operations replace the reference's, with what lies between them in the reference engine.
* `from=LAYER`: nodes that come before the layer in graph order run in float32, once, for truth and accelerator alike.
  What they make is what both start from: no error of theirs is in any row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from emu.layers.gemm import Array
from emu.replaying.layers import Layer
from emu.replaying.result import OutputPair, Truth
from emu.replaying.route import beginning
from emu.replaying.truth import Start, TrueRun, accelerated_run, float32_run, float64_run
from emu.replaying.vectors import VectorNode

if TYPE_CHECKING:
    from emu.replaying.job import Job


def run_propagated(job: Job) -> tuple[dict[str, OutputPair], list[str]]:
    """Run and record every layer.

    Returns:
        The model's outputs, and the nodes that the truth ran in float32.
    """
    values = _at_the_start(job)
    job.machine.refuse_nan(values)
    true = _true_run(job, values)
    machine, route = job.machine, job.route()

    def one(which: Layer | VectorNode, values: Mapping[str, Array]) -> Mapping[str, Array]:
        found = job.known(which)
        if found is not None:
            true.tensors.pop(which.output, None)
            return {which.output: machine.tensor(which, found.emulated)}
        job.begin(which)
        ran = machine.run(which, values, job.room)
        job.finish(job.recorder.record(which, values, ran, true.tensors.pop(which.output)))
        return {which.output: machine.tensor(which, ran.y)}

    emulated = route.run(values, one, job.room.hold)
    pairs = {name: OutputPair(truth=true.outputs[name], emulated=emulated[name]) for name in job.graph.outputs}
    return pairs, true.widened


def run_alone(job: Job) -> dict[str, Array]:
    """The model's outputs under the accelerator, propagated, with nothing to compare them with."""
    machine = job.machine
    machine.refuse_nan(job.inputs)

    def one(which: Layer | VectorNode, values: Mapping[str, Array]) -> Mapping[str, Array]:
        job.begin(which)
        return {which.output: machine.tensor(which, machine.run(which, values, job.room).y)}

    return job.route().run(job.inputs, one, job.room.hold)


def _at_the_start(job: Job) -> Mapping[str, Array]:
    """The tensors that truth and accelerator start from."""
    if not job.first:
        return job.inputs
    held = job.room.hold({})
    held.update(job.reference.run(job.inputs, beginning(job.graph, job.first)))
    return held


def _true_run(job: Job, values: Mapping[str, Array]) -> TrueRun:
    machine = job.machine
    start = Start(
        graph=job.graph, reference=job.reference, inputs=job.inputs, first=job.first, values=values, room=job.room
    )
    if job.truth is Truth.FLOAT32:
        return float32_run(start, machine.nodes)
    if job.truth is Truth.FLOAT64:
        return float64_run(start, {node.output for node in machine.nodes}, machine.vectors)
    (other,) = job.others

    def begun(which: Layer | VectorNode) -> Array | None:
        done = job.finished(which) if machine.runs(which) else None
        if done is None:
            job.begin(which)
            return None
        job.skip()
        return done.truth

    return accelerated_run(start, machine.nodes, other, begun)
