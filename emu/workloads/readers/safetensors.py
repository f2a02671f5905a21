"""safetensors: an 8-byte little-endian length, a JSON header of that length, then the tensors' bytes.

The header gives dtype, shape and the begin and end of each tensor after the header. Everything is checked against the
file's size before anything is taken. Types: F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL.

Source: the safetensors README, section "Format".
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from emu.errors import ModelError

MAX_HEADER = 100_000_000
"""The format's own bound."""
TYPES: dict[str, Any] = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "I64": np.int64,
    "I32": np.int32, "I16": np.int16, "I8": np.int8, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Every tensor by name.

    Raises:
        ModelError: it is no such file, or a damaged one.
    """
    data = np.memmap(path, np.uint8, mode="r") if path.stat().st_size else np.empty(0, np.uint8)
    if data.size < 8:
        raise ModelError(f"{path}: is no safetensors file: {data.size} bytes")
    length = int.from_bytes(data[:8].tobytes(), "little")
    if not 2 <= length <= min(MAX_HEADER, data.size - 8):
        raise ModelError(f"{path}: is no safetensors file: its header would have {length} bytes")
    try:
        header = json.loads(data[8 : 8 + length].tobytes())
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        return {name: _tensor(data[8 + length :], entry) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: is no safetensors file: {type(error).__name__}: {error}") from None


def _tensor(body: NDArray[np.uint8], entry: dict[str, Any]) -> NDArray[Any]:
    dtype = np.dtype(TYPES[entry["dtype"]])
    shape = tuple(int(size) for size in entry["shape"])
    begin, end = (int(offset) for offset in entry["data_offsets"])
    if min(shape, default=0) < 0 or not 0 <= begin <= end <= body.size:
        raise ValueError(f"bytes {begin} to {end} of {body.size}")
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{end - begin} bytes for shape {list(shape)} of {dtype}")
    values: NDArray[Any] = body[begin:end].view(np.ndarray).copy().view(dtype).reshape(shape)
    return values
