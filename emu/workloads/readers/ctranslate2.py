"""CTranslate2's model.bin, version 6, little-endian, as float32 arrays by name.

version u32, specification (text), revision u32, count u32; for each variable: name (text), rank u8, as many sizes u32,
type u8, bytes u32, content; then count u32 of aliases: new name, name (texts). A text is a length u16 with its closing
zero, then that many bytes. Types: 0 float32, 1 int8, 2 int16, 3 int32, 4 float16, 5 bfloat16.

Source: CTranslate2, src/models/model.cc and python/ctranslate2/specs/model_spec.py.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from emu.errors import ModelError

VERSION = 6
MAX_AXES = 8
TYPES: tuple[Any, ...] = (np.float32, np.int8, np.int16, np.int32, np.float16, ml_dtypes.bfloat16)


def read_ctranslate2(path: Path, specification: str) -> dict[str, NDArray[Any]]:
    """Every variable by name, aliases included.

    Raises:
        ModelError: it is no such file, a damaged one, or one of another specification.
    """
    try:
        return _Reader(path.read_bytes()).variables(specification)
    except (struct.error, ValueError, KeyError, IndexError) as error:
        raise ModelError(f"{path}: is no CTranslate2 model, or a damaged one: {error}") from None


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def variables(self, specification: str) -> dict[str, NDArray[Any]]:
        """The whole file."""
        version, found = self.number("<I"), self.text()
        if version != VERSION or found != specification:
            raise ValueError(f"version {version} of {found!r}, and version {VERSION} of {specification!r} is wanted")
        self.number("<I")
        out = dict(self.variable() for _ in range(self.number("<I")))
        for _ in range(self.number("<I")):
            alias = self.text()
            out[alias] = out[self.text()]
        return out

    def variable(self) -> tuple[str, NDArray[Any]]:
        """One variable."""
        name, rank = self.text(), self.number("<B")
        if rank > MAX_AXES:
            raise ValueError(f"{name!r} has {rank} axes")
        shape = tuple(self.number("<I") for _ in range(rank))
        dtype, size = np.dtype(TYPES[self.number("<B")]), self.number("<I")
        if size != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name!r} has {size} bytes for shape {list(shape)} of {dtype}")
        return name, np.frombuffer(self.take(size), dtype).reshape(shape)

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if size > len(self.data) - self.at:
            raise ValueError(f"{size} bytes wanted at {self.at} of {len(self.data)}")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, form: str) -> int:
        """The next number."""
        (value,) = struct.unpack(form, self.take(struct.calcsize(form)))
        return int(value)

    def text(self) -> str:
        """The next text."""
        return self.take(self.number("<H")).rstrip(b"\0").decode("utf-8")
