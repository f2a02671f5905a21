"""Overflow rules, stochastic rounding, NaN, flags, exact numbers: what `Format.encode` promises beyond rounding."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest

from emu import load_format
from emu.errors import FormatError, OverflowRaised, SpecError
from emu.formats.enums import Flag, Overflow, Rounding
from tests.oracle.rounding import round_fraction

ODD = {"exp_bits": 4, "man_bits": 3, "infinities": False, "nan": "none"}
UNSIGNED = {"exp_bits": 4, "man_bits": 3, "signed": False, "nan": "ieee"}
INFS = {"exp_bits": 4, "man_bits": 3, "nan": "none"}


def one(fmt, x, rounding="ties_to_even", overflow=None, **keys) -> float:
    fmt = load_format(fmt)
    (value,) = fmt.decode(fmt.encode(np.array([x], dtype=np.float64), rounding, overflow, **keys))
    return float(value)


@pytest.mark.parametrize(
    ("fmt", "overflow", "results"),
    [  # 1e9, -1e9, +inf, -inf
        ("float16", None, (np.inf, -np.inf, np.inf, -np.inf)),
        ("float16", "infinity_always", (np.inf, -np.inf, np.inf, -np.inf)),
        ("float16", "saturate", (65504, -65504, 65504, -65504)),
        ("float16", "saturate_propagate", (65504, -65504, np.inf, -np.inf)),
        ("float16", "nan", (np.nan, np.nan, np.inf, -np.inf)),
        ("e4m3", None, (np.nan,) * 4),
        ("e4m3", "infinity_always", (np.nan,) * 4),
        ("e4m3", "saturate", (448, -448, 448, -448)),
        ("e4m3", "saturate_propagate", (448, -448, 448, -448)),
        ("e4m3", "nan", (np.nan,) * 4),
        ("e2m1", None, (6, -6, 6, -6)),
        ("e2m1", "saturate_propagate", (6, -6, 6, -6)),
        ("float8_e4m3fnuz", None, (np.nan,) * 4),
        (INFS, None, (np.inf, -np.inf, np.inf, -np.inf)),
        (UNSIGNED, None, (np.inf, np.nan, np.inf, np.nan)),
        (UNSIGNED, "saturate", (240, 0, 240, 0)),
        (UNSIGNED, "saturate_propagate", (240, 0, np.inf, 0)),
        ("int8", None, (127, -128, 127, -128)),
        ("int8", "saturate_propagate", (127, -128, 127, -128)),
        ("uint4", None, (15, 0, 15, 0)),
        ({"kind": "integer", "bits": 4, "symmetric": True}, None, (7, -7, 7, -7)),
        ({"kind": "fixed", "bits": 8, "frac_bits": 4}, None, (7.9375, -8, 7.9375, -8)),
    ],
)  # fmt: skip
def test_overflow(fmt, overflow, results):
    got = [one(fmt, x, overflow=overflow) for x in (1e9, -1e9, np.inf, -np.inf)]
    assert np.array_equal(got, results, equal_nan=True)


@pytest.mark.parametrize(
    "rounding", [mode.value for mode in Rounding if mode not in (Rounding.EXACT, Rounding.STOCHASTIC)]
)
def test_infinity_follows_the_direction(rounding):
    inward = {"toward_zero": "+-", "to_odd": "+-", "jamming": "+-", "toward_positive": "-", "toward_negative": "+"}
    for x, sign in ((1e9, "+"), (-1e9, "-")):
        wanted = 65504.0 if sign in inward.get(rounding, "") else np.inf
        assert abs(one("float16", x, rounding)) == wanted
        assert abs(one("float16", x, rounding, "infinity_always")) == np.inf


def test_wrap_is_modulo():
    assert one("int8", 200, overflow="wrap") == -56
    assert one("uint8", -3, overflow="wrap") == 253
    assert one({"kind": "fixed", "bits": 8, "frac_bits": 4}, 9.5, overflow="wrap") == -6.5


def test_a_negative_number_that_rounds_to_zero_is_in_range():
    assert one("uint8", -0.5) == 0
    assert one("ue4m3", -0.0) == 0


@pytest.mark.parametrize(
    ("fmt", "x"), [("float16", 65520), ("float16", np.inf), ("int8", 128), ("uint4", -1), ("e4m3", 465)]
)
def test_raise(fmt, x):
    with pytest.raises(
        OverflowRaised, match=rf"the value at index \(1,\) exceeds the range of {load_format(fmt).name}"
    ):
        load_format(fmt).encode(np.array([0.0, x]), overflow="raise")
    load_format(fmt).encode(np.array([0.0, 1.0]), overflow="raise")


@pytest.mark.parametrize("variant", ["A", "B", "C"])
@pytest.mark.parametrize("bits", [1, 3, 8])
@pytest.mark.parametrize("fmt", ["e5m2", "int8", "dlfloat16"])
def test_stochastic_rounding_is_that_of_p3109(fmt, bits, variant):
    target = load_format(fmt)
    rng = np.random.default_rng(1)
    x = rng.uniform(-20, 20, 400)
    random = rng.integers(0, 1 << bits, 400)
    values = target.decode(target.encode(x, "stochastic", random=random, sr_bits=bits, sr_variant=variant))
    for number, r, got in zip(x, random, values, strict=True):
        lsb = 0 if fmt == "int8" else int(np.floor(np.log2(abs(number)))) - target.man_bits
        exact = round_fraction(Fraction(number), lsb, "stochastic", (bits, variant, int(r)))
        assert got == exact


def test_all_of_64_random_bits_count():
    x = np.array([1 + 2.0**-12])  # a quarter of an ulp of float16
    for variant in "ABC":
        border = 3 << 62
        for r, wanted in ((border - 1, 1.0), (border, 1 + 2.0**-10)):
            code = load_format("float16").encode(
                x, "SR", random=np.array([r], np.uint64), sr_bits=64, sr_variant=variant
            )
            assert load_format("float16").decode(code)[0] == wanted


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"rounding": "stochastic", "sr_bits": 4},
            "stochastic rounding needs random: an array of integers below 2^sr_bits",
        ),
        ({"rounding": "stochastic", "sr_bits": 4, "random": [16]}, "random: 16 does not fit sr_bits = 4"),
        ({"random": [1]}, "random bits are only drawn by rounding = 'stochastic'"),
        ({"rounding": "nearest"}, "unknown rounding 'nearest'; allowed: ties_to_even"),
        ({"rounding": "exact"}, "rounding = 'exact' is for pipes inside units"),
        ({"overflow": "clamp"}, "unknown overflow 'clamp'; allowed: infinity"),
        ({"nan_to": "one"}, "unknown nanto 'one'; allowed: zero"),
    ],
)
def test_refused(keys, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        load_format("float16").encode(np.array([1.0]), **keys)


def test_casts_without_a_meaning_are_refused():
    with pytest.raises(SpecError, match=r"overflow: the format has neither infinity nor NaN .*e2m1.*'infinity'"):
        load_format("e2m1").encode([1.0], overflow="infinity")
    with pytest.raises(SpecError, match="stochastic rounding needs sr_bits from 1 to 64"):
        load_format("e4m3").encode([1.0], "stochastic", random=[1])


def test_nan_needs_a_place_to_go():
    fmt = load_format("e2m1")
    x = np.array([[1.0, 2.0], [np.nan, 3.0]])
    with pytest.raises(FormatError, match=r"NaN at index \(1, 0\), and float4_e2m1fn has no NaN: pass nan_to='zero'"):
        fmt.encode(x)
    for nan_to, code in (("zero", 0), ("negative_zero", 8), ("max", 7)):
        assert fmt.encode(x, nan_to=nan_to)[1, 0] == code
    with pytest.raises(FormatError, match="int8 has no NaN"):
        load_format("int8").encode([float("nan")])
    assert load_format("int8").encode([float("nan")], nan_to="max") == 127
    assert load_format("e4m3").encode([float("nan"), -float("nan")]).tolist() == [0x7F, 0x7F]
    assert load_format("float8_e4m3fnuz").encode([float("nan")]) == 0x80
    assert load_format("float32").encode(np.array([-np.nan], np.float32)) == 0x7FC00000


@pytest.mark.parametrize(
    ("fmt", "x", "flags"),
    [
        ("float16", 1.0, 0),
        ("float16", 0.1, Flag.INEXACT),
        ("float16", 1e9, Flag.OVERFLOW | Flag.INEXACT),
        ("float16", np.inf, 0),
        ("float16", 2.0**-20, 0),
        ("float16", 2.0**-30, Flag.UNDERFLOW | Flag.INEXACT),
        ("float16", 1.01 * 2.0**-15, Flag.UNDERFLOW | Flag.INEXACT),
        # tiny after rounding? 11 bits with unbounded exponent: 1 - 2^-12 becomes 1, 1 - 2^-12 - 2^-20 stays below
        ("float16", 2.0**-14 * (1 - 2.0**-12), Flag.INEXACT),
        ("float16", 2.0**-14 * (1 - 2.0**-12 - 2.0**-20), Flag.UNDERFLOW | Flag.INEXACT),
        ("e4m3", 500.0, Flag.OVERFLOW | Flag.INEXACT),
        ("int8", 1.5, Flag.INEXACT),
        ("int8", 200.0, Flag.OVERFLOW | Flag.INEXACT),
        ("uint8", -1.0, Flag.OVERFLOW | Flag.INEXACT),
        ("e2m1", np.nan, Flag.INVALID),
    ],
)
def test_flags(fmt, x, flags):
    _, got = load_format(fmt).encode(np.array([x]), flags=True, nan_to="zero")
    assert got.dtype == np.uint8
    assert got.tolist() == [flags]


def test_fractions_and_big_integers_are_exact():
    fmt = load_format("float32")
    third = fmt.encode([Fraction(1, 3), Fraction(-1, 3)])
    assert third.tolist() == [0x3EAAAAAB, 0xBEAAAAAB]
    midpoint = Fraction((1 << 24) + 1, 1 << 24)
    assert fmt.encode([midpoint, midpoint + Fraction(1, 3**200), midpoint - Fraction(1, 3**200)]).tolist() == [
        0x3F800000, 0x3F800001, 0x3F800000,
    ]  # fmt: skip
    assert fmt.encode([Fraction(1, 3)], "toward_positive").tolist() == [0x3EAAAAAB]
    assert fmt.encode([Fraction(1, 3)], "toward_zero").tolist() == [0x3EAAAAAA]
    big = np.array([(1 << 100) + 1, -(1 << 127), 3**90], dtype=object)
    assert fmt.encode(big).tolist() == [0x71800000, 0xFF000000, 0x7F800000]
    _codes, flags = fmt.encode([Fraction(1, 3), Fraction(1, 4)], flags=True)
    assert flags.tolist() == [Flag.INEXACT, 0]
    assert load_format("int64").encode(np.array([(1 << 63) - 1, -(1 << 63)])).tolist() == [(1 << 63) - 1, 1 << 63]
    assert load_format("uint8").encode(np.array([255, 256], dtype=np.uint64)).tolist() == [255, 255]


def test_exact_numbers_agree_with_arrays():
    rng = np.random.default_rng(5)
    x = rng.normal(size=300) * 2.0 ** rng.integers(-20, 20, 300)
    for name in ("float16", "e4m3", "dlfloat16", "int8", "e2m1"):
        for rounding in ("ties_to_even", "toward_negative", "to_odd", "jamming"):
            fast = load_format(name).encode(x, rounding, flags=True)
            slow = load_format(name).encode([Fraction(v) for v in x], rounding, flags=True)
            assert np.array_equal(fast[0], slow[0])
            assert np.array_equal(fast[1], slow[1])


@pytest.mark.parametrize("values", [np.array(["1"]), np.array([1j]), np.array([None])])
def test_other_values_are_refused(values):
    with pytest.raises(ValueError, match=r"cannot be encoded: give float16|is no float, int or Fraction"):
        load_format("float16").encode(values)


def test_names_of_modes_have_aliases():
    x = np.array([0.1, -0.1])
    fmt = load_format("e4m3")
    for alias, name in (
        ("RNE", "ties_to_even"),
        ("roundTowardZero", "toward_zero"),
        ("TowardNegative", "toward_negative"),
    ):
        assert fmt.encode(x, alias).tolist() == fmt.encode(x, name).tolist() == fmt.encode(x, Rounding(name)).tolist()
    assert fmt.encode([1e9], overflow="SatFinite").tolist() == fmt.encode([1e9], overflow=Overflow.SATURATE).tolist()
