"""Scales by what they do to the output; against a search that is written as loops."""

from __future__ import annotations

import numpy as np
import pytest

from emu import SpecError
from emu.layers.calibrated import static_of
from emu.layers.emulate import emulate
from emu.layers.prepare import prepare
from tests.schemes.transforms.layers import F32, INT4, error, layer, plan

RNG = np.random.default_rng(8)
X, W = RNG.standard_normal((16, 12)).astype(F32), RNG.standard_normal((12, 3)).astype(F32)
EXACT = X.astype(float) @ W


def search(**more):
    return plan(INT4, transform=[{"op": "search", **more}])


def int4(values, scale):
    return (np.clip(np.rint(values / scale), -7, 7) * scale.astype(float)).astype(F32).astype(float)


def by_loops(rounds, candidates=21, low=0.01, high=1.2):
    factors = [F32(low + i * (high - low) / (candidates - 1)) for i in range(candidates)]
    first_x, first_w = np.abs(X).max() / F32(7), np.abs(W).max(axis=0) / F32(7)
    x, w = first_x, first_w.copy()
    for _ in range(rounds):
        for column in range(3):
            losses = []
            for factor in factors:
                lost = int4(X, x) @ int4(W[:, column], F32(first_w[column] * factor)) - EXACT[:, column]
                losses.append((lost**2).sum())
            w[column] = first_w[column] * factors[int(np.argmin(losses))]
        losses = [((int4(X, F32(first_x * f)) @ int4(W, w) - EXACT) ** 2).sum() for f in factors]
        x = first_x * factors[int(np.argmin(losses))]
    return x, w


@pytest.mark.parametrize("rounds", [1, 3])
def test_it_is_what_the_loops_find(rounds):
    chosen = prepare(layer(X, W), search(candidates=21, rounds=rounds)).chosen[0]
    x, w = by_loops(rounds)
    assert chosen["x"] == x
    assert chosen["w"].ravel().tolist() == w.tolist()


def test_the_layer_runs_with_them():
    how = search(candidates=21)
    x, w = by_loops(3)
    assert np.abs(emulate(layer(X, W), how).y - int4(X, x) @ int4(W, w)).max() < 1e-5
    assert error(layer(X, W), how, EXACT) < error(layer(X, W), plan(INT4), EXACT)


def test_each_channel_of_a_depthwise_convolution_has_its_own():
    x = (RNG.standard_normal((1, 4, 6, 6)) * np.array([0.1, 1, 10, 100]).reshape(4, 1, 1)).astype(F32)
    w = RNG.standard_normal((4, 1, 3, 3)).astype(F32)
    one = layer(x, w, "Conv", group=4, pads=[1, 1, 1, 1])
    keys = {"transform": [{"op": "search"}]}
    chosen = {per: prepare(one, plan(INT4, per=per, **keys)).chosen[0]["x"] for per in ("tensor", "channel")}
    assert chosen["tensor"].shape == ()
    assert chosen["channel"].shape == (1, 4, 1, 1)
    exact = emulate(one, plan("generic:exact(a=float32,b=float32)", "cast")).y
    before, after = (error(one, plan(INT4, per="channel", **more), exact) for more in ({}, keys))
    assert after < before


def test_what_calibration_found_holds_for_other_data():
    how = search(range="static")
    static = static_of(layer(X, W), how)
    other = RNG.standard_normal((4, 12)).astype(F32)
    found = prepare(layer(other, W), how, static).lowered
    assert found.fixed_a is not None
    assert found.fixed_a.scale == static.transforms[0]["x"]
    y = emulate(layer(other, W), how, static=static).y
    x, w = static.transforms[0]["x"], static.transforms[0]["w"].ravel()
    assert np.abs(y - int4(other, x) @ int4(W, w)).max() < 1e-5


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"activations": {"scheme": "absmax", "per": "token"}}, "one for the tensor, or one for every group"),
        ({"activations": {"scheme": "cast"}}, "symmetric scheme of the activations"),
    ],
)
def test_scales_that_cannot_be_searched(more, message):
    with pytest.raises(ValueError, match=message):
        emulate(layer(X, W), plan(INT4, transform=[{"op": "search"}], **more))


def test_errors():
    with pytest.raises(SpecError, match="high: must be larger"):
        search(low=1.0, high=0.5)


def test_a_second_product_has_scales_of_its_own():
    low_rank = {"op": "low_rank", "rank": 2, "unit": "int8-int32", "weights": {"scheme": "absmax"},
                "activations": {"scheme": "absmax"}}  # fmt: skip
    how = plan(INT4, transform=[{"op": "search", "candidates": 21}, low_rank])
    prepared = prepare(layer(X, W), how)
    ((second, _),) = prepared.seconds
    assert prepared.lowered.fixed_b is not None
    assert (second.fixed_a, second.fixed_b) == (None, None)
    lost = W - int4(W, prepared.chosen[0]["w"].ravel())  # under the scales that were found
    left = np.linalg.svd(lost)[1][2:]
    assert np.linalg.norm(lost - second.b[0]) == pytest.approx(np.linalg.norm(left), rel=1e-2)
    assert error(layer(X, W), how, EXACT) < error(layer(X, W), search(candidates=21), EXACT)
