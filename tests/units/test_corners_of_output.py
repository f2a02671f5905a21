"""Corners of lists and scales in `output`, lists in `add`, requantisation, and parameters in a unit's name.

Every result is a number worked out by hand, and is compared with the independent executor too.
"""

from __future__ import annotations

import numpy as np
import pytest

from emu import load_format, load_unit
from emu.errors import SpecError

from .checked import Checked, unit_of
from .small import codes, dot

NONE = {"start": "none"}
ONE = 0x3F800000


def bits(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint32)


# --- output -----------------------------------------------------------------------------------------------


def test_lists_of_the_output_are_indexed_by_its_column(backend):
    unit = unit_of("int8 int8 float32", {}, output=[{"multiply": [1, 10, 100]}, {"add": [0, 0.5, -1]}])
    a, b = np.array([[1], [2]], dtype=np.int8), np.array([[1, 2, 3]], dtype=np.int8)
    got = unit.matmul(a, b, backend=backend).view(np.float32)
    assert got.tolist() == [[1, 20.5, 299], [2, 40.5, 599]]
    for columns in (1, 2, 4):
        with pytest.raises(ValueError, match="3"):
            unit.unit.matmul(a, np.ones((1, columns), np.int8), backend=backend)
    one = unit_of("int8 int8 float32", {}, output={"multiply": [2], "add": [3]})
    assert one.matmul(a, b, backend=backend).view(np.float32).tolist() == [[5, 7, 9], [7, 11, 15]]


def test_scales_in_the_output(backend):
    scale = {"a": {"format": "float16"}, "b": {"format": "float16"}, "product": {"format": "float16"}}
    unit = unit_of("int8 int8 float32", {}, output={"multiply": "scale"}, scale=scale)
    a, b = np.array([[1, 1], [2, 2]], dtype=np.int8), np.array([[1, 2], [0, 0]], dtype=np.int8)
    half, x = load_format("float16"), 1 + 2.0**-10  # x * x is 1 + 2^-9 in float16
    scales = {"a_scale": codes([[x], [4]], half), "b_scale": codes([[x, 0.5]], half)}
    got = unit.matmul(a, b, backend=backend, **scales).view(np.float32)
    assert got.tolist() == [[1 + 2.0**-9, x], [8 * x, 8]]
    # no products at all: what is left is scaled c
    keyed = unit_of(
        "int8 int8 int32 float32", {}, output={"multiply": "b_scale", "add": 1}, scale={"b": {"format": "float16"}}
    )
    empty = np.zeros((1, 0), np.int8), np.zeros((0, 2), np.int8)
    got = keyed.matmul(*empty, np.array([[3, -4]], np.int32), backend=backend, b_scale=scales["b_scale"])
    assert got.view(np.float32).tolist() == [[1 + 3 * x, -1]]


def test_every_product_of_scales_in_the_output_is_a_draw_of_its_own(backend):
    half = {"format": "float16", "rounding": "stochastic", "sr_bits": 8}
    scale = {"a": {"format": "float32"}, "b": {"format": "float32"}, "product": half}
    unit = unit_of("int8 int8 float32", {"result": {"format": "int8"}}, output=[{"multiply": "scale"}] * 2, scale=scale)
    scales = {"a_scale": bits(0x3F801000).reshape(1, 1), "b_scale": bits(*[ONE] * 16).reshape(1, 16)}
    got = unit.matmul(np.ones((1, 1), np.int8), np.ones((1, 16), np.int8), seed=3, backend=backend, **scales)
    assert len(np.unique(got)) > 2


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ({"scale": {"a": {"format": "float16", "block": 4}}, "output": {"multiply": "a_scale"}}, r"scale\.a\.block"),
        (
            {
                "scale": {"a": {"format": "float16"}, "b": {"format": "float16", "block": 4}},
                "output": {"multiply": "scale"},
            },
            r"scale\.b\.block",
        ),
        ({"output": {"multiply": "b_scale"}}, r"scale\.b"),
        ({"output": {"multiply": "digits"}, "product": {"digits": 4}}, r"output.*digits"),
        ({"output": {"multiply": []}}, r"output.*multiply"),
        ({"output": {"add": []}}, r"output.*add"),
        ({"product": {"result": {"add": [1, 2]}}}, r"product\.result.*add"),
        ({"product": {"result": {"multiply": [1, 2]}}}, r"product\.result.*multiply"),
        ({"scale": {"a": {"format": "float16"}}}, r"scale\.a"),
    ],
)
def test_outputs_that_are_refused(keys, where):
    with pytest.raises(SpecError, match=where):
        load_unit({"name": "small", "operands": dict.fromkeys("abd", "int8"), "level": [{}], **keys})


def test_add_lists_of_an_input(backend):
    level = {"order": [1, 0], "input": {"add": [100, -1], "multiply": [1, 2, 3], "format": "int8"}}
    unit = unit_of("int8 int8 int32", level)
    assert dot(unit, [1, 2, 3, 4], [1] * 4, backend=backend) == f"{101 + 3 + 109 + 3}.0"
    # the sign of a zero is the step's: 1 + -1 down is -0, and -0 + -0 stays
    down = {"input": {"add": [-1, -0.0], "format": "float16", "rounding": "toward_negative"}, **NONE}
    unit = unit_of("float16 float16 float32", down)
    assert dot(unit, [1, -0.0], [1, 1], backend=backend) == "-0.0"


# --- requantisation ---------------------------------------------------------------------------------------

EXTREMES = [0, 1, -1, 2, -2, 3, -3, 1000, -1001, 2**30 - 1, 2**30, -(2**30), -(2**30) - 1, 2**31 - 1, -(2**31)]
MULTIPLIERS = [1.0, 0.5, 0.3, 0.75, 2.0**-31, 2.0**-33, 1 - 2.0**-40, 7.3, 1e-9]


def requantised(sums: list[int], d: str, backend: str, **keys) -> list[int]:
    """What becomes of sums (as c: there are no products)."""
    unit = unit_of("int8 int8 int32 " + d, {}, requantize=keys)
    c = np.array([sums], np.int64).astype(np.int32)
    codes = unit.matmul(np.zeros((1, 0), np.int8), np.zeros((0, len(sums)), np.int8), c, backend=backend)
    return [int(x) for x in unit.d.decode(codes).ravel()]


@pytest.mark.parametrize(
    "rule",
    [
        "gemmlowp", "gemmlowp_single", "gemmlowp_16", "tosa", "tosa_double", "tosa_16", "cmsis_nn", "cmsis_nn_single",
        "nnpi", "onnx", "shift",
    ],
)  # fmt: skip
def test_requantised_extremes(backend, rule):
    multipliers = [2.0**-7, 1.0, 4.0] if rule == "shift" else MULTIPLIERS
    if rule in ("tosa", "tosa_double", "nnpi"):
        multipliers = [x for x in multipliers if x > 2.0**-32]
    for multiplier in multipliers:
        for d in ("int32", "int8"):
            requantised(EXTREMES, d, backend, rule=rule, multiplier=multiplier, zero_point=5)
    listed = (multipliers * 5)[: len(EXTREMES)]
    points = list(range(-7, 8))
    requantised(EXTREMES, "int8", backend, rule=rule, multiplier=listed, zero_point=points)


def test_requantised_by_hand(backend):
    def one(x: int, d: str = "int32", **keys) -> int:
        return requantised([x], d, backend, **keys)[0]

    # 2^30 * 2 wraps before it is halved; one multiplication does not
    assert one(2**30, rule="gemmlowp", multiplier=1) == -(2**30)
    assert one(2**30, rule="gemmlowp_single", multiplier=1) == 2**30
    # -5 * 0.5 * 0.5 = -1.25; -2.5 goes to -2 and that to -1 away from zero; 0.25 in one go is -1
    assert one(-5, rule="gemmlowp", multiplier=0.25) == -1
    # -6 * 0.25 = -1.5: -3, then halves away from zero; in one go halves go up
    assert one(-6, rule="gemmlowp", multiplier=0.25) == -2
    assert one(-6, rule="gemmlowp_single", multiplier=0.25) == -1
    assert one(-6, rule="tosa_double", multiplier=0.25) == -2
    assert one(-6, rule="cmsis_nn_single", multiplier=0.25) == -1
    assert one(-6, rule="onnx", multiplier=0.25) == -2
    assert one(-10, rule="onnx", multiplier=0.25) == -2
    assert one(2**31 - 1, rule="onnx", multiplier=1) == 2**31 - 1
    assert one(-6, rule="shift", multiplier=0.25, rounding="ties_to_away") == -2
    assert one(5, rule="shift", multiplier=2.0**29) == 2**31 - 1
    assert one(2**31 - 1, rule="gemmlowp", multiplier=2.0**-33, zero_point=-3) == -3
    assert one(1000, "int8", rule="shift", multiplier=0.125, zero_point=5) == 127
    assert one(-1000, "uint8", rule="shift", multiplier=0.125, zero_point=5) == 0


def test_requantisation_comes_after_the_output(backend):
    unit = unit_of(
        "int8 int8 int8", {}, output={"multiply": 3, "add": [0, 1]}, requantize={"rule": "shift", "multiplier": [0.5]}
    )
    a, b = np.array([[3]], np.int8), np.array([[5, -5]], np.int8)
    assert unit.matmul(a, b, backend=backend).view(np.int8).tolist() == [[23, -22]]  # 22.5 and -22


@pytest.mark.parametrize(
    ("d", "keys", "where"),
    [
        ("float32", {"rule": "gemmlowp", "multiplier": 0.5}, "requantize"),
        ("int8", {"rule": "gemlowp", "multiplier": 0.5}, r"requantize\.rule"),
        ("int8", {"rule": "gemmlowp"}, r"requantize\.multiplier"),
        ("int8", {"rule": "gemmlowp", "multiplier": 0}, r"requantize\.multiplier"),
        ("int8", {"rule": "gemmlowp", "multiplier": [0.5, -1]}, r"requantize\.multiplier"),
        ("int8", {"rule": "gemmlowp", "multiplier": []}, "requantize"),
        ("int8", {"rule": "tosa", "multiplier": 2.0**29}, r"requantize"),
        ("int8", {"rule": "tosa", "multiplier": 2.0**-33}, r"requantize"),
        ("int8", {"rule": "tosa_double", "multiplier": 2.0**29}, r"requantize"),
        ("int8", {"rule": "shift", "multiplier": 0.3}, r"requantize"),
        ("int8", {"rule": "onnx", "multiplier": 0.5, "rounding": "toward_zero"}, r"requantize\.rounding"),
        ("int8", {"rule": "gemmlowp", "multiplier": 0.5, "zero_point": 0.5}, r"requantize\.zero_point"),
    ],
)
def test_requantisations_that_are_refused(d, keys, where):
    with pytest.raises(SpecError, match=where):
        load_unit({"name": "s", "operands": {"a": "int8", "b": "int8", "d": d}, "level": [{}], "requantize": keys})


def test_a_list_of_multipliers_is_as_long_as_the_row(backend):
    unit = unit_of("int8 int8 int8", {}, requantize={"rule": "gemmlowp", "multiplier": [0.5, 0.25]})
    with pytest.raises(ValueError, match="2"):
        unit.unit.matmul(np.zeros((1, 1), np.int8), np.zeros((1, 3), np.int8), backend=backend)


# --- parameters at the point of use -----------------------------------------------------------------------

FAMILY = """
name = "made"
maturity = "validated"
scope = "all of it"
parameters = { d = "f32", cast = { format = "$inner" } }
when.a.f16 = { group = 2 }
when.a.bf16 = { group = 3 }
[body.default]
k = "$n?"
operands = { a = "$a", b = "$b", d = "$d" }
level = [{ group = "$group", align_bits = 0, zero_sign = "$sign?", length = "$length?", result = "$cast" }]
[[instruction]]
name = "x{n}.{a}"
a = ["bf16", "f16"]
b = "{a}"
n = [4, 8]
inner = "e8m13"
"""


def test_parameters_in_a_name(backend, tmp_path):
    path = tmp_path / "made.toml"
    path.write_text(FAMILY, encoding="utf-8")
    # a half is cut beside a one: in groups of three both are, in pairs they are a one of their own first
    a = [0.5, 0.5, 1, 0]
    for call, wanted in (
        ("x4.bf16", "1.0"), ("x4.bf16(group=2)", "2.0"), ("x4.bf16(a=f16)", "2.0"), ("x4.f16", "2.0"),
        ("x4.f16( cast = { format = 'int8', rounding = \"RTP\" } , length=all, group=4)", "1.0"),
        ("x8.f16(d={exp_bits = 5, man_bits = 2}, sign=positive)", "2.0"),
    ):  # fmt: skip
        unit = Checked(f"{path}:{call}")
        assert dot(unit, a, [1] * 4, backend=backend) == wanted, call
    unit = Checked(f"{path}:x4.bf16(a=f16,   inner=e8m20)")
    assert unit.unit.name == "made:x4.bf16(a=f16, inner=e8m20)"
    assert (unit.a.name, unit.b.name, unit.unit.form.levels[0].group) == ("float16", "float16", 2)
    assert not {"maturity", "scope"} & {key for key, text in unit.unit.about.items() if text}
    base = Checked({"name": "outer", "base": {"unit": f"{path}:x4.f16(group=5)", "length": 5}, "level": [{}]})
    assert dot(base, [1, 0.75, 0.75, 0, 0, 0.75], [1] * 6, backend=backend) == "1.5"  # 1, and 0.75 cut to halves
    with pytest.raises(SpecError, match=r"grop.*group"):
        load_unit(f"{path}:x4.f16(grop=5)")
    with pytest.raises(SpecError, match="group"):
        load_unit(f"{path}:x4.f16(group=5, group=6)")
