"""The oracle against recordings and worked numbers, with nothing of the product in between.

* Golden vectors of matrix instructions (a sample of each file), of GPUs and of CPU silicon: bit for bit.
* Numbers worked out by hand in the literature the units come from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .reading import UnknownUnitError, read_unit
from .rounding import encode
from .support import GOLDEN, UNITS, code, codes, executor, formats, needs_golden, needs_units
from .values import NaN

PER_FILE = 10  # vectors of a file
PER_SIDE = 3  # rows and columns of a tile

# FP8 mma.sync of these machines runs on the FP16 tensor cores: compositions, not in every set of unit files.
COMPOSED = (
    "nvidia-hopper:mma.sync.m16n8k32.f16.e4m3.e4m3.f16",
    "nvidia-hopper:mma.sync.m16n8k32.f16.e5m2.e5m2.f16",
    "nvidia-blackwell:mma.sync.m16n8k32.f32.e4m3.e4m3.f32",
    "nvidia-blackwell:mma.sync.m16n8k32.f16.e4m3.e4m3.f16",
    "nvidia-blackwell:mma.sync.m16n8k32.f32.e5m2.e5m2.f32",
    "nvidia-blackwell:mma.sync.m16n8k32.f16.e5m2.e5m2.f16",
)


# --- golden vectors ---------------------------------------------------------------------------------------


def unsigned(x: np.ndarray) -> np.ndarray:
    return x.view(f"u{x.dtype.itemsize}")


def manifest(folder: str, key: str) -> list[dict[str, Any]]:
    """Rows with a unit; one empty row (which is skipped, with the reason) if there are no golden vectors."""
    path = GOLDEN / folder / "manifest.json"
    if not path.is_file():
        return [{}]
    return [row for row in json.loads(path.read_text("utf-8"))[key] if "unit" in row]


def row_id(row: dict[str, Any]) -> str:
    return row.get("id", row.get("file", "none"))


def absent(row: dict[str, Any]) -> bool:
    """Whether the unit files at hand have no such unit."""
    try:
        read_unit(row["unit"], UNITS)
    except UnknownUnitError:
        return True
    return False


def sampled(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A few vectors and a corner of each: elements of a matrix product do not depend on each other."""
    n = len(arrays["d"])
    chosen = np.random.default_rng(n).permutation(n)[:PER_FILE]
    made = {name: unsigned(x)[chosen] for name, x in arrays.items()}
    for name in made:
        if name in ("a", "c", "d", "sa"):
            made[name] = made[name][:, :PER_SIDE]
        if name in ("b", "c", "d", "sb"):
            made[name] = made[name][..., :PER_SIDE]
    return made


def check(unit: str, arrays: dict[str, np.ndarray], nan: str) -> None:
    run, z = executor(unit), sampled(arrays)
    c = z.get("c") if "c" in run.unit.operands else None
    got = run.matmul(z["a"], z["b"], c, z.get("sa"), z.get("sb"))
    for at in zip(*np.nonzero(got != z["d"]), strict=True):
        pair = [run.d.decode(int(x[at])) for x in (got, z["d"])]
        same_nan = nan == "any" and all(isinstance(x, NaN) for x in pair)
        assert same_nan, f"{unit} {at}: {int(got[at]):#x}, recorded {int(z['d'][at]):#x}"


def bits(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as z:
        return {name.removesuffix("_bits"): z[name] for name in z.files if name.endswith("_bits")}


@needs_golden
@pytest.mark.parametrize("row", manifest("mma", "instructions"), ids=row_id)
def test_mma(row: dict[str, Any]) -> None:
    for entry in row["files"].values():
        check(row["unit"], bits(GOLDEN / "mma" / entry["file"]), row["nan"])


@needs_golden
def test_absent_units_are_known() -> None:
    missing = {row["unit"] for row in manifest("gpu", "vectors") if absent(row)}
    print("not in these unit files:", *sorted(missing), sep="\n  ")
    assert missing <= set(COMPOSED)


@needs_golden
@pytest.mark.parametrize("row", manifest("gpu", "vectors"), ids=row_id)
def test_gpu(row: dict[str, Any]) -> None:
    if row["unit"] not in COMPOSED or not absent(row):
        check(row["unit"], bits(GOLDEN / "gpu" / row["file"]), "exact")


def silicon_sets(row: dict[str, Any]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """(unit, a, b, c, d) of one recording, as matrices."""
    with np.load(GOLDEN / "silicon" / row["file"]) as z:
        data = {name: z[name] for name in z.files}
    named = row["unit"] if isinstance(row["unit"], dict) else {"D": row["unit"]}
    for output, unit in named.items():
        a = data["A2" if output.endswith("2") else "A"]
        arrays = {"a": a, "b": data["B"], "d": data[output]} | ({"c": data["C"]} if "C" in data else {})
        if row["file"].startswith("gemm"):
            arrays = {name: x[None] for name, x in arrays.items()}
        elif a.ndim == 2:
            places = {"a": (0, None), "b": (0, 1, None), "c": (0, None, None), "d": (0, None, None)}
            arrays = {name: np.expand_dims(x, _new_axes(places[name])) for name, x in arrays.items()}
        yield unit, arrays


def _new_axes(places: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(i for i, place in enumerate(places) if place is None)


@needs_golden
@pytest.mark.parametrize("row", manifest("silicon", "files"), ids=row_id)
def test_silicon(row: dict[str, Any]) -> None:
    for unit, arrays in silicon_sets(row):
        check(unit, arrays, "exact")


ROUNDINGS = ("ties_to_even", "toward_negative", "toward_positive", "toward_zero")


@needs_golden
@pytest.mark.parametrize("file", ["vfmaddph", "vfmaddps"])
def test_silicon_fused_multiply_add(file: str) -> None:
    with np.load(GOLDEN / "silicon" / f"{file}.npz") as z:
        data = {name: z[name] for name in z.files}
    operands = {name.lower(): data[name][:, None, None] for name in "ABC"}
    for r, rounding in enumerate(ROUNDINGS):
        check(
            f"intel-avx512:vfmadd231{file[-2:]}.{rounding}",
            operands | {"d": data["Y"][:, r, None, None]},
            "exact",
        )


# --- worked numbers ---------------------------------------------------------------------------------------


@needs_units
def test_int4_times_radix4() -> None:
    a = np.array([[-8 & 15, 7, 3, -1 & 15]])
    b = np.array([[0x7], [0xF], [0x4], [0x1]])
    d = executor("ibm-int4-radix4:tree").matmul(a, b)
    assert int(d[0, 0]) - (1 << 24) == -61249  # in units of 2^-6
    assert executor("ibm-int4-radix4:even").matmul(a, b) == code(-957.015625, "dlfloat16")


@needs_units
@pytest.mark.parametrize(
    ("unit", "total"),
    [
        ("nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e4m3.e4m3", 1.0),
        ("nvidia-rtx-blackwell:mma.sync.m16n8k32.f32.e4m3.e4m3.f32", 1.001953125),
    ],
)
def test_small_addends_below_thirteen_bits(unit: str, total: float) -> None:
    small = codes([[2.0**-7] * 32], "e4m3")
    d = executor(unit).matmul(small, small.T, codes([[1.0]], "f32"))
    assert d == code(total, "f32")


@needs_units
@pytest.mark.parametrize(
    ("unit", "total"),
    [
        ("nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e4m3.e4m3", 394.0),
        ("nvidia-rtx-blackwell:mma.sync.m16n8k32.f32.e4m3.e4m3.f32", 416.0),
    ],
)
def test_long_dot_product_of_ones(unit: str, total: float) -> None:
    a, b = codes(np.ones((1, 1)), "e4m3"), codes([[0.1015625]], "e4m3")
    d = executor(unit).matmul(np.repeat(a, 4096, 1), np.repeat(b, 4096, 0))
    assert d == code(total, "f32")


@needs_units
def test_requantised_int8() -> None:
    nothing = np.zeros((1, 4), np.uint8)
    assert executor("nnpi:int8.m0.01.zp3").matmul(nothing, nothing.T, [[12345]]) == 126


@needs_units
@pytest.mark.parametrize(
    ("unit", "wanted"),
    [
        ("flexq:abq.int6.int6", -812 & 0xFFFFFFFF),
        ("flexq:abq.int6.int8", -812 & 0xFFFFFFFF),
        ("flexq:nibble.int8.int8", -812 & 0xFFFFFFFF),
        ("flexq:kernel.int6.int6", 0xE258),
        ("flexq:exact-group.int6.int6", 0xE258),
    ],
)
def test_bit_planes(unit: str, wanted: int) -> None:
    run = executor(unit)
    masks = [(1 << run.format_of(name).bits) - 1 for name in "ab"]
    a = np.array([[5, -13, 31, -32]]) & masks[0]
    b = np.array([[-1], [7], [-20], [3]]) & masks[1]
    one = codes([[1.0]], "f16") if run.unit.scales else None
    assert run.matmul(a, b, None, one, one) == wanted


@needs_units
@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (1.0, 0x3E00),
        (1 + 1 / 1024, 0x3E01),
        (0.1, 0x3733),
        (65504.0, 0x5E00),
        (3.14159265, 0x4124),
        (8577351679.0, 0x7FFE),
        (8577351680.0, 0x7FFF),
        (2.0**-31, 0),
    ],
)
def test_dlfloat16(value: float, wanted: int) -> None:
    assert encode(value, formats().get("dlfloat16"), "ties_to_away") == wanted


@needs_units
def test_radix4_table() -> None:
    values = [formats().get("log4").decode(c) for c in range(16)]
    assert [float(v.m * 2.0**v.q) for v in values[:8]] == [0, 1 / 64, 1 / 16, 1 / 4, 1, 4, 16, 64]
    assert [v.negative for v in values] == [False] * 8 + [True] * 8
