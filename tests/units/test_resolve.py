"""The rules of a unit, and what their errors say: the file or "<mapping>", the key, what was given, what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emu import load_unit
from emu.errors import SpecError

FLOAT = {"a": "f16", "b": "f16", "c": "f32", "d": "f32"}
INT = {"a": "int8", "b": "int8", "d": "int32"}


def load(operands: dict[str, Any] = FLOAT, **keys: Any):
    return load_unit({"name": "tried", "operands": operands, "level": [{}], **keys})


def level(**keys: Any) -> dict[str, Any]:
    return {"level": [keys]}


REFUSED = [
    ({"levels": []}, r"levels: unknown key \(got 'levels'\); did you mean 'level'\?"),
    (level(grup=2), r"level\[0\]\.grup: unknown key \(got 'grup'\); did you mean 'group'\?"),
    (level(group=0), r"level\[0\]\.group: .*>= 1"),
    (level(group="all"), r"level\[0\]\.group: expected int"),
    (level(align_to="term"), r"level\[0\]\.align_to.*'term'.*did you mean 'terms'\?"),
    (level(align_bits=-1), r"level\[0\]\.align_bits: .*>= 0"),
    (level(length=2, parts=2), r"level\[0\]: give length or parts, not both"),
    (level(order=[0, 2]), r"level\[0\]\.order: must be a permutation of 0, 1, … \(got \[0, 2\]\)"),
    (level(order=[0, 0]), r"level\[0\]\.order: must be a permutation"),
    (level(align_rounding="stochastic"), r"align_rounding: an addend is cut deterministically.*Allowed: ties_to_even"),
    (level(align_rounding="exact"), r"align_rounding: an addend is cut deterministically"),
    (level(nan_order="accumulator_first"), r'level\[0\]\.nan_order: only with nan.rule = "first"'),
    (level(zero_sign="negative"), r"level\[0\]\.zero_sign: unknown value \(got 'negative'\).*Allowed: always_positive"),
    (level(result={}), r"level\[0\]\.result: an empty step.*Allowed: multiply, add, format"),
    (
        level(result={"format": "f33"}),
        r"level\[0\]\.result\.format: unknown format .*\(got 'f33'\); did you mean 'f32'\?",
    ),
    (level(result={"rounding": "RNE"}), r"level\[0\]\.result\.rounding: has no effect without a format"),
    (level(result={"format": "f32", "rounding": "RNX"}), r"result\.rounding: unknown value \(got 'RNX'\)"),
    (level(result=[{"add": 1}, {"multiply": "scales"}]), r"level\[0\]\.result\[1\]\.multiply.*did you mean 'scale'\?"),
    (level(result={"multiply": "digits"}), r"level\[0\]\.result\.multiply: scales and digit weights belong to terms"),
    (
        level(result={"multiply": [1, 2]}),
        r"level\[0\]\.result\.multiply: a list is indexed by the position in a level's input",
    ),
    (level(input={"multiply": []}), r"level\[0\]\.input\.multiply: an empty list"),
    (level(input={"multiply": float("inf")}), r"level\[0\]\.input\.multiply: a constant is finite"),
    (level(input={"add": (1 << 64) + 1}), r"level\[0\]\.input\.add: a constant has at most 64 significant bits"),
    (
        level(input={"multiply": "scale"}),
        r'scale\.a: a pipe multiplies by "a_scale" or "scale" but there is no such scale',
    ),
    (level(input={"multiply": "digits"}), r'product\.digits: a pipe multiplies by "digits" but operands are not split'),
    (level(result={"format": "f32", "overflow": "wrap"}), r"result\.overflow: only integer and fixed formats wrap"),
    (
        level(result={"format": "int8", "overflow": "nan"}),
        r"result\.overflow: integer and fixed formats have no infinity",
    ),
    (level(result={"format": "e2m1", "overflow": "infinity"}), r"overflow: the format has neither infinity nor NaN"),
    (level(result={"format": "int8", "ftz": "result"}), r"result\.ftz: only float formats have subnormals"),
    (level(result={"format": "int8", "rounding": "exact"}), r"result\.rounding: exact is a range check"),
    (
        level(result={"format": "f32", "rounding": "exact", "ftz": "result"}),
        r"result\.rounding: exact is a range check",
    ),
    (
        level(result={"format": "f32", "rounding": "SR"}),
        r"result\.sr_bits: stochastic rounding needs sr_bits from 1 to 64",
    ),
    (level(result={"format": "f32", "sr_bits": 4}), r'result\.sr_bits: only rounding = "stochastic" draws random bits'),
    (level(result={"format": "f32", "rounding": "SR", "sr_bits": 65}), r"result\.sr_bits: .*<= 64"),
    (level(result={"format": "log4", "ftz": "result"}), r"result\.ftz: only float formats have subnormals"),
    ({"level": []}, r"level: a unit has at least one level"),
    ({"level": [{}] * 65}, r"level: a unit has at most 64 levels \(got 65\)"),
    (level(start="none"), r"operands\.c: no level starts at c"),
    ({"scale": {"a": {"format": "e8m0"}}}, r"scale\.a: no pipe multiplies by it"),
    ({"scale": {"product": {"format": "f16"}}}, r'scale\.product: no pipe multiplies by "scale"'),
    ({"nan": {"code": {"f32": 0x3F800000}}, **level(result={"format": "f32"})}, r"nan\.code\.f32: this code is no NaN"),
    ({"nan": {"rule": "last"}}, r"nan\.rule: unknown value \(got 'last'\).*Allowed: default, first"),
    ({"product": {"digits": 1}}, r"product\.digits: digits need two's complement integer operands.*a is float16"),
    ({"product": {"table": [[0]], "digits": 1}}, r"product: give table or digits, not both"),
    ({"k": 0}, r"k: .*>= 1"),
    ({"base": {"unit": "no-such-unit"}}, r"unknown name in units \(got 'no-such-unit'\)"),
    ({"base": {"unit": {"operands": FLOAT}}}, r"base\.unit: this unit has no level"),
    ({"base": {"unit": "int8-int32", "length": 2, "parts": 2}}, r"base: give length or parts, not both"),
]


@pytest.mark.parametrize(("keys", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_refused(keys, message):
    with pytest.raises(SpecError, match=message) as error:
        load(**keys)
    text = str(error.value)
    assert "\n" not in text
    assert "`" not in text.replace("`when`", "")


@pytest.mark.parametrize(
    ("operands", "message"),
    [
        ({"a": "f16", "b": "f16"}, r"operands\.d: required key is missing"),
        ({**FLOAT, "e": "f16"}, r"operands\.e: unknown key"),
        ({**FLOAT, "a": "fp8"}, r"operands\.a: ambiguous format name \(got 'fp8'\).*float8_e4m3fn"),
        ({**FLOAT, "a": "float17"}, r"operands\.a: unknown format.*did you mean 'float16'"),
        ({**FLOAT, "a": {"format": "f16", "dax": "off"}}, r"operands\.a\.dax: unknown key.*did you mean 'daz'"),
        ({**INT, "a": {"format": "int8", "daz": "signed"}}, r"operands\.a\.daz: only float formats have subnormals"),
        ({**FLOAT, "d": {"format": "f32", "load": {"add": 1}}}, r"operands\.d: d is only written"),
        ({**FLOAT, "a": "int65"}, r"operands\.a: an operand has at most 64 bits \(got 'int65'\)"),
        ({**FLOAT, "d": "mxfp4"}, r"operands\.d.*a block format"),
        ({**FLOAT, "a": {"exp_bits": 5}}, r"operands\.a\.man_bits: required key is missing"),
        (
            {**FLOAT, "a": {"kind": "flot", "bits": 3}},
            r"operands\.a\.kind: unknown kind of format.*did you mean 'float'",
        ),
    ],
)
def test_operands_refused(operands, message):
    with pytest.raises(SpecError, match=message):
        load(operands)


@pytest.mark.parametrize(
    ("product", "message"),
    [
        ({"table": [[0] * 4] * 3}, r"product\.table: must be 4 by 4 for int2 by int2"),
        ({"table": [[0] * 4] * 3 + [[0] * 3]}, r"product\.table: must be 4 by 4"),
        (
            {"table": [[0] * 4] * 3 + [[0, 0, 0, 1 << 62]]},
            r"product\.table: a product must lie between -2\^62 and 2\^62",
        ),
        ({"table": "/etc/hostname"}, r"product\.table: a table file lies in the spec's own folder"),
        ({"table": "../table.npy"}, r"product\.table: a table file lies in the spec's own folder"),
        ({"table": "absent.npy"}, r"product\.table: no such file"),
        ({"digits": 0}, r"product\.digits: .*>= 1"),
    ],
)
def test_tables_refused(product, message, tmp_path):
    with pytest.raises(SpecError, match=message):
        load_unit(
            {"operands": {"a": "int2", "b": "int2", "d": "int8"}, "product": product, "level": [{}]}, folder=tmp_path
        )


def test_a_table_comes_from_the_folder_of_the_spec(tmp_path: Path, backend):
    np.save(tmp_path / "table.npy", np.arange(16).reshape(4, 4))
    (tmp_path / "odd.toml").write_text(
        'operands = { a = "uint2", b = "uint2", d = "int8" }\nproduct.table = "table.npy"\n[[level]]', encoding="utf-8"
    )
    unit = load_unit(tmp_path / "odd.toml")
    assert unit.matmul([[3, 1]], [[2], [1]], backend=backend) == 14 + 5
    (tmp_path / "table.npy").write_bytes(b"nothing")
    with pytest.raises(SpecError, match=r"product\.table: is no \.npy file"):
        load_unit(tmp_path / "odd.toml")


def test_base_levels_come_first_and_start_at_zero():
    inner = {
        "operands": FLOAT,
        "k": 4,
        "level": [{"group": 4, "align_bits": 13, "lanes": 2}],
        "product": {"exponent": "sum"},
    }
    unit = load(operands={"d": "f16"}, base={"unit": inner, "length": 8}, level=[{"result": {"format": "f32"}}])
    below, above = unit.form.levels
    assert (below.group, below.length, below.lanes, below.start.value) == (4, 8, 1, "zero")
    assert (above.length, above.start.value) == (None, "c")
    assert (unit.a.name, unit.c.name, unit.d.name, unit.form.k) == ("float16", "float32", "float16", None)


def test_a_unit_built_on_itself_is_refused(tmp_path: Path):
    path = tmp_path / "loop.toml"
    path.write_text('base = { unit = "loop.toml" }\n[[level]]', encoding="utf-8")
    with pytest.raises(SpecError, match=r"base\.unit: bases are at most 8 deep"):
        load_unit(path)


def test_defaults_are_neutral():
    one = load().form.levels[0]
    assert (one.group, one.length, one.parts, one.lanes, one.order, one.align_bits) == (1, None, None, 1, (), None)
    assert one.result == one.input == ()
    assert load(operands=INT).form.levels[0].start.value == "none"


def test_equal_units_have_equal_hashes_however_they_are_spelt():
    assert load().spec_hash == load(operands={**FLOAT, "a": {"format": "float16"}}).spec_hash
    assert load().spec_hash != load(**level(group=2)).spec_hash
