"""One point: an accelerator's keys in, rows out. What every engine calls."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import Accelerator, load_accelerator
from emu.deviation.run import judged
from emu.errors import EmuError
from emu.replaying.session import ReplaySession
from emu.studies import table as tables
from emu.studies.question import Question
from emu.studies.subject import Subject
from emu.units.blas import blas_threads

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Task:
    """One point to run: all that goes to a worker, besides the subject."""

    key: str
    accelerator: Mapping[str, Any]
    """keys, no names of files in them but absolute ones"""
    question: Question
    share: tuple[int, int] = (0, 1)
    """(n, of): the n-th of so many parts of the point's layers"""

    @property
    def name(self) -> str:
        """Of this task, and no other."""
        return f"{self.key}-{self.share[0]}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A point that was run, or could not be."""

    task: Task
    rows: pa.Table
    failed: bool

    @property
    def key(self) -> str:
        """The point's."""
        return self.task.key

    @staticmethod
    def failure(task: Task, reason: str) -> Answer:
        """The answer of a task that could not be run."""
        return Answer(task=task, rows=tables.table(task.key, [tables.failed(reason)]), failed=True)


def evaluate(subject: Subject, task: Task) -> Answer:
    """Run one point. What emu refuses is an answer too; a defect is raised."""
    try:
        with blas_threads(1):  # a float64 truth has the bits of one thread, whoever runs it
            rows = _rows(subject, load_accelerator(task.accelerator), task.question, task.share)
    except (EmuError, ValueError, OverflowError, MemoryError) as error:
        return Answer.failure(task, str(error) or type(error).__name__)
    return Answer(task=task, rows=tables.table(task.key, rows), failed=False)


def _digest(output: NDArray[np.float32]) -> str:
    """Of what a layer put out."""
    found = hashlib.sha256(str(output.shape).encode())
    found.update(np.ascontiguousarray(output).data)
    return found.hexdigest()


def _rows(
    subject: Subject, accelerator: Accelerator, question: Question, share: tuple[int, int]
) -> list[dict[str, Any]]:  # fmt: skip
    out: list[dict[str, Any]] = []
    for name, part in subject.parts.items() if question.replay else ():
        session = ReplaySession(
            part.model, accelerator, layers=question.layers, events=question.events, calibration=subject.calibration,
            share=share,
        )  # fmt: skip
        run = session.run(part.inputs, mode=question.mode)
        result = judged(run, accelerator).result
        digests = {layer.node_index: _digest(layer.emulated) for layer in run.layers}
        out += [tables.layer(row, name, digests[row.index]) for row in result.rows]
        out += [tables.output(row, name) for row in result.outputs]
    if question.task and share[0] == 0:
        from emu.workloads.run import scores

        assert subject.opened is not None
        out += [tables.score(name, value) for name, value in scores(subject.opened, accelerator).items()]
    return out
