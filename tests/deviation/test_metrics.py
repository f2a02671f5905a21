"""Each metric against its formula in exact arithmetic, and each special case that its docstring lists."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emu.deviation import agreement, metrics
from emu.deviation.metrics import finite_pairs

INF, NAN = math.inf, math.nan
FINITE = st.floats(-1e6, 1e6, width=32)


def pairs(truth, emulated):
    return finite_pairs(np.asarray(truth, np.float64), np.asarray(emulated, np.float32))


def test_known_values():
    p = pairs([3.0, -4.0, 0.0], [3.0, -4.0, 0.5])
    assert metrics.sqnr_db(p) == 10 * math.log10(25 / 0.25) == 20.0
    assert metrics.mse(p) == 0.25 / 3
    assert metrics.max_abs(p) == 0.5
    assert metrics.mean_error(p) == 0.5 / 3
    assert metrics.abs_percentile(p, 50) == 0.0
    assert metrics.abs_percentile(p, 75) == 0.25  # halfway between the order statistics 0 and 0.5
    assert metrics.cosine(p) == pytest.approx(25 / (5 * math.sqrt(25.25)), rel=1e-15)


@given(arrays(np.float32, st.integers(1, 30), elements=FINITE), st.data())
def test_against_fractions(truth, data):
    emulated = data.draw(arrays(np.float32, truth.shape, elements=FINITE))
    p = pairs(truth, emulated)
    t = [Fraction(float(x)) for x in truth]
    e = [Fraction(float(y)) - x for x, y in zip(t, emulated, strict=True)]
    signal, noise = sum(x * x for x in t), sum(x * x for x in e)
    assert metrics.max_abs(p) == float(max(abs(x) for x in e))
    assert metrics.mse(p) == pytest.approx(float(noise / len(t)), rel=1e-12)
    assert metrics.mean_error(p) == pytest.approx(float(sum(e) / len(t)), rel=1e-9, abs=1e-9)
    assert metrics.truth_mean(p) == pytest.approx(float(sum(t) / len(t)), rel=1e-9, abs=1e-9)
    assert metrics.emulated_mean(p) == pytest.approx(float((sum(t) + sum(e)) / len(t)), rel=1e-9, abs=1e-9)
    if noise == 0:
        assert metrics.sqnr_db(p) == INF
    elif signal == 0:
        assert metrics.sqnr_db(p) == -INF
    else:
        decades = math.log10(signal.numerator) - math.log10(signal.denominator)
        decades -= math.log10(noise.numerator) - math.log10(noise.denominator)
        assert metrics.sqnr_db(p) == pytest.approx(10 * decades, abs=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1.0, 1e150, 1e300])
def test_sqnr_and_cosine_do_not_overflow_or_underflow(scale):
    truth, error = np.array([3.0, -4.0]), np.array([0.0, 0.05])
    p = finite_pairs(truth * scale, (truth + error) * scale)
    assert metrics.sqnr_db(p) == pytest.approx(40.0, abs=1e-9)
    assert metrics.cosine(p) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("truth", "emulated", "sqnr", "cosine"),
    [
        ([0.0, 0.0], [0.0, -0.0], INF, 1.0),
        ([1.0, 2.0], [1.0, 2.0], INF, 1.0),
        ([0.0, 0.0], [0.0, 1.0], -INF, 0.0),
        ([0.0, 1.0], [0.0, 0.0], 0.0, 0.0),
        ([1.0, -2.0], [-1.0, 2.0], 10 * math.log10(5 / 20), -1.0),
    ],
)
def test_zeros(truth, emulated, sqnr, cosine):
    p = pairs(truth, emulated)
    assert metrics.sqnr_db(p) == pytest.approx(sqnr)
    assert metrics.cosine(p) == pytest.approx(cosine)


def test_what_is_not_finite_is_left_out_and_counted():
    p = pairs([1.0, INF, 2.0, NAN, 3.0], [1.0, 1.0, -INF, NAN, 4.0])
    assert (p.total, p.truth_not_finite, p.emulated_not_finite, p.left_out) == (5, 2, 2, 3)
    assert metrics.max_abs(p) == 1.0
    assert metrics.mse(p) == 0.5


@pytest.mark.parametrize("truth", [[], [NAN]])
def test_nothing_to_judge(truth):
    p = pairs(truth, truth)
    for value in (
        metrics.sqnr_db(p), metrics.mse(p), metrics.max_abs(p), metrics.mean_error(p), metrics.cosine(p),
        metrics.abs_percentile(p, 99),
    ):  # fmt: skip
        assert math.isnan(value)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        finite_pairs(np.zeros(2), np.zeros(3))


def test_argmax_agreement():
    truth = np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 0.0], [0.0, 1.0, INF], [1.0, NAN, 0.0]])
    same = truth.copy()
    assert agreement.argmax_agreement(truth, same) == 0.75  # a row with a NaN does not agree, not even with itself
    same[1] = [4.0, 5.0, 0.0]  # the first of two equal ones was meant
    assert agreement.argmax_agreement(truth, same) == 0.5
    assert agreement.argmax_agreement(truth[0], truth[0]) == 1.0
    assert math.isnan(agreement.argmax_agreement(np.zeros((0, 3)), np.zeros((0, 3))))
    assert math.isnan(agreement.argmax_agreement(np.zeros((3, 0)), np.zeros((3, 0))))
    with pytest.raises(ValueError, match="equal shapes"):
        agreement.argmax_agreement(np.float64(1.0), np.float64(1.0))


def test_topk_agreement():
    truth = np.array([[9.0, 8, 7, 6, 5, 4], [9, 8, 7, 6, 5, 4], [0, 0, 0, 0, 0, 0], [NAN, 1, 2, 3, 4, 5]])
    same = truth.copy()
    assert agreement.topk_agreement(truth, same, 2) == 0.75  # a row with a NaN does not agree
    same[0] = [8.0, 9, 7, 6, 5, 4]  # another order is no matter
    assert agreement.topk_agreement(truth, same, 2) == 0.75
    same[1] = [9.0, 0, 7, 6, 5, INF]  # one of two
    assert agreement.topk_agreement(truth, same, 2) == 0.625
    same[2] = [0.0, 0, 0, 0, 0, 1]  # of equal elements the first ones were meant
    assert agreement.topk_agreement(truth, same, 2) == 0.5
    assert agreement.topk_agreement(truth[:2], truth[:2]) == 1.0
    for few in (np.zeros((2, 5)), np.zeros((0, 9)), np.zeros((3, 0))):
        assert math.isnan(agreement.topk_agreement(few, few))
    with pytest.raises(ValueError, match="equal shapes"):
        agreement.topk_agreement(np.zeros((2, 9)), np.zeros((1, 9)))


@given(arrays(np.float32, (3, 9), elements=st.sampled_from([0, 1, 2, 3, INF, -INF])), st.integers(1, 8), st.data())
def test_topk_against_sorting(truth, k, data):
    emulated = data.draw(arrays(np.float32, truth.shape, elements=st.sampled_from([0, 1, 2, 3, INF, -INF])))

    def largest(row):
        return set(sorted(range(row.size), key=lambda i: (-row[i], i))[:k])

    wanted = [len(largest(t) & largest(y)) / k for t, y in zip(truth, emulated, strict=True)]
    assert agreement.topk_agreement(truth, emulated, k) == pytest.approx(sum(wanted) / 3, rel=1e-15)
