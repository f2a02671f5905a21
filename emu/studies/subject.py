"""What a study runs on: models with inputs, opened once in each process.

* A workload gives the parts of its model with the first inputs that its task asks them with, and the task itself.
* A model of one's own has one part; a capture has its inputs with it.
* What a worker on another machine opens is a `Crate` (`emu.studies.crate`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import to_builtins

from emu.layers.gemm import Array
from emu.replaying.inputs import inputs_hash, read_inputs
from emu.replaying.session import LoadedModel
from emu.studies.keys import ModelKeys
from emu.workloads.load import Workload

if TYPE_CHECKING:
    from onnx import ModelProto

    from emu.workloads.run import Opened

MODEL = "model"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A model and its inputs."""

    source: Path | ModelProto
    fixed: Mapping[str, Array] = field(default_factory=dict)
    """inputs that have one value for good"""
    model: LoadedModel
    inputs: Mapping[str, Array]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What every point of a study runs on."""

    parts: Mapping[str, Part]
    opened: Opened | None = None
    """the workload, for its task"""
    calibration: Mapping[str, Array] | None = None

    @cached_property
    def sha256(self) -> str:
        """Of all that a point's results depend on here: models, inputs, calibration, the task's size."""
        about = {
            name: [part.model.graph.sha256, inputs_hash(dict(part.inputs)), *self._fixed(part)]
            for name, part in self.parts.items()
        }
        calibration = None if self.calibration is None else inputs_hash(dict(self.calibration))
        task: list[object] | None = None
        if self.opened is not None and self.opened.workload.task is not None:
            workload = self.opened.workload
            files = {role: file.sha256 for role, file in workload.files.items()}
            task = [workload.name, self.opened.workload.task.value, self.opened.task.size, files, workload.recordings]
            if workload.training is not None:
                task.append(to_builtins(workload.training))
        text = json.dumps([about, calibration, task], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @staticmethod
    def _fixed(part: Part) -> list[str]:
        """The hash of inputs that are no part of a model's own hash; none of a part that has none."""
        return [inputs_hash(dict(part.fixed))] if part.fixed else []


@dataclass(frozen=True, kw_only=True)
class SubjectKeys:
    """Where a subject is to be had: what a process of this machine is told."""

    workload: Workload | ModelKeys
    inputs: int | None
    """how many inputs a task takes; None: the workload's own number"""

    def open(self, *, download: bool = True) -> Subject:
        """The subject.

        Args:
            download: if False, a workload's files that are not here are an error.

        Raises:
            EmuError: the workload's files are not in reach, or a model or its inputs that cannot be taken.
        """
        if isinstance(self.workload, ModelKeys):
            return _of_model(self.workload)
        from emu.workloads.run import Opened

        opened = Opened(self.workload, limit=self.inputs, download=download)
        inputs = opened.first_inputs()
        parts = {
            name: Part(
                source=opened.sources[name], fixed=opened.fixed(name), model=model,
                inputs=read_inputs(inputs[name], model.graph, model.limits),
            )
            for name, model in opened.parts.items()
        }  # fmt: skip
        return Subject(parts=parts, opened=opened, calibration=opened.calibration)


def _of_model(keys: ModelKeys) -> Subject:
    if keys.model.endswith(".safetensors"):
        from emu.captures import open_capture

        proto, given = open_capture(Path(keys.model))
        return Subject(parts={MODEL: made(proto, given)})
    assert keys.inputs is not None
    part = made(Path(keys.model), Path(keys.inputs))
    graph, limits = part.model.graph, part.model.limits
    calibration = None if keys.calibration is None else read_inputs(keys.calibration, graph, limits)
    return Subject(parts={MODEL: part}, calibration=calibration)


def made(
    source: Path | ModelProto, inputs: Path | Mapping[str, Array], fixed: Mapping[str, Array] | None = None
) -> Part:
    """A part of a model and its inputs.

    Raises:
        ModelError: either cannot be taken.
    """
    model = LoadedModel(source, fixed=fixed)
    return Part(
        source=source, fixed=fixed or {}, model=model, inputs=read_inputs(inputs, model.graph, model.limits)
    )  # fmt: skip
