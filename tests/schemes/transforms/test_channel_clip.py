"""Channels of one range: clipped, centred, scaled, and taken back by the weights."""

from __future__ import annotations

import numpy as np
import pytest

from emu import SpecError
from emu.layers.emulate import emulate
from emu.layers.plain import evaluate
from emu.layers.prepare import prepare
from tests.schemes.transforms.layers import EXACT, F32, INT4, error, layer, plan

RNG = np.random.default_rng(6)


def clip(unit=INT4, scheme="absmax", **more):
    return plan(unit, scheme, transform=[{"op": "channel_clip", **more}])


def test_a_channels_range_becomes_that_of_all():
    x = F32([[0, -1, 2, 5], [8, 1, 6, 5]])  # halves of ranges 4, 1, 2 and none: 7 / 3 on the average
    chosen = prepare(layer(x, RNG.standard_normal((4, 2)).astype(F32)), clip()).chosen[0]
    assert chosen["middle"].tolist() == [4, 0, 4, 5]
    assert np.allclose(chosen["ratio"], [12 / 7, 3 / 7, 6 / 7, 1], rtol=1e-6)
    lopsided = prepare(layer(x, RNG.standard_normal((4, 2)).astype(F32)), clip(shift=False)).chosen[0]
    assert lopsided["middle"].tolist() == [0, 0, 0, 0]
    assert np.allclose(lopsided["ratio"], F32([8, 1, 6, 5]) / 5, rtol=1e-6)


def test_quantiles_clip_and_numbers_that_are_none_do_not_count():
    x = np.arange(101, dtype=F32)[:, None] * F32([1, 10])
    x[50, 1] = np.nan
    chosen = prepare(layer(x, np.eye(2, dtype=F32)), clip(keep=0.9)).chosen[0]
    assert np.allclose([chosen["low"][0], chosen["high"][0]], [10, 90])
    assert chosen["high"][1] == pytest.approx(np.quantile(np.delete(x[:, 1], 50), 0.9))


CASES = [("MatMul", (7, 6), (6, 4), {}), ("Conv", (2, 6, 5, 5), (4, 3, 3, 3), {"group": 2, "pads": [1, 0, 2, 1]})]


@pytest.mark.parametrize(("op", "of_x", "of_w", "attributes"), CASES)
@pytest.mark.parametrize("shift", [True, False])
def test_without_clipping_the_product_stays(op, of_x, of_w, attributes, shift):
    x, w = RNG.integers(-8, 9, of_x).astype(F32), RNG.standard_normal(of_w).astype(F32)
    x *= np.arange(1, 7, dtype=F32).reshape(6, *[1] * (x.ndim - 2))
    one = layer(x, w, op, **attributes)
    how = clip(EXACT, "cast", shift=shift)
    assert not np.array_equal(prepare(one, how).lowered.b, one.b)
    assert np.abs(emulate(one, how).y - evaluate(one)).max() < 1e-6 * np.abs(evaluate(one)).max()


def test_channels_that_differ_lose_less():
    x = (RNG.standard_normal((64, 24)) * np.logspace(-1, 1, 24) + np.linspace(-5, 5, 24)).astype(F32)
    w = RNG.standard_normal((24, 8)).astype(F32)
    exact = x.astype(float) @ w
    plain, scaled, centred = (error(layer(x, w), how, exact) for how in (plan(INT4), clip(shift=False), clip()))
    assert centred < scaled < plain


@pytest.mark.parametrize("keep", [0.5, 1.5])
def test_errors(keep):
    with pytest.raises(SpecError, match="keep"):
        clip(keep=keep)
