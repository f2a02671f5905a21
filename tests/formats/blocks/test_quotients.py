"""Scales that are quotients: absmax in float32 and exactly, P3109's absmax of the finite values."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu import load_format
from emu.formats.blocks import load_block
from emu.formats.blocks.divide import quotient

from .plain import ELEMENTS, SPEC_OF, F, fl32, floor_log2, reciprocal32

ABSMAX = {"kind": "block", "element": "int4", "block": 4, "scale": "float32", "rule": "absmax"}
P3109 = {
    "kind": "block",
    "block": "all",
    "rule": "max_abs_finite",
    "element": {"name": "binary8p4se", "exp_bits": 4, "man_bits": 3, "bias": 8, "nan": "negative_zero"},
    "scale": {"name": "8p1uf", "exp_bits": 8, "man_bits": 0, "bias": 128, "signed": False, "infinities": False,
              "nan": "top_code"},
}  # fmt: skip
SIZES = st.floats(-(2.0**99), 2.0**99, width=32)
BLOCKS = st.lists(SIZES, min_size=1, max_size=4)


@given(BLOCKS, st.sampled_from(["divide", "reciprocal"]), st.sampled_from(["int4", "float8_e4m3fn", "mxint8"]))
def test_absmax_in_float32(values, how, name):
    """s = fl32(A / M), y = fl32(x / s), as the scheme absmax; or both times the reciprocal."""
    element = ELEMENTS[name]
    made = load_block({**ABSMAX, "element": SPEC_OF.get(name, name), "quotient": how}).encode(
        np.array(values, dtype="f4")
    )

    def over(x, s):
        return fl32(x / s) if how == "divide" else fl32(x * reciprocal32(s))

    absmax = max(abs(F(v)) for v in values)
    s = over(absmax, element.largest)
    assert made.scales.view("f4").tolist() == [float(s)]
    signs = [np.signbit(v) for v in values]
    y = [0 if s == 0 else over(F(v), s) for v in values]
    assert made.codes.tolist() == [
        element.encode(F(v) if abs(v) < 1e38 else F(10) ** 39, bool(n)) for v, n in zip(y, signs, strict=True)
    ]


def p1(x: Fraction) -> Fraction:
    """x > 0 rounded to a power of two, ties to even code; saturated to 2^-127 .. 2^126, zero below half."""
    if x > F(2) ** 126:
        return F(2) ** 126
    if x < F(2) ** -127:
        return F(0) if x <= F(2) ** -128 else F(2) ** -127
    k = floor_log2(x)
    rest = x / F(2) ** k
    up = rest > F(3, 2) or (rest == F(3, 2) and k & 1)  # code k + 128 is odd
    return F(2) ** (k + up)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_p3109_blocks(values):
    """s = Project(max |x|), no emax; element = Project(x / s), of the exact quotient."""
    fmt, element = load_block(P3109), ELEMENTS["binary8p4se"]
    made = fmt.encode(np.array(values))
    absmax = max(abs(F(v)) for v in values)
    s = F(0) if absmax == 0 else p1(absmax)
    assert [F(v) for v in fmt.scale.decode(made.scales)] == [s]
    expected = [0 if s == 0 else element.encode(F(v) / s, v < 0) for v in values]
    assert made.codes.tolist() == [code if code & 0x7F else 0 for code in expected]  # one zero


def test_p3109_by_hand():
    fmt = load_block({**P3109, "block": 4})
    x = np.array([3.0, -1.5, np.inf, 0.1, np.nan, 5.0, -np.inf, 7.0, np.inf, np.nan, np.inf, np.inf])
    made = fmt.encode(x)
    assert fmt.scale.decode(made.scales).tolist() == [4, 8, 0]  # 3 is a tie: code 129 | 130; none is finite: 0
    values = made.decode()
    assert values[:4].tolist() == [3, -1.5, np.inf, 0.1015625]
    assert np.isnan(values[4])
    assert values[5:8].tolist() == [5, -np.inf, 7]
    assert made.codes[8:].tolist() == [0, 0x80, 0, 0]  # S = 0 makes zeros of all but NaN


def test_p3109_project_of_a_scale_with_a_mantissa():
    """The scale may be any format: float8_e4m3fn, 7.3 -> 7.5."""
    fmt = load_block({**P3109, "scale": "float8_e4m3fn"})
    made = fmt.encode(np.array([7.3, -2.5]))
    assert fmt.scale.decode(made.scales).tolist() == [7.5]
    assert made.decode().tolist() == [7.5, -0.34375 * 7.5]  # 7.3 / 7.5 -> 1, 1/3 -> 0.34375


@given(
    st.floats(allow_nan=False, allow_infinity=False), st.floats(2.0**-140, 2.0**120, width=32),
    st.sampled_from(["ties_to_even", "toward_negative", "ties_to_away", "away_from_zero", "to_odd"]),
)  # fmt: skip
def test_an_exact_quotient_is_rounded_once(x, s, rounding):
    """Rounded to odd first, then to float16: as the Fraction is."""
    fmt = load_format("float16")
    y = quotient(np.array([x]), np.array([s]))
    exact = F(x) / F(s)
    assert fmt.encode(y, rounding).tolist() == fmt.encode(np.array([exact if exact else x]), rounding).tolist()


@given(st.integers(1, 2**24 - 1), st.integers(1, 2**53 - 1), st.integers(-100, 100))
def test_quotient_to_odd(s, x, shift):
    y = F(quotient(np.array([np.ldexp(float(x), shift)]), np.array([float(s)]))[0])
    exact = F(x) * F(2) ** shift / s
    lsb = F(2) ** (floor_log2(exact) - 52)
    whole = exact / lsb
    expected = whole if whole.denominator == 1 else F(whole.numerator // whole.denominator | 1)
    assert y == expected * lsb


@pytest.mark.parametrize("rounding", ["ties_to_even", "toward_positive", "toward_zero"])
@pytest.mark.parametrize("scale", ["float16", "ufloat8_e4m3fn", "bfloat16"])
def test_the_rounding_of_an_absmax_scale(scale, rounding):
    fmt = load_block({**ABSMAX, "scale": scale, "scale_rounding": rounding, "quotient": "exact", "block": 1})
    x = np.abs(np.random.default_rng(9).standard_normal(500)) * 2.0 ** np.arange(-25, 25).repeat(10)
    expected = load_format(scale).encode([F(v) / 7 for v in x], rounding, "saturate")
    assert fmt.encode(x).scales.tolist() == expected.tolist()
    codes = fmt.encode(x).codes
    for value, code, got in zip(x, expected, codes, strict=True):
        s = F(float(load_format(scale).decode(code)))
        assert got == (0 if s == 0 else ELEMENTS["int4"].encode(F(value) / s, negative=False))


def test_absmax_edges():
    """Zero has code 0; a scale that rounds to zero makes zeros; one beyond its range saturates or is NaN."""
    x = np.array([0.0, -0.0, 1e-9, -1e-9, 1e6, 1.0], dtype=np.float32)
    fmt = load_block({**ABSMAX, "element": "e2m1", "scale": "float16", "block": 2})
    made = fmt.encode(x)
    assert made.scales.tolist() == [0, 0, 0x7BFF]
    assert made.codes.tolist() == [0, 8, 0, 8, 7, 0]
    nan = load_block({**ABSMAX, "element": "e2m1", "scale": "float16", "block": 2, "scale_overflow": "nan"})
    assert nan.encode(x).scales.tolist() == [0, 0, 0x7E00]
    assert nan.encode(x).codes.tolist() == [0, 8, 0, 8, 0, 0]
    e8m0 = load_block({**ABSMAX, "element": "e2m1", "scale": "e8m0", "block": 2})
    assert e8m0.encode(np.array([0.0, 0.0, 6.0, 1.0])).scales.tolist() == [0, 127]


def test_nf4_blocks_of_a_codebook():
    """bitsandbytes' NF4: 64 values share a float32 absmax."""
    nf4 = [
        -1, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.09105004, 0,
        0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1,
    ]  # fmt: skip
    element = {"kind": "codebook", "values": [float(np.float32(v)) for v in nf4]}
    fmt = load_block({**ABSMAX, "element": element, "block": 64})
    made = fmt.encode(np.array([0.5, -2, 1.1, 0.02], dtype=np.float32))
    assert made.scales.view("f4").tolist() == [2]
    assert made.codes.tolist() == [10, 0, 13, 7]
    assert made.decode().tolist() == [2 * float(np.float32(nf4[i])) for i in (10, 0, 13, 7)]
