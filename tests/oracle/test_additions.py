"""The additions to the language against numbers small enough to work out by hand, and kernels written as their code is.

Zero points, split operands, scales and lists in `output`, lists in `add`, requantisation, parameters at the point of
use.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from .calls import parse_call
from .reading import read_unit
from .requantize import quantised, requantize_steps
from .support import code, codes, executor, formats, needs_units
from .units import Executor

F32 = "float32"


def run(unit: dict[str, Any], a: Any, b: Any, c: Any = None, **keys: Any) -> list[list[int]]:
    return Executor(unit, formats()).matmul(np.asarray(a), np.asarray(b), c, **keys).astype(np.int64).tolist()


def operands(a: Any, b: Any, d: Any, **more: Any) -> dict[str, Any]:
    return {"operands": {"a": a, "b": b, "d": d, **more}, "level": [{}]}


# --- zero points ------------------------------------------------------------------------------------------


@needs_units
def test_zero_points_by_block() -> None:
    unit = operands({"format": "uint8", "zero": {"format": "uint8", "block": 2}}, "int8", "int32")
    a, b = [[10, 11, 12, 13, 14]], [[1]] * 5
    # 10 - 1 + 11 - 1 + 12 - 2 + 13 - 2 + 14 - 3
    assert run(unit, a, b, a_zero=[[1, 2, 3]]) == [[51]]
    assert run(unit, a, b) == [[60]]
    assert run(unit, a, b, a_zero=10) == [[10]]
    assert run(unit, a, b, a_zero=[[[1, 2, 3]], [[0, 0, 0]]]) == [[[51]], [[60]]]
    with pytest.raises(ValueError, match="a_zero has shape"):
        run(unit, a, b, a_zero=[[1, 2]])
    with pytest.raises(ValueError, match="no b_zero"):
        run(unit, a, b, b_zero=0)


@needs_units
def test_a_zero_point_of_b_may_be_of_another_format() -> None:
    unit = operands("int8", {"format": "int8", "zero": "int32", "load": {"format": F32}}, F32)
    zero = np.array([[100000, 3]])
    assert run(unit, [[2]], [[5, 5]], b_zero=zero) == [[code(-199990.0, F32), code(4.0, F32)]]


@needs_units
def test_code_at_its_zero_point_is_live() -> None:
    # the product is a live zero with exponent 0 + 9 (scale): 1 is cut at four bits below 2^9
    level = {"group": 2, "align_bits": 4, "input": {"multiply": [512, 1]}}
    unit = operands({"format": "uint8", "zero": "uint8"}, "uint8", F32) | {"level": [level]}
    assert run(unit, [[7, 8]], [[1], [1]], a_zero=7) == [[0]]
    assert run(unit, [[0, 1]], [[1], [1]], a_zero=0) == [[code(1.0, F32)]]


# --- parts ------------------------------------------------------------------------------------------------

BF16X3 = [{"format": "bfloat16"}] * 3


@needs_units
def test_three_bfloat16_are_a_float32() -> None:
    one = code(1.0, F32)
    plain = operands(F32, F32, F32) | {"product": {"split": {"a": BF16X3}}}
    for x in (1.2345678, -3e20, 2.0**-100 + 2.0**-120):
        assert run(plain, [[code(float(np.float32(x)), F32)]], [[one]]) == [[code(float(np.float32(x)), F32)]]


@needs_units
def test_parts_and_terms_in_order() -> None:
    # int2 parts would be exact; here float parts with one mantissa bit: 7 = 8 - 1, 5 = 4 + 1 (ties to even)
    split = {"split": [{"format": "e5m1"}] * 2}
    weights = {"input": {"multiply": [1, 10, 100, 1000]}}
    unit = operands("int8", "int8", F32) | {"product": split, "level": [weights]}
    assert run(unit, [[7]], [[5]]) == [[code(8 * 4 + 10 * 8 * 1 - 100 * 4 - 1000.0, F32)]]
    some = {**split, "terms": [[1, 0], [0, 1]]}
    unit = operands("int8", "int8", F32) | {"product": some, "level": [{"input": {"multiply": [1, 10]}}]}
    assert run(unit, [[7]], [[5]]) == [[code(-4 + 80.0, F32)]]


@needs_units
def test_terms_of_digits() -> None:
    # 7 = 3 + 4 * 1, -7 = 1 + 4 * -2: without the pair (1, 1)
    product = {"digits": 2, "terms": [[0, 1], [1, 0], [0, 0]]}
    unit = operands("int4", "int4", "int32") | {
        "product": product,
        "level": [{"lanes": 3}, {"input": {"multiply": "digits"}}],
    }
    assert run(unit, [[7]], [[-7 & 15]]) == [[3 * -2 * 4 + 1 * 1 * 4 + 3 & 0xFFFFFFFF]]


@needs_units
def test_parts_of_special_values() -> None:
    inf, nan = 0x7F800000, 0x7FC00000
    one, minus = code(1.0, F32), code(-1.0, F32)
    level = {"start": "none"}

    def parts(x: int, split: list[dict[str, Any]], weights: list[int]) -> int:
        unit = operands(F32, F32, F32) | {"product": {"split": {"a": split}}, "level": [level]}
        unit["product"]["terms"] = [[i, 0] for i in range(len(split)) if weights[i]]
        return run(unit, [[x]], [[one]])[0][0]

    half = [{"format": "float16"}] * 3
    assert [parts(inf, half, w) for w in ([1, 0, 0], [0, 1, 0], [0, 0, 1])] == [inf, nan, nan]
    # 10^6 overflows: inf, then -inf, then -inf - -inf
    big = code(1e6, F32)
    assert [parts(big, half, w) for w in ([1, 0, 0], [0, 1, 0], [0, 0, 1])] == [inf, inf | 1 << 31, nan]
    clamped = [{"format": "float16", "overflow": "saturate"}] * 2
    assert [parts(big, clamped, w) for w in ([1, 0], [0, 1])] == [code(65504.0, F32)] * 2
    assert parts(inf, clamped, [0, 1]) == code(65504.0, F32)
    zeros = [parts(1 << 31, half, w) for w in ([1, 0, 0], [0, 1, 0])]
    assert zeros == [1 << 31, 0]
    assert parts(minus, half, [0, 1, 0]) == 0


# --- output -----------------------------------------------------------------------------------------------


@needs_units
def test_lists_and_scales_in_output() -> None:
    unit = operands("int8", "int8", F32) | {"output": {"multiply": [1, 10, 100], "add": [0, 0.5, -1]}}
    a, b = [[1], [2]], [[1, 2, 3]]
    assert run(unit, a, b) == codes([[1, 20.5, 299], [2, 40.5, 599]], F32).astype(int).tolist()
    with pytest.raises(ValueError, match="a list of 3 in output, and 2 columns"):
        run(unit, a, [[1, 2]])
    single = operands("int8", "int8", F32) | {"output": {"add": [3]}}
    assert run(single, a, b) == codes([[4, 5, 6], [5, 7, 9]], F32).astype(int).tolist()
    scaled = operands("int8", "int8", F32) | {
        "scale": {"a": "float16", "b": "float16"},
        "output": [{"multiply": "a_scale"}, {"multiply": "b_scale", "add": 1}],
    }
    scales = {"a_scale": codes([[2.0], [4.0]], "float16"), "b_scale": codes([[1.0, 0.5, 3.0]], "float16")}
    assert run(scaled, a, b, **scales) == codes([[3, 3, 19], [9, 9, 73]], F32).astype(int).tolist()
    scaled["scale"]["a"] = {"format": "float16", "block": 8}
    with pytest.raises(ValueError, match="no block"):
        run(scaled, a, b, **scales)


@needs_units
def test_add_lists_of_a_level() -> None:
    unit = operands("int8", "int8", "int32") | {"level": [{"order": [1, 0], "input": {"add": [100, 1000]}}]}
    assert run(unit, [[1, 2, 3]], [[1]] * 3) == [[1200 + 6]]


# --- requantisation ---------------------------------------------------------------------------------------


def high_mul(a: int, q: int) -> int:
    """Gemmlowp's SaturatingRoundingDoublingHighMul."""
    nudge = 1 << 30 if a * q >= 0 else 1 - (1 << 30)
    n = abs(a * q + nudge) >> 31
    return n if a * q + nudge >= 0 else -n


def divide(x: int, exponent: int) -> int:
    """Gemmlowp's RoundingDivideByPOT."""
    mask = (1 << exponent) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def shifted(x: int, q: int, shift: int) -> int:
    return x * q + (1 << shift - 1) >> shift


def clamp(x: int) -> int:
    return min(max(x, -128), 127)


def kernel(rule: str, x: int, q: int, s: int) -> int:
    """The arithmetic of each rule, as its C code has it."""
    if rule in ("gemmlowp", "cmsis_nn"):
        return divide(high_mul(x << max(s, 0), q), max(-s, 0))
    if rule == "tosa_double" and s < 0:  # TOSA 1.0's apply_scale_32 with double_round
        return x * q + (1 << 30 - s) + (1 << 30 if x >= 0 else -(1 << 30)) >> 31 - s
    if rule in ("gemmlowp_single", "tosa", "tosa_double"):
        return shifted(x, q, 31 - s)
    if rule == "cmsis_nn_single":
        return (x * q >> 30 - s) + 1 >> 1
    q16 = 0x7FFF if q >= 0x7FFF0000 else q + (1 << 15) >> 16
    return shifted(x, q16, 15 - s)


KERNELS = ["gemmlowp", "cmsis_nn", "gemmlowp_single", "tosa", "tosa_double", "cmsis_nn_single", "gemmlowp_16"]


@needs_units
@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("rule", KERNELS)
def test_requantise_as_the_kernels_do(rule: str, listed: bool) -> None:
    r = Random(rule)
    for _ in range(25):
        multiplier = r.uniform(0.5, 1) * 2.0 ** r.randint(-20, 3)
        q, s = quantised(Fraction(multiplier))
        unit = operands("int8", "int8", "int8", c="int32")
        point = r.randint(-5, 5)
        unit["requantize"] = {
            "rule": rule,
            "multiplier": [multiplier] if listed else multiplier,
            "zero_point": [point] if listed else point,
        }
        executed = Executor(unit, formats())
        for _ in range(20):
            x = int(r.gauss(0, 60) / multiplier) if r.random() < 0.9 else r.choice([0, -1, 1, 1 << q.bit_length() - 3])
            x = min(max(x, -(2**27)), 2**27)
            d = executed.matmul(np.zeros((1, 0), int), np.zeros((0, 1), int), np.array([[x & 0xFFFFFFFF]]))
            assert int(d[0, 0]) == clamp(kernel(rule, x, q, s) + point) & 255, (multiplier, x)


def test_quantise_multiplier() -> None:
    assert quantised(Fraction(1)) == (1 << 30, 1)
    assert quantised(Fraction(1, 4)) == (1 << 30, -1)
    assert quantised(1 - Fraction(1, 1 << 40)) == (1 << 30, 1)
    assert quantised(Fraction(1, 1 << 32)) == (1 << 30, -31)
    assert quantised(Fraction(1, 1 << 33)) == (0, 0)
    assert quantised(Fraction(0.1)) == (1717986918, -3)


def test_other_rules() -> None:
    steps = requantize_steps({"rule": "nnpi", "multiplier": 0.01, "zero_point": 3}, "uint8")
    assert [step.get("multiply") for step in steps] == [163, Fraction(1, 1 << 14), None]
    assert steps[-1] == {"add": 3, "format": "uint8", "overflow": "saturate"}
    steps = requantize_steps({"rule": "onnx", "multiplier": 0.1}, "int8")
    assert steps[1]["multiply"] == Fraction(float(np.float32(0.1)))
    steps = requantize_steps({"rule": "tosa_16", "multiplier": [0.3, 1 - 2.0**-20]}, "int8")
    assert steps[0]["multiply"] == [Fraction(19661, 1 << 16), 1]
    steps = requantize_steps({"rule": "gemmlowp_16", "multiplier": 1 - 2.0**-20}, "int8")
    assert steps[0]["multiply"] == Fraction(0x7FFF, 1 << 15)
    steps = requantize_steps({"rule": "shift", "multiplier": 0.125, "rounding": "toward_zero"}, "int8")
    assert steps[0] == {
        "multiply": Fraction(1, 8), "format": "int64", "rounding": "toward_zero", "overflow": "saturate"
    }  # fmt: skip
    for refused in ({"rule": "shift", "multiplier": 0.3}, {"rule": "tosa", "multiplier": 2.0**30}, {
        "rule": "onnx", "multiplier": 1, "rounding": "toward_zero"}, {"rule": "nnpi", "multiplier": 0}):  # fmt: skip
        with pytest.raises(ValueError):
            requantize_steps(refused, "int8")


@needs_units
def test_nnpi_is_the_unit_that_was_written_by_hand() -> None:
    unit = operands("uint8", "int8", "uint8", c="int32")
    unit["requantize"] = {"rule": "nnpi", "multiplier": 0.01, "zero_point": 3}
    nothing = np.zeros((1, 0), int)
    for x in (12345, -400, 7, 150, 2**31 - 1, -(2**31)):
        c = np.array([[x & 0xFFFFFFFF]])
        d = Executor(unit, formats()).matmul(nothing, nothing.T, c)
        assert d == executor("nnpi:int8.m0.01.zp3").matmul(nothing, nothing.T, c)


# --- parameters at the point of use -----------------------------------------------------------------------


def test_parsing_calls() -> None:
    assert parse_call("x.y") == ("x.y", {})
    assert parse_call('x(a=int8, n = 3,t={f="e8m13", l=[1,2]}, s="a, b", all=all, no=false)') == (
        "x", {"a": "int8", "n": 3, "t": {"f": "e8m13", "l": [1, 2]}, "s": "a, b", "all": "all", "no": False},
    )  # fmt: skip
    with pytest.raises(ValueError, match="given twice"):
        parse_call("x(a=1, a=2)")


FAMILY = """
parameters = { d = "f32", cast = { format = "$inner" } }
when.a.f16 = { group = 2 }
when.a.bf16 = { group = 3 }
[body.default]
k = "$n?"
operands = { a = "$a", b = "$b", d = "$d" }
level = [{ group = "$group", zero_sign = "$sign?", result = "$cast" }]
[[instruction]]
name = "x{n}.{a}"
a = ["bf16", "f16"]
b = "{a}"
n = [4, 8]
inner = "e8m13"
"""


def test_parameters_come_before_all_others(tmp_path: Path) -> None:
    (tmp_path / "made.toml").write_text(FAMILY, "utf-8")
    flat, _ = read_unit("made:x8.bf16(a=f16, inner=e8m20)", tmp_path)
    assert flat["operands"] == {"a": "f16", "b": "f16", "d": "f32"} and flat["k"] == 8
    assert flat["level"] == [{"group": 2, "result": {"format": "e8m20"}}]
    flat, _ = read_unit('made:x4.f16(group=7, d={exp_bits=5,man_bits=3}, cast={}, sign="positive")', tmp_path)
    assert flat["level"] == [{"group": 7, "zero_sign": "positive", "result": {}}]
    assert flat["operands"]["d"] == {"exp_bits": 5, "man_bits": 3}
    with pytest.raises(ValueError, match="no parameters"):
        read_unit("made:x4.f16(grop=7)", tmp_path)
