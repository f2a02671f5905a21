"""Exact products and sums of values, rounding to a grid, and random bits."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.arithmetic.exact import add, multiply
from emu.arithmetic.philox import philox4x32, random_bits
from emu.formats.enums import Rounding
from emu.formats.rounding import round_to
from emu.formats.value import FRESH_NAN, Value, from_fraction, infinity, zero
from tests.oracle.rounding import round_fraction
from tests.oracle.stream import Draws

DYADIC = st.builds(
    lambda n, q: Fraction(n) * Fraction(2) ** q, st.integers(-(1 << 70), 1 << 70), st.integers(-200, 200)
)
GRID = [mode for mode in Rounding if mode not in (Rounding.EXACT, Rounding.STOCHASTIC)]
NAN = Value(nan=True, payload=3 << 62)


@given(DYADIC, DYADIC)
def test_products_and_sums_are_exact(x, y):
    left, right = from_fraction(x), from_fraction(y)
    product, total = multiply(left, right), add(left, right, toward_negative=False)
    assert product.fraction() == x * y
    assert total.fraction() == x + y
    assert product.e == (None if x * y == 0 else left.e + right.e)
    assert total.e == max((e for e in (left.e, right.e) if e is not None), default=None)


@given(DYADIC)
def test_constants_are_normalised(x):
    value = from_fraction(x)
    assert value.sig % 2 == 1 or x == 0
    assert value.e == (None if x == 0 else value.top)


def test_no_dyadic_number():
    with pytest.raises(ValueError, match="1/3 is no dyadic rational"):
        from_fraction(Fraction(1, 3))


@pytest.mark.parametrize(
    ("x", "y", "product"),
    [
        (zero(), zero(True), zero(True)), (zero(True), from_fraction(Fraction(-2)), zero()),
        (infinity(False), from_fraction(Fraction(-1)), infinity(True)), (infinity(True), zero(), FRESH_NAN),
        (NAN, infinity(True), NAN), (zero(), NAN, NAN), (FRESH_NAN, from_fraction(Fraction(1)), FRESH_NAN),
    ],
)  # fmt: skip
def test_special_products(x, y, product):
    made = multiply(x, y)
    assert replace(made, q=0) == product


@pytest.mark.parametrize(
    ("x", "y", "down", "negative"),
    [
        (zero(), zero(), True, False), (zero(True), zero(True), False, True), (zero(), zero(True), False, False),
        (zero(True), zero(), True, True), (from_fraction(Fraction(1)), from_fraction(Fraction(-1)), False, False),
        (from_fraction(Fraction(1)), from_fraction(Fraction(-1)), True, True),
    ],
)  # fmt: skip
def test_signs_of_zero_sums(x, y, down, negative):
    total = add(x, y, toward_negative=down)
    assert (total.sig, total.negative) == (0, negative)


@given(st.integers(0, 1 << 80), st.integers(-10, 90), st.sampled_from(GRID), st.booleans())
def test_rounding_to_a_grid(sig, shift, rounding, negative):
    exact = Fraction(-sig if negative else sig, 1) / Fraction(2) ** shift
    n, inexact = round_to(sig, shift, rounding, negative)
    assert (-n if negative else n) == round_fraction(exact, 0, rounding.value)
    assert inexact == (n != abs(exact))


def test_published_vectors_of_philox():
    ones, pi = 0xFFFFFFFF, (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    assert philox4x32((0, 0, 0, 0), (0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert philox4x32((ones,) * 4, (ones,) * 2) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)
    assert philox4x32(pi, (0xA4093822, 0x299F31D0)) == (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)


@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1), st.integers(0, 3), st.integers(1, 64))
def test_draws_are_numbered(seed, index, draw, bits):
    stream = Draws(seed, index)
    words = [stream() for _ in range(draw + 1)]
    assert random_bits(seed, index, draw, bits) == words[draw] & ((1 << bits) - 1)
