"""Norms that divide by the mean of magnitudes: in the vector format, and in integers against exact quotients."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emu
from emu.vector import L1Norm, run_node, vector_unit


def unit(norm):
    return vector_unit(
        emu.load_accelerator(
            {
                "matrix": {"unit": "int8-int32", "activations": {"scheme": "absmax"}, "weights": {"scheme": "absmax"}},
                "vector": {"format": "float32", "norm": norm},
            }
        ).vector
    )


def test_layer_norm_divides_by_the_mean_magnitude():
    rng = np.random.default_rng(0)
    x, g, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((3, 50), (50,), (50,)))
    y = run_node(unit("l1"), "LayerNormalization", [x, g, b], {"epsilon": 1e-3}, 17)
    f = np.float32
    for row, found in zip(x, y, strict=True):
        total = f(0)
        for value in row:
            total += value
        d = row - total / f(50)
        total = f(0)
        for value in np.abs(d):
            total += value
        assert np.array_equal(found.astype(f), d / (total / f(50) + f(1e-3)) * g + b)


@pytest.mark.parametrize("op", ["LayerNormalization", "InstanceNormalization", "GroupNormalization"])
def test_on_normal_numbers_the_norms_differ_by_a_constant(op):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 4, 1 << 14)).astype(np.float32)
    gain = {
        "LayerNormalization": np.ones(1 << 14),
        "InstanceNormalization": np.ones(4),
        "GroupNormalization": np.ones(4),
    }
    ones = gain[op].astype(np.float32)
    attributes = {"num_groups": 4} if op == "GroupNormalization" else {}
    made = {norm: run_node(unit(norm), op, [x, ones, 0 * ones], attributes, 21) for norm in ("l2", "l1", "l1_normal")}
    ratio = np.median(made["l1"] / made["l2"])  # sigma_2 / sigma_1
    assert ratio == pytest.approx(math.sqrt(math.pi / 2), rel=0.01)
    assert np.median(made["l1_normal"] / made["l2"]) == pytest.approx(1, rel=0.01)


def test_rms_norm_subtracts_nothing():
    x = np.array([[3, -1, 2, 2]], np.float32)
    y = run_node(unit("l1"), "RMSNormalization", [x, np.ones(4, np.float32)], {"epsilon": 0.0}, 23)
    assert y.tolist() == [[1.5, -0.5, 1.0, 1.0]]


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_integers_are_within_one_last_bit_of_the_exact_quotient(data):
    n = data.draw(st.integers(1, 40))
    bits, frac, gain = (data.draw(st.integers(low, high)) for low, high in ((2, 20), (0, 12), (0, 8)))
    numbers = st.integers(-(1 << bits), (1 << bits) - 1)
    x = np.array(data.draw(st.lists(numbers, min_size=n, max_size=n)))
    gamma = np.array(data.draw(st.lists(st.integers(-300, 300), min_size=n, max_size=n)))
    beta = np.array(data.draw(st.lists(st.integers(-1000, 1000), min_size=n, max_size=n)))
    y = L1Norm(frac_bits=frac, gain_bits=gain)(x, gamma, beta)
    mean = Fraction(int(x.sum()), n)
    sigma = sum(abs(int(value) - mean) for value in x) / Fraction(n)
    for value, g, b, found in zip(x.tolist(), gamma.tolist(), beta.tolist(), y.tolist(), strict=True):
        exact = Fraction(b)
        if sigma:
            exact += (value - mean) / sigma * Fraction(g, 1 << gain) * (1 << frac)
        assert abs(found - exact) <= 1
        assert isinstance(found, int)


def test_integers_follow_the_float_norm_on_normal_data():
    """x of 12 bits, y with 8 fraction bits: the last bit of what float64 computes with the same integers."""
    x = np.rint(np.random.default_rng(2).standard_normal((4, 384)) * 500).astype(np.int64)
    d = x - x.mean(axis=-1, keepdims=True)
    exact = d / np.abs(d).mean(axis=-1, keepdims=True) * 256
    assert np.abs(L1Norm(frac_bits=8)(x) - exact).max() <= 1


def test_a_constant_row_gives_beta_and_floats_are_refused():
    assert L1Norm(frac_bits=4)(np.full((2, 5), 7), 3, np.arange(5)).tolist() == [[0, 1, 2, 3, 4]] * 2
    with pytest.raises(ValueError, match="x has to be integers"):
        L1Norm(frac_bits=4)(np.ones(3))
    with pytest.raises(ValueError, match="no elements"):
        L1Norm(frac_bits=4)(np.ones((2, 0), np.int64))
    with pytest.raises(ValueError, match="more than 64 bits"):
        L1Norm(frac_bits=70)(np.array([1, 2, 3]))
