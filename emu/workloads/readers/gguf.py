"""GGUF, versions 2 and 3, little-endian: metadata, tensor table, then the tensors, each aligned.

* Sizes and counts are checked against the file before anything is taken.
* A tensor's axes are given fastest first; arrays have them the other way round.
* Types: F32, F16, BF16, and blocks of 32 along the fastest axis: `Q4_0` (f16 d; 16 bytes; d · (q - 8)), `Q4_1` (f16 d,
  m; 16 bytes; d · q + m), `Q8_0` (f16 d; 32 signed bytes; d · q). The first 16 elements of a 4-bit block are the low
  halves of its bytes, the last 16 the high ones. Each operation rounds to float32 once.

Source: the GGUF specification and block definitions of ggml (ggml-common.h, ggml-quants.c).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from emu.errors import ModelError

MAGIC, VERSIONS, ALIGNMENT = b"GGUF", (2, 3), 32
BLOCK = 32
MAX_AXES = 4
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_PLAIN: dict[int, Any] = {0: np.float32, 1: np.float16, 30: ml_dtypes.bfloat16}
_BLOCKED = {2: 18, 3: 20, 8: 34}
"""Bytes of a block by type: Q4_0, Q4_1, Q8_0."""


@dataclass(frozen=True, kw_only=True)
class _Entry:
    shape: tuple[int, ...]
    kind: int
    offset: int


class Gguf:
    """A GGUF file: metadata, and tensors as float32."""

    def __init__(self, path: Path) -> None:
        """Read the metadata and the table of tensors.

        Raises:
            ModelError: it is no such file, or a damaged one.
        """
        self.path = path
        mapped = np.memmap(path, np.uint8, mode="r") if path.stat().st_size else np.empty(0, np.uint8)
        self._data = mapped.view(np.ndarray)  # a plain array: a memory map takes long for every slice
        self._at = 0
        self.metadata: dict[str, Any] = {}
        self._entries: dict[str, _Entry] = {}
        try:
            self._read()
        except (struct.error, KeyError, UnicodeDecodeError, ValueError) as error:
            raise ModelError(f"{path}: is no GGUF file, or a damaged one: {error}") from None

    def _read(self) -> None:
        if self._bytes(4) != MAGIC or self._scalar(4) not in VERSIONS:
            raise ValueError(f"it does not start with GGUF and a version of {VERSIONS}")
        tensors, keys = self._scalar(10), self._scalar(10)
        for _ in range(keys):
            name = self._text()
            self.metadata[name] = self._value(self._scalar(4))
        for _ in range(tensors):
            name, axes = self._text(), self._scalar(4)
            if axes > MAX_AXES:
                raise ValueError(f"tensor {name!r} has {axes} axes")
            shape = tuple(self._scalar(10) for _ in range(axes))[::-1]
            self._entries[name] = _Entry(shape=shape, kind=self._scalar(4), offset=self._scalar(10))
        step = self.metadata.get("general.alignment", ALIGNMENT)
        self._start = -(-self._at // step) * step

    def _bytes(self, count: int) -> bytes:
        if count > self._data.size - self._at:
            raise ValueError(f"{count} bytes wanted at {self._at} of {self._data.size}")
        self._at += count
        return self._data[self._at - count : self._at].tobytes()

    def _scalar(self, kind: int) -> Any:
        form = _SCALARS[kind]
        return struct.unpack(form, self._bytes(struct.calcsize(form)))[0]

    def _text(self) -> str:
        return self._bytes(self._scalar(10)).decode("utf-8")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._text()
        if kind != _ARRAY:
            return self._scalar(kind)
        inner, count = self._scalar(4), self._scalar(10)
        if inner == _ARRAY or count > self._data.size:
            raise ValueError(f"an array of {count} values of type {inner}")
        return [self._value(inner) for _ in range(count)]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The tensors."""
        return tuple(self._entries)

    def tensor(self, name: str) -> NDArray[np.float32]:
        """One tensor, dequantised.

        Raises:
            ModelError: there is none of that name, it lies outside the file, or its type is not known here.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise ModelError(f"{self.path}: holds no tensor {name!r}")
        elements = math.prod(entry.shape)
        if entry.kind in _PLAIN:
            size = elements * np.dtype(_PLAIN[entry.kind]).itemsize
        elif entry.kind in _BLOCKED and entry.shape and entry.shape[-1] % BLOCK == 0:
            size = elements // BLOCK * _BLOCKED[entry.kind]
        else:
            raise ModelError(f"{self.path}: tensor {name!r} has type {entry.kind}, which is not read here")
        begin = self._start + entry.offset
        if begin + size > self._data.size:
            raise ModelError(f"{self.path}: tensor {name!r} lies outside the file")
        raw = np.array(self._data[begin : begin + size])
        if entry.kind in _PLAIN:
            values: NDArray[np.float32] = raw.view(_PLAIN[entry.kind]).astype(np.float32).reshape(entry.shape)
            return values
        return dequantise(raw.reshape(-1, _BLOCKED[entry.kind]), entry.kind).reshape(entry.shape)


def dequantise(blocks: NDArray[np.uint8], kind: int) -> NDArray[np.float32]:
    """Blocks [n, bytes] as values [n, 32]."""
    d = np.ascontiguousarray(blocks[:, :2]).view(np.float16).astype(np.float32)
    if kind == 8:
        return d * np.ascontiguousarray(blocks[:, 2:]).view(np.int8).astype(np.float32)
    packed = blocks[:, -16:]
    q = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32)
    if kind == 2:
        return d * (q - np.float32(8))
    return d * q + np.ascontiguousarray(blocks[:, 2:4]).view(np.float16).astype(np.float32)


def require(metadata: Mapping[str, Any], key: str, path: Path) -> Any:
    """A key of the metadata.

    Raises:
        ModelError: it is missing.
    """
    if key not in metadata:
        raise ModelError(f"{path}: its metadata lack {key}")
    return metadata[key]
