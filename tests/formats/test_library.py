"""The built-in formats: ml_dtypes' names and arrays, the tables of numerics.md B to D, and who quantises how."""

from __future__ import annotations

from fractions import Fraction
from math import nan

import ml_dtypes
import numpy as np
import pytest

import emu
from emu.formats import load_format
from emu.formats.codes import as_codes, native_dtype

from .library import BUILT_IN

ML_DTYPES = [
    name for name in dir(ml_dtypes)
    if isinstance(getattr(ml_dtypes, name), type) and name.lstrip("bu").startswith(("float", "int"))
]  # fmt: skip


def test_all_of_ml_dtypes_is_here():
    assert {
        "bfloat16", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "float8_e3m4", "float8_e4m3",
        "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
        "int1", "int2", "int4", "uint1", "uint2", "uint4",
    } == set(ML_DTYPES)  # fmt: skip


@pytest.mark.parametrize("name", ML_DTYPES)
def test_ml_dtypes_arrays_are_codes_both_ways(name):
    fmt, dtype = load_format(name), np.dtype(getattr(ml_dtypes, name))
    assert native_dtype(fmt) == dtype
    codes = np.arange(1 << fmt.bits).astype(fmt.code_dtype)
    array = emu.as_dtype(codes, name)
    assert array.dtype == dtype
    assert np.array_equal(as_codes(array, fmt), codes)
    with np.errstate(invalid="ignore"):
        assert np.array_equal(array.astype(np.float64), fmt.decode(codes), equal_nan=True)


# numerics.md D.1: max and its code, smallest value, NaN and infinity codes, -0, code of 1, distinct finite values
EIGHT_BITS = {
    "float8_e4m3fn": (448, 0x7E, -9, {0x7F, 0xFF}, (), True, 0x38, 253),
    "float8_e5m2": (57344, 0x7B, -16, {*range(0x7D, 0x80), *range(0xFD, 0x100)}, (0x7C, 0xFC), True, 0x3C, 247),
    "float8_e4m3": (240, 0x77, -9, {*range(0x79, 0x80), *range(0xF9, 0x100)}, (0x78, 0xF8), True, 0x38, 239),
    "float8_e3m4": (15.5, 0x6F, -6, {*range(0x71, 0x80), *range(0xF1, 0x100)}, (0x70, 0xF0), True, 0x30, 223),
    "float8_e4m3fnuz": (240, 0x7F, -10, {0x80}, (), False, 0x40, 255),
    "float8_e5m2fnuz": (57344, 0x7F, -17, {0x80}, (), False, 0x40, 255),
    "float8_e4m3b11fnuz": (30, 0x7F, -13, {0x80}, (), False, 0x58, 255),
    "float8_e8m0fnu": (2.0**127, 0xFE, -127, {0xFF}, (), False, 0x7F, 255),
}


@pytest.mark.parametrize("name", EIGHT_BITS)
def test_the_eight_bit_table(name):
    largest, code, smallest, nans, infinities, negative_zero, one, distinct = EIGHT_BITS[name]
    fmt = load_format(name)
    rows = list(fmt.table())
    assert (fmt.max, fmt.code_of_max) == (Fraction(largest), code)
    assert fmt.smallest_positive == Fraction(2) ** smallest
    assert {row.code for row in rows if row.value != row.value} == nans
    assert tuple(row.code for row in rows if row.value in (np.inf, -np.inf)) == infinities
    assert (fmt.code_of_negzero is not None, fmt.code_of_one) == (negative_zero, one)
    assert len({row.value for row in rows if isinstance(row.value, Fraction)}) == distinct


SMALL_TABLES = {
    "float4_e2m1fn": [0, 0.5, 1, 1.5, 2, 3, 4, 6],
    "float4_e3m0": [0, 0.25, 0.5, 1, 2, 4, 8, 16],
    "float4_e1m2": [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5],
    "float6_e2m3fn": [*np.arange(0, 2, 1 / 8), *np.arange(2, 4, 1 / 4), *np.arange(4, 8, 1 / 2)],
    "float6_e3m2fn": [*np.arange(0, 1 / 2, 1 / 16), *(x * 2.0**e for e in range(-3, 3) for x in (4, 5, 6, 7))],
}


@pytest.mark.parametrize("name", SMALL_TABLES)
def test_small_floats(name):
    half = SMALL_TABLES[name]
    fmt = load_format(name)
    values = fmt.decode(np.arange(1 << fmt.bits, dtype=np.uint8))
    assert values.tolist() == [float(x) for x in half] + [-float(x) for x in half]
    assert np.signbit(values).tolist() == [False] * len(half) + [True] * len(half)


def test_small_integers():
    assert load_format("int2").decode(np.arange(4, dtype=np.uint8)).tolist() == [0, 1, -2, -1]
    assert load_format("ternary").encode([-9, -1, -0.6, -0.5, 0, 0.5, 0.6, 1, 9]).tolist() == [
        3,
        3,
        3,
        0,
        0,
        0,
        1,
        1,
        1,
    ]
    assert load_format("uint2").encode([-1, 0, 3, 4]).tolist() == [0, 0, 3, 3]


def test_binary_is_the_sign_and_zero_is_positive():
    fmt = load_format("binary")
    assert fmt.decode([0, 1]).tolist() == [-1, 1]
    assert fmt.encode([-7.0, -1e-30, -0.0, 0.0, 1e-30, 7.0]).tolist() == [0, 0, 1, 1, 1, 1]
    assert (fmt.code_of_zero, fmt.has_zero) == (None, False)


# bitsandbytes, csrc/kernels.cu, as a table of its own: float32 thresholds, x above the threshold goes up
NF4 = """-1.0 -0.6961928009986877 -0.5250730514526367 -0.39491748809814453 -0.28444138169288635 -0.18477343022823334
-0.09105003625154495 0.0 0.07958029955625534 0.16093020141124725 0.24611230194568634 0.33791524171829224
0.44070982933044434 0.5626170039176941 0.7229568362236023 1.0"""
NF4_THRESHOLDS = """-0.8480964004993439 -0.6106329262256622 -0.4599952697753906 -0.33967943489551544
-0.23460740596055984 -0.13791173323988914 -0.045525018125772476 0.03979014977812767 0.1202552504837513
0.2035212516784668 0.2920137718319893 0.3893125355243683 0.5016634166240692 0.6427869200706482 0.8614784181118011"""
FP4 = "0 0.005208333333 0.16666667 0.25 0.33333333 0.5 0.66666667 1"
FP4_CODES = [0, 1, 6, 7, 4, 5, 2, 3]
FP4_THRESHOLDS = "0.00260417 0.0859375 0.20833333 0.29166667 0.4166667 0.583333 0.8333333"


def singles(text):
    return np.array(text.split(), dtype=np.float32)


def around(thresholds):
    """Every threshold with its float32 neighbours, and numbers in between and beyond."""
    with_neighbours = [np.nextafter(thresholds, np.float32(-9)), thresholds, np.nextafter(thresholds, np.float32(9))]
    return np.concatenate([*with_neighbours, np.linspace(-1.5, 1.5, 4001, dtype=np.float32)])


def test_nf4_is_that_of_bitsandbytes():
    fmt, values, thresholds = load_format("nf4"), singles(NF4), singles(NF4_THRESHOLDS)
    assert fmt.decode(np.arange(16, dtype=np.uint8)).tolist() == values.astype(np.float64).tolist()
    x = around(thresholds)
    expected = (x[:, None] > thresholds).sum(axis=1)
    assert np.array_equal(fmt.encode(x), expected)
    # they are the midpoints, in float32
    assert np.array_equal(thresholds, (values[1:] + values[:-1]) / np.float32(2))


def test_bitsandbytes_fp4():
    fmt, values, thresholds = load_format("bnb_fp4"), singles(FP4), singles(FP4_THRESHOLDS)
    decoded = fmt.decode(np.arange(16, dtype=np.uint8))
    assert decoded[FP4_CODES].tolist() == values.astype(np.float64).tolist()
    assert np.array_equal(decoded[8:], -decoded[:8])
    assert np.signbit(decoded[8])
    x = around(np.concatenate([thresholds, -thresholds]))
    x = x[x != 0]
    expected = np.array(FP4_CODES)[(np.abs(x)[:, None] > thresholds).sum(axis=1)] + 8 * (x < 0)
    assert np.array_equal(fmt.encode(x), expected)
    assert [float(y) for y in fmt.grid.points[8].value.fraction().as_integer_ratio()] == [11184811, 2**31]


def test_dlfloat_as_numerics_b2_has_it():
    fmt = load_format("dlfloat16")
    assert (fmt.max, fmt.code_of_max, fmt.code_of_one, fmt.code_of_nan) == (8573157376, 0x7FFE, 0x3E00, 0x7FFF)
    assert float(fmt.smallest_positive) == 4.665707820095122e-10
    x = [1.0, 1 + 1 / 1024, 0.1, 65504.0, np.pi, 8577351679.0, 8577351680.0]
    codes = [0x3E00, 0x3E01, 0x3733, 0x5E00, 0x4124, 0x7FFE, 0x7FFF]
    assert fmt.encode(x, "ties_to_away").tolist() == codes


def test_hybrid_fp8():
    fmt = load_format("hfp8_1_4_3")
    assert (fmt.bias, fmt.max, fmt.smallest_positive) == (4, 3584, Fraction(9, 128))  # numerics.md B.3: 0.0703125
    other = {"exp_bits": 4, "man_bits": 3, "bias": 4, "nan": "none", "infinities": False}
    assert load_format(other).max == 3840
    assert load_format({"exp_bits": 4, "man_bits": 3, "bias": 4}).max == 1920
    assert load_format(other).smallest_positive == Fraction(1, 64)
    assert load_format("hfp8_1_5_2").bias == 15
    fp9 = load_format("hfp9_1_5_3")
    narrow = load_format("hfp8_1_5_2").decode(np.arange(0x7F, dtype=np.uint8))
    assert fp9.is_exact(narrow).all()


def test_a_programmable_bias_is_one_line(tmp_path):
    path = tmp_path / "shifted.toml"
    path.write_text('extends = "hfp8_1_4_3"\nbias = 7\n')
    assert load_format(path).max == Fraction(3584, 8)
    path.write_text('extends = "cfloat8_1_4_3_literal"\nbias = 63\n')
    assert load_format(path).max == Fraction(15, 8) * Fraction(2) ** -48
    assert load_format(path).smallest_positive == Fraction(2) ** -66


@pytest.mark.parametrize(("bias", "low", "high"), [(0, 1, 15), (1, 0, 14), (31, -30, -16), (63, -62, -48)])
def test_tesla_ranges_of_normal_numbers(bias, low, high):
    keys = {"exp_bits": 4, "man_bits": 3, "bias": bias, "infinities": False, "nan": "none"}
    fmt = load_format(keys)
    assert fmt.smallest_normal == Fraction(2) ** low
    assert fmt.max == Fraction(15, 8) * Fraction(2) ** high


def test_tesla_formats():
    like, literal = load_format("cfloat8_1_4_3"), load_format("cfloat8_1_4_3_literal")
    assert like.decode([0x7F, 0x08, 0x01]).tolist() == [480, 2**-6, 2**-9]
    assert literal.decode([0x7F, 0x08, 0x01, 0x07]).tolist() == [480, 2**-6, 2**-10, 7 * 2**-10]
    for fmt in (like, literal, load_format("cfloat8_1_5_2"), load_format("cfloat8_1_5_2_literal")):
        top = [fmt.code_of_max, fmt.code_of_min, fmt.code_of_max, fmt.code_of_min]
        assert fmt.encode([1e9, -1e9, np.inf, -np.inf]).tolist() == top
        assert fmt.encode([nan], nan_to=fmt.nan_to).tolist() == [fmt.code_of_max]
        assert fmt.nan_to is emu.NanTo.MAX
    shp, uhp = load_format("cfloat16_shp"), load_format("cfloat16_uhp")
    assert (shp.max, shp.smallest_positive) == (131008, Fraction(1, 2**24))
    assert uhp.decode(np.array([0, 0x3FF, 0x400, 0x7C00, 0xFFFF], np.uint16)).tolist() == [
        0, 0, 2.0**-30, 1, 2047 * 2.0**22,
    ]  # fmt: skip
    assert uhp.encode([-3.0, 2.0**-31, np.inf]).tolist() == [0, 0, 0xFFFF]


def test_unsigned_e5m3_and_float9():
    scale, nine = load_format("ue5m3"), load_format("float9_e5m3")
    assert (scale.max, scale.code_of_nan, scale.code_of_max) == (114688, 0xFF, 0xFE)
    for name in ("float8_e4m3fn", "float8_e5m2"):
        values = load_format(name).decode(np.arange(256, dtype=np.uint8))
        assert nine.is_exact(values).all()
    assert load_format("e5m3") != nine  # the same shape under its name by rule
    assert load_format("e5m3").table().values.tolist()[:249] == nine.table().values.tolist()[:249]


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_is_uncertain_is_said(name):
    fmt = load_format(name)
    assert fmt.maturity in ("validated", "documented", "reconstructed")
    assert fmt.scope or fmt.maturity != "reconstructed"
