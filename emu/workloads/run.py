"""A workload under IEEE and under accelerators: `emu workload run`.

* Propagated: the task is answered by the reference engine in float32, then by the model under each accelerator, on the
  same graph and inputs, and the answers are scored.
* Isolated: the first input of every part is replayed layer by layer on the reference activations; there are no answers
  to score, but a deviation for every layer.

The model is loaded once, and planned and its weights quantised once per accelerator.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from emu.accelerators import Accelerator, load_accelerator
from emu.errors import ModelError
from emu.replaying.inputs import inputs_hash
from emu.replaying.session import LoadedModel, ReplaySession
from emu.workloads.fetch import fetch
from emu.workloads.kinds import build, task_of
from emu.workloads.load import Workload
from emu.workloads.tasks.base import MODEL, Forward, Task, optional
from emu.workloads.tasks.drawn import Drawn

if TYPE_CHECKING:
    from onnx import ModelProto

    from emu.deviation.run import Replay

IEEE = "IEEE float32"
Progress = Callable[[str, int, int], object]
"""Called with (who answers, inputs done, inputs in all)."""
AcceleratorLike = str | Path | Mapping[str, Any] | Accelerator


@dataclass(frozen=True, kw_only=True)
class Row:
    """The answers of one machine, judged."""

    name: str
    """`IEEE float32`, or the accelerator's"""
    accelerator_hash: str | None
    scores: dict[str, float]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class WorkloadResult:
    """A workload under IEEE and some accelerators."""

    workload: str
    licence: str
    package: str
    inputs: str
    """in words"""
    inputs_sha256: str
    """of every tensor that the reference model was asked with, in order"""
    model_sha256: dict[str, str]
    """of each part of the model as an ONNX file"""
    rows: tuple[Row, ...]


class Opened:
    """A workload with its files, its model in the reference engine and its inputs."""

    def __init__(
        self, workload: Workload, *, limit: int | None = None, folder: Path | None = None, download: bool = True
    ) -> None:
        """Fetch, build and load.

        Raises:
            EmuError: no files in reach, a package that is missing, or a file that is not what it should be.
        """
        for package in workload.needs:  # before anything is downloaded
            optional(package)
        self.workload = workload
        self.task: Task[Any]
        self.sources: dict[str, Path | ModelProto]
        if workload.task is None:
            from emu.workloads.synthetic.model import build_model

            if limit is not None:
                raise ModelError(f"workload {workload.name} is synthetic: it has no task that takes a number of inputs")
            proto, inputs = build_model(workload.layers)
            self.task, self.sources = Drawn(inputs), {MODEL: proto}
        elif workload.training is not None:
            from emu.workloads.tasks.training import Training

            self.task, self.sources = Training(workload.training, limit or workload.limit), {}
        else:
            files = fetch(workload, folder=folder, download=download).files
            self.task = task_of(workload.task)(files, limit or workload.limit, workload.recordings)
            self.sources = build(workload.model.kind, files)
        self.parts = {part: LoadedModel(source, fixed=self.fixed(part)) for part, source in self.sources.items()}

    def fixed(self, part: str) -> dict[str, NDArray[Any]]:
        """The inputs of a part that have one value for good."""
        return _typed(self.sources[part], self.workload.model.fixed)

    def sessions(self, accelerator: AcceleratorLike, backend: str | None, events: bool) -> dict[str, ReplaySession]:
        """Every part under an accelerator."""
        return {
            part: ReplaySession(
                model, accelerator, backend=backend, events=events, keep_weights=self.task.repeats,
                calibration=self.calibration,
            )
            for part, model in self.parts.items()
        }  # fmt: skip

    @cached_property
    def calibration(self) -> dict[str, NDArray[Any]] | None:
        """Inputs from which static ranges may be chosen: a second sample of a synthetic workload's, or the task's."""
        if not self.workload.is_synthetic:
            return self.task.calibration()
        from emu.workloads.synthetic.model import build_calibration

        return dict(build_calibration(self.workload.layers))

    @cached_property
    def ieee(self) -> Any:
        """What the model answers in the reference engine."""
        if self.task.trains:
            return self.task.train(None, None, _silent)
        return self.task.answer(lambda part, inputs: self.parts[part].run(inputs), _silent)

    def first_inputs(self) -> dict[str, Mapping[str, Any]]:
        """What each part is asked first; nothing of a network that is trained."""
        if self.task.trains:
            return {}
        seen: dict[str, Mapping[str, Any]] = {}

        def forward(part: str, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
            seen.setdefault(part, inputs)
            if len(seen) == len(self.parts):
                raise _EnoughError
            return self.parts[part].run(inputs)

        with contextlib.suppress(_EnoughError):
            self.task.answer(forward, _silent)
        return seen


class _EnoughError(Exception):
    """Every part has been asked once."""


def run_propagated(
    opened: Opened,
    accelerators: Sequence[AcceleratorLike],
    *,
    backend: str | None = None,
    progress: Progress | None = None,
) -> WorkloadResult:
    """Answer the task under IEEE and each accelerator.

    Args:
        opened: the workload.
        accelerators: built-in names, paths, mappings or loaded ones.
        backend: as for `Unit.matmul`.
        progress: called as inputs are done.

    Raises:
        SpecError: an accelerator cannot be loaded; found before anything runs.
        ModelError: it cannot run the model, or the workload has no task.
    """
    if opened.workload.task is None:
        raise ModelError(f"workload {opened.workload.name} is synthetic: it has no task to answer; replay it isolated")
    task, report = opened.task, progress or _silent
    chosen = [load_accelerator(one) for one in accelerators]
    digest = hashlib.sha256()

    def reference(part: str, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        digest.update(f"{part}:{inputs_hash(inputs)};".encode())
        return opened.parts[part].run(inputs)

    start = time.perf_counter()
    tick = partial(report, IEEE)
    ieee = task.train(None, backend, tick) if task.trains else task.answer(reference, tick)
    rows = [Row(name=IEEE, accelerator_hash=None, scores=task.score(ieee, ieee), seconds=time.perf_counter() - start)]
    for accelerator in chosen:
        start = time.perf_counter()
        found = _scores(opened, accelerator, ieee, backend, partial(report, accelerator.name))
        seconds = time.perf_counter() - start
        rows.append(Row(name=accelerator.name, accelerator_hash=accelerator.spec_hash, scores=found, seconds=seconds))
    workload = opened.workload
    return WorkloadResult(
        workload=workload.name, licence=workload.licence, package=workload.package, inputs=task.inputs,
        inputs_sha256=digest.hexdigest(), model_sha256={part: m.graph.sha256 for part, m in opened.parts.items()},
        rows=tuple(rows),
    )  # fmt: skip


def scores(opened: Opened, accelerator: AcceleratorLike, *, backend: str | None = None) -> dict[str, float]:
    """The task's scores under an accelerator, propagated. IEEE's answers are asked for once and kept.

    Raises:
        SpecError: the accelerator cannot be loaded.
        ModelError: it cannot run the model.
    """
    return _scores(opened, load_accelerator(accelerator), opened.ieee, backend, _silent)


def _scores(
    opened: Opened, accelerator: Accelerator, ieee: Any, backend: str | None, tick: Callable[[int, int], object]
) -> dict[str, float]:
    if opened.task.trains:
        return opened.task.score(opened.task.train(accelerator, backend, tick), ieee)
    answer = opened.task.answer(_under(opened.sessions(accelerator, backend, events=False)), tick)
    return opened.task.score(answer, ieee)


def run_isolated(
    opened: Opened,
    accelerator: AcceleratorLike,
    *,
    backend: str | None = None,
    events: bool = False,
    progress: Progress | None = None,
) -> dict[str, Replay]:
    """Replay the first input of every part, each layer on reference activations; by part.

    Args:
        opened: the workload.
        accelerator: a built-in name, a path, a mapping, or a loaded one.
        backend: as for `Unit.matmul`.
        events: count what happens inside the units.
        progress: called as layers are done.

    Raises:
        SpecError: the accelerator cannot be loaded.
        ModelError: it cannot run the model.
    """
    from emu.deviation.run import judged

    chosen, report = load_accelerator(accelerator), progress or _silent
    first = opened.first_inputs()
    out = {}
    for part, session in opened.sessions(chosen, backend, events).items():

        def layers(done: int, total: int, name: str, part: str = part) -> None:
            report(f"{chosen.name} {part} {name}", done, total)

        done = session.run(first[part], progress=layers)
        out[part] = judged(done, chosen)
    return out


def _under(sessions: dict[str, ReplaySession]) -> Forward:
    """The model under an accelerator."""
    return lambda part, inputs: sessions[part].outputs(inputs)


def proto_of(source: Path | ModelProto) -> ModelProto:
    """A part of a model as protobuf."""
    import onnx

    return onnx.load(source, load_external_data=False) if isinstance(source, Path) else source


def _typed(source: Path | ModelProto, fixed: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """The fixed inputs in the types that the model gives them."""
    import numpy as np

    from emu.replaying.engine import numpy_type

    if not fixed:
        return {}
    types = {value.name: numpy_type(value.type.tensor_type.elem_type) for value in proto_of(source).graph.input}
    return {name: np.array(value, types.get(name, np.dtype(np.int64))) for name, value in fixed.items()}


def _silent(*_: object) -> None:
    """No progress is wanted."""
