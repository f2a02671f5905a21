"""The worked examples of reference/numerics.md on formats and scalar arithmetic, each under its section number."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import emu
from tests.oracle.scalar.casting import OVERFLOW

NAN = math.nan
EVEN = [0, 1 / 64, 1 / 16, 1 / 4, 1, 4, 16, 64]
TIES_DOWN = {"kind": "log", "radix": 4, "exp_bits": 3, "bias": 4, "ties": "zero"}


def encode(name: object, values: list[float | Fraction], **how: object) -> list[int]:
    """Codes of values."""
    return emu.load_format(name).encode(values, **how).tolist()


def decode(name: object, codes: list[int]) -> list[float]:
    """Values of codes."""
    return emu.load_format(name).decode(np.array(codes, np.uint64)).tolist()


def rounded(name: object, values: list[float | Fraction], **how: object) -> list[float]:
    """Values, encoded and decoded."""
    return decode(name, encode(name, values, **how))


def table(name: object) -> list[float]:
    """All values by code."""
    return decode(name, list(range(1 << emu.load_format(name).bits)))


class TestA1Radix4Tables:
    """A.1: FP4-even and FP4-odd."""

    def test_even(self):
        assert table("log4") == EVEN + [-x for x in EVEN]
        assert math.copysign(1, table("log4")[8]) == -1

    def test_odd(self):
        assert table("float4_radix4_odd") == [x / 2 for x in EVEN] + [-x / 2 for x in EVEN]

    def test_no_inf_no_nan(self):
        assert np.isfinite(table("log4")).all() and np.isfinite(table("float4_radix4_odd")).all()
        assert emu.load_format("log4").max_finite == 64 and emu.load_format("float4_radix4_odd").max_finite == 32


class TestA2Encode:
    """A.2: the 1.6 rule."""

    def test_examples(self):
        x = [1, 2.49, 2.5, 3, 39.9, 16, 40, 100, 0.009765624, 0.009765625, 0.0078125, -0.7]
        assert rounded("log4", x) == [1, 1, 4, 4, 16, 16, 64, 64, 0, 1 / 64, 0, -1]
        assert encode("log4", [1, 2.5, -0.7]) == [0x4, 0x5, 0xC]

    def test_tie_down(self):
        """Equation 1 sends the tie down."""
        assert rounded(TIES_DOWN, [2.5, 2.5000001, 40, 0.009765625]) == [1, 4, 16, 0]

    @pytest.mark.parametrize(("name", "scale"), [("log4", 1), ("float4_radix4_odd", Fraction(1, 2))])
    def test_thresholds(self, name, scale):
        """8 |x| >= 5 * 4^n, exactly; the odd phase is the same on 2x, halved."""
        tiny = Fraction(1, 1 << 100)
        values = [Fraction(x) * scale for x in EVEN]
        thresholds = [Fraction(5, 8) * Fraction(4) ** n * scale for n in range(-3, 4)]
        assert [float(t / scale) for t in thresholds] == [0.009765625, 0.0390625, 0.15625, 0.625, 2.5, 10, 40]
        for i, threshold in enumerate(thresholds):
            below, above = rounded(name, [threshold - tiny, threshold])
            assert (below, above) == (values[i], values[i + 1])

    def test_saturates(self):
        assert rounded("log4", [100, 1e300, -1e300]) == [64, 64, -64]
        assert rounded("float4_radix4_odd", [100, math.inf]) == [32, 32]


class TestB2Dlfloat16:
    """B.2: DLFloat16."""

    def test_examples(self):
        x = [1.0, 1 + 1 / 1024, 0.1, 65504, math.pi]
        assert encode("dlfloat16", x, rounding="ties_to_away") == [0x3E00, 0x3E01, 0x3733, 0x5E00, 0x4124]
        assert rounded("dlfloat16", x, rounding="ties_to_away")[2:] == [0.0999755859375, 65536, 3.140625]

    def test_range(self):
        fmt = emu.load_format("dlfloat16")
        assert fmt.max_finite == 8573157376 == decode("dlfloat16", [0x7FFE])[0]
        assert decode("dlfloat16", [0x0001]) == [4.665707820095122e-10]
        assert np.isnan(decode("dlfloat16", [0x7FFF, 0xFFFF])).all()
        assert decode("dlfloat16", [0]) == [0]

    def test_overflow(self):
        x = [8577351679, 8577351680, 8581545984]
        assert encode("dlfloat16", x, rounding="ties_to_away") == [0x7FFE, 0x7FFF, 0x7FFF]
        assert encode("dlfloat16", x, rounding="ties_to_away", overflow="saturate") == [0x7FFE] * 3

    def test_underflow_to_zero(self):
        """2^-31 is on the grid, but its code is zero."""
        assert rounded("dlfloat16", [2.0**-31, 2.0**-31 * (1 + 1 / 1024)], rounding="ties_to_away") == [
            0,
            2.0**-31 * (1 + 1 / 512),
        ]


KUZMIN = {"exp_bits": 4, "man_bits": 3, "bias": 8, "nan": "none", "infinities": False}


class TestCKuzmin:
    """C: the grid of an xMyE format with integer bias: no inf, no NaN, subnormals."""

    def test_e4m3_of_bias_8(self):
        values = table(KUZMIN)
        positive = sorted({v for v in values if v > 0})
        # c = 2^(2^E - 1 - bias) (2 - 2^-M), and p = max(floor(log2 x + bias), 1)
        assert positive[-1] == 240 and positive[0] == 2.0**-10 and len(positive) == 127
        assert rounded(KUZMIN, [1.0, 0.3]) == [1.0, 0.3125]

    def test_grid_by_its_formula(self):
        for m in range(1, 7):
            e, bias = 7 - m, 1 << (6 - m)
            fmt = {"exp_bits": e, "man_bits": m, "bias": bias, "nan": "none", "infinities": False}
            for value in table(fmt):
                if value > 0:
                    p = max(math.frexp(value)[1] - 1 + bias, 1)
                    assert (Fraction(value) / Fraction(2) ** (p - m - bias)).denominator == 1

    def test_one_exponent_bit_is_int8(self):
        """E = 1: the grid is uniform, 127 levels."""
        fmt = {"exp_bits": 1, "man_bits": 6, "bias": 1, "nan": "none", "infinities": False}
        positive = sorted({v for v in table(fmt) if v > 0})
        assert [v / positive[0] for v in positive] == list(range(1, 128))

    def test_scaled(self):
        """c = 3, a real-valued bias of 14.3219: the integer grid times c / 240."""
        x = np.array([3.3, -0.0101]) * 240 / 3
        found = np.array(rounded(KUZMIN, np.clip(x, -240, 240).tolist())) * 3 / 240
        assert found.tolist() == [3.0, -0.01015625]


ROWS = [
    ("float8_e4m3fn", 448, 0x7E, 2.0**-9, [0x7F, 0xFF], [], True, 0x38, 253),
    ("float8_e5m2", 57344, 0x7B, 2.0**-16, [0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF], [0x7C, 0xFC], True, 0x3C, 247),
    ("float8_e4m3", 240, 0x77, 2.0**-9, [*range(0x79, 0x80), *range(0xF9, 0x100)], [0x78, 0xF8], True, 0x38, 239),
    ("float8_e3m4", 15.5, 0x6F, 2.0**-6, [*range(0x71, 0x80), *range(0xF1, 0x100)], [0x70, 0xF0], True, 0x30, 223),
    ("float8_e4m3fnuz", 240, 0x7F, 2.0**-10, [0x80], [], False, 0x40, 255),
    ("float8_e5m2fnuz", 57344, 0x7F, 2.0**-17, [0x80], [], False, 0x40, 255),
    ("float8_e4m3b11fnuz", 30, 0x7F, 2.0**-13, [0x80], [], False, 0x58, 255),
    ("float8_e8m0fnu", 2.0**127, 0xFE, 2.0**-127, [0xFF], [], False, 0x7F, 255),
]


class TestD1EightBits:
    """D.1: the 8-bit floats."""

    @pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
    def test_row(self, row):
        name, top, code, least, nans, infinities, negative_zero, one, count = row
        values = np.array(table(name))
        assert decode(name, [code]) == [top] and emu.load_format(name).max_finite == top
        assert values[np.isfinite(values) & (values > 0)].min() == least
        assert np.flatnonzero(np.isnan(values)).tolist() == nans
        assert np.flatnonzero(np.isinf(values)).tolist() == infinities
        assert bool((np.signbit(values) & (values == 0)).any()) == negative_zero
        assert decode(name, [one]) == [1]
        assert len({v for v in values.tolist() if math.isfinite(v)}) == count

    def test_overflow_of_e4m3fn(self):
        assert encode("float8_e4m3fn", [463.9, 464, 464.1, 1e6, math.inf]) == [0x7E, 0x7E, 0x7F, 0x7F, 0x7F]
        assert encode("float8_e4m3fn", [464.1, 1e6, math.inf], overflow="saturate") == [0x7E] * 3
        assert encode("float8_e4m3fn", [247.9, 248]) == [0x77, 0x78]
        _, flags = emu.load_format("float8_e4m3fn").encode([464, 464.1], flags=True)
        assert (flags & OVERFLOW).tolist() == [0, OVERFLOW]

    def test_overflow_of_the_others(self):
        assert rounded("float8_e5m2", [61439, 61440]) == [57344, math.inf]
        assert encode("float8_e4m3fnuz", [247.9, 248, math.inf]) == [0x7F, 0x80, 0x80]
        assert encode("float8_e5m2fnuz", [61439, 61440]) == [0x7F, 0x80]
        assert encode("float8_e5m2", [NAN, math.inf], overflow="saturate") == [0x7E, 0x7B]


class TestD2SixBitsAndLess:
    """D.2: the elements of OCP MX, and integers."""

    def test_e2m1(self):
        positive = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
        assert table("float4_e2m1fn") == positive + [-x for x in positive]
        x = [5, 5.1, 2.5, 0.25, 0.75, 7, math.inf]
        assert rounded("float4_e2m1fn", x) == [4, 6, 2, 0, 1, 6, 6]

    def test_e2m3(self):
        found = table("float6_e2m3fn")[:32]
        expected = [i / 8 for i in range(8)] + [1 + i / 8 for i in range(8)] + [2 + i / 4 for i in range(8)]
        assert found == expected + [4 + i / 2 for i in range(8)]

    def test_e3m2(self):
        found = table("float6_e3m2fn")
        assert found[1] == 1 / 16 and max(found) == 28

    def test_mxint8(self):
        fmt = {"kind": "fixed", "bits": 8, "frac_bits": 6}
        assert (min(table(fmt)), max(table(fmt))) == (-2, 1.984375)

    def test_integers(self):
        assert table("int4") == [*range(8), *range(-8, 0)]
        assert (min(table("int6")), max(table("int6"))) == (-32, 31)
        symmetric = {"kind": "integer", "bits": 4, "symmetric": True}
        assert rounded(symmetric, [-9, -8, 8]) == [-7, -7, 7]


FOUR_BITS = {
    "binary4p1sf": [0, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8],
    "binary4p2sf": [0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3],
    "binary4p3sf": [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75],
}


class TestD5P3109:
    """D.5: IEEE P3109 v4.0."""

    @pytest.mark.parametrize("name", FOUR_BITS)
    def test_four_bits(self, name):
        positive = FOUR_BITS[name]
        for extended in (False, True):
            found = table(name[:-1] + ("e" if extended else "f"))
            expected = [*positive[:-1], math.inf] if extended else positive
            assert found[:8] == expected and math.isnan(found[8])
            assert found[9:] == [-x for x in expected[1:]]

    def test_four_bits_unsigned(self):
        expected = [0, 1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1, 1.5, 2, 3, 4, 6, 8]
        for name, last in (("binary4p2uf", 8), ("binary4p2ue", math.inf)):
            found = table(name)
            assert found[:15] == [*expected[:14], last] and math.isnan(found[15])

    @pytest.mark.parametrize(
        ("precision", "top", "least"), [(3, 49152, 2.0**-17), (4, 224, 2.0**-10), (5, 15, None), (1, 2.0**62, None)]
    )
    def test_eight_bits_extended(self, precision, top, least):
        values = np.array(table(f"binary8p{precision}se"))
        assert values[np.isfinite(values)].max() == top
        assert least is None or values[values > 0].min() == least
        assert values[0x40] == 1 and np.isnan(values[0x80]) and values[0x7F] == math.inf and values[0xFF] == -math.inf

    def test_8p4_finite(self):
        assert emu.load_format("binary8p4sf").max_finite == 240

    def test_rounding_precedes_saturation(self):
        assert rounded("binary8p4se", [232, 240]) == [224, math.inf]

    def test_zero_has_no_sign(self):
        assert encode("binary8p4se", [-0.0, -1e-30]) == [0, 0]

    def test_to_odd_of_an_unsigned_extended_format(self):
        top = emu.load_format("binary8p4ue").max_finite
        assert rounded("binary8p4ue", [1e30], rounding="to_odd") == [top]

    @pytest.mark.parametrize(("variant", "bias"), [("A", Fraction(-1, 2)), ("B", Fraction(0)), ("C", Fraction(0))])
    def test_mean_bias_of_stochastic_rounding(self, variant, bias):
        """Over uniform nu, N = 3: -2^-(N+1) ulp for A, none for B and C. In units of 2^-N here."""
        bits, parts = 3, 64
        x = [1 + Fraction(2 * i + 1, 2 * parts * 8) for i in range(parts)]  # nu = (2i + 1) / 128, no ties
        away = 0
        for random in range(1 << bits):
            codes = emu.load_format("binary8p4se").encode(
                x, rounding="stochastic", sr_bits=bits, sr_variant=variant, random=np.full(parts, random, np.uint64)
            )
            away += int((codes == 0x41).sum())
        assert Fraction(away, parts) - sum((v - 1) * 8 for v in x) / parts * (1 << bits) == bias


CFLOAT = {"exp_bits": 4, "man_bits": 3, "bias": 7, "nan": "none", "infinities": False}


class TestD6Cfloat:
    """D.6: the example of CFloat8 1-4-3 with bias 7, both readings of its subnormal numbers."""

    def test_ieee_like(self):
        assert decode(CFLOAT, [0x7F, 0x08, 0x01]) == [480, 2.0**-6, 2.0**-9]

    def test_literal(self):
        assert decode(CFLOAT | {"subnormals": "lowered"}, [0x7F, 0x08, 0x01]) == [480, 2.0**-6, 2.0**-10]
