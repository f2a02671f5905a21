"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from emu.deviation import numbers

THIN = "\u202f"


@pytest.mark.parametrize(
    ("x", "text"),
    [(38.04, "38.0"), (-7.55, "−7.5"), (math.inf, "exact"), (-math.inf, "−∞"), (math.nan, "–"), (0.0, "0.0")],
)
def test_decibels(x, text):
    assert numbers.decibels(x) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, f"1{THIN}000"),
        (99_999, f"99{THIN}999"),
        (100_000, f"100{THIN}k"),
        (999_499, f"999{THIN}k"),
        (999_500, f"1{THIN}M"),
        (2_147_483_647, f"2.15{THIN}G"),
        (10**13, f"10{THIN}T"),
    ],
)
def test_count(n, text):
    assert numbers.count(n) == text


def test_units_and_plurals():
    values = (38.04, -math.inf, math.inf, math.nan)
    assert [numbers.decibels_unit(x) for x in values] == ["38.0 dB", "−∞ dB", "exact", "–"]
    assert [numbers.plural(n, "node") for n in (0, 1, 2, 1000)] == ["0 nodes", "1 node", "2 nodes", f"1{THIN}000 nodes"]


def test_cosine_is_one_only_if_it_is():
    assert numbers.cosine(1.0) == "1.000000"
    assert numbers.cosine(1 - 1e-9) == "0.999999"
    assert numbers.cosine(-0.5) == "−0.500000"
    assert numbers.cosine(math.nan) == "–"


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 5, "0.00 %"),
        (5, 5, "100.00 %"),
        (10**6 - 1, 10**6, "> 99.99 %"),
        (1, 10**6, "< 0.01 %"),
        (1, 3, "33.33 %"),
        (0, 0, "–"),
    ],
)
def test_share_is_all_or_nothing_only_if_it_is(part, whole, text):
    assert numbers.share(part, whole) == text


def test_the_rest():
    assert numbers.short(0.012345) == "0.0123"
    assert numbers.short(-2.0) == "−2"
    assert (numbers.short(math.inf), numbers.short(-math.inf), numbers.short(math.nan)) == ("∞", "−∞", "–")
    assert (numbers.seconds(0.25), numbers.seconds(1.26), numbers.seconds(150)) == (
        "250 ms",
        "1.3 s",
        "2.5 min",
    )
    assert (numbers.shape((450, 10)), numbers.shape(())) == ("450×10", "scalar")
