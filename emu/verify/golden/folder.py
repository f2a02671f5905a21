"""Folders of recordings: which of the four layouts each has, and its entries; or TestFloat vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emu.errors import SpecError
from emu.spec import convert
from emu.verify.golden.entry import Entry
from emu.verify.golden.files import Archives, read_json
from emu.verify.golden.layouts import gpu_entries, index_entries, mma_entries
from emu.verify.golden.manifests import Gpu, IndexRow, Mma, Silicon
from emu.verify.golden.silicon import silicon_entries
from emu.verify.golden.vectors import Vectors, vectors_of

MANIFEST, INDEX = "manifest.json", "index.json"
LAYOUTS: dict[str, tuple[type, Callable[[Any, Archives], list[Entry]]]] = {
    "instructions": (Mma, mma_entries),
    "vectors": (Gpu, gpu_entries),
    "files": (Silicon, silicon_entries),
}
"""By the key that tells the layout of a manifest"""
ELSEWHERE = "not replayed by this command: it has no manifest.json or index.json, and no TestFloat vectors"


@dataclass(frozen=True, kw_only=True)
class Folder:
    """One set of recordings."""

    path: Path
    heading: str
    """of the column of `Entry.group`"""
    entries: list[Entry]
    unlisted: tuple[str, ...] = ()
    """.npz files that the manifest does not name"""


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A folder that is no set of recordings that is known, or a broken one."""

    path: Path
    reason: str
    failed: bool
    """whether it says that it is one"""


def folders(path: Path) -> list[Folder | Vectors | Skipped]:
    """The folder, if it has a manifest or TestFloat vectors, and its sub-folders, one level deep."""
    below = sorted(child for child in path.iterdir() if child.is_dir() and child.name[0] not in "._")
    found = _known(path)
    return [*([found] if found else []), *(_below(child) for child in below)]


def _known(path: Path) -> Folder | Vectors | Skipped | None:
    name = _named(path)
    return _folder(path, name) if name else vectors_of(path)


def _below(path: Path) -> Folder | Vectors | Skipped:
    return _known(path) or Skipped(path=path, reason=ELSEWHERE, failed=False)


def _named(path: Path) -> str | None:
    return next((name for name in (MANIFEST, INDEX) if (path / name).exists()), None)


def _folder(path: Path, name: str) -> Folder | Skipped:
    try:
        return read_folder(path, name)
    except SpecError as error:
        return Skipped(path=path, reason=str(error), failed=True)


def read_folder(path: Path, name: str = MANIFEST) -> Folder:
    """The entries of a folder.

    Args:
        path: the folder.
        name: of its manifest.

    Raises:
        SpecError: naming the manifest and the key.
    """
    file = path / name
    content, archives = read_json(file), Archives(path, file)
    if name == INDEX:
        rows = convert(content, list[IndexRow], file=str(file))
        heading, entries = "family", index_entries(rows, archives)
    else:
        key = _layout(content, file)
        kind, make = LAYOUTS[key]
        heading = "instruction" if key == "files" else "architecture"
        entries = make(convert(content, kind, file=str(file)), archives)
    if not entries:
        raise SpecError("lists nothing", file=file)
    listed = {entry.file for entry in entries}
    unlisted = sorted(child.name for child in path.glob("*.npz") if child.name not in listed)
    return Folder(path=path, heading=heading, entries=entries, unlisted=tuple(unlisted))


def _layout(content: Any, file: Path) -> str:
    if not isinstance(content, dict):
        raise SpecError(f"must be an object, not {type(content).__name__}", file=file)
    found = [key for key in LAYOUTS if key in content]
    if len(found) != 1:
        raise SpecError(f"needs one of the keys {', '.join(LAYOUTS)}, and has {', '.join(found) or 'none'}", file=file)
    return found[0]
