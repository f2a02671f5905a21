"""Least squares for what becomes of the activations."""

from __future__ import annotations

import numpy as np
import pytest

from emu import SpecError
from emu.layers.calibrated import static_of
from emu.layers.prepare import prepare
from tests.schemes.transforms.layers import F32, INT4, error, layer, plan

RNG = np.random.default_rng(3)
MIX = RNG.standard_normal((5, 16))
W = RNG.standard_normal((16, 6)).astype(F32)


def dependent(rows):
    """16 channels that are combinations of 5, and a little noise."""
    return (RNG.standard_normal((rows, 5)) @ MIX + 0.05 * RNG.standard_normal((rows, 16))).astype(F32)


X = dependent(200)


def compensate(unit=INT4, scheme="absmax", **more):
    return plan(unit, scheme, transform=[{"op": "compensate", **more}])


def test_it_is_the_solution_of_the_normal_equations():
    scale = np.abs(X).max() / F32(7)
    found = (np.clip(np.rint(X / scale), -7, 7) * scale.astype(float)).astype(F32).astype(float)
    square = found.T @ found
    damping = 0.25 * np.trace(square) / 16
    wanted = np.linalg.solve(square + damping * np.eye(16), found.T @ (X.astype(float) @ W) + damping * W)
    chosen = prepare(layer(X, W), compensate(damping=0.25)).chosen[0]["weights"]
    assert np.abs(chosen[0] - wanted).max() < 1e-5
    assert not np.array_equal(chosen[0], W)


def test_nothing_is_lost_and_nothing_changes():
    exact = "generic:exact(a=float32,b=float32)"
    assert np.array_equal(prepare(layer(X, W), compensate(exact, "cast")).chosen[0]["weights"][0], W)


@pytest.mark.parametrize("prune", [0.0, 0.25, 0.5])
def test_it_helps_on_data_that_it_has_not_seen(prune):
    held_out = dependent(200)
    exact = held_out.astype(float) @ W
    how = compensate(prune=prune, range="static")
    plain = compensate(prune=prune, range="static", reconstruct=False) if prune else plan(INT4)
    errors = [error(layer(held_out, W), one, exact, static_of(layer(X, W), one)) for one in (how, plain)]
    assert errors[0] < errors[1]


def test_the_weakest_channels_go():
    x = np.ones((3, 4), F32) * F32([4, 1, 2, 3])
    w = np.ones((4, 2), F32)
    w[0] = 0.1
    prepared = prepare(
        layer(x, w), compensate("generic:exact(a=float32,b=float32)", "cast", prune=0.5, reconstruct=False)
    )
    assert prepared.chosen[0]["kept"].tolist() == [False, False, True, True]
    assert not prepared.lowered.source[:, :2].any()
    assert not prepared.lowered.b[0, :2].any()
    assert np.array_equal(prepared.lowered.b[0, 2:], w[2:])


def test_a_channel_that_is_a_combination_of_others_is_not_missed():
    x = dependent(50)[:, :6]
    x[:, 5] = F32(0.125) * x[:, 0]
    w = W[:6]
    how = compensate("generic:exact(a=float32,b=float32)", "cast", prune=1 / 6, damping=1e-12)
    assert not prepare(layer(x, w), how).chosen[0]["kept"][5]
    assert error(layer(x, w), how, x.astype(float) @ w) < 1e-6


def test_errors():
    for keys, key in (({"damping": 0}, "damping"), ({"prune": 1}, "prune"), ({"reconstruct": False}, "reconstruct")):
        with pytest.raises(SpecError, match=key):
            compensate(**keys)
