"""Reading the files of a folder that others have written: nothing outside it, nothing pickled, nothing huge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import SpecError
from emu.replaying.inputs import read_npz
from emu.replaying.limits import GIB, Limits

Arrays = Mapping[str, NDArray[Any]]
MOST_JSON = 64 << 20
LIMITS = Limits(inputs=GIB)


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        SpecError: naming the file.
    """
    try:
        size = path.stat().st_size
        if size > MOST_JSON:
            raise SpecError(f"at most {MOST_JSON} bytes are read, this file has {size}", file=path)
        return json.loads(path.read_bytes())
    except SpecError:
        raise
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", file=path) from None
    except RecursionError:
        raise SpecError("is nested too deeply", file=path) from None
    except ValueError as error:  # UnicodeDecodeError, JSONDecodeError, or a number of thousands of digits
        raise SpecError(f"is no JSON: {error}", file=path) from None


def inside(root: Path, name: str, *, file: Path, key: str) -> Path:
    """The path of a file that a manifest names.

    Args:
        root: the folder that it must be in.
        name: what the manifest says.
        file: the manifest.
        key: where it says so.

    Raises:
        SpecError: it leaves the folder.
    """
    try:
        path = (root / name).resolve()
        if path.is_relative_to(root.resolve()) and path != root.resolve():
            return path
    except (OSError, RuntimeError, ValueError):  # a loop of links; a zero byte
        pass
    raise SpecError("a file name may not leave the folder", file=file, key=key, value=name)


class Archives:
    """The .npz files of a folder; the last one is kept, as entries of one file follow each other."""

    def __init__(self, root: Path, manifest: Path) -> None:
        self.root, self.manifest = root, manifest
        self._path: Path | None = None
        self._arrays: Arrays = {}

    def read(self, name: str, key: str) -> Arrays:
        """The arrays of a file.

        Raises:
            SpecError: the name leaves the folder.
            ModelError: no such file, or no .npz of plain arrays.
        """
        path = inside(self.root, name, file=self.manifest, key=key)
        if path != self._path:
            self._path, self._arrays = None, {}
            self._arrays = read_npz(path, LIMITS)
            self._path = path
        return self._arrays


def pick(arrays: Arrays, names: Iterable[str], file: Path) -> dict[str, NDArray[Any]]:
    """Some arrays of a file.

    Raises:
        SpecError: one is missing.
    """
    wanted = list(names)
    for name in wanted:
        if name not in arrays:
            raise SpecError("array is missing", file=file, key=name, value=name, allowed=sorted(arrays)[:24])
    return {name: arrays[name] for name in wanted}


def check_array(array: NDArray[Any], *, shape: Iterable[int] | None, dtype: str | None, file: Path, key: str) -> None:
    """Compare an array with what a manifest says of it; None says nothing.

    Raises:
        SpecError: they differ.
    """
    if shape is not None and tuple(shape) != array.shape:
        raise SpecError(f"has shape {list(array.shape)}, and the manifest says {list(shape)}", file=file, key=key)
    if dtype is not None and dtype != str(array.dtype):
        raise SpecError(f"has dtype {array.dtype}, and the manifest says {dtype}", file=file, key=key)


def content_hash(arrays: Arrays) -> str:
    """SHA-256 (hex) of the arrays' names and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
