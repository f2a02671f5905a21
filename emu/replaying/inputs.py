"""The input tensors of a model: read safely, then compared with what the graph asks for.

* `.npz` files only, without pickled objects; the sizes in the archive's directory and in the arrays' headers are
  compared with `Limits.inputs` before anything is unpacked.
* Every graph input is given, under its name, with its dtype and a shape that fits its fixed axes; a symbolic axis has
  one size throughout. Other arrays in the file (labels) are ignored: a misspelt input is missed under its right name.
"""

from __future__ import annotations

import hashlib
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emu.errors import ModelError, nearest
from emu.layers.gemm import Array
from emu.replaying.limits import Limits

if TYPE_CHECKING:
    from onnx import ValueInfoProto

    from emu.replaying.graph import Graph


def read_inputs(given: str | Path | Mapping[str, Any], graph: Graph, limits: Limits) -> dict[str, Array]:
    """The inputs of a graph, checked.

    Args:
        given: a path to an .npz, or arrays by name.
        graph: says what is wanted.
        limits: bounds the file.

    Raises:
        ModelError: naming the file, the input, what was given and what is wanted.
    """
    if isinstance(given, Mapping):
        label, arrays = "inputs", {str(name): np.asarray(value) for name, value in given.items()}
    else:
        label, arrays = str(given), read_npz(Path(given), limits)
    wanted = {value.name: value for value in graph.inputs}
    for name in wanted:
        if name not in arrays:
            close = nearest(name, set(arrays) - set(wanted))
            hint = f"; is {close!r} meant for it?" if close else ""
            given_names = ", ".join(arrays) or "none"
            raise ModelError(f"{label}: input {name!r} of {graph.path.name} is missing; given: {given_names}{hint}")
    sizes: dict[str, int] = {}
    for name, value in wanted.items():
        _check(label, arrays[name], value, sizes)
    return {name: arrays[name] for name in wanted}


def read_npz(path: Path, limits: Limits) -> dict[str, Array]:
    """The arrays of a file that nobody vouches for: no pickles, and no more bytes than the limits allow.

    Raises:
        ModelError: no such file, no array file, an array of objects, or too large.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such input file")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > limits.inputs:
                raise ModelError(f"{path}: {size} bytes unpacked, and at most {limits.inputs} are allowed")
            for entry in archive.infolist():
                _check_header(path, archive, entry)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except ModelError:
        raise
    except (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, OSError, EOFError) as error:
        # RuntimeError: encrypted, or (NotImplementedError) compressed by a method that Python does not have
        raise ModelError(f"{path}: is no .npz file of plain arrays: {' '.join(str(error).split())}") from None


def _check_header(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Refuse an array whose header claims more than the archive holds: it would be allocated before it is read."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        if version not in readers:
            raise ValueError(f"{entry.filename} has .npy version {version[0]}.{version[1]}")
        shape, _, dtype = readers[version](file)
    claimed = math.prod(shape) * dtype.itemsize
    if claimed > entry.file_size:
        raise ModelError(
            f"{path}: the header of {entry.filename} claims {claimed} bytes, and the archive holds {entry.file_size}"
        )


def _check(label: str, array: Array, value: ValueInfoProto, sizes: dict[str, int]) -> None:
    """Compare one array with one graph input; `sizes` collects the symbolic axes."""
    from emu.replaying.engine import numpy_type

    name, tensor = value.name, value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        raise ModelError(f"{label}: input {name!r} is no tensor, and only tensors can be given")
    dtype = numpy_type(tensor.elem_type)
    if array.dtype != dtype and not (dtype.kind == "O" and array.dtype.kind in "US"):
        raise ModelError(f"{label}: input {name!r} is {array.dtype}, and the graph wants {dtype}")
    if not tensor.HasField("shape"):
        return
    axes = [axis.dim_value if axis.HasField("dim_value") else axis.dim_param or "?" for axis in tensor.shape.dim]
    fits = len(axes) == array.ndim and all(
        axis == "?" or size == (axis if isinstance(axis, int) else sizes.setdefault(axis, size))
        for axis, size in zip(axes, array.shape, strict=True)
    )
    if not fits:
        shape = "[" + ", ".join(str(axis) for axis in axes) + "]"
        known = "".join(f", {axis} = {sizes[axis]}" for axis in axes if isinstance(axis, str) and axis in sizes)
        raise ModelError(f"{label}: input {name!r} has shape {list(array.shape)}, and the graph wants {shape}{known}")


def inputs_hash(arrays: Mapping[str, Array]) -> str:
    """SHA-256 (hex) of names, dtypes, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(np.str_) if array.dtype == object else array  # text: an object array holds addresses
        digest.update(f"{name}:{array.dtype}:{array.shape}:".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
