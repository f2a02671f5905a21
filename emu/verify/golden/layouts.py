"""From manifests of matrix units to entries: the layouts mma, gpu and index."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from emu.errors import SpecError
from emu.verify.golden.entry import Entry
from emu.verify.golden.files import Archives, Arrays, check_array, content_hash, pick
from emu.verify.golden.manifests import Gpu, GpuRow, IndexRow, Mma, MmaFile, MmaRow
from emu.verify.golden.recording import Recording, of_instruction, of_unit
from emu.verify.instructions import instructions

BITS = {"a_bits": "a", "b_bits": "b", "c_bits": "c", "d_bits": "d", "sa_bits": "a_scale", "sb_bits": "b_scale"}
OPERANDS = ("a_bits", "b_bits", "c_bits", "d_bits")
SHORT = {"sa": "a_scale", "sb": "b_scale"}


def mma_entries(manifest: Mma, archives: Archives) -> list[Entry]:
    """Every file of every instruction."""
    return [
        Entry(
            group=row.arch, name=row.unit, file=facts.file,
            load=partial(_mma, archives, row, facts, f"instructions[{i}]", f"instructions[{i}].files.{kind}"),
        )
        for i, row in enumerate(manifest.instructions)
        for kind, facts in row.files.items()
    ]  # fmt: skip


def gpu_entries(manifest: Gpu, archives: Archives) -> list[Entry]:
    """Every file."""
    return [
        Entry(group=row.arch, name=row.unit, file=row.file, load=partial(_gpu, archives, row, f"vectors[{i}]"))
        for i, row in enumerate(manifest.vectors)
    ]


def _mma(archives: Archives, row: MmaRow, facts: MmaFile, key: str, where: str) -> Recording:
    arrays = archives.read(facts.file, f"{where}.file")
    path = archives.root / facts.file
    if facts.content_sha256 is not None and content_hash(arrays) != facts.content_sha256:
        raise SpecError("the arrays are not those of the manifest: their SHA-256 differs", file=path,
                        key=f"{where}.content_sha256")  # fmt: skip
    shapes = {"a_bits": facts.shape_a, "b_bits": facts.shape_b, "d_bits": facts.shape_d}
    for name, array in pick(arrays, OPERANDS, path).items():
        check_array(array, shape=shapes.get(name), dtype=None, file=path, key=name)
    return _bits(archives, arrays, facts.n, row.unit, row.nan, path, key)


def _gpu(archives: Archives, row: GpuRow, key: str) -> Recording:
    arrays = archives.read(row.file, f"{key}.file")
    return _bits(archives, arrays, row.n, row.unit, row.nan, archives.root / row.file, key)


def _bits(archives: Archives, arrays: Arrays, n: int | None, unit: str, nan: str, path: Path, key: str) -> Recording:
    named = pick(arrays, OPERANDS, path) | {name: arrays[name] for name in arrays if name in BITS}
    for name, array in named.items():
        if array.dtype.kind != "u":
            raise SpecError(f"raw bits are unsigned integers, not {array.dtype}", file=path, key=name)
        if n is not None and (not array.ndim or len(array) != n):
            raise SpecError(f"must hold {n} problems, as the manifest says, not shape {list(array.shape)}",
                            file=path, key=name)  # fmt: skip
    return of_unit(
        unit, {BITS[name]: array for name, array in named.items()}, root=archives.root, manifest=archives.manifest,
        key=f"{key}.unit", file=path, any_nan=nan == "any",
    )  # fmt: skip


def index_entries(rows: list[IndexRow], archives: Archives) -> list[Entry]:
    """Every record."""
    return [_index_entry(row, archives, f"[{i}]") for i, row in enumerate(rows)]


def _index_entry(row: IndexRow, archives: Archives, key: str) -> Entry:
    if (row.unit is None) == (row.instruction is None):
        raise SpecError("needs either `unit` or `instruction`", file=archives.manifest, key=key)
    name = row.unit or row.instruction or ""
    group = name.partition(":")[0] if row.unit else name.partition(".")[0]
    return Entry(group=group, name=name, file=row.file, load=partial(_indexed, archives, row, key))


def _indexed(archives: Archives, row: IndexRow, key: str) -> Recording:
    prefix, path = f"{row.key}.", archives.root / row.file
    arrays = archives.read(row.file, f"{key}.file")
    found: dict[str, NDArray[Any]] = {
        name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)
    }
    if not found:
        raise SpecError("no array has this prefix", file=path, key=f"{key}.key", value=row.key)
    if row.unit is not None:
        return of_unit(
            row.unit, {SHORT.get(name, name): array for name, array in found.items()}, root=archives.root,
            manifest=archives.manifest, key=f"{key}.unit", file=path, any_nan=row.nan == "any",
        )  # fmt: skip
    assert row.instruction is not None
    known = instructions()
    if row.instruction not in known or known[row.instruction].unit is not None:
        allowed = sorted(name for name, instruction in known.items() if instruction.unit is None)
        raise SpecError("no elementwise instruction", file=archives.manifest, key=f"{key}.instruction",
                        value=row.instruction, allowed=allowed)  # fmt: skip
    instruction = known[row.instruction]
    order = [*"abc"[: len(instruction.operands)], "d"]
    if sorted(found) != order:
        raise SpecError(f"needs the arrays {', '.join(order)}, not {', '.join(sorted(found))}", file=path, key=row.key)
    return of_instruction(instruction, {name: found[name] for name in order}, file=path)
