"""What a user gets wrong is one error that says where, what was given and what is allowed; never another exception."""

from __future__ import annotations

import numpy as np
import pytest

from emu import SpecError, load_unit
from emu.units.explain import LONGEST_K, longest_k

UNIT = {
    "name": "t",
    "operands": {"a": "float8_e4m3fn", "b": "float8_e4m3fn", "c": "float32", "d": "float32"},
    "level": [{"result": {"format": "float32"}}],
}
INTEGERS = {"operands": {"a": "int8", "b": "int8", "d": "int8"}, "level": [{"result": {"format": "int32"}}]}
A, B = np.zeros((2, 4), np.uint8), np.zeros((4, 3), np.uint8)


def nested(depth):
    """A table in a table in a table …"""
    inner: dict = {}
    for _ in range(depth):
        inner = {"x": inner}
    return inner


IN_ITSELF: dict = {}
IN_ITSELF["product"] = IN_ITSELF


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"product": nested(5000)}, r"<mapping>: is nested too deeply, or in itself$"),
        ({"product": IN_ITSELF}, r"<mapping>: is nested too deeply, or in itself$"),
        ({"k": 10**5000}, r"k: expected int <= 1048576 \(got int, too long to print\). Allowed: 1 to 1048576"),
        ({"k": "4"}, r"k: expected int, got str \(got '4'\). Allowed: 1 to 1048576"),
        ({"level": [{"align_bits": -1}]}, r"align_bits: expected int >= 0 \(got -1\). Allowed: all, 0 to 4096"),
        ({"level": [{"order": list(range(5000))}]}, r"level\[0\]\.order: .{0,260}$"),
        ({"maturity": "proven"}, r"maturity: unknown value .* Allowed: documented, reconstructed, validated$"),
        ({"level": [{"input": {"multiply": 2, "rounding": "toward_zero"}}]}, r"without a format \(got 'toward_zero'\)"),
        ({"alias": {"fp8": "e4m3", "bf8": 5}}, r"alias\.bf8: expected str \| table, got int \(got 5\)"),
        ({"alias": {f"x{i}": "e4m3" for i in range(65)}}, r"alias: a unit has at most 64 aliases \(got 65\)"),
        ({"alias": {"fp8": "e4m4fn"}}, r"alias\.fp8: unknown format"),
        ({"nan": {"code": {"float32": "x"}}}, r"nan\.code\.float32: expected int, got str \(got 'x'\)"),
        ({"operands": {"a": 5, "b": "int8", "d": "int8"}}, r"operands\.a\.format: expected str \| table, got int"),
        ({"operands": {"a": {"kind": "fixed", "bits": 1, "frac_bits": 0, "symmetric": True}, "b": "int8", "d": "int8"}},
         r"operands\.a\.\w+: "),
        ({"base": {"unit": "int8-int3"}}, r"<mapping>: base\.unit: unknown name .*did you mean 'int8-int32'\?"),
        ({"extends": "int8-int3"}, r"<mapping>: extends: unknown name .*did you mean 'int8-int32'\?"),
        ({**INTEGERS, "requantize": {"rule": "onnx", "multiplier": 0.5, "zero_point": 1 << 31}},
         r"requantize\.zero_point: is a value neither of int32 nor of operands.d, int8"),
    ],
)  # fmt: skip
def test_specs(keys, message):
    with pytest.raises(SpecError, match=message):
        load_unit({**UNIT, **keys})


@pytest.mark.parametrize("name", ["a" * 5000 + ".toml", "x\0.toml", "/dev/null/x.toml"])
def test_names_that_no_file_can_have(name):
    with pytest.raises(SpecError, match="no such file"):
        load_unit(name)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"seed": 1.5}, "seed is a whole number, not 1.5"),
        ({"positions": None}, "positions is a whole number, not None"),
        ({"events": "no"}, "events is True or False, not 'no'"),
        ({"c": np.ma.array(np.zeros((2, 3), np.uint32), mask=True)}, "masked elements"),
        ({"plan": "chian"}, "there is no such plan on backend c; there are .*chain.*general"),
    ],
)
def test_arguments(keywords, message):
    with pytest.raises(ValueError, match=message):
        load_unit(UNIT).matmul(A, B, **keywords)


def test_codes_of_another_byte_order():
    unit = load_unit(UNIT)
    a, b = np.arange(8, dtype=np.uint8).reshape(2, 4), np.arange(12, dtype=np.uint8).reshape(4, 3)
    c = np.arange(6, dtype=np.float32).reshape(2, 3)
    swapped = unit.matmul(a.astype(">u2"), b.astype(">i4"), c.astype(">f4"))
    assert swapped.tolist() == unit.matmul(a, b, c).tolist()


def test_explaining_refuses_what_matmul_refuses():
    unit = load_unit({**UNIT, "k": 4, "operands": {"a": "float16", "b": "float16", "d": "float32"}})
    assert longest_k(unit.form) == 4
    assert "for K = 4" in unit.explain()
    for k, message in ((5, "needs a chain"), (-1, f"0 to {LONGEST_K}"), (1 << 70, f"0 to {LONGEST_K}"), ("x", "whole")):
        with pytest.raises(ValueError, match=message):
            unit.explain(k)


def test_a_million_lanes_are_explained_at_once():
    lanes = {"lanes": 1 << 20, "length": 1 << 20, "start": "zero", "result": {"format": "float32"}}
    unit = load_unit({**UNIT, "level": [lanes, lanes, {}]})
    assert "plan for K" in unit.explain()
    assert unit.matmul(A, B).tolist() == [[0] * 3] * 2


def test_an_aligned_adder_of_scales_that_have_no_table():
    operands = {"a": "int8", "b": "int8", "c": "float32", "d": "float32"}
    wide, powers = {"format": "float32", "block": 2}, {"format": "e8m0", "block": 2}
    adder = {
        "align_bits": 20,
        "input": {"multiply": "scale"},
        "result": {"format": "float32", "rounding": "toward_zero"},
    }
    inner = {"length": 2, "result": {"format": "int20"}}
    unit = load_unit({"operands": operands, "scale": {"a": wide, "b": powers}, "level": [inner, adder]})
    r = np.random.default_rng(3)
    a, b = r.integers(-128, 128, (3, 6), np.int8), r.integers(-128, 128, (6, 2), np.int8)
    scales = r.standard_normal((3, 3)).astype(np.float32), r.integers(120, 130, (3, 2))
    results = [
        unit.matmul(a, b, a_scale=scales[0], b_scale=scales[1], backend=backend).tolist()
        for backend in ("reference", "numba", "c")
    ]
    assert results[0] == results[1] == results[2]


def header(text: bytes, data: int = 2048) -> bytes:
    """A .npy file with this header, and zeros."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(data)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no .npy file"),
        (header(b"(" * 5000), "is no .npy file"),
        (header(b"{'descr': '<i8', 'fortran_order': False, 'shape': (1099511627776, 1048576)}"), "is no .npy file"),
        (header(b"{'descr': '|O', 'fortran_order': False, 'shape': (16, 16)}"), "is no .npy file"),
        (header(b"{'descr': '<f8', 'fortran_order': False, 'shape': (16, 16)}"), "two-dimensional integer array"),
        (
            header(b"{'descr': '|i1', 'fortran_order': False, 'shape': (8000, 8000)}", 64_000_000),
            "8000 by 8000 entries",
        ),
    ],
    ids=["empty", "brackets", "huge", "objects", "floats", "many entries"],
)
def test_table_files(content, message, tmp_path):
    (tmp_path / "t.npy").write_bytes(content)
    check_table_file(tmp_path, "t.npy", message)


def test_names_of_table_files(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "out.npy").symlink_to("/etc/passwd")
    for name in ("loop", "a" * 5000, "a\\u0000b", "."):
        check_table_file(tmp_path, name, "no such file")
    for name in ("out.npy", "../t.npy", "/etc/passwd"):
        check_table_file(tmp_path, name, "in the spec's own folder")


def check_table_file(folder, name, message):
    """A unit with this table is refused, by the name of its file and the key."""
    operands = 'operands = { a = "uint4", b = "uint4", d = "int32" }'
    (folder / "u.toml").write_text(f'{operands}\nproduct.table = "{name}"\n[[level]]\n', encoding="utf-8")
    with pytest.raises(SpecError, match=rf"u\.toml: product\.table: .*{message}"):
        load_unit(folder / "u.toml")


def test_a_table_of_another_byte_order(tmp_path):
    table = np.arange(256).reshape(16, 16)
    np.save(tmp_path / "t.npy", np.asfortranarray(table.astype(">i2")))
    text = 'operands = { a = "uint4", b = "uint4", d = "int32" }\nproduct.table = "t.npy"\n[[level]]\n'
    (tmp_path / "u.toml").write_text(text, encoding="utf-8")
    assert load_unit(tmp_path / "u.toml").matmul([[3]], [[5]]).tolist() == [[53]]
