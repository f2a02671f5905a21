"""Recorded outputs of Berkeley TestFloat: one .npz file for each operation.

A file `<format>_<operation>.npz` holds operands a, b, c; `out[mode, case]`; `flags[mode, tininess, exact, case]`; and
`meta`, a JSON text with the names along these axes ("any": it does not matter).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import emu
from emu.errors import SpecError
from emu.formats.load import load_format
from emu.replaying.inputs import read_npz
from emu.replaying.limits import GIB, Limits
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
RESULTS = dict.fromkeys(RELATIONS, "uint1")
"""Of operations whose results are of no format of a file name"""
SAMPLE = 400
LIMITS = Limits(inputs=GIB)


def is_known(stem: str) -> bool:
    """Whether a file of this name holds vectors: <format>_<operation>."""
    source, _, operation = stem.partition("_")
    made = FORMATS if operation.startswith("to_") else OPERATIONS | RELATIONS
    return source in FORMATS and operation.removeprefix("to_") in made


def files(folder: Path) -> list[str]:
    """The stems of the files.

    Raises:
        SpecError: there are none.
    """
    found = sorted(path.stem for path in folder.glob("*_*.npz") if is_known(path.stem))
    if not found:
        raise SpecError("no TestFloat vectors (<format>_<operation>.npz) in this folder", value=str(folder))
    return found


def run(folder: Path, file: str, backend: str, sample: int | None = None) -> Tally:
    """One file: all of it on the c backend, a sample on the others.

    Args:
        folder: where the file is.
        file: its stem.
        backend: as everywhere.
        sample: at most so many cases.

    Raises:
        ModelError: no .npz of plain arrays.
        SpecError: arrays or labels that are none of TestFloat's.
    """
    operation = file.partition("_")[2]
    tally = Tally(check=operation if operation in (OPERATIONS | RELATIONS) else f"cast {operation}", oracle="TestFloat")
    arrays = read_npz(folder / f"{file}.npz", LIMITS)
    try:
        return _run(tally, arrays, file, backend, sample)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        reason = f"is no file of TestFloat vectors: {type(error).__name__}: {error}"
        raise SpecError(reason, file=folder / f"{file}.npz") from None


def _run(tally: Tally, arrays: Mapping[str, NDArray[Any]], file: str, backend: str, sample: int | None) -> Tally:
    source, _, operation = file.partition("_")
    made = RESULTS.get(operation) or FORMATS[operation[3:] if operation.startswith("to_") else source]
    fmt = load_format(made)
    meta = json.loads(str(arrays["meta"]))
    operands = [arrays[name] for name in "abc" if name in arrays]
    chosen = np.arange(operands[0].size)
    most = min(x for x in (chosen.size, sample, None if backend == "c" else SAMPLE) if x is not None)
    if most < chosen.size:
        chosen = np.sort(np.random.default_rng(len(file)).choice(chosen, most, replace=False))
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
                    tally.compare(found, codes, flags, operands, f"{file} {mode} {tininess} {exact}", fmt)
    return tally


def _found(source: str, operation: str, operands: list[Any], how: dict[str, Any]) -> Any:
    if operation in RELATIONS:
        name, signaling = RELATIONS[operation]
        return getattr(emu, name)(*operands, source, signaling=signaling, flags=True)
    if operation.startswith("to_"):
        return call("cast", operands, [source, FORMATS[operation[3:]]], how)
    return call(OPERATIONS[operation], operands, [source], how)
