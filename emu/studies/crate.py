"""A subject as bytes: what a worker on another machine is sent, once.

* It holds ONNX models with their weights inside, and arrays: no paths, no code.
* A study with task scores needs the workload's files where the worker is: they are fetched there as they are here.
* It is opened by the same emu, as the same subject, or not at all: answers are kept under the client's key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emu._version import SEMANTICS_VERSION, emu_version
from emu.errors import ModelError
from emu.layers.gemm import Array
from emu.replaying.loading import load_model
from emu.studies.subject import Part, Subject, SubjectKeys, made

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True, kw_only=True)
class Crate:
    """A subject, ready to be sent."""

    models: Mapping[str, bytes]
    """by part: a serialised ModelProto"""
    inputs: Mapping[str, Mapping[str, Array]]
    fixed: Mapping[str, Mapping[str, Array]]
    calibration: Mapping[str, Array] | None
    task: SubjectKeys | None
    """where the workload is to be had, if its task is asked"""
    sha256: str
    """of the subject"""
    emu: tuple[str, int]
    """versions of emu and of its semantics"""

    @staticmethod
    def of(subject: Subject, task: SubjectKeys | None) -> Crate:
        """A subject, packed."""
        return Crate(
            models={name: _bytes(part) for name, part in subject.parts.items()},
            inputs={name: dict(part.inputs) for name, part in subject.parts.items()},
            fixed={name: dict(part.fixed) for name, part in subject.parts.items()},
            calibration=subject.calibration,
            task=task,
            sha256=subject.sha256,
            emu=_emu(),
        )

    def open(self) -> Subject:
        """The subject, unpacked.

        Raises:
            EmuError: the workload's files are not in reach of this machine, or are others; emu is another one.
        """
        if self.emu != _emu():
            raise ModelError(f"the worker has emu {_emu()}, the client {self.emu} (version, semantics)")
        if self.task is not None:
            subject = self.task.open()
            if subject.sha256 != self.sha256:
                raise ModelError("the workload's models or inputs are not those of the client")
            return subject
        parts = {name: made(_model(model), self.inputs[name], self.fixed[name]) for name, model in self.models.items()}
        return Subject(parts=parts, calibration=self.calibration)


def _emu() -> tuple[str, int]:
    return emu_version(), SEMANTICS_VERSION


def _bytes(part: Part) -> bytes:
    source = part.source
    model = load_model(source, part.model.limits)[0] if isinstance(source, Path) else source
    content: bytes = model.SerializeToString()
    return content


def _model(content: bytes) -> ModelProto:
    import onnx

    return onnx.load_from_string(content)
