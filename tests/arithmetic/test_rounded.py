"""Elementary operations of a vector unit against emu's operations on codes, which are exact by construction."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emu
from emu.arithmetic.rounded import Arithmetic
from emu.formats import Rounding, load_format

FORMATS = (
    "bfloat16",
    "float16",
    "float32",
    "float8_e5m2",
    "float8_e4m3fn",
    "e8m13",
    "e5m20",
    "tf32",
    "dlfloat16",
    "e8m24",
    "e8m25",
)
ROUNDINGS = [mode for mode in Rounding if mode not in (Rounding.STOCHASTIC, Rounding.EXACT, Rounding.JAMMING)]
PAIRS = ("add", "sub", "mul", "div")


def codes_of(fmt, seed, size=400):
    """Any codes, ordinary ones, ones near each other, and the ends of the range."""
    rng = np.random.default_rng(seed)
    any_code = rng.integers(0, 1 << fmt.bits, size, dtype=np.uint64)
    usual = fmt.encode(rng.standard_normal(size), overflow="saturate").astype(np.uint64)
    ends = rng.choice(np.array([0, 1, 2, fmt.max_magnitude << fmt.ignored_low_bits], np.uint64), size)
    picked = rng.integers(0, 3, size)
    return np.choose(picked, [any_code, usual, ends]).astype(fmt.code_dtype)


def check(fmt, name, x, y, rounding):
    arithmetic = Arithmetic(format=fmt, rounding=rounding)
    values = [fmt.decode(codes) for codes in (x, y)]
    if name == "sqrt":
        wanted = fmt.decode(emu.sqrt(x, fmt, rounding=rounding))
        found = arithmetic.sqrt(values[0])
    else:
        wanted = fmt.decode(getattr(emu, name)(x, y, fmt, rounding=rounding))
        found = getattr(arithmetic, name)(*values)
    same = (found == wanted) & (np.signbit(found) == np.signbit(wanted)) | (np.isnan(found) & np.isnan(wanted))
    nan_less = not fmt.has_nan
    if nan_less:  # what an operation makes of NaN that the format lacks is the format's nan_to in both
        same |= np.isnan(found) != np.isnan(wanted)
    at = np.flatnonzero(~same)
    assert not at.size, (name, rounding, values[0][at[0]], values[1][at[0]], found[at[0]], wanted[at[0]])


@pytest.mark.parametrize("rounding", ROUNDINGS, ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", FORMATS)
def test_every_operation(name, rounding):
    fmt = load_format(name)
    if rounding is Rounding.TO_ODD and fmt.is_listed:
        return
    for operation in (*PAIRS, "sqrt"):
        check(fmt, operation, codes_of(fmt, 1), codes_of(fmt, 2), rounding)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(FORMATS), st.sampled_from(ROUNDINGS), st.sampled_from((*PAIRS, "sqrt")), st.integers(0, 1 << 30))
def test_drawn_operands(name, rounding, operation, seed):
    fmt = load_format(name)
    check(fmt, operation, codes_of(fmt, seed), codes_of(fmt, seed + 1), rounding)


@pytest.mark.parametrize("direction", [1, -1])
def test_a_tiny_addend_beside_a_midpoint(direction):
    """1 + 2^-8 lies between two bfloat16; a float32 addend of 2^-100 decides, though float64 cannot hold the sum."""
    arithmetic = Arithmetic(format=load_format("bfloat16"))
    found = arithmetic.add(np.array([1 + 2.0**-8]), np.array([direction * 2.0**-100]))
    assert found[0] == (1 + 2.0**-7 if direction > 0 else 1.0)


def test_wider_operands_are_divided_right():
    """Quotients of float32 sums by counts, rounded to 8 bits: every one against exact fractions."""
    fmt = load_format("bfloat16")
    rng = np.random.default_rng(5)
    x = rng.standard_normal(300).astype(np.float32).astype(np.float64)
    y = rng.integers(1, 4097, 300).astype(np.float64)
    found = Arithmetic(format=fmt).div(x, y)
    exact = [Fraction(a) / Fraction(b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    assert np.array_equal(found, fmt.decode(fmt.encode(exact)))


@pytest.mark.parametrize("rounding", ROUNDINGS, ids=lambda mode: mode.value)
def test_quotients_and_roots_next_to_a_boundary(rounding):
    """x of 26 bits next to g y, or to g², for g a float32 or half way between two: against exact fractions."""
    fmt = load_format("float32")
    rng = np.random.default_rng(7)
    g = rng.integers(1 << 24, 1 << 25, 400).tolist()
    y = (2 * rng.integers(1 << 24, 1 << 25, 400) + 1).tolist()  # 26 bits, odd
    arithmetic = Arithmetic(format=fmt, rounding=rounding)
    for step in (-1, 0, 1):
        x = [((a * b) >> ((a * b).bit_length() - 26)) + step for a, b in zip(g, y, strict=True)]
        found = arithmetic.div(np.array(x, np.float64), np.array(y, np.float64))
        exact = [Fraction(a, b) for a, b in zip(x, y, strict=True)]
        assert np.array_equal(found, fmt.decode(fmt.encode(exact, rounding=rounding.value)))
        shift = [(a * a).bit_length() - 26 for a in g]
        shift = [one + one % 2 for one in shift]
        square = [((a * a) >> by) + step for a, by in zip(g, shift, strict=True)]
        found = arithmetic.sqrt(np.array(square, np.float64))
        digits = [isqrt(one << 60) for one in square]  # 2^30 √x, and whether that is all
        roots = [Fraction(2 * d + (d * d != one << 60), 1 << 31) for d, one in zip(digits, square, strict=True)]
        assert np.array_equal(found, fmt.decode(fmt.encode(roots, rounding=rounding.value)))
