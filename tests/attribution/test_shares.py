"""Shares and Shapley values: sums, signs, elements that are not finite."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.attribution.shares import shapley, shares
from emu.attribution.stages import Stage

A, B, C = Stage.OPERAND_A, Stage.PRECISION, Stage.OUTPUT


@given(st.integers(0, 1 << 30))
def test_shares_sum_to_one(seed):
    rungs = list(np.random.default_rng(seed).standard_normal((4, 50)))
    found = shares([A, B, C], rungs)
    assert sum(found.share.values()) == pytest.approx(1, abs=1e-12)
    assert found.left_out == 0


def test_a_stage_that_undoes_an_error_has_a_negative_share():
    found = shares([A, B], [np.zeros(3), np.full(3, 2.0), np.full(3, 1.0)])
    assert found.share == {A: 2.0, B: -1.0}
    assert found.blamed is A


def test_no_error_no_shares():
    found = shares([A, B], [np.ones(3), np.full(3, 2.0), np.ones(3)])
    assert found.share == {}
    assert found.rms == {A: 1.0, B: 1.0}
    assert found.blamed is None


def test_an_element_that_becomes_infinite_is_charged_once_and_left_out():
    rungs = [np.array([1.0, 1, 1, np.nan]), np.array([2.0, np.inf, 1, 1]), np.array([3.0, 1, np.nan, 1])]
    found = shares([A, B], rungs)
    assert found.charged == {A: 1, B: 1}
    assert found.left_out == 3
    assert found.share == {A: 0.5, B: 0.5}


def test_huge_and_tiny_errors_neither_overflow_nor_vanish():
    for size in (1e300, 1e-300):
        found = shares([A, B], [np.zeros(4), np.full(4, size), np.full(4, 2 * size)])
        assert found.share == {A: 0.5, B: 0.5}


def test_a_rung_too_few():
    with pytest.raises(ValueError, match="2 stages have 3 rungs, not 2"):
        shares([A, B], [np.zeros(1), np.zeros(1)])


def test_shapley_of_a_sum_is_each_ones_part():
    parts = {A: np.array([1.0, 0]), B: np.array([2.0, 0]), C: np.array([1.0, 0])}
    found = shapley(list(parts), lambda on: sum((parts[x] for x in on), np.zeros(2)))
    assert found == pytest.approx({A: 0.25, B: 0.5, C: 0.25})


def test_shapley_shares_what_two_stages_make_together():
    found = shapley([A, B], lambda on: np.array([1.0 if len(on) == 2 else 0.0]))
    assert found == {A: 0.5, B: 0.5}
    assert shapley([A, B], lambda _: np.zeros(1)) == {}
