"""Recorded outputs of Berkeley SoftFloat/TestFloat 3e: where they are, and what their axes mean."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

FULL = Path(__file__).resolve().parents[3] / "shared" / "golden" / "testfloat"
FOLDER = FULL if FULL.is_dir() else Path(__file__).parents[1] / "golden" / "testfloat"
"""The whole recording where it lies beside the repository, else the recorded subset."""
MODES = {
    "near_even": "ties_to_even", "minMag": "toward_zero", "min": "toward_negative", "max": "toward_positive",
    "near_maxMag": "ties_to_away", "odd": "to_odd", "any": "ties_to_even",
}  # fmt: skip
TININESS = {"after": "after_rounding", "before": "before_rounding"}
FORMATS = {
    "f16": "float16", "f32": "float32", "f64": "float64", "bf16": "bfloat16", "i32": "int32", "i64": "int64",
    "ui32": "uint32", "ui64": "uint64",
}  # fmt: skip
OPERATIONS = {
    "add": "add", "sub": "sub", "mul": "mul", "mulAdd": "fma", "div": "div", "rem": "remainder", "sqrt": "sqrt",
    "roundToInt": "round_to_integral",
}  # fmt: skip
COMPARISONS = {
    "eq": ("equal", False), "eq_signaling": ("equal", True), "le": ("less_equal", True),
    "le_quiet": ("less_equal", False), "lt": ("less", True), "lt_quiet": ("less", False),
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One setting of one file: what to do, and the recorded codes and flags."""

    rounding: str
    tininess: str
    exact: bool
    out: np.ndarray
    flags: np.ndarray

    @property
    def label(self) -> str:
        return f"{self.rounding} {self.tininess} {'exact' if self.exact else 'notexact'}"


@dataclass(frozen=True)
class Vectors:
    """One file: operands [n] each, and its runs."""

    operands: tuple[np.ndarray, ...]
    runs: tuple[Run, ...]


def files() -> list[str]:
    """The stems of the files that are there."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def parts(file: str) -> tuple[str, str]:
    """The source format and the operation, or "to_" and the target."""
    source, _, operation = file.partition("_")
    return source, operation


@cache
def load(file: str) -> Vectors:
    """Operands and runs; where the recording does not depend on tininess there is a run for each."""
    with np.load(FOLDER / f"{file}.npz") as z:
        arrays, meta = {name: z[name] for name in z.files}, json.loads(str(z["meta"]))
    runs = []
    for i, mode in enumerate(meta["modes"]):
        for j, tiny in enumerate(meta["tininess"]):
            for k, exact in enumerate(meta["exact"]):
                tininess = [TININESS[tiny]] if tiny in TININESS else list(TININESS.values())
                runs += [
                    Run(MODES[mode], name, exact != "notexact", arrays["out"][i], arrays["flags"][i, j, k])
                    for name in tininess
                ]
    return Vectors(tuple(arrays[name] for name in "abc" if name in arrays), tuple(runs))
