"""Files that are there whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE_MODE = 0o666
"""Permissions of a new file, before the process's umask is taken away."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path next to `path`, renamed onto it at the end, removed if the block fails.

    The folder of `path` must exist. Readers see the old file or the new one, never a part; the data is on
    disk before the name is.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(FILE_MODE & ~_umask())  # mkstemp makes files private
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    """The process's umask; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
