"""Kullback-Leibler divergence, and its zero, axis and infinity rules."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emu.deviation.divergence import NONE, divergence


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a)


def one(p, q, **other):
    return divergence(np.array([p]), np.array([q]), (1,), **other)


def test_known_values():
    p, q = [0.5, 0.25, 0.25, 0.0], [0.25, 0.25, 0.25, 0.25]
    found = one(p, q)
    assert found.mean == found.worst == pytest.approx(kl(p, q), rel=1e-14)
    assert (found.lost, found.rows) == (0.0, 1)
    assert one(p, p).mean == 0.0


def test_rows_are_divided_by_their_sums():
    p, q = [0.5, 0.5], [0.25, 0.75]
    assert one(np.multiply(p, 8), np.multiply(q, 0.5)).mean == pytest.approx(kl(p, q), rel=1e-14)


def test_zeros_of_the_emulated_row_are_lost_probability():
    found = one([0.5, 0.25, 0.25], [0.5, 0.5, 0.0])
    assert found.lost == 0.25
    assert found.mean == pytest.approx(kl([2 / 3, 1 / 3], [0.5, 0.5]), rel=1e-14)


def test_nothing_in_common():
    found = one([1.0, 0.0], [0.0, 1.0])
    assert (found.mean, found.worst, found.lost) == (math.inf, math.inf, 1.0)


@pytest.mark.parametrize("bad", [[math.nan, 1.0], [math.inf, 1.0], [-0.1, 1.1], [0.0, 0.0]])
def test_rows_that_are_no_distribution_are_left_out(bad):
    good = [0.5, 0.5]
    assert one(bad, good).rows == one(good, bad).rows == 0
    assert math.isnan(one(bad, good).mean)
    found = divergence(np.array([good, bad, [0.25, 0.75]]), np.array([good, good, [0.5, 0.5]]), (1,))
    assert found.rows == 2
    assert found.mean == pytest.approx(kl([0.25, 0.75], [0.5, 0.5]) / 2, rel=1e-14)
    assert found.worst == pytest.approx(kl([0.25, 0.75], [0.5, 0.5]), rel=1e-14)


def test_logarithms():
    with np.errstate(divide="ignore"):
        p, q = np.log([0.5, 0.5, 0.0]), np.log([0.25, 0.75, 0.0])
    found = one(p, q, logarithmic=True)
    assert found.mean == pytest.approx(kl([0.5, 0.5], [0.25, 0.75]), rel=1e-14)
    assert found.rows == 1  # -inf is the logarithm of no probability


def test_axes():
    p = np.array([[0.5, 1.0], [0.5, 0.0]])
    q = np.array([[0.25, 1.0], [0.75, 0.0]])
    assert divergence(p, q, (0,)).worst == pytest.approx(kl([0.5, 0.5], [0.25, 0.75]), rel=1e-14)
    assert divergence(p, q, (0,)).rows == 2
    both = divergence(p, q, (0, 1))
    assert both.rows == 1
    assert both.mean == pytest.approx(kl([0.25, 0.5, 0.25], [0.125, 0.5, 0.375]), rel=1e-14)


def test_no_rows():
    assert repr(divergence(np.zeros((0, 3)), np.zeros((0, 3)), (1,))) == repr(NONE)
    with pytest.raises(ValueError, match="must be equal"):
        divergence(np.zeros(2), np.zeros(3), (0,))
