"""Files that are there whole or not at all: written under temporary names, then renamed.

* Files that belong together are renamed together, when the last of them is complete: a block that fails or is
  interrupted changes none of them.
* A symbolic link is followed: the file that it names is replaced, and the link stays.
* Only regular files are replaced. A device, a pipe or a folder under that name is refused.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emu.errors import ModelError

FILE_MODE = 0o666
"""Permissions of a new file, before the process's umask is taken away."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path next to `path`, renamed onto it at the end; see `replacing_all`."""
    with replacing_all(path) as (temporary,):
        yield temporary


@contextmanager
def replacing_all(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """A temporary path next to each of `paths`; at the end they are renamed onto them in this order.

    The folders must exist. If the block fails, the temporary files are removed and nothing is renamed. Readers
    see an old file or a new one, never a part; the data of all files are on disk before the first name is.

    Raises:
        ModelError: a path is there and no regular file, or nothing can be written next to it.
    """
    temporaries: list[Path] = []
    try:
        targets = [_target(path) for path in paths]
        for path, target in zip(paths, targets, strict=True):
            temporaries.append(_temporary(path, target))
        yield tuple(temporaries)
        mode = FILE_MODE & ~_umask()  # mkstemp makes files private
        for temporary in temporaries:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(mode)
        for temporary, target in zip(temporaries, targets, strict=True):
            temporary.replace(target)
    except BaseException:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)
        raise


def check_file(path: Path) -> None:
    """Refuse, before any work starts, a file that `replacing` could not write; leaves nothing behind.

    Raises:
        ModelError: the folder does not exist or cannot be written, or the path is there and no regular file.
    """
    _temporary(path, _target(path)).unlink()


def _target(path: Path) -> Path:
    """What the path names in the end, links followed."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        kind = "a folder" if target.is_dir() else "no regular file"
        raise ModelError(f"{path}: cannot be replaced, it is {kind}: name a file")
    return target


def _temporary(path: Path, target: Path) -> Path:
    """A new empty file next to the target."""
    if not target.parent.is_dir():
        raise ModelError(f"{path}: the folder {target.parent} does not exist")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror}") from None
    os.close(handle)
    return Path(name)


def _umask() -> int:
    """The process's umask; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
