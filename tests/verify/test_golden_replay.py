"""Replaying recordings: what is counted, and that it can fail."""

from __future__ import annotations

import numpy as np
import pytest

import emu
from emu.verify.differences import CLASSES, classify
from emu.verify.golden import Folder, folders, replay
from emu.verify.golden.table import rows, total

from . import golden_sets as sets


def outcomes(folder, backends=("c",), sample=None):
    (found,) = folders(folder)
    assert isinstance(found, Folder), found.reason
    return list(replay(found.entries, backends, sample))


def counts(found):
    assert [x.error for x in found] == [""] * len(found)
    kinds = np.sum([x.counts for x in found], axis=0).tolist()
    return {kind: count for kind, count in zip(CLASSES, kinds, strict=True) if count}


def test_what_is_right_is_right(tmp_path, backend):
    found = outcomes(sets.mma(tmp_path), [backend])
    assert counts(found) == {} and [x.outputs for x in found] == [sets.SMALL]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("align_bits = 23", "align_bits = 22"),
        ("align_min_exp = -131", "align_min_exp = -20"),
        ("float32 = 0x7fffffff", "float32 = 0x7fc00000"),
        ('rounding = "toward_zero"', 'rounding = "ties_to_even"'),
    ],
)
def test_a_unit_with_one_field_changed_differs(tmp_path, old, new):
    unit = f"{sets.FAMILY}:{sets.UNIT}"
    folder = sets.mma(tmp_path, sets.record(unit), unit=sets.unit_file(tmp_path))
    assert counts(outcomes(folder)) == {}
    sets.unit_file(tmp_path, old, new)
    assert counts(outcomes(folder))


F32 = {"one": 0x3F800000, "infinity": 0x7F800000, "-infinity": 0xFF800000, "NaN": 0x7FFFFFFF, "zero": 0}
SWAPS = [
    ("one", 0x3F800001, "value"),
    ("one", 0xBF800000, "value"),
    ("one", 0, "value"),
    ("zero", 0x80000000, "zero sign"),
    ("zero", 1, "value"),
    ("NaN", 0x7FC00000, "NaN payload/sign"),
    ("NaN", 0xFFFFFFFF, "NaN payload/sign"),
    ("NaN", 0x7F800000, "NaN vs number"),
    ("one", 0x7F800001, "NaN vs number"),
    ("infinity", 0x7F7FFFFF, "infinity"),
    ("infinity", 0xFF800000, "infinity"),
    ("one", 0x7F800000, "infinity"),
]


def made(what):
    """Operands of which the first problem gives a number, an infinity, NaN or zero; others give 2."""
    a, b = np.full((3, 1, 4), 0, np.uint16), np.full((3, 4, 1), 0x3C00, np.uint16)
    a[:, 0, 0] = 0x4000
    a[0, 0, 0] = {"one": 0x3C00, "infinity": 0x7C00, "NaN": 0x7E01, "zero": 0}[what]
    d = np.full((3, 1, 1), 0x40000000, np.uint32)
    d[0] = F32[what]
    return {"a": a, "b": b, "c": np.zeros((3, 1, 1), np.uint32), "d": d}


@pytest.mark.parametrize(("what", "code", "kind"), SWAPS)
@pytest.mark.parametrize("nan", ["exact", "any"])
def test_a_changed_result_is_of_its_class(tmp_path, what, code, kind, nan):
    arrays = made(what)
    assert counts(outcomes(sets.mma(tmp_path, arrays, nan=nan))) == {}
    arrays["d"][0] = code
    (found,) = outcomes(sets.mma(tmp_path, arrays, nan=nan))
    if nan == "any" and kind == "NaN payload/sign":
        assert found.mismatches == 0 and not found.examples
        return
    assert counts([found]) == {kind: 1}
    (example,) = found.examples
    where = f"{sets.FAMILY}:{sets.UNIT} a.npz [0, 0, 0]"
    assert str(example) == f"{where}: {F32[what]:#010x}, expected {code:#010x} ({kind})"


def test_every_bit_of_every_result_counts(tmp_path):
    arrays = {name: x[:4] for name, x in sets.record(f"{sets.FAMILY}:{sets.UNIT}").items()}
    right = arrays["d"].copy()
    for bit in range(32):
        arrays["d"] = right ^ np.uint32(1 << bit)
        assert sum(x.mismatches for x in outcomes(sets.mma(tmp_path, arrays))) == right.size


def test_examples_are_the_first_and_no_more_than_ten(tmp_path):
    arrays = {name: x[: sets.SMALL] for name, x in sets.record(f"{sets.FAMILY}:{sets.UNIT}").items()}
    arrays["d"] = arrays["d"] ^ np.uint32(1)
    (found,) = outcomes(sets.mma(tmp_path, arrays))
    assert found.mismatches == sets.SMALL
    assert [example.index[0] for example in found.examples] == list(range(10))


def test_a_sample_is_spread_and_names_the_problems_of_the_file(tmp_path):
    arrays = {name: x[: sets.SMALL] for name, x in sets.record(f"{sets.FAMILY}:{sets.UNIT}").items()}
    arrays["d"] = arrays["d"] ^ np.uint32(1)
    (found,) = outcomes(sets.mma(tmp_path, arrays), sample=5)
    assert found.outputs == 5
    assert [example.index[0] for example in found.examples] == [0, 10, 20, 29, 39]
    assert [x.outputs for x in outcomes(tmp_path, sample=1000)] == [sets.SMALL]


def test_layout_gpu(tmp_path):
    sets.mma(tmp_path)
    row = {"file": "a.npz", "unit": f"{sets.FAMILY}:{sets.UNIT}", "arch": "Volta", "n": sets.SMALL}
    sets.write_manifest(tmp_path, {"vectors": [row]})
    assert [(x.entry.group, x.outputs, x.mismatches) for x in outcomes(tmp_path)] == [("Volta", sets.SMALL, 0)]


def test_layout_silicon(tmp_path, backend):
    found = outcomes(sets.silicon(tmp_path), [backend])
    assert counts(found) == {}
    names = [x.entry.name for x in found]
    assert names[:3] == ["intel-avx512:vpdpbusd", "intel-amx:tdpbf16ps", "intel-amx:tdpbf16ps"]
    assert [name.partition(".")[0] for name in names[3:]] == ["vaddph"] * 4 + ["vfmulcph"] * 4 + ["vrcpph"]
    assert [x.outputs for x in found[3:]] == [sets.SMALL] * 4 + [2 * sets.SMALL] * 4 + [sets.SMALL]


@pytest.mark.parametrize(
    ("file", "array", "at", "name", "index"),
    [
        ("vpdpbusd.npz", "D_wrap", (3,), "intel-avx512:vpdpbusd", (3, 0, 0)),
        ("tile.npz", "D", (0, 2, 1), "intel-amx:tdpbf16ps", (0, 2, 1)),
        ("gemm.npz", "D_amx2", (2, 1), "intel-amx:tdpbf16ps", (0, 2, 1)),
        ("vaddph.npz", "Y", (5, 2), "vaddph.toward_positive", (5,)),
        ("complex_ph.npz", "vfmulcph", (5, 3, 1), "vfmulcph.toward_zero", (5, 1)),
    ],
)
def test_silicon_can_fail_everywhere(tmp_path, file, array, at, name, index):
    sets.silicon(tmp_path)
    with np.load(tmp_path / file) as loaded:
        arrays = {key: loaded[key] for key in loaded.files}
    arrays[array][at] ^= 1
    np.savez(tmp_path / file, **arrays)
    (found,) = (x for x in outcomes(tmp_path) if x.mismatches)
    assert (found.entry.name, found.examples[0].index, found.mismatches) == (name, index, 1)


def test_silicon_takes_the_operand_with_the_digit_of_the_result(tmp_path):
    sets.silicon(tmp_path)
    with np.load(tmp_path / "gemm.npz") as loaded:
        arrays = {key: loaded[key] for key in loaded.files}
    np.savez(tmp_path / "gemm.npz", **(arrays | {"A2": np.zeros_like(arrays["A2"])}))
    assert counts([x for x in outcomes(tmp_path) if x.entry.file == "gemm.npz"])


def test_what_a_backend_lacks_is_said_and_c_lacks_nothing(tmp_path, monkeypatch):
    index = [{"file": "a.npz", "key": "0", "nan": "exact", "instruction": "vdivph.ties_to_even"}]
    sets.write_manifest(tmp_path, index, "index.json")
    np.savez(tmp_path / "a.npz", **{f"0.{name}": x for name, x in sets.record("vdivph.ties_to_even").items()})
    c, numba = outcomes(tmp_path, ["c", "numba"])
    assert (c.mismatches, c.error, numba.absent, numba.outputs) == (0, "", True, 0)
    assert [row.backend for row in rows([c, numba])] == ["c"]
    monkeypatch.setattr("emu.operations.c_backend.supports", lambda _: False)
    (c,) = outcomes(tmp_path)
    assert not c.absent and "not in this backend" in c.error


def test_sums(tmp_path):
    found = rows(outcomes(sets.silicon(tmp_path), ["c", "reference"]))
    assert [(row.group, row.backend) for row in found][:2] == [("vpdpbusd", "c"), ("vpdpbusd", "reference")]
    tiles = next(row for row in found if row.group == "tdpbf16ps")
    assert tiles.files == {"tile.npz", "gemm.npz"}
    everything = total(found)
    assert everything.outputs == sum(row.outputs for row in found) and len(everything.files) == 6


def test_classes_of_a_format_that_float64_does_not_hold():
    fmt = emu.load_format("e16m15")
    one, infinity = (fmt.bias << 15), (0xFFFF << 15)
    got = np.array([one, one, 0, infinity, infinity + 1, one], np.uint64)
    expected = np.array([one + 1, infinity, 1 << 31, one, infinity + 2, infinity + 1], np.uint64)
    found = [CLASSES[kind] for kind in classify(got, expected, fmt)]
    assert found == ["value", "infinity", "zero sign", "infinity", "NaN payload/sign", "NaN vs number"]
