"""The room of one run: what its steps need is known before the first of them begins."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from emu.replaying.job import Job
from emu.replaying.layers import find_layers, is_float
from emu.replaying.memory import needs
from emu.replaying.result import Truth
from emu.replaying.room import Room, bounded, drop_held


@contextlib.contextmanager
def room_of(job: Job, limit: int | None, folder: Path | None) -> Iterator[Room]:
    """The room that a run has; tensors that it put on disk are gone in the end.

    Args:
        job: the run.
        limit: in bytes; None is as much as there is.
        folder: where finished layers are kept, and tensors may go; there is one if there is a limit.

    Raises:
        ModelError: a step needs more than the limit.
    """
    if folder is not None:
        drop_held(folder)
    if limit is None or folder is None:
        yield Room()
        return
    types, steps = job.reference.types, list(job.route().steps)
    if job.flows and job.truth is Truth.FLOAT64:  # the truth runs every layer by itself
        own = {node.index for node in job.machine.nodes}
        others = (layer for layer in find_layers(job.graph) if layer.index not in own and layer.index >= job.first)
        steps += [layer for layer in others if is_float(layer, types)]
    room = bounded(limit, needs(job.graph, types, job.inputs, steps), folder, str(job.graph.path))
    try:
        yield room
    finally:
        shutil.rmtree(room.folder, ignore_errors=True)
