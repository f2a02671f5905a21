"""From the manifest of recordings of a processor to entries: the layout silicon.

* A file with `unit` holds operands A, B and perhaps C of one or several units, and results D, or those that `unit`
  names. Lanes: A [n, K], B [n, K], C and D [n]. One product: A [M, K], B [K, N], D [M, N]. Several: one axis more.
  A result that ends in a digit (`D_amx2`) has operands that do so where there are such (`A2`), else the common ones.
* Other files are those of elementwise instructions, which `ELEMENTWISE` lists: operands X, or A, B and C, each [n]
  ([n, 2] of complex ones); a result in all roundings has them as its second axis.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from emu.errors import SpecError
from emu.verify.golden.entry import Entry
from emu.verify.golden.files import Archives, check_array, pick
from emu.verify.golden.manifests import Silicon, SiliconRow
from emu.verify.golden.recording import Recording, of_instruction, of_unit
from emu.verify.instructions import ROUNDINGS, Instruction, instructions

Array = NDArray[Any]
ROUNDED = ".{rounding}"
ELEMENTWISE: dict[str, dict[str, tuple[str, ...]]] = {
    **{stem: {"Y": (stem + ROUNDED,)} for stem in ("vaddph", "vsubph", "vmulph", "vdivph", "vsqrtph")},
    "vcvtneps2bf16": {"Y": ("vcvtneps2bf16",)},
    "vcvtph2ps": {"Y": ("vcvtph2ps",)},
    "vcvtps2ph": {"Y": ("vcvtps2ph" + ROUNDED,), "Y_daz": ("vcvtps2ph" + ROUNDED + ".daz",)},
    "vfmaddph": {"Y": ("vfmadd231ph" + ROUNDED, "vfmaddph" + ROUNDED)},
    "vfmaddps": {
        "Y": ("vfmadd231ps" + ROUNDED, "vfmaddps" + ROUNDED),
        "Y_dazftz": ("vfmadd231ps.daz.ftz", "vfmaddps.daz.ftz"),
    },
    "complex_ph": {stem: (stem + ROUNDED,) for stem in ("vfmulcph", "vfmaddcph", "vfcmulcph", "vfcmaddcph")},
    "vrcpph_vrsqrtph": {"RCP": ("vrcpph",), "RSQRT": ("vrsqrtph",)},
}
"""By the stem of the file: result arrays, and what computes each"""
OPERANDS = ("X", "A", "B", "C")
ABOUT = ("mode", "cat")
"""Arrays that say how operands were drawn"""


def silicon_entries(manifest: Silicon, archives: Archives) -> list[Entry]:
    """Every result array, in every rounding."""
    return [entry for i, row in enumerate(manifest.files) for entry in _entries(archives, row, f"files[{i}]")]


def _entries(archives: Archives, row: SiliconRow, key: str) -> list[Entry]:
    if row.unit is not None:
        units = {"D": row.unit} if isinstance(row.unit, str) else row.unit
        _check_names(archives, row, set(units), key)
        return [
            Entry(
                group=unit.rpartition(":")[2], name=unit, file=row.file,
                load=partial(_product, archives, row, result, unit, key),
            )
            for result, unit in units.items()
        ]  # fmt: skip
    results = ELEMENTWISE.get(Path(row.file).stem)
    if results is None:
        reason = "names no `unit`, and is no file of elementwise instructions"
        raise SpecError(reason, file=archives.manifest, key=f"{key}.file", value=Path(row.file).stem,
                        allowed=sorted(ELEMENTWISE))  # fmt: skip
    _check_names(archives, row, set(results), key)
    out = []
    for result, patterns in results.items():
        for pattern in patterns if result in row.arrays else ():
            for i, rounding in enumerate(ROUNDINGS) if "{" in pattern else [(None, "")]:
                out.append(_elementwise_entry(archives, row, result, pattern.format(rounding=rounding), i, key))
    return out


def _check_names(archives: Archives, row: SiliconRow, results: set[str], key: str) -> None:
    """Nothing is passed over: every array is a result, an operand or a remark."""
    if not results & set(row.arrays):
        raise SpecError("has no result array", file=archives.manifest, key=f"{key}.arrays", allowed=sorted(results))
    for name in row.arrays:
        if name not in results and name not in ABOUT and name.rstrip("0123456789") not in OPERANDS:
            raise SpecError("nothing replays this array", file=archives.manifest, key=f"{key}.arrays.{name}")


def _elementwise_entry(
    archives: Archives, row: SiliconRow, result: str, name: str, rounding: int | None, key: str
) -> Entry:  # fmt: skip
    instruction = instructions()[name]
    load = partial(_elementwise, archives, row, result, instruction, rounding, key)
    return Entry(group=instruction.mnemonic, name=instruction.unit or name, file=row.file, load=load)


def _read(archives: Archives, row: SiliconRow, key: str) -> dict[str, Array]:
    path = archives.root / row.file
    arrays = pick(archives.read(row.file, f"{key}.file"), row.arrays, path)
    for name, facts in row.arrays.items():
        check_array(arrays[name], shape=facts.shape, dtype=facts.dtype, file=path, key=name)
    return arrays


def _unit(archives: Archives, row: SiliconRow, unit: str, arrays: dict[str, Array], key: str) -> Recording:
    return of_unit(
        unit, arrays, root=archives.root, manifest=archives.manifest, key=f"{key}.unit",
        file=archives.root / row.file, any_nan=False,
    )  # fmt: skip


def _product(archives: Archives, row: SiliconRow, result: str, unit: str, key: str) -> Recording:
    arrays, path = _read(archives, row, key), archives.root / row.file
    digits = result[len(result.rstrip("0123456789")) :]
    chosen = {x.lower(): x + digits if x + digits in arrays else x for x in "ABC" if x in arrays} | {"d": result}
    named = {name: pick(arrays, [key], path)[key] for name, key in chosen.items()}
    if "a" in named and named["a"].ndim == 2:
        named = _lanes(named) if named["d"].ndim == 1 else {name: array[None] for name, array in named.items()}
    return _unit(archives, row, unit, named, key)


def _lanes(arrays: dict[str, Array]) -> dict[str, Array]:
    rows, columns = {"a": arrays["a"][:, None, :]}, {"b": arrays["b"][..., None]} if "b" in arrays else {}
    return rows | columns | {name: array[..., None, None] for name, array in arrays.items() if name not in "ab"}


def _elementwise(
    archives: Archives, row: SiliconRow, result: str, instruction: Instruction, rounding: int | None, key: str
) -> Recording:  # fmt: skip
    arrays, path = _read(archives, row, key), archives.root / row.file
    operands = [name for name in OPERANDS if name in arrays][: len(instruction.operands)]
    expected = arrays[result]
    if rounding is not None:
        if expected.ndim < 2 or expected.shape[1] != len(ROUNDINGS):
            reason = f"must have {len(ROUNDINGS)} roundings as its second axis, not shape {list(expected.shape)}"
            raise SpecError(reason, file=path, key=result)
        expected = expected[:, rounding]
    named = {name: arrays[name] for name in operands} | {result: expected}
    if instruction.unit is None:
        return of_instruction(instruction, named, file=path)
    lanes = {("d" if name == result else name.lower()): array[..., None, None] for name, array in named.items()}
    return _unit(archives, row, instruction.unit, lanes, key)
