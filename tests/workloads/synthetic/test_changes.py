"""Each change of a drawn tensor does its one thing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emu.errors import SpecError

from .test_draws import drawn

PLAIN = {"shape": [32, 64], "distribution": "normal", "seed": 9}


def changed(*changes, **keys):
    """The plain tensor and the changed one, in float64."""
    whole = {**PLAIN, **keys}
    return drawn(**whole).astype(np.float64), drawn(**whole, change=list(changes)).astype(np.float64)


def test_columns_are_multiplied_by_a_factor():
    x, y = changed({"op": "multiply", "count": 6, "factor": 16.0, "seed": 1})
    factors = (y / x).mean(axis=0)
    assert sorted(factors)[-7:] == [1.0, *[16.0] * 6]
    other = changed({"op": "multiply", "count": 6, "factor": 16.0, "seed": 2})[1]
    assert not np.array_equal(other, y)
    x, y = changed({"op": "multiply", "at": [3, 1], "factor": -2.0, "axis": 0})
    assert np.array_equal(np.flatnonzero((x != y).all(axis=1)), [1, 3])
    assert np.array_equal(y[[1, 3]], -2 * x[[1, 3]])
    assert np.array_equal(changed({"op": "multiply", "factor": 4.0})[1], 4 * x)


def test_more_columns_of_a_seed_are_those_and_others():
    few, many = (
        set(np.flatnonzero((changed({"op": "multiply", "count": n, "factor": 2.0, "seed": 7})[1] != changed()[0])[0]))
        for n in (3, 8)
    )
    assert len(few) == 3
    assert len(many) == 8
    assert few < many


def test_ranges_are_lognormal_along_an_axis():
    x, y = changed({"op": "ranges", "axis": 0, "sigma": 1.5, "seed": 2}, shape=[2000, 4])
    logarithms = np.log(y / x)
    assert np.ptp(logarithms, axis=1).max() < 1e-6
    assert logarithms[:, 0].std() == pytest.approx(1.5, rel=0.05)
    some = changed({"op": "ranges", "axis": 0, "sigma": 1.5, "seed": 2, "at": [5]}, shape=[2000, 4])[1]
    assert np.array_equal(some[5], y[5])
    assert np.array_equal(np.delete(some, 5, 0), np.delete(x, 5, 0))


def test_offsets_shift_channels():
    x, y = changed({"op": "offset", "at": [0], "value": -77.5})
    assert np.allclose(y[:, 0], x[:, 0] - 77.5)
    assert np.array_equal(y[:, 1:], x[:, 1:])
    x, y = changed({"op": "offset", "spread": 3.0, "value": 10.0, "seed": 1}, shape=[4, 5000])
    assert np.ptp(y - x, axis=0).max() < 1e-5
    assert (y - x)[0].mean() == pytest.approx(10, abs=0.2)
    assert (y - x)[0].std() == pytest.approx(3, rel=0.05)


def test_clamp_keeps_bounds():
    x, y = changed({"op": "clamp", "low": -0.5, "high": 1.0})
    assert np.array_equal(y, np.clip(x, -0.5, 1))
    assert np.array_equal(changed({"op": "clamp", "low": 0.0})[1], np.maximum(x, 0))


def test_gelu_is_its_tanh_form():
    x, y = changed({"op": "gelu"}, scale=3.0)
    right = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    assert np.allclose(y, right, rtol=2e-6, atol=1e-7)
    assert -0.1701 < y.min() < -0.17


def test_softmax_and_layer_norm_are_along_an_axis():
    x, y = changed({"op": "softmax", "axis": 0}, scale=4.0)
    powers = np.exp(x)
    assert np.allclose(y, powers / powers.sum(axis=0), rtol=1e-5)
    x, y = changed({"op": "layer_norm"}, mean=5.0)
    right = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
    assert np.allclose(y, right, rtol=1e-4, atol=1e-5)
    assert not drawn(shape=[2, 5], distribution="constant", change=[{"op": "layer_norm"}]).any()
    whole = {**PLAIN, "change": [{"op": "layer_norm"}]}
    assert np.array_equal(*(drawn(**whole, scale=scale) for scale in (1.0, 2.0**1000)))


def test_changes_are_done_in_order():
    factor, bound = {"op": "multiply", "factor": 4.0}, {"op": "clamp", "low": -1.0, "high": 1.0}
    assert np.abs(changed(factor, bound)[1]).max() == 1
    assert np.abs(changed(bound, factor)[1]).max() == 4


@pytest.mark.parametrize(
    ("change", "key", "reason"),
    [
        ({}, "op", "required"),
        ({"op": "muliply"}, "op", "multiply"),
        ({"op": "multiply"}, "factor", "required"),
        ({"op": "multiply", "factor": 2.0, "sigma": 1.0}, "sigma", "unknown key"),
        ({"op": "multiply", "factor": 2.0, "axis": 2}, "axis", "has 2 axes"),
        ({"op": "multiply", "factor": 2.0, "axis": -3}, "axis", "has 2 axes"),
        ({"op": "multiply", "factor": 2.0, "count": 65, "seed": 1}, "count", "has 64 channels"),
        ({"op": "multiply", "factor": 2.0, "at": [64]}, "at", "has 64 channels"),
        ({"op": "multiply", "factor": 2.0, "at": [1], "count": 1, "seed": 1}, "count", "not both"),
        ({"op": "multiply", "factor": 2.0, "count": 1}, "seed", "required"),
        ({"op": "multiply", "factor": 2.0, "at": [1], "seed": 1}, "seed", "nothing is drawn"),
        ({"op": "ranges", "sigma": 1.0}, "seed", "required"),
        ({"op": "offset", "value": 1.0, "seed": 1}, "seed", "nothing is drawn"),
        ({"op": "clamp"}, "low", "low, high or both"),
        ({"op": "clamp", "low": 1.0, "high": 0.0}, "high", "below low"),
    ],
)
def test_a_change_that_cannot_be_is_refused(change, key, reason):
    with pytest.raises(SpecError, match=reason) as refusal:
        drawn(**PLAIN, change=[change])
    assert refusal.value.key == f"tensor.t.change[0].{key}"


def test_there_is_a_limit_to_changes():
    with pytest.raises(SpecError, match="<= 32"):
        drawn(**PLAIN, change=[{"op": "gelu"}] * 33)


def test_mixed_channels_are_combinations_of_a_few():
    plain = {"shape": [64, 12], "distribution": "normal", "seed": 1}
    x = drawn(**plain).astype(float)
    mixed = drawn(**plain, change=[{"op": "mix", "count": 3, "own": 0.0, "seed": 5}]).astype(float)
    assert np.linalg.matrix_rank(mixed, tol=1e-4) == 3
    multiples = np.linalg.lstsq(x[:, :3], mixed, rcond=None)[0]
    assert np.abs(x[:, :3] @ multiples - mixed).max() < 1e-5
    own = drawn(**plain, change=[{"op": "mix", "count": 3, "own": 0.5, "seed": 5}])
    assert np.abs(own - mixed - 0.5 * x).max() < 1e-5
    other = drawn(**{**plain, "seed": 2}, change=[{"op": "mix", "count": 3, "own": 0.0, "seed": 5}]).astype(float)
    again = drawn(**{**plain, "seed": 2}).astype(float)[:, :3] @ multiples
    assert np.abs(again - other).max() < 1e-5
    with pytest.raises(SpecError, match="count"):
        drawn(**plain, change=[{"op": "mix", "count": 13, "own": 0.0, "seed": 5}])
