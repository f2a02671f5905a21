"""classify, ulp, nearest and is_exact, each against a second way to get there."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

import emu
from emu.errors import FormatError
from emu.formats import load_format
from emu.formats.classes import FloatClass
from emu.formats.spacing import gap

from .library import EVERY, SMALL

C = FloatClass


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("float16", {
            0xFC00: C.NEGATIVE_INFINITY, 0xFBFF: C.NEGATIVE_NORMAL, 0x8400: C.NEGATIVE_NORMAL,
            0x83FF: C.NEGATIVE_SUBNORMAL, 0x8000: C.NEGATIVE_ZERO, 0: C.POSITIVE_ZERO, 0x3FF: C.POSITIVE_SUBNORMAL,
            0x400: C.POSITIVE_NORMAL, 0x7C00: C.POSITIVE_INFINITY, 0x7C01: C.SIGNALING_NAN, 0x7E00: C.QUIET_NAN,
            0xFDFF: C.SIGNALING_NAN, 0xFFFF: C.QUIET_NAN,
        }),
        ("e4m3", {0xFF: C.QUIET_NAN, 0x7E: C.POSITIVE_NORMAL, 7: C.POSITIVE_SUBNORMAL, 8: C.POSITIVE_NORMAL}),
        ("float8_e4m3fnuz", {0x80: C.QUIET_NAN, 0x81: C.NEGATIVE_SUBNORMAL}),
        ("dlfloat16", {0: C.POSITIVE_ZERO, 1: C.POSITIVE_NORMAL, 0x8000: C.NEGATIVE_ZERO, 0x7FFF: C.QUIET_NAN}),
        ("cfloat16_uhp", {0: C.POSITIVE_ZERO, 0x3FF: C.POSITIVE_ZERO, 0x400: C.POSITIVE_NORMAL}),
        ("int4", {0: C.POSITIVE_ZERO, 8: C.NEGATIVE_NORMAL, 7: C.POSITIVE_NORMAL}),
        ("e8m0", {0: C.POSITIVE_NORMAL, 255: C.QUIET_NAN}),
        ("nf4", {7: C.POSITIVE_ZERO, 0: C.NEGATIVE_NORMAL}),
        ("tf32", {0x7F800001: C.POSITIVE_INFINITY, 0x7F802000: C.SIGNALING_NAN}),  # low bits are not looked at
    ],
)  # fmt: skip
def test_classes(name, codes):
    got = load_format(name).classify(np.array(list(codes), dtype=np.uint32))
    assert got.tolist() == list(codes.values())


def test_the_position_of_a_class_is_its_bit_in_fclass():
    names = "negative_infinity negative_normal negative_subnormal negative_zero positive_zero positive_subnormal"
    names += " positive_normal positive_infinity signaling_nan quiet_nan"
    assert [kind.value for kind in FloatClass] == names.split()


def test_classes_keep_the_shape():
    assert load_format("e4m3").classify(np.zeros((2, 0, 3), np.uint8)).shape == (2, 0, 3)
    assert load_format("e4m3").classify(0x7F).shape == ()
    with pytest.raises(ValueError, match="outside float4_e2m1fn's range"):
        load_format("e2m1").classify([16])


@pytest.mark.parametrize("name", SMALL)
def test_the_gap_leads_to_the_next_value_away_from_zero(name):
    fmt = load_format(name)
    values = sorted({row.value for row in fmt.table() if isinstance(row.value, Fraction)})
    values = [x for x in values if x >= fmt.min]
    for low, high in pairwise(values):
        middle = (low + high) / 2
        if low >= 0:
            assert gap(fmt, low) == gap(fmt, middle) == high - low
        if high < 0:
            assert gap(fmt, high) == high - low
            assert gap(fmt, middle) == high - low
    assert gap(fmt, fmt.max + 1) == gap(fmt, fmt.max)
    assert gap(fmt, fmt.min - 1) == gap(fmt, fmt.min)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_ulp_is_numpys_spacing(dtype):
    fmt = load_format(np.dtype(dtype).name)
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 1 << fmt.bits, 4000, dtype=np.uint64).astype(f"u{np.dtype(dtype).itemsize}")
    x = codes.view(dtype)
    x = np.concatenate([x[np.isfinite(x)], np.array([0, -0.0, np.finfo(dtype).tiny, np.finfo(dtype).max], dtype)])
    x = x[np.abs(x) < np.finfo(dtype).max]  # there NumPy goes to infinity
    assert np.array_equal(fmt.ulp(x), np.spacing(np.abs(x)).astype(np.float64))


@pytest.mark.parametrize("name", [name for name in EVERY if name != "int600"])
def test_ulp_of_an_array_is_the_exact_gap(name):
    fmt = load_format(name)
    rng = np.random.default_rng(4)
    x = rng.normal(size=60) * 2.0 ** rng.integers(-20, 20, 60)
    x = np.concatenate(
        [x, [0.0, -0.0, 1.0, -1.0, float(fmt.max), float(fmt.min), 2 * float(fmt.max) if fmt.max < 1 << 99 else 1]]
    )
    assert [Fraction(y) for y in fmt.ulp(x)] == [gap(fmt, Fraction(y)) for y in x]
    assert fmt.ulp([Fraction(y) for y in x]).tolist() == fmt.ulp(x).tolist()


def test_ulp_special_cases():
    fmt = load_format("e4m3")
    assert fmt.ulp([0.0, -0.0, 1.0, -1.0, 448, 1e9, 2.0**-20]).tolist() == [2**-9, 2**-9, 2**-3, 2**-3, 32, 32, 2**-9]
    assert fmt.ulp([np.inf, -np.inf]).tolist() == [np.inf, np.inf]
    assert np.isnan(fmt.ulp(np.nan))
    assert load_format("cfloat16_uhp").ulp([0.0, -5.0]).tolist() == [2.0**-30, 2.0**-30]
    assert load_format("dlfloat16").ulp([0.0, 2.0**-31, 2.0**-30]).tolist() == [2.0**-31 * (513 / 512)] * 2 + [2.0**-39]
    assert load_format("log4").ulp([0, 1 / 64, 1, 64, 1e9]).tolist() == [1 / 64, 3 / 64, 3, 192, 192]
    assert load_format("int4").ulp([0, 100]).tolist() == [1, 1]
    assert load_format("float32").ulp(np.array([(1 << 62) - 1], np.int64)).tolist() == [2.0**38]  # not that of 2^62
    with pytest.raises(FormatError, match="float64 cannot hold"):
        load_format({"exp_bits": 15, "man_bits": 10}).ulp([1.0])
    with pytest.raises(ValueError, match="dtype"):
        fmt.ulp(["1"])


def test_nearest_is_decode_of_encode():
    fmt = load_format("e4m3")
    x = np.array([[0.3, 1.0625], [1.0626, -17.0]])
    assert fmt.nearest(x).tolist() == [[0.3125, 1.0], [1.125, -16.0]]
    assert fmt.nearest(x, "toward_zero").tolist() == [[0.28125, 1.0], [1.0, -16.0]]
    assert fmt.nearest([500.0], overflow="saturate").tolist() == [448]
    assert np.isnan(fmt.nearest([500.0, np.nan])).all()
    with pytest.raises(FormatError, match="NaN at index"):
        load_format("e2m1").nearest([np.nan])


@pytest.mark.parametrize("name", SMALL)
def test_values_are_exact_and_what_lies_between_is_not(name):
    fmt = load_format(name)
    values = sorted({row.value for row in fmt.table() if isinstance(row.value, Fraction) and row.value >= fmt.min})
    middles = [(low + high) / 2 for low, high in pairwise(values)]
    outside = [fmt.max + 1, fmt.min - 1]
    for numbers in (values, [float(x) for x in values]):
        assert fmt.is_exact(numbers).all()
    assert not fmt.is_exact([*middles, *outside]).any()
    assert fmt.is_exact([0.0, -0.0]).tolist() == [fmt.has_zero] * 2
    assert fmt.is_exact([np.nan, np.inf, -np.inf]).tolist() == [
        fmt.has_nan, fmt.infinities, fmt.infinities and fmt.signed,
    ]  # fmt: skip


def test_is_exact_takes_all_kinds_of_numbers():
    fmt = load_format("float16")
    assert fmt.is_exact([Fraction(1, 3), Fraction(1, 4), 2048, 2049, float("nan"), float("inf")]).tolist() == [
        False, True, True, False, True, True,
    ]  # fmt: skip
    assert fmt.is_exact(np.array([2048, 2049, 65504, 65520])).tolist() == [True, False, True, False]
    assert fmt.is_exact(np.float32(0.1)).tolist() is False
    assert load_format("int8").is_exact([-128, 127, 128, 0.5]).tolist() == [True, True, False, False]
    with pytest.raises(ValueError, match="cannot be encoded"):
        fmt.is_exact(["1"])


def test_a_table_has_columns_and_rows():
    table = load_format("float4_e2m1fn").table()
    assert len(table) == 16
    assert table.codes.dtype == np.uint8
    assert table.values[:8].tolist() == [0, Fraction(1, 2), 1, Fraction(3, 2), 2, 3, 4, 6]
    assert [row.kind for row in table][7:9] == [C.POSITIVE_NORMAL, C.NEGATIVE_ZERO]
    assert len(load_format("bf16").table()) == 1 << 16
    with pytest.raises(FormatError, match="only formats of at most 16"):
        load_format("float32").table()


@pytest.mark.parametrize("name", ["float16", "e4m3", "float8_e5m2fnuz", "int8", "log4", "nf4", "posit8"])
def test_ulp_of_a_value_is_the_distance_to_its_neighbour(name):
    fmt = load_format(name)
    codes = np.arange(1 << min(fmt.bits, 10)).astype(fmt.code_dtype)
    x = fmt.decode(codes)
    keep = np.isfinite(x) & (x >= 0) & (x < float(fmt.max))
    up = fmt.decode(emu.next_up(codes[keep], fmt))
    assert np.array_equal(fmt.ulp(x[keep]), up - x[keep])
