"""The rules that give a power of two, against block conversion in Fractions; their edges by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .plain import ELEMENTS, MX, magnitude, power_block
from .variants import variant

RULES = ("floor", "ceil", "even", "rceil", "tosa")
ROUNDINGS = ("ties_to_even", "ties_to_away", "toward_zero", "away_from_zero", "toward_positive", "toward_negative")
P1 = {"exp_bits": 8, "man_bits": 0, "signed": False, "bias": 128, "nan": "top_code", "infinities": False}
"""P3109's binary8p1uf"""
DTYPES = ("float16", "float32", "float64")


def exact(name, rule, **keys):
    """The built-in under a rule without float32 steps."""
    return variant(name, rule=rule, **keys, **({"quotient": "exact"} if rule == "rceil" else {}))


def check(fmt, element, values, rule, **keys):
    made = fmt.encode(values)
    scale, codes = power_block([float(v) for v in values], element, rule, **keys)
    assert made.scales.tolist() == [scale], (rule, values)
    assert made.codes.tolist() == codes, (rule, values)


def near(element):
    """Significands at which a rule or a rounding changes its mind, and their neighbours."""
    points = [float(m) for m in element.magnitudes[-9:]]
    points += [float(element.beyond()), float((element.largest + element.beyond()) / 2), 1.0, 1.5, 2.0]
    points += [2 - 2.0 ** -(element.mantissa + 1), 2 - 2.0**-element.mantissa]
    return [
        q for p in points for q in (np.nextafter(np.float32(p), np.float32(0)), p, np.nextafter(np.float32(p), 1e9))
    ]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", MX)
def test_every_border_of_every_rule(name, rule):
    """absmax at each border of rule and element with its float32 neighbours, at six magnitudes: 16,510 blocks in all
    six formats and five rules, a second element of either sign beside it."""
    element, fmt = ELEMENTS[MX[name]], exact(name, rule)
    for point in near(element):
        for shift in (-149, -127, -64, 0, 63, 120):
            with np.errstate(over="ignore", under="ignore"):
                top = np.ldexp(np.float32(point), shift)
            if np.isfinite(top):
                for other in (0.3, -0.9):
                    check(fmt, element, np.array([top, top * np.float32(other)]), rule)


def floats(dtype):
    return st.floats(allow_nan=False, allow_infinity=False, width=int(dtype.removeprefix("float")))


@given(st.sampled_from(sorted(MX)), st.sampled_from(RULES), st.sampled_from(ROUNDINGS), st.data())
def test_random_blocks(name, rule, rounding, data):
    dtype = data.draw(st.sampled_from(DTYPES))
    values = np.array(data.draw(st.lists(floats(dtype), min_size=1, max_size=8)), dtype=dtype)
    check(exact(name, rule, rounding=rounding), ELEMENTS[MX[name]], values, rule, rounding=rounding)


@given(st.sampled_from(sorted(MX)), st.sampled_from(RULES), st.integers(-1074, 1023), st.data())
def test_narrow_blocks(name, rule, at, data):
    """Values of one size, at every place of float64: elements that are not all zero."""
    sizes = st.floats(-4, 4, allow_subnormal=False)
    values = np.ldexp(np.array(data.draw(st.lists(sizes, min_size=1, max_size=6))), at - 2)
    check(exact(name, rule), ELEMENTS[MX[name]], values, rule)


@given(st.integers(3, 7), st.booleans(), st.sampled_from(ROUNDINGS), st.data())
def test_msfp(m, bump, rounding, data):
    values = np.array(data.draw(st.lists(floats("float32"), min_size=1, max_size=16)), dtype="float32")
    fmt = variant(f"msfp{9 + m}", bump=bump, rounding=rounding)
    low = -126 - m
    check(fmt, magnitude(m), values, "floor", low=low, high=low + 255, rounding=rounding, bump=bump)


def test_bump_at_the_end_of_the_scales():
    """The largest scale stays: the elements saturate."""
    fmt = variant("mxfp4", bump=True, block=1)
    made = fmt.encode(np.array([7.5, 7.5 * 2.0**126, 7.5 * 2.0**127, 1.0]))
    assert made.scales.tolist() == [128, 254, 254, 125]
    assert made.codes.tolist() == [6, 6, 7, 6]


@given(st.sampled_from(sorted(MX)), st.sampled_from(RULES), st.sampled_from(ROUNDINGS), st.data())
def test_bump_of_any_element(name, rule, rounding, data):
    values = np.array(data.draw(st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=6)), dtype="float32")
    fmt = exact(name, rule, bump=True, rounding=rounding)
    check(fmt, ELEMENTS[MX[name]], values, rule, rounding=rounding, bump=True)


def rceil_bits(quotient: np.ndarray) -> np.ndarray:
    """D.3: +1 if mantissa > 0 unless exponent 0xFE; subnormal only above 0x400000; NaN 0xFF, inf 0xFE, 0 0x00."""
    bits = quotient.view(np.uint32)
    biased, mantissa = (bits >> 23) & 0xFF, bits & 0x7FFFFF
    up = (mantissa > 0) & (biased != 0xFE) & ~((biased == 0) & (mantissa <= 0x400000))
    return np.where(np.isinf(quotient), 0xFE, biased + up)


@pytest.mark.parametrize("quotient", ["divide", "reciprocal"])
@pytest.mark.parametrize("name", MX)
def test_rceil_by_its_bits(name, quotient):
    """200,000 random magnitudes, every power of two, and what stands next to it, one block each."""
    fmt = variant(name, rule="rceil", quotient=quotient, block=1)
    random = np.random.default_rng(5).integers(0, 0x7F800000, 200_000, dtype=np.uint32)
    edges = [np.uint32(e << 23 | m) for e in range(255) for m in (0, 1, 0x400000, 0x400001, 0x600000, 0x7FFFFF)]
    x = np.concatenate([random, np.array(edges, dtype=np.uint32)]).view(np.float32)
    most = np.float32(fmt.element.max_finite)
    with np.errstate(over="ignore", under="ignore"):
        ratio = x / most if quotient == "divide" else x * (np.float32(1) / most)
    assert np.array_equal(fmt.encode(x).scales, rceil_bits(ratio))


def test_rceil_of_an_infinity_and_nan():
    made = variant("mxfp8_e4m3", rule="rceil", block=2).encode(np.array([np.inf, 1, -np.inf, -1, np.nan, 1, 0, 0]))
    assert made.scales.tolist() == [0xFE, 0xFE, 0xFF, 0x00]
    assert made.codes.tolist() == [0x7E, 0, 0xFE, 0x80, 0, 0, 0, 0]


def test_tosa_in_its_own_numbers():
    """E4M3: 464 still rounds to 448; the others exclude the tie: 61440, 30, 7.75, 7, 127.5 / 64."""
    for name, border, inclusive in (
        ("mxfp8_e4m3", 464, True), ("mxfp8_e5m2", 61440, False), ("mxfp6_e3m2", 30, False),
        ("mxfp6_e2m3", 7.75, False), ("mxfp4", 7, False), ("mxint8", 127.5 / 64, False),
    ):  # fmt: skip
        fmt = variant(name, rule="tosa", block=1)
        below, above = np.nextafter(border, 0), np.nextafter(border, np.inf)
        codes = fmt.encode(np.array([below, border, above])).scales
        assert codes.tolist() == [127, 127 if inclusive else 128, 128], name


def test_scale_beyond_its_range():
    """microxcaling: a shared exponent above 127 is NaN; OCP clamps. Below -127 both clamp."""
    x = np.array([2.0**140, 1.0, 2.0**-200, 0.0])
    clamp, nan = variant("mxfp4", block=2), variant("mxfp4", block=2, scale_overflow="nan", rounding="ties_to_away")
    assert clamp.encode(x).scales.tolist() == [254, 0]
    assert clamp.encode(x).codes.tolist() == [7, 0, 0, 0]
    assert nan.encode(x).scales.tolist() == [255, 0]
    assert nan.encode(x).codes.tolist() == [0, 0, 0, 0]
    assert np.isnan(nan.encode(x).decode()).tolist() == [True, True, False, False]
    borders = np.array([7.999 * 2.0**127, 8 * 2.0**127])
    assert variant("mxfp4", block=1, scale_overflow="nan").encode(borders).scales.tolist() == [254, 255]


@pytest.mark.parametrize(
    ("scale", "low", "high"),
    [
        ("float32", -149, 127), ("float16", -24, 15), ("bfloat16", -133, 127), ("ufloat8_e4m3fn", -9, 8),
        (P1, -127, 126),
        ({"kind": "log", "radix": 2, "exp_bits": 5, "bias": 15, "signed": False}, -14, 16),
        ("dlfloat16", -30, 32),
    ],
)  # fmt: skip
def test_powers_of_two_in_other_scale_formats(scale, low, high):
    fmt = variant("mxfp4", scale=scale, block=1)
    k = np.arange(-160, 140)
    back = fmt.scale.decode(fmt.encode(np.ldexp(4.0, k)).scales)
    assert back.tolist() == [2.0 ** min(max(int(n), low), high) for n in k]


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_values_far_from_their_scale(rounding):
    """A scale at the end of its range, and float64 values that leave float64 when they are divided by it."""
    log = {"kind": "log", "radix": 2, "exp_bits": 4, "bias": 700, "signed": False, "zero": False}
    small = {**log, "bias": -600}
    for scale, low in ((log, -700), (small, 600)):
        fmt = variant("mxfp8_e5m2", scale=scale, rounding=rounding)
        for values in ([2.0**1000, -(2.0**-1074), 5e-324, -1.0], [-(2.0**-1074), 2.0**-1000], [1.7e308, -0.0]):
            check(fmt, ELEMENTS["float8_e5m2"], np.array(values), "floor", low=low, high=low + 15, rounding=rounding)


def test_exactness_of_decode():
    """element * scale in float64 is the product of Fractions."""
    fmt = variant("mxfp8_e5m2", block=4)
    x = np.random.default_rng(2).standard_normal(64) * 2.0 ** np.repeat(np.arange(-140, 116, 16), 4)
    made = fmt.encode(x)
    assert [Fraction(v) for v in made.decode()] == made.decode_exact().tolist()
