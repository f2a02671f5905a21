"""Rules of the unit language that its ambiguities list does not number, one directed test each, on every backend."""

from __future__ import annotations

import numpy as np
import pytest

from .small import dot, dot_code, unit_of

NONE = {"start": "none"}


def bits(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint32)


def test_a_product_of_integers_has_no_sign_of_zero(backend):
    minus = {"multiply": -1}
    for load, wanted in (
        (minus, "0.0"),
        ([minus, {"format": "float16"}], "-0.0"),
        ([{"format": "int8"}, minus, {"format": "float16"}], "-0.0"),
        ([{"format": "float16"}, minus, {"format": "int8"}], "0.0"),
    ):
        unit = unit_of("int8 int8 float32", NONE, operands={"a": {"load": load}})
        assert dot(unit, [0], [5], backend=backend) == wanted, load
    assert dot(unit_of("int8 float16 float32", NONE), [-3], [0], backend=backend) == "-0.0"


@pytest.mark.parametrize(
    ("x", "constant", "rounding", "wanted"),
    [
        (1, -1, "toward_negative", "-0.0"), (1, -1, "ties_to_even", "0.0"), (0.0, -0.0, "toward_negative", "-0.0"),
        (0.0, -0.0, "toward_zero", "0.0"), (-0.0, -0.0, "ties_to_even", "-0.0"), (0.0, 0, "toward_negative", "0.0"),
    ],
)  # fmt: skip
def test_sign_of_a_zero_made_by_add(backend, x, constant, rounding, wanted):
    step = {"add": constant, "format": "float16", "rounding": rounding}
    assert dot(unit_of("float16 float16 float16", NONE, output=step), [x], [1], backend=backend) == wanted


def test_the_k_of_a_result_is_that_of_its_first_input_in_order(backend):
    # two runs of two; the scale of block k // 1 is applied to their results
    scale = {"a": {"format": "e8m0", "block": 1}}
    scales = np.array([[127, 128, 129, 130]], dtype=np.uint8)  # 1, 2, 4, 8
    outer = {"input": {"multiply": "a_scale"}}
    for order, wanted in (([], 2 * 1 + 2 * 4), ([1, 0], 2 * 2 + 2 * 8), ([3, 2, 1, 0], 2 * 8 + 2 * 2)):
        unit = unit_of("float16 float16 float32", {"length": 2, "order": order}, outer, scale=scale)
        assert dot(unit, [1] * 4, [1] * 4, backend=backend, a_scale=scales) == f"{wanted}.0"


def test_lists_are_indexed_before_order_and_modulo_their_length(backend):
    level = {"order": [2, 1, 0], "input": {"multiply": [1, 10]}, "result": {"format": "int16"}}
    unit = unit_of("int8 int8 int16", level)
    assert dot(unit, [1, 2, 3, 4, 5], [1] * 5, backend=backend) == f"{1 + 20 + 3 + 40 + 5}.0"


def test_a_constant_has_the_exponent_of_its_leading_bit(backend):
    # 3 * 1 counts as 2^1: with one bit below it 0.5 is lost, and so it is if 3 is written 3.0
    for three in (3, 3.0):
        level = {"group": 2, "align_bits": 1, "input": {"multiply": [three, 0.5]}}
        assert dot(unit_of("float16 float16 float32", level), [1, 1], [1, 1], backend=backend) == "3.0"


def test_nan_into_a_format_without_one(backend):
    cast = {"format": {"exp_bits": 4, "man_bits": 3, "infinities": False, "nan": "none"}}
    for nan_to, wanted in (("zero", "0.0"), ("negative_zero", "-0.0"), ("max", "480.0")):
        result = {"format": {**cast["format"], "nan_to": nan_to}}
        unit = unit_of("float32 float32 float32", {**NONE, "result": result})
        assert dot(unit, [np.nan], [1], backend=backend) == wanted
    # in an integer it is a live zero at the binary point, which sets the alignment
    level = {"group": 2, "align_bits": 1, "input": {"format": "int8"}}
    later = unit_of("float32 float32 float32", {"length": 1, **NONE, **level}, {"group": 2, **NONE, "align_bits": 1})
    assert dot(later, [np.nan, 0.25], [1, 1], backend=backend) == "0.0"


def test_infinities_at_a_cast(backend):
    unsigned = {"exp_bits": 4, "man_bits": 3, "signed": False}
    for overflow, wanted in (
        ("infinity", ("inf", "nan")), ("saturate", ("240.0", "0.0")), ("saturate_propagate", ("inf", "0.0")),
    ):  # fmt: skip
        level = {**NONE, "result": {"format": unsigned, "overflow": overflow}}
        unit = unit_of("float32 float32 float32", level)
        assert tuple(dot(unit, [x], [1], backend=backend) for x in (np.inf, -np.inf)) == wanted


def test_default_codes_of_nan(backend):
    code = 0xFFC12345
    unit = unit_of("float32 float32 float32", {}, nan={"code": {"f32": code}})
    assert dot_code(unit, bits(0x7F812345), bits(0x3F800000), backend=backend) == code
    # under rule "first" a NaN that an operation made takes the code, one that came in keeps its own
    first = unit_of("float32 float32 float32", {}, nan={"rule": "first", "code": {"float32": code}})
    assert dot_code(first, bits(0x7F800000), bits(0), backend=backend) == code
    assert dot_code(first, bits(0x7F812345), bits(0x3F800000), backend=backend) == 0x7FC12345


def test_first_nan_in_order(backend):
    x, y, z, one = 0x7F800001, 0x7F800002, 0x7F800003, 0x3F800000
    quiet = 0x400000
    for order, wanted in (("terms_first", x), ("accumulator_first", z)):
        level = {"group": 2, "nan_order": order}
        unit = unit_of("float32 float32 float32 float32", level, nan={"rule": "first"})
        assert dot_code(unit, bits(x, one), bits(y, y), bits(z), backend=backend) == wanted | quiet
    assert dot_code(unit, bits(one, one), bits(y, one), backend=backend) == y | quiet


def test_a_missing_c_is_plus_zero(backend):
    unit = unit_of("float16 float16 float32 float32", {})
    assert dot(unit, [-0.0], [1], backend=backend) == "0.0"
    assert dot(unit, [-0.0], [1], -0.0, backend=backend) == "-0.0"


def test_c_starts_run_zero_of_an_inner_level(backend):
    inner = {"length": 2, "start": "c", "result": {"format": "uint4", "overflow": "saturate"}}
    unit = unit_of("uint2 uint2 uint8 uint8", inner, {"start": "zero"})
    assert dot(unit, [3, 3, 3, 3], [1] * 4, 10, backend=backend) == f"{15 + 6}.0"


def test_a_base_hands_up_and_an_explicit_none_stays(backend):
    inner = {"operands": {"a": "float16", "b": "float16", "d": "float32"}, "level": [NONE]}
    base = {"unit": inner, "length": 1}
    unit = unit_of("float16 float16 float32", NONE, base=base)
    assert dot(unit, [-0.0, -0.0], [1, 1], backend=backend) == "-0.0"
    started = {**base, "unit": {**inner, "level": [{}]}}
    unit = unit_of("float16 float16 float32", NONE, base=started)
    assert dot(unit, [-0.0, -0.0], [1, 1], backend=backend) == "0.0"


def test_a_cut_addend_keeps_its_sign(backend):
    # both become zero: -0 + -0 is -0, -0 + +0 is +0
    level = {"group": 2, "align_bits": 0, "align_min_exp": 5, **NONE}
    unit = unit_of("float16 float16 float32", level)
    assert dot(unit, [-1, -0.0], [1, 1], backend=backend) == "-0.0"
    assert dot(unit, [-1, 1], [1, 1], backend=backend) == "0.0"
    shifted = unit_of(
        "float16 float16 float32", {"group": 2, "align_bits": 30, "align_max_shift": 3, "align_min_exp": 9, **NONE}
    )
    assert dot(shifted, [-1, -2], [1, 1], backend=backend) == "-0.0"


def test_a_shifter_of_limited_range_drops_what_a_floor_would_keep(backend):
    floor = {"group": 2, "align_bits": 4, "align_rounding": "toward_negative", **NONE}
    tiny = -(2.0**-9)
    assert dot(unit_of("float16 float16 float32", floor), [1, tiny], [1, 1], backend=backend) == "0.9375"
    ranged = unit_of("float16 float16 float32", {**floor, "align_max_shift": 8})
    assert dot(ranged, [1, tiny], [1, 1], backend=backend) == "1.0"
    assert dot(ranged, [1, 2 * tiny], [1, 1], backend=backend) == "0.9375"


def test_a_fixed_point_alignment(backend):
    unit = unit_of("float16 float16 float32", {"group": 2, "align_bits": 2, "align_to": 3, **NONE})
    assert dot(unit, [1000, 1.75], [1, 1], backend=backend) == "1000.0"
    assert dot(unit, [1000, 3], [1, 1], backend=backend) == "1002.0"


def test_range_check_leaves_unrounded_values(backend):
    check = {"format": "float16", "rounding": "exact"}
    unit = unit_of("float32 float32 float32", {}, product={"result": check})
    assert dot(unit, [1 + 2.0**-20], [1], backend=backend) == repr(1 + 2.0**-20)
    assert dot(unit, [65519.0], [1], backend=backend) == "inf"
