"""External weight files: read only what lies inside the model's own folder, and only what the model says.

* The location is relative, has no `..`, and after following every symbolic link the file is still inside the folder.
* offset and length are inside the file, and the length is that of the tensor's type and shape.
* All external data together is at most `Limits.external`.
"""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Protocol

from emu.errors import ModelError
from emu.replaying.limits import Limits
from emu.replaying.walk import all_tensors, attribute_tensors, tensors_of

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto


class Digest(Protocol):
    """A running hash."""

    def update(self, data: bytes, /) -> object:
        """Take in more bytes."""


def load_external(model: ModelProto, path: Path, limits: Limits, digest: Digest) -> None:
    """Move all external data of a model inside it, in place; the bytes are added to `digest`.

    Raises:
        ModelError: naming the tensor and the location.
    """
    from onnx import TensorProto

    left = limits.external
    tensors = list(all_tensors(model.graph))
    for function in model.functions:
        tensors += [*tensors_of(function.node), *attribute_tensors(function.attribute_proto)]
    for tensor in tensors:
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        data = _read(tensor, path, left)
        left -= len(data)
        digest.update(data)
        tensor.raw_data = data
        tensor.ClearField("external_data")
        tensor.data_location = TensorProto.DEFAULT


def _read(tensor: TensorProto, path: Path, left: int) -> bytes:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    where = f"{path}: tensor {tensor.name!r}: external data"
    file = _inside(entries.get("location", ""), path, where)
    wanted = _byte_size(tensor)
    if wanted is None:
        raise ModelError(f"{where}: its type and shape {list(tensor.dims)} have no fixed size")
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", wanted))
    except ValueError:
        raise ModelError(f"{where}: offset and length are not numbers") from None
    size = file.stat().st_size
    if length != wanted:
        raise ModelError(f"{where}: length {length}, and its type and shape need {wanted}")
    if offset < 0 or length < 0 or offset + length > size:
        raise ModelError(f"{where}: bytes {offset} to {offset + length} of a file that has {size}")
    if length > left:
        raise ModelError(f"{where}: more external data than is allowed ({length} bytes, {left} left)")
    with file.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)


def _inside(location: str, path: Path, where: str) -> Path:
    """The file, if it is one and lies inside the model's folder."""
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    if not location or posix.is_absolute() or windows.is_absolute() or windows.drive or ".." in windows.parts:
        raise ModelError(f"{where}: location {location!r} is not a relative path inside the model's folder")
    folder = path.parent.resolve()
    try:
        file = (folder / posix).resolve()
    except (OSError, RuntimeError):  # older versions of Python have a RuntimeError for links in a circle
        raise ModelError(f"{where}: location {location!r} leads nowhere") from None
    if not file.is_relative_to(folder):
        raise ModelError(f"{where}: location {location!r} leads out of the model's folder")
    if not file.is_file():
        raise ModelError(f"{where}: no file {location!r} in the model's folder")
    return file


def _byte_size(tensor: TensorProto) -> int | None:
    """Bytes that the type and shape need; None if the type has no fixed size."""
    from onnx import TensorProto, helper

    packed = {
        getattr(TensorProto, name): bits
        for name, bits in {"UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4, "UINT2": 2, "INT2": 2}.items()
        if hasattr(TensorProto, name)
    }
    try:
        item = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except KeyError:
        return None
    if item.kind == "O" or min(tensor.dims, default=0) < 0:
        return None
    bits = packed.get(tensor.data_type, 8 * item.itemsize)
    return int(-(-math.prod(tensor.dims) * bits // 8))
