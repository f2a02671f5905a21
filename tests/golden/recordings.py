"""Reading of recorded results: the sets of this folder, and the full ones where they lie beside the repository."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from emu import load_unit
from tests.compare import assert_same_bits

HERE = Path(__file__).parent
FULL = Path(__file__).resolve().parents[3] / "shared" / "golden"
ROUNDINGS = ("ties_to_even", "toward_negative", "toward_positive", "toward_zero")
SCALES = {"sa": "a_scale", "sb": "b_scale"}


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Operands and results of one unit: a [n, M, K], b [n, K, N], c and d [n, M, N]."""

    unit: str
    any_nan: bool
    arrays: dict[str, np.ndarray]

    def check(self, backend: str) -> None:
        """Replay it: 0 mismatches."""
        unit = load_unit(self.unit)
        named = {SCALES.get(name, name): x for name, x in self.arrays.items() if name not in "cd"}
        c = self.arrays.get("c") if unit.c is not None else None
        d = unit.matmul(**named, c=c, backend=backend)
        assert_same_bits(d, self.arrays["d"], unit.d, f"{self.unit} on {backend}", any_nan=self.any_nan)


def unsigned(x: np.ndarray) -> np.ndarray:
    """The bits of an array of any integer type."""
    return np.ascontiguousarray(x).view(f"u{x.dtype.itemsize}")


def index() -> list[dict[str, Any]]:
    """The records of this folder."""
    return json.loads((HERE / "index.json").read_text(encoding="utf-8"))


@cache
def _arrays(file: str) -> dict[str, np.ndarray]:
    with np.load(HERE / file) as loaded:
        return {name: loaded[name] for name in loaded.files}


def recorded(row: dict[str, Any]) -> Recording:
    """The recording of one record of the index."""
    prefix = f"{row['key']}."
    arrays = {name.removeprefix(prefix): x for name, x in _arrays(row["file"]).items() if name.startswith(prefix)}
    return Recording(unit=row["unit"], any_nan=row["nan"] == "any", arrays=arrays)


def manifest(folder: str, key: str) -> list[dict[str, Any]]:
    """The rows of a full set, empty where it is not there."""
    path = FULL / folder / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8"))[key] if path.is_file() else []


def full_mma(row: dict[str, Any]) -> Iterator[Recording]:
    """All vectors of one instruction of the GPU sets."""
    files = [entry["file"] for entry in row["files"].values()] if "files" in row else [row["file"]]
    for file in files:
        with np.load(FULL / ("mma" if "files" in row else "gpu") / file) as loaded:
            arrays = {name.removesuffix("_bits"): loaded[name] for name in loaded.files if name.endswith("_bits")}
        yield Recording(unit=row["unit"], any_nan=row.get("nan") == "any", arrays=arrays)


def full_silicon(row: dict[str, Any]) -> Iterator[Recording]:
    """All vectors of one file of the CPU set that a unit computes."""
    with np.load(FULL / "silicon" / row["file"]) as loaded:
        data = {name: unsigned(loaded[name]) for name in loaded.files}
    if row["file"] in ("vfmaddph.npz", "vfmaddps.npz"):
        operands = {name.lower(): data[name][:, None, None] for name in "ABC"}
        for i, rounding in enumerate(ROUNDINGS):
            unit = f"intel-avx512:vfmadd231{row['file'][6:8]}.{rounding}"
            yield Recording(unit=unit, any_nan=False, arrays=operands | {"d": data["Y"][:, i, None, None]})
        return
    named = row.get("unit", {})
    for output, unit in (named if isinstance(named, dict) else {"D": named}).items():
        chosen = {"a": "A2" if output.endswith("2") else "A", "b": "B", "c": "C", "d": output}
        arrays = {name: data[key] for name, key in chosen.items() if key in data}
        if row["file"].startswith("gemm"):
            arrays = {name: x[None] for name, x in arrays.items()}
        elif arrays["a"].ndim == 2:
            columns = {"a": lambda x: x[:, None, :], "b": lambda x: x[:, :, None]}
            arrays = {name: columns.get(name, lambda x: x[:, None, None])(x) for name, x in arrays.items()}
        yield Recording(unit=unit, any_nan=False, arrays=arrays)
