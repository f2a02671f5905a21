"""safetensors: an 8-byte little-endian length, a JSON header of that length, then the tensors' bytes.

The header gives dtype, shape and the begin and end of each tensor after the header, and texts by name under
`__metadata__`. Reading trusts nothing: everything is compared with the file's size before anything is taken.

* The header has at most `MAX_HEADER` bytes, is of exactly that form, and has no key twice.
* Every type is one of `TYPES`; shape times item size is the length of the tensor's bytes.
* The tensors' bytes fill the file behind the header, without overlap and without holes.
* Written files have wide types first, so that every tensor is aligned to its type.

Source: the safetensors README, section "Format".
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import msgspec
import numpy as np
from numpy.typing import NDArray

from emu.atomic import replacing
from emu.errors import ModelError

MAX_HEADER = 1 << 24
"""Bytes; the format itself allows 100 MB, which as JSON may ask for gigabytes of memory."""
METADATA = "__metadata__"
ALIGNED = 8
"""The header is filled up with spaces to a multiple of so many bytes."""
MOST_AXES = 32
MOST_ELEMENTS = 1 << 56
"""The product of all sizes that are not 0: an empty tensor is bounded, too."""
TYPES: dict[str, Any] = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "I64": np.int64,
    "I32": np.int32, "I16": np.int16, "I8": np.int8, "U64": np.uint64, "U32": np.uint32, "U16": np.uint16,
    "U8": np.uint8, "BOOL": np.bool_, "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
}  # fmt: skip
CODES = {np.dtype(kind): code for code, kind in TYPES.items()}
_Header = dict[str, dict[str, str | list[int]]]


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A tensor's type and shape, and where its bytes are behind the header."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int


class SafetensorsFile:
    """A file whose header has been checked; tensors are read when they are asked for."""

    def __init__(self, path: Path) -> None:
        """Read and check the header.

        Raises:
            ModelError: it cannot be read, is no such file, or a damaged one.
        """
        self.path = path
        try:
            size = path.stat().st_size if path.is_file() else 0
            self._data = np.memmap(path, np.uint8, mode="r") if size else np.empty(0, np.uint8)
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
        try:
            self._start, self.metadata, self.slots = _parse(self._data)
        except (ValueError, RecursionError) as error:  # msgspec's and json's errors are ValueErrors
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ModelError(f"{path}: is no safetensors file: {reason}") from None

    def tensor(self, name: str) -> NDArray[Any]:
        """A copy of one tensor, aligned to its type.

        Raises:
            KeyError: there is none of that name.
        """
        slot = self.slots[name]
        raw = self._data[self._start + slot.begin : self._start + slot.end].view(np.ndarray)
        values: NDArray[Any] = raw.copy().view(slot.dtype).reshape(slot.shape)
        return values


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Every tensor by name.

    Raises:
        ModelError: it is no such file, or a damaged one.
    """
    file = SafetensorsFile(path)
    return {name: file.tensor(name) for name in file.slots}


def _parse(data: NDArray[np.uint8]) -> tuple[int, dict[str, str], dict[str, Slot]]:
    """Where the tensors begin, the texts, and the tensors' places.

    Raises:
        ValueError: says what is wrong.
    """
    if data.size < ALIGNED:
        raise ValueError(f"{data.size} bytes")
    length = int.from_bytes(data[:8].tobytes(), "little")
    if not 2 <= length <= min(MAX_HEADER, data.size - 8):
        raise ValueError(f"its header would have {length} bytes")
    text = data[8 : 8 + length].tobytes()
    header = msgspec.json.decode(text, type=_Header)  # refuses any other form before it takes memory
    refuse_duplicates(text.decode())
    texts = header.pop(METADATA, {})
    metadata = {key: value for key, value in texts.items() if isinstance(value, str)}
    if len(metadata) != len(texts):
        raise ValueError(f"{METADATA} holds something else than texts")
    slots = {name: _slot(name, entry) for name, entry in header.items()}
    at = 0
    for name, slot in sorted(slots.items(), key=lambda item: (item[1].begin, item[1].end)):
        if slot.begin != at:
            raise ValueError(f"tensor {name!r} begins at byte {slot.begin}, and {at} bytes are taken")
        at = slot.end
    if at != data.size - 8 - length:
        raise ValueError(f"its tensors have {at} bytes, and {data.size - 8 - length} follow the header")
    return 8 + length, metadata, slots


def _slot(name: str, entry: Mapping[str, str | list[int]]) -> Slot:
    if entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r} has the keys {', '.join(entry)}, and needs dtype, shape and data_offsets")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or isinstance(shape, str) or isinstance(offsets, str) or len(offsets) != 2:
        raise ValueError(f"tensor {name!r}: dtype is a text, shape a list of sizes, data_offsets a list of two")
    if code not in TYPES:
        raise ValueError(f"tensor {name!r} has the unknown type {code}: known are {', '.join(TYPES)}")
    if len(shape) > MOST_AXES:
        raise ValueError(f"tensor {name!r} has {len(shape)} axes, and at most {MOST_AXES} are read")
    dtype, (begin, end) = np.dtype(TYPES[code]), offsets
    if min(shape, default=0) < 0 or math.prod(filter(None, shape)) > MOST_ELEMENTS or not 0 <= begin <= end:
        raise ValueError(f"tensor {name!r}: shape {shape}, bytes {begin} to {end}")
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"tensor {name!r}: {end - begin} bytes for shape {shape} of {dtype}")
    return Slot(dtype=dtype, shape=tuple(shape), begin=begin, end=end)


def refuse_duplicates(text: str) -> None:
    """Refuse JSON with a key twice, which readers understand differently.

    Raises:
        ValueError: names the key.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"the key {key!r} stands there twice")
            found[key] = value
        return found

    json.loads(text, object_pairs_hook=once)


class SafetensorsWriter:
    """A file under construction: its tensors are known, and come one by one. See `writing`."""

    def __init__(
        self, tensors: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]], metadata: Mapping[str, str]
    ) -> None:
        """Lay the file out.

        Args:
            tensors: type and shape of each, by name.
            metadata: texts by name.

        Raises:
            ModelError: a type that the format does not have, a name that it keeps for itself, too long a header.
        """
        self.slots: dict[str, Slot] = {}
        at = 0
        for name, (dtype, shape) in sorted(tensors.items(), key=lambda item: -item[1][0].itemsize):
            if dtype not in CODES:
                raise ModelError(f"tensor {name!r} is {dtype}, and a .safetensors file holds {', '.join(TYPES)}")
            if name == METADATA:
                raise ModelError(f"no tensor of a .safetensors file can be called {METADATA}")
            size = math.prod(shape) * dtype.itemsize
            self.slots[name] = Slot(dtype=dtype, shape=shape, begin=at, end=at + size)
            at += size
        entries = {
            name: {"dtype": CODES[slot.dtype], "shape": slot.shape, "data_offsets": (slot.begin, slot.end)}
            for name, slot in self.slots.items()
        }
        text = msgspec.json.encode({METADATA: dict(metadata), **entries})
        text += b" " * (-len(text) % ALIGNED)
        if len(text) > MAX_HEADER:
            raise ModelError(f"the header would have {len(text)} bytes, and at most {MAX_HEADER} are read: store less")
        self._head = len(text).to_bytes(8, "little") + text
        self._left = set(self.slots)
        self._file: BinaryIO | None = None
        self.size = len(self._head) + at
        """Bytes of the whole file."""

    @contextmanager
    def writing(self, path: Path) -> Iterator[SafetensorsWriter]:
        """Open the file, which is there whole at the end or not at all; every tensor has been `put` by then.

        Raises:
            ModelError: nothing can be written there.
            ValueError: a tensor is missing at the end.
        """
        with replacing(path) as temporary, temporary.open("wb") as self._file:
            self._file.truncate(self.size)
            self._file.write(self._head)
            yield self
            if self._left:
                raise ValueError(f"tensors that were never put: {', '.join(sorted(self._left))}")

    def put(self, name: str, values: NDArray[Any]) -> None:
        """Write one tensor to its place; the same one may come again.

        Raises:
            ValueError: its type or shape is not as announced.
        """
        slot = self.slots[name]
        if (values.dtype, values.shape) != (slot.dtype, slot.shape):
            raise ValueError(f"tensor {name!r} is {values.dtype} {values.shape}, not {slot.dtype} {slot.shape}")
        assert self._file is not None, "inside `writing`"
        self._file.seek(len(self._head) + slot.begin)
        self._file.write(np.ascontiguousarray(values).view(np.uint8).data if values.size else b"")
        self._left.discard(name)
