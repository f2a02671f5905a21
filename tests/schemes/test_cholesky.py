"""Cholesky's factorisation against its definition."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from emu.schemes.cholesky import factor, solve

RNG = np.random.default_rng(4)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 40])
def test_it_is_the_factor_and_solves(n):
    half = RNG.standard_normal((n, n + 3))
    a = half @ half.T + np.eye(n)
    lower = factor(a)
    assert np.array_equal(lower, np.tril(lower))
    assert np.allclose(lower @ lower.T, a, rtol=1e-13, atol=1e-13)
    b = RNG.standard_normal((n, 4))
    assert np.allclose(a @ solve(a, b), b, rtol=1e-11, atol=1e-11)


def test_each_step_is_rounded_by_itself():
    a = np.array([[4.0, 1.0], [1.0, 0.3]])
    last = Fraction(0.3) - Fraction(1, 4)  # exact; then one rounding, and one of the root
    assert factor(a).tolist() == [[2.0, 0.0], [0.5, float(np.sqrt(float(last)))]]


@pytest.mark.parametrize("a", [[[0.0]], [[-1.0]], [[1.0, 2.0], [2.0, 1.0]], [[np.nan]]])
def test_what_is_not_positive_definite(a):
    with pytest.raises(ValueError, match="not positive definite"):
        solve(np.array(a), np.ones((len(a), 1)))
