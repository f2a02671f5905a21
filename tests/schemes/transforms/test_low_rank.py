"""The error of the weights, as a second product of small rank."""

from __future__ import annotations

import numpy as np
import pytest

from emu import SpecError
from emu.formats import load_format
from emu.layers.prepare import prepare
from tests.schemes.transforms.layers import EXACT, F32, error, layer, plan

W4 = "integer:add(b=int4)"


def low_rank(rank, **more):
    return plan(W4, transform=[{"op": "low_rank", "rank": rank, "unit": EXACT, **more}])


def normal(*shape, seed=4):
    return np.random.default_rng(seed).standard_normal(shape).astype(F32)


def test_it_is_the_best_approximation_of_the_error_that_its_rank_has():
    w = normal(20, 12)
    how = low_rank(3, factors="float64")
    prepared = prepare(layer(normal(5, 20), w), how)
    scale = np.abs(w).max(axis=0) / F32(7)
    lost = w - np.clip(np.rint(w / scale), -7, 7) * scale
    ((second, _),) = prepared.seconds
    assert np.array_equal(prepared.lowered.b[0], w)
    assert np.linalg.matrix_rank(second.b[0].astype(float), tol=1e-4) == 3
    left_over = np.linalg.norm(lost - second.b[0])
    assert left_over == pytest.approx(np.sqrt((np.linalg.svd(lost)[1][3:] ** 2).sum()), rel=1e-5)


def test_factors_are_of_their_format():
    chosen = prepare(layer(normal(5, 20), normal(20, 12)), low_rank(3)).chosen[0]
    for name, shape in (("left", (1, 20, 3)), ("right", (1, 3, 12))):
        assert chosen[name].shape == shape
        assert np.array_equal(load_format("float16").decode(load_format("float16").encode(chosen[name])), chosen[name])


def test_the_error_falls_with_the_rank():
    x, w = normal(6, 20), normal(20, 12, seed=5)
    exact = x.astype(float) @ w
    plain = error(layer(x, w), plan(W4), exact)
    errors = [plain, *(error(layer(x, w), low_rank(rank), exact) for rank in (2, 6, 12))]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < plain / 20  # what is left is of the activations
    assert error(layer(x, w), low_rank(99), exact) == errors[-1]


def test_groups_of_a_convolution_have_factors_of_their_own():
    x, w = normal(1, 6, 5, 5), normal(4, 3, 3, 3)
    ((second, _),) = prepare(layer(x, w, "Conv", group=2), low_rank(1)).seconds
    assert [np.linalg.matrix_rank(b.astype(float), tol=1e-3) for b in second.b] == [1, 1]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"rank": 0}, r"transform\[0\].rank"),
        ({"rank": 1, "factors": "float99"}, r"transform\[0\].factors"),
        ({}, "rank: required key is missing"),
    ],
)
def test_errors(keys, message):
    with pytest.raises(SpecError, match=message):
        plan(W4, transform=[{"op": "low_rank", "unit": EXACT, **keys}])
