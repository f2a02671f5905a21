"""Recorded outputs of Berkeley TestFloat: one .npz file for each operation.

A file `<format>_<operation>.npz` holds operands a, b, c; `out[mode, case]`; `flags[mode, tininess, exact, case]`; and
`meta`, a JSON text with the names along these axes ("any": it does not matter).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import emu
from emu.errors import SpecError
from emu.verify.calls import call
from emu.verify.tally import Tally

MODES = {
    "near_even": "ties_to_even", "minMag": "toward_zero", "min": "toward_negative", "max": "toward_positive",
    "near_maxMag": "ties_to_away", "odd": "to_odd", "any": "ties_to_even",
}  # fmt: skip
FORMATS = {
    "f16": "float16", "f32": "float32", "f64": "float64", "bf16": "bfloat16", "i32": "int32", "i64": "int64",
    "ui32": "uint32", "ui64": "uint64",
}  # fmt: skip
OPERATIONS = {
    "add": "add", "sub": "sub", "mul": "mul", "mulAdd": "fma", "div": "div", "rem": "remainder", "sqrt": "sqrt",
    "roundToInt": "round_to_integral",
}  # fmt: skip
RELATIONS = {
    "eq": ("equal", False), "eq_signaling": ("equal", True), "le": ("less_equal", True),
    "le_quiet": ("less_equal", False), "lt": ("less", True), "lt_quiet": ("less", False),
}  # fmt: skip
SAMPLE = 400


def files(folder: Path) -> list[str]:
    """The stems of the files.

    Raises:
        SpecError: there are none.
    """
    found = sorted(path.stem for path in folder.glob("*_*.npz"))
    if not found:
        raise SpecError("no TestFloat vectors (<format>_<operation>.npz) in this folder", value=str(folder))
    return found


def run(folder: Path, file: str, backend: str) -> Tally:
    """One file: all of it on the c backend, a sample on the others."""
    source, _, operation = file.partition("_")
    tally = Tally(check=operation if operation in (OPERATIONS | RELATIONS) else f"cast {operation}", oracle="TestFloat")
    with np.load(folder / f"{file}.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    meta = json.loads(str(arrays["meta"]))
    operands = [arrays[name] for name in "abc" if name in arrays]
    chosen = np.arange(operands[0].size)
    if backend != "c":
        chosen = np.random.default_rng(len(file)).choice(chosen, min(SAMPLE, chosen.size), replace=False)
        tally.remark(f"{chosen.size} cases")
    operands = [x[chosen] for x in operands]
    for i, mode in enumerate(meta["modes"]):
        for j, tiny in enumerate(meta["tininess"]):
            for k, exact in enumerate(meta["exact"]):
                codes, flags = arrays["out"][i][chosen], arrays["flags"][i, j, k][chosen]
                for tininess in [f"{tiny}_rounding"] if tiny != "any" else ["after_rounding", "before_rounding"]:
                    how = {"rounding": MODES[mode], "tininess": tininess, "flags": True, "backend": backend}
                    if exact != "any":
                        how["exact"] = exact != "notexact"
                    found = _found(FORMATS[source], operation, operands, how)
                    if found is None:
                        tally.remark("not in this backend")
                        return tally
                    tally.compare(found, codes, flags, operands, f"{file} {mode} {tininess} {exact}")
    return tally


def _found(source: str, operation: str, operands: list[Any], how: dict[str, Any]) -> Any:
    if operation in RELATIONS:
        name, signaling = RELATIONS[operation]
        return getattr(emu, name)(*operands, source, signaling=signaling, flags=True)
    if operation.startswith("to_"):
        return call("cast", operands, [source, FORMATS[operation[3:]]], how)
    return call(OPERATIONS[operation], operands, [source], how)
