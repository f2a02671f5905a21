"""Metrics in proportion to the truth: against exact arithmetic, and every special case that a docstring lists."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emu.deviation import relative, ulp
from emu.deviation.metrics import finite_pairs

FINITE = st.floats(-1e6, 1e6, width=32)


def pairs(truth, emulated):
    return finite_pairs(np.asarray(truth, np.float64), np.asarray(emulated, np.float64))


def test_known_values():
    p = pairs([4.0, -2.0, 0.0, 0.0, 1.0], [5.0, 1.0, 0.5, -0.0, 0.0])
    assert relative.mean_relative(p) == (0.25 + 1.5 + 1.0) / 3
    assert relative.max_relative(p) == 1.5
    assert (relative.zeros(p), relative.zeros_lost(p), relative.sign_flips(p)) == (2, 1, 1)


def test_a_zero_has_no_sign_to_flip_and_its_own_sign_is_no_loss():
    p = pairs([0.0, -0.0, 1.0, -1.0], [-1.0, 0.0, -0.0, 0.0])
    assert relative.sign_flips(p) == 0
    assert relative.zeros_lost(p) == 2
    assert relative.sign_flips(pairs([5e-324], [-5e-324])) == 1  # their product is no float64


@pytest.mark.parametrize("truth", [[], [0.0, -0.0], [math.nan]])
def test_no_truth_to_be_relative_to(truth):
    p = pairs(truth, truth)
    assert math.isnan(relative.mean_relative(p))
    assert math.isnan(relative.max_relative(p))
    assert relative.binades(p) == relative.Binades(exponents=(), counts=(), rms=())


def test_a_quotient_beyond_float64():
    p = pairs([1e-300, 1.0], [1e300, 1.0])
    assert relative.max_relative(p) == relative.mean_relative(p) == math.inf


def test_binades():
    p = pairs([1.0, -1.5, 2.0, 0.0, 7.0, 0.75], [1.0, -1.25, 5.0, 9.0, 3.0, 0.75])
    found = relative.binades(p)
    assert found.exponents == (-1, 0, 1, 2)
    assert found.counts == (1, 2, 1, 1)
    assert found.rms == (0.0, math.sqrt(0.0625 / 2), 3.0, 4.0)


def test_binades_at_the_ends_of_float64():
    p = pairs([5e-324, 2.0**1023, 2.0**-1022], [1e-323, 2.0**1023 * 1.5, 0.0])
    found = relative.binades(p)
    assert found.exponents == (-1074, -1022, 1023)
    assert found.rms == (5e-324, 2.0**-1022, 2.0**1022)
    assert relative.binades(pairs([-1.5e308], [1.5e308])).rms == (math.inf,)


@given(arrays(np.float32, st.integers(1, 30), elements=FINITE), st.data())
def test_against_fractions(truth, data):
    emulated = data.draw(arrays(np.float32, truth.shape, elements=FINITE))
    p = pairs(truth, emulated)
    exact = [(Fraction(float(t)), Fraction(float(y))) for t, y in zip(truth, emulated, strict=True)]
    quotients = [abs(y - t) / abs(t) for t, y in exact if t]
    if quotients:
        assert relative.max_relative(p) == pytest.approx(float(max(quotients)), rel=1e-14)
        assert relative.mean_relative(p) == pytest.approx(float(sum(quotients) / len(quotients)), rel=1e-12)
    assert relative.sign_flips(p) == sum(t * y < 0 for t, y in exact)
    assert relative.zeros_lost(p) == sum(t != 0 and y == 0 for t, y in exact)
    found = relative.binades(p)
    assert sum(found.counts) == len(quotients)
    assert list(found.exponents) == sorted(set(found.exponents))
    for n, count, rms in zip(found.exponents, found.counts, found.rms, strict=True):
        inside = [(y - t) ** 2 for t, y in exact if t and Fraction(2) ** n <= abs(t) < Fraction(2) ** (n + 1)]
        assert len(inside) == count
        assert rms == pytest.approx(math.sqrt(sum(inside) / count), rel=1e-12)


@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=50), st.integers(1, 100))
def test_ulp_percentiles_are_ranks(distances, percent):
    found = ulp.percentile(np.array(distances, np.uint64), percent)
    assert found in distances
    assert 100 * sum(d <= found for d in distances) >= percent * len(distances)
    assert 100 * sum(d < found for d in distances) < percent * len(distances)


def test_ulp_percentile_of_nothing():
    assert ulp.percentile(np.array([], np.uint64), 50) == 0


def test_the_magnitude_error_sees_what_the_mean_error_hides():
    truth = np.array([4.0, -4.0, 2.0, -2.0, 0.0, np.inf])
    shrunk = np.array([3.0, -3.0, 1.5, -1.5, 9.0, 1.0])
    p = finite_pairs(truth, shrunk)
    assert relative.magnitude_error(p) == -3 / 12
    assert relative.magnitude_error(finite_pairs(truth, truth)) == 0
    assert relative.magnitude_error(finite_pairs(truth, -truth)) == -2
    assert math.isnan(relative.magnitude_error(finite_pairs(np.zeros(2), np.ones(2))))


@pytest.mark.parametrize("power", [-1070, 0, 1023])
def test_the_magnitude_error_has_no_range(power):
    truth = np.ldexp(np.array([1.0, -1.0, 1.0]), power)
    assert relative.magnitude_error(finite_pairs(truth, truth / 2)) == -0.5
