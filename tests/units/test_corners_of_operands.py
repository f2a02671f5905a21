"""Corners of run-time zero points, and of operands that are split into parts or digits with terms of their own.

Every result is a number worked out by hand, and is compared with the independent executor too.
"""

from __future__ import annotations

import numpy as np
import pytest

from emu import load_unit
from emu.errors import SpecError

from .checked import unit_of
from .small import dot, dot_code, shown

NONE = {"start": "none"}
INF, ONE = 0x7F800000, 0x3F800000


def bits(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint32)


# --- zero points ------------------------------------------------------------------------------------------


def test_zero_points_follow_blocks_of_the_absolute_k(backend):
    # K = 7, pieces of 3, blocks of 2: k = 0 1 | 2 3 | 4 5 | 6
    unit = unit_of("uint8 int8 int32 int32", {}, operands={"a": {"zero": {"format": "uint8", "block": 2}}}, k=3)
    a, zero = [10] * 7, np.array([[0, 1, 2, 10]], dtype=np.uint8)
    assert dot(unit, a, [1] * 7, 0, backend=backend, a_zero=zero) == f"{20 + 18 + 16}.0"
    assert dot(unit, a, [1, 10, 1, 10, 1, 10, 1], 0, backend=backend, a_zero=zero) == f"{110 + 99 + 88}.0"
    assert dot(unit, a, [1] * 7, 0, backend=backend) == "70.0"
    assert dot(unit, a, [1] * 7, 0, backend=backend, a_zero=np.uint8(10)) == "0.0"


def test_zero_points_of_both_sides_and_their_batch(backend):
    unit = unit_of("int8 uint8 int32", {}, operands={"a": {"zero": "int8"}, "b": {"zero": "uint16"}})
    a, b = np.array([[1, 2], [3, 4]], dtype=np.int8), np.array([[5, 6, 7], [8, 9, 10]], dtype=np.uint8)
    a_zero = np.array([[[1], [3]], [[0], [-128]]], dtype=np.int8)  # [2, M, 1]
    b_zero = np.array([[0, 6, 60000]], dtype=np.uint16)  # [1, N]
    got = unit.matmul(a, b, a_zero=a_zero, b_zero=b_zero, backend=backend)
    wanted = (a.astype(int) - a_zero.astype(int)) @ (b.astype(int) - b_zero.astype(int))
    assert got.shape == (2, 2, 3) and np.array_equal(np.asarray(got).view(np.int32), wanted)


def test_a_zero_point_makes_a_live_zero(backend):
    # code = zero point: its product has exponent 0, and with the weight 2^9 it sets the alignment
    level = {"group": 2, "align_bits": 4, "input": {"multiply": [512, 1]}}
    unit = unit_of("uint8 uint8 float32", level, operands={"a": {"zero": "uint8"}})
    seven, nought = np.uint8(7), np.uint8(0)
    assert dot(unit, [7, 8], [1, 1], backend=backend, a_zero=seven) == "0.0"
    assert dot(unit, [0, 1], [1, 1], backend=backend, a_zero=nought) == "1.0"
    assert dot(unit, [0, 1], [1, 1], backend=backend) == "1.0"


def test_a_zero_point_beside_a_float(backend):
    # (5 - 5) * -2 is -0, as of any integer and a float; the code is loaded after its zero point is off
    keys = {"operands": {"a": {"zero": "int8", "load": {"multiply": 0.5, "format": "float16"}}}}
    unit = unit_of("int8 float16 float32", NONE, **keys)
    zero = np.int8(5)
    assert dot(unit, [5], [-2], backend=backend, a_zero=zero) == "-0.0"
    assert dot(unit, [4], [-2], backend=backend, a_zero=zero) == "1.0"
    assert dot(unit, [5], [np.inf], backend=backend, a_zero=zero) == "nan"
    bare = unit_of("int8 float16 float32", NONE, operands={"a": {"zero": "int8"}})
    assert dot(bare, [5], [-2], backend=backend, a_zero=zero) == "-0.0"
    both = unit_of("int8 int8 float32", NONE, operands={"a": {"zero": "int8"}})
    assert dot(both, [5], [-2], backend=backend, a_zero=zero) == "0.0"


def test_zero_points_do_not_wrap(backend):
    unit = unit_of("uint32 int8 int64", {}, operands={"a": {"zero": "uint32"}})
    top = np.uint32(0xFFFFFFFF)
    assert dot_code(unit, bits(0), [-128], backend=backend, a_zero=top) == 128 * 0xFFFFFFFF


@pytest.mark.parametrize(
    ("formats", "operand", "keys", "where"),
    [
        ("float16 int8 int32", {"zero": "int8"}, {}, r"operands\.a\.zero"),
        ("int33 int8 int64", {"zero": "int8"}, {}, r"operands\.a\.zero"),
        ("int8 int8 int32", {"zero": "float16"}, {}, r"operands\.a\.zero"),
        ("int8 int8 int32", {"zero": "int8"}, {"product": {"digits": 4}}, r"operands\.a\.zero|product\.digits"),
        ("uint2 uint2 int32", {"zero": "uint2"}, {"product": {"table": [[0] * 4] * 4}}, r"operands\.a|product\.table"),
    ],
)
def test_zero_points_that_are_refused(formats, operand, keys, where):
    names = dict(zip("abd", formats.split(), strict=True))
    names["a"] = {"format": names["a"], **operand}
    with pytest.raises(SpecError, match=where):
        load_unit({"name": "small", "operands": names, "level": [{}], **keys})


def test_a_unit_without_zero_points_takes_none():
    unit = load_unit({"name": "small", "operands": {"a": "int8", "b": "int8", "d": "int32"}, "level": [{}]})
    with pytest.raises(ValueError, match=r"operands\.a\.zero"):
        unit.matmul([[1]], [[1]], a_zero=[[0]])
    for operand in ("c", "d"):
        names = dict.fromkeys("abcd", "int32") | {operand: {"format": "int32", "zero": "int32"}}
        with pytest.raises(SpecError, match=rf"operands\.{operand}"):
            load_unit({"name": "small", "operands": names, "level": [{}]})


# --- parts ------------------------------------------------------------------------------------------------


def part_of(x: int, steps: list[dict], wanted: int, backend: str, **keys) -> int:
    """The code of one part of a float32 code."""
    product = {"split": {"a": steps}, "terms": [[wanted, 0]]}
    unit = unit_of("float32 float32 float32", NONE, product=product, **keys)
    return dot_code(unit, bits(x), bits(ONE), backend=backend)


BF16X3 = [{"format": "bfloat16"}] * 3
HALVES = [{"format": "float16"}] * 3


def test_three_parts_hold_a_float32(backend):
    x = np.array([1.2345678, -3e20, 2.0**-100 + 2.0**-120, 1 - 2.0**-24], np.float32)
    unit = unit_of("float32 float32 float32", {"group": 12}, product={"split": BF16X3})
    for value in x:
        assert dot(unit, [float(value)], [1], backend=backend) == repr(float(value))
    # 1.2345678 = 1.234375 + 0.000192642... - ...
    first, second = (part_of(int(x[0].view(np.uint32)), BF16X3, i, backend) for i in range(2))
    assert shown(first, unit.d) == "1.234375"
    assert shown(second, unit.d) == repr(float.fromhex("0x1.9400000000000p-13"))


def test_parts_of_infinities_and_nan(backend):
    nan, minus = 0x7FC00000, 1 << 31
    assert [part_of(INF, HALVES, i, backend) for i in range(3)] == [INF, nan, nan]
    assert [part_of(INF | minus, HALVES, i, backend) for i in range(3)] == [INF | minus, nan, nan]
    assert [part_of(0x7F812345, HALVES, i, backend) for i in range(3)] == [nan] * 3
    clamped = [{"format": "float16", "overflow": "saturate"}] * 3
    top = int(np.float32(65504).view(np.uint32))
    assert [part_of(INF, clamped, i, backend) for i in range(3)] == [top] * 3
    # where a format has no infinity, its NaN is what is subtracted; where it has no NaN, the number is
    fn = [{"format": "float8_e4m3fn"}] * 2
    assert [part_of(INF, fn, i, backend) for i in range(2)] == [nan, nan]
    no_nan = {"exp_bits": 5, "man_bits": 2, "infinities": False, "nan": "none"}
    assert [part_of(nan, [{"format": no_nan}, {"format": "float16"}], i, backend) for i in range(2)] == [0, nan]


def test_an_overflow_of_the_first_part(backend):
    minus, big = 1 << 31, int(np.float32(1e6).view(np.uint32))
    assert [part_of(big, HALVES, i, backend) for i in range(3)] == [INF, INF | minus, 0x7FC00000]
    clamped = [{"format": "float16", "overflow": "saturate"}] * 3
    unit = unit_of("float32 float32 float32", {"group": 3}, product={"split": {"a": clamped}})
    assert dot(unit, [1e5], [1], backend=backend) == repr(65504 + 34496.0)
    assert dot(unit, [1e6], [1], backend=backend) == repr(3 * 65504.0)
    down = [{"format": "float16", "rounding": "toward_zero"}] * 3
    assert dot(
        unit_of("float32 float32 float32", {}, product={"split": {"a": down}}), [-1e6], [1], backend=backend
    ) == (repr(-3 * 65504.0))


def test_zeros_among_the_parts(backend):
    # -0: the part is -0, the rest +0; an exact part leaves +0 too
    assert [part_of(1 << 31, HALVES, i, backend) for i in range(2)] == [1 << 31, 0]
    assert part_of(int(np.float32(-1).view(np.uint32)), HALVES, 1, backend) == 0
    # a part of an integer is a float: its zero product with a negative number is -0
    unit = unit_of("int8 int8 float32", NONE, product={"split": {"a": [{"format": "float16"}]}})
    assert dot(unit, [0], [-5], backend=backend) == "-0.0"
    # 0 * inf is a fresh NaN, also of a second part
    unit = unit_of("float32 float32 float32", NONE, product={"split": {"a": HALVES[:2]}})
    assert dot(unit, [1], [np.inf], backend=backend) == "nan"


def test_parts_are_flushed_and_rounded_by_their_own_cast(backend):
    # 1 + 2^-9 down to 8 bits leaves 2^-9; up, -(2^-7 - 2^-9); 2^-15 of float16 is flushed
    x = 1 + 2.0**-9
    for rounding, wanted in (("toward_zero", 2.0**-9), ("toward_positive", 2.0**-9 - 2.0**-7)):
        steps = [{"format": "bfloat16", "rounding": rounding}, {"format": "bfloat16"}]
        code = part_of(int(np.float32(x).view(np.uint32)), steps, 1, backend)
        assert float(np.uint32(code).view(np.float32)) == wanted
    tiny = int(np.float32(2.0**-15).view(np.uint32))
    flushed = [{"format": "float16", "ftz": "result"}, {"format": "bfloat16"}]
    assert [part_of(tiny, flushed, i, backend) for i in range(2)] == [0, tiny]


def test_the_order_of_terms_shows_in_a_rounding_accumulator(backend):
    # 1 = 1 + 0 and 2049 = 2048 + 1 in 8 bits; float16 at 2048 has no odd numbers
    split, chain = {"split": [{"format": "bfloat16"}] * 2}, {**NONE, "result": {"format": "float16"}}
    for terms, wanted in (({}, 2048), ({"terms": [[1, 0], [0, 0]]}, 2050), ({"terms": [[0, 0], [1, 0]]}, 2048)):
        unit = unit_of("float32 float32 float32", chain, product=split | terms)
        assert dot(unit, [1, 2049], [1, 1], backend=backend) == f"{wanted}.0"


def test_a_nan_keeps_its_payload_for_later_parts(backend):
    steps = [{"format": "bfloat16"}, {"format": "float32"}]
    keys = {"nan": {"rule": "first", "code": {"bfloat16": 0xFFC3, "float32": 0x7FC00007}}}
    assert [part_of(0x7F812345, steps, i, backend, **keys) for i in range(2)] == [0x7FC10000, 0x7FC12345]
    # inf - inf is fresh: it takes the code of the next part's format
    assert [part_of(INF, steps, i, backend, **keys) for i in range(2)] == [INF, 0x7FC00007]
    # a fresh NaN of the load stays fresh for every part
    loaded = {"operands": {"a": {"load": {"multiply": 0}}}, **keys}
    assert [part_of(INF, steps, i, backend, **loaded) for i in range(2)] == [0xFFC30000, 0x7FC00007]


def test_positions_of_terms(backend):
    weights = {"input": {"multiply": [1, 10, 100, 1000]}}
    split = {"split": [{"format": "e5m1"}] * 2}  # 7 = 8 - 1, 5 = 4 + 1
    unit = unit_of("int8 int8 float32", weights, product=split)
    assert dot(unit, [7], [5], backend=backend) == f"{32 + 80 - 400 - 1000}.0"
    unit = unit_of("int8 int8 float32", weights, product={**split, "terms": [[1, 0], [0, 1], [0, 0]]})
    assert dot(unit, [7, 7], [5, 5], backend=backend) == f"{-4 + 80 + 3200 - 4000 + 8 + 320}.0"


def test_terms_of_digits_are_weighed_by_their_own_numbers(backend):
    # 7 = 3 + 4 * 1, -7 = 1 + 4 * -2
    product = {"digits": 2, "terms": [[0, 1], [1, 0], [0, 0]]}
    unit = unit_of("int4 int4 int32", {"lanes": 3}, {"input": {"multiply": "digits"}}, product=product)
    assert dot(unit, [7, 1], [-7, 1], backend=backend) == f"{-24 + 4 + 3 + 1}.0"


@pytest.mark.parametrize(
    ("product", "where"),
    [
        ({"split": [{"format": "bfloat16", "multiply": [2, 1]}]}, r"product\.split"),
        ({"split": [{"format": "int8"}]}, r"product\.split"),
        ({"split": [{"rounding": "toward_zero"}]}, r"product\.split"),
        ({"split": [{"format": "bfloat16", "rounding": "exact"}]}, r"product\.split"),
        ({"split": [{"format": "bfloat16", "rounding": "stochastic", "sr_bits": 2}]}, r"product\.split"),
        ({"split": []}, r"product\.split"),
        ({"split": [{"format": "bfloat16"}] * 9}, r"product\.split"),
        ({"split": {"c": [{"format": "bfloat16"}]}}, r"product\.split"),
        ({"split": [{"format": "bfloat16"}], "digits": 2}, r"product"),
        ({"terms": [[0, 0]]}, r"product\.terms"),
        ({"split": [{"format": "bfloat16"}], "terms": [[0, 1]]}, r"product\.terms"),
        ({"split": [{"format": "bfloat16"}], "terms": [[0, 0], [0, 0]]}, r"product\.terms"),
        ({"split": [{"format": "bfloat16"}], "terms": []}, r"product\.terms"),
        ({"split": [{"format": "bfloat16"}], "terms": [[0]]}, r"product\.terms"),
    ],
)
def test_splits_that_are_refused(product, where):
    operands = dict.fromkeys("abd", "int8" if "digits" in product else "float32")
    with pytest.raises(SpecError, match=where):
        load_unit({"name": "small", "operands": operands, "level": [{}], "product": product})


def test_a_zero_point_s_format_by_its_keys(backend):
    """As wherever a format is wanted: a bare table, the same under `format`, a name."""
    keys = {"kind": "integer", "bits": 5, "signed": False}
    made = [
        unit_of("int8 int8 int32", {}, operands={"a": {"zero": zero}})
        for zero in (keys, {"format": keys}, {"format": keys, "block": 1}, "uint5")
    ]
    ones = np.ones((1, 1), np.uint8)
    given = [unit.matmul(ones * 20, ones, a_zero=ones * 31, backend=backend).view(np.int32)[0, 0] for unit in made]
    assert given == [-11] * 4
    for zero, reason in (
        ({"kind": "integer", "bts": 5}, "bits"),
        ({"block": 2}, "format"),
        ({"exp_bits": 4, "man_bits": 3}, "integers"),
    ):
        with pytest.raises(SpecError, match=reason):
            unit_of("int8 int8 int32", {}, operands={"a": {"zero": zero}})
