"""Tables on disk: computed once, kept in the user's cache folder, and checked when they are read.

* One .npz file for each key (a SHA-256 of everything that a table depends on), in the folder `functions`. It holds
  arrays, its own key and a digest of the arrays; a file that is damaged, of another key or of unexpected shape or
  dtype is ignored, and written again.
* Written to a temporary file and renamed, so that no reader sees half a table. If no folder can be written the table
  lives in memory only.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.cache import cache_folder

Arrays = dict[str, NDArray[Any]]
FOLDER = "functions"


def stored(key: str, like: Arrays, make: Callable[[], Arrays]) -> Arrays:
    """The arrays of a key: from disk if they are there, else made and kept.

    Args:
        key: a hash, in hexadecimal.
        like: by name, arrays of the shape and dtype that are expected.
        make: computes them.
    """
    folder = cache_folder(FOLDER)
    found = None if folder is None else _read(folder / f"{key}.npz", key, like)
    if found is not None:
        return found
    arrays = make()
    if folder is not None:
        _write(folder / f"{key}.npz", key, arrays)
    return arrays


def _digest(key: str, arrays: Arrays) -> str:
    digest = hashlib.sha256(key.encode())
    for name in sorted(arrays):
        digest.update(name.encode() + b"\0" + np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _read(path: Path, key: str, like: Arrays) -> Arrays | None:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in like}
            digest = str(file["digest"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError):
        return None
    same = all(arrays[name].shape == like[name].shape and arrays[name].dtype == like[name].dtype for name in like)
    return arrays if same and digest == _digest(key, arrays) else None


def _write(path: Path, key: str, arrays: Arrays) -> None:
    """Best effort: a full disk costs the next process time, not this one its result."""
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, digest=np.array(_digest(key, arrays)), **arrays)
        Path(temporary).replace(path)
    except OSError:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
