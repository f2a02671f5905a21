"""The builders and tasks by kind; a module is imported when its kind is used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emu.errors import ModelError
from emu.workloads.keys import ModelKind, TaskKind
from emu.workloads.tasks.base import MODEL, Task

if TYPE_CHECKING:
    from onnx import ModelProto

_TASKS = {
    TaskKind.ORIENTATION: ("orientation", "Orientation"),
    TaskKind.RECOGNITION: ("recognition", "Recognition"),
    TaskKind.ACTIVITY: ("activity", "Activity"),
    TaskKind.FILE_TYPE: ("files", "FileType"),
    TaskKind.RETRIEVAL: ("retrieval", "Retrieval"),
    TaskKind.PERPLEXITY: ("perplexity", "Perplexity"),
    TaskKind.TRANSCRIPTION: ("transcription", "Transcription"),
    TaskKind.TRAINING: ("training", "Training"),
}


def build(kind: ModelKind, files: Mapping[str, Path]) -> dict[str, Path | ModelProto]:
    """The model by parts: ONNX files, or models built in memory.

    Args:
        kind: the builder.
        files: by role.

    Raises:
        ModelError: the weights are not of that kind, or the kind has none.
    """
    match kind:
        case ModelKind.ONNX:
            return {MODEL: files["weights"]}
        case ModelKind.BERT:
            from emu.workloads.builders.bert import build_bert

            return {MODEL: build_bert(files)}
        case ModelKind.LLAMA:
            from emu.workloads.builders.llama import build_llama

            return {MODEL: build_llama(files)}
        case ModelKind.WHISPER:
            from emu.workloads.builders.whisper import build_whisper

            return dict(build_whisper(files))
        case ModelKind.PRODUCT | ModelKind.DIGITS:
            raise ModelError(f"a model of kind {kind.value!r} has no files")


def task_of(kind: TaskKind) -> type[Task[Any]]:
    """The task of a kind."""
    module, name = _TASKS[kind]
    found = getattr(import_module(f"emu.workloads.tasks.{module}"), name)
    task: type[Task[Any]] = found
    return task
