"""Metrics on answers whose score is known without computing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emu.workloads import metrics


def test_accuracy():
    assert metrics.accuracy(["a", "b", "c", "d"], ["a", "x", "c", "d"]) == 0.75


@pytest.mark.parametrize(
    ("answer", "truth", "edits"),
    [("", "", 0), ("abc", "abc", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2),
     (["a", "word"], ["a", "whole", "word"], 1)],
)  # fmt: skip
def test_edit_distance(answer, truth, edits):
    assert metrics.edit_distance(answer, truth) == edits


def test_error_rate_is_over_all_samples():
    assert metrics.error_rate(["abcd", ""], ["abcx", "yzab"]) == 5 / 8


def test_mean_reciprocal_rank():
    table = np.array([[9.0, 1, 2], [5, 4, 3], [1, 2, 0]])  # ranks 1, 2, 3
    assert metrics.mean_reciprocal_rank(table) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3, rel=1e-15)


def test_a_tie_and_a_nan_do_not_help():
    assert metrics.mean_reciprocal_rank(np.zeros((4, 4))) == 0.25
    assert metrics.mean_reciprocal_rank(np.full((2, 2), np.nan)) == 0.5
    assert metrics.mean_reciprocal_rank(np.array([[1.0, np.nan], [np.nan, 1.0]])) == 1


def test_perplexity_of_even_odds_is_their_number():
    logits = np.zeros((5, 8), np.float32)
    assert metrics.perplexity(logits, np.arange(5)) == pytest.approx(8, rel=1e-12)


def test_perplexity_looks_at_the_next_token():
    logits = np.full((3, 4), -1000, np.float32)
    logits[0, 2] = logits[1, 3] = logits[2, 0] = 0
    assert metrics.perplexity(logits, np.array([1, 2, 3])) == 1
    assert metrics.perplexity(logits, np.array([1, 2, 0])) == pytest.approx(math.exp(500), rel=1e-9)


def test_perplexity_beyond_all_bounds():
    logits = np.zeros((2, 2), np.float32)
    logits[0] = [3e38, -3e38]
    assert metrics.perplexity(logits, np.array([0, 1])) == math.inf
    logits[0] = np.nan
    assert math.isnan(metrics.perplexity(logits, np.array([0, 1])))


def test_mean_cosine():
    x = np.array([[1.0, 0], [0, 2]])
    assert metrics.mean_cosine(x, np.array([[3.0, 0], [5, 0]])) == 0.5
