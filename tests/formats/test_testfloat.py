"""Conversions with flags against recorded outputs of Berkeley SoftFloat."""

from __future__ import annotations

import json

import numpy as np
import pytest

from emu import load_format
from emu.formats.enums import Flag
from tests.operations.vectors import FOLDER

SOURCES = {
    "f16": np.float16, "f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64, "ui32": np.uint32,
    "ui64": np.uint64,
}  # fmt: skip
MODES = {
    "near_even": "ties_to_even", "minMag": "toward_zero", "min": "toward_negative", "max": "toward_positive",
    "near_maxMag": "ties_to_away", "odd": "to_odd", "any": "ties_to_even",
}  # fmt: skip
FILES = [
    "f16_to_f32", "f16_to_f64", "f32_to_bf16", "f32_to_f16", "f32_to_f64", "f64_to_f16", "f64_to_f32", "i32_to_f16",
    "i32_to_f32", "i64_to_f16", "i64_to_f32", "ui32_to_f16", "ui32_to_f32", "ui64_to_f16",
]  # fmt: skip


def signalling(x: np.ndarray) -> np.ndarray:
    """Signalling NaNs raise invalid as codes; as numbers they are NaNs like any other."""
    if x.dtype.kind != "f":
        return np.zeros(x.shape, bool)
    quiet = {2: 1 << 9, 4: 1 << 22, 8: 1 << 51}[x.itemsize]
    return np.isnan(x) & (x.view(f"u{x.itemsize}") & x.dtype.type(0).view(f"u{x.itemsize}").dtype.type(quiet) == 0)


@pytest.mark.parametrize("file", FILES)
def test_conversion(file):
    with np.load(FOLDER / f"{file}.npz") as loaded:
        a, out, flags, meta = loaded["a"], loaded["out"], loaded["flags"], json.loads(str(loaded["meta"]))
    source, target = file.split("_to_")
    x = a.view(SOURCES[source])
    tininess = meta["tininess"].index("after") if "after" in meta["tininess"] else 0
    for index, mode in enumerate(meta["modes"]):
        codes, raised = load_format(target).encode(x, MODES[mode], flags=True)
        assert np.array_equal(codes, out[index]), mode
        raised = np.where(signalling(x), Flag.INVALID, raised)
        assert np.array_equal(raised, flags[index, tininess, 0]), mode
