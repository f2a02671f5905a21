"""Encoding by fl32(gain / s), where the unit or the epilogue makes up for the gain."""

from __future__ import annotations

import numpy as np
import pytest

from emu import SpecError, load_accelerator, load_format
from emu.layers.emulate import emulate
from emu.layers.lowering import lower
from emu.layers.operands import requantised_columns, requantised_source
from emu.schemes import Target, load_scheme

F32 = np.float32
INT8 = load_format("int8")
ENCODE = {"op": "encode", "rounding": "ties_to_even", "overflow": "saturate"}


def scheme(gain, **scale):
    return {"name": "s", "step": [{"op": "scale", **scale}, {**ENCODE, "gain": gain}]}


def test_codes_are_of_the_product_with_the_quotient():
    x = np.random.default_rng(3).standard_normal((50, 40)).astype(F32)
    made = load_scheme(scheme(127.0, rule="absmax", divisor=1.0)).quantise(x, Target(format=INT8, axes=(1,)))
    ranges = np.abs(x).max(axis=1, keepdims=True)
    assert np.array_equal(made.scale, ranges)
    assert np.array_equal(INT8.decode(made.codes), np.rint(x * (F32(127) / ranges)))
    divided = np.rint(x / (ranges / F32(127)))
    assert (INT8.decode(made.codes) != divided).sum() < 5


def test_without_a_scale_the_gain_is_one():
    keys = {"name": "s", "step": [{**ENCODE, "gain": 4.0}]}
    made = load_scheme(keys).quantise(np.array([1.0, 2.5, -3.0], F32), Target(format=INT8))
    assert INT8.decode(made.codes).tolist() == [4, 10, -12]


def test_a_search_compares_what_codes_mean():
    x = np.random.default_rng(4).standard_t(3, 500).astype(F32)
    target = Target(format=load_format("int4"))
    with_gain = load_scheme(scheme(7.0, rule="mse", divisor=1.0)).choose(x, target)
    without = load_scheme({"name": "s", "step": [{"op": "scale", "rule": "mse"}, ENCODE]}).choose(x, target)
    assert with_gain.scale == pytest.approx(7 * without.scale, rel=1e-6)


def test_transforms_see_what_codes_mean():
    """Values as codes mean them, and outputs, are those of an ordinary scale where all divisions are exact."""
    rng = np.random.default_rng(5)
    x, w = (rng.integers(-63, 64, shape).astype(F32) for shape in ((5, 12), (12, 3)))
    x[:, 0], w[0] = 64, 64
    lowered = lower("MatMul", [x, w], {}, constant=(False, True))
    plans = []
    for gain, divisor, constant in ((64.0, 1.0, 2.0**-12), (1.0, 64.0, 1.0)):
        one = scheme(gain, rule="absmax", divisor=divisor)
        keys = {"unit": "int8-int32", "activations": {"scheme": one}, "weights": {"scheme": one}}
        plans.append(load_accelerator({"matrix": {**keys, "epilogue": {"constant": constant}}}).matrix)
    assert np.array_equal(emulate(lowered, plans[0]).y, x @ w)
    assert np.array_equal(emulate(lowered, plans[1]).y, x @ w)
    for how in plans:
        assert np.array_equal(requantised_source(lowered, how), x)
        assert np.array_equal(requantised_columns(lowered, how)[0], w)


def test_a_gain_has_its_own_inverse():
    keys = {"name": "s", "step": [{**ENCODE, "gain": 4.0, "inverse": "reciprocal"}]}
    with pytest.raises(SpecError, match=r"step\[0\].inverse: a gain is divided by the scale"):
        load_scheme(keys)
