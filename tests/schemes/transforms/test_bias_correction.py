"""The mean error leaves with the bias."""

from __future__ import annotations

import numpy as np
import pytest

from emu.layers.calibrated import static_of
from emu.layers.emulate import emulate
from tests.schemes.transforms.layers import F32, INT4, error, layer, plan

RNG = np.random.default_rng(2)
X, W = (RNG.standard_normal((40, 24)) + 2).astype(F32), RNG.standard_normal((24, 6)).astype(F32)
EXACT = X.astype(float) @ W


def corrected(of="both", **more):
    return plan(INT4, transform=[{"op": "bias_correction", "of": of, **more}])


def test_no_mean_error_is_left():
    before = emulate(layer(X, W), plan(INT4)).y - EXACT
    after = emulate(layer(X, W), corrected()).y - EXACT
    assert np.abs(before.mean(axis=0)).max() > 0.1
    assert np.abs(after.mean(axis=0)).max() < 1e-5
    assert np.abs(after - (before - before.mean(axis=0))).max() < 1e-4


def test_of_the_weights_alone():
    """The mean that is left is that of (Q(X) - X) W."""
    after = emulate(layer(X, W), corrected("weights")).y - EXACT
    scale = np.abs(X).max() / F32(7)
    of_x = np.clip(np.rint(X / scale), -7, 7) * scale
    assert np.abs(after.mean(axis=0) - ((of_x - X).astype(float) @ W).mean(axis=0)).max() < 1e-4


def test_it_is_what_calibration_says():
    other = (RNG.standard_normal((40, 24)) + 2).astype(F32)
    how = corrected(range="static")
    static = static_of(layer(other, W), how)
    assert np.array_equal(static.transforms[0]["error"], static_of(layer(other, W), how).transforms[0]["error"])
    assert error(layer(X, W), corrected(), EXACT) < error(layer(X, W), how, EXACT, static)
    assert error(layer(X, W), how, EXACT, static) < error(layer(X, W), plan(INT4), EXACT)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolutions(groups):
    x, w = RNG.random((2, 4, 6, 6)).astype(F32), RNG.standard_normal((4, 4 // groups, 3, 3)).astype(F32)
    one = layer(x, w, "Conv", group=groups, pads=[1, 1, 1, 1])
    exact = emulate(one, plan("generic:exact(a=float32,b=float32)", "cast")).y
    after = emulate(one, corrected()).y.astype(float) - exact
    assert np.abs(after.mean(axis=(0, 2, 3))).max() < 1e-5
