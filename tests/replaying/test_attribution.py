"""Replays that charge the error of every layer."""

from __future__ import annotations

import numpy as np
import pytest

from emu.attribution import Stage
from emu.replaying.driver import run
from emu.replaying.result import Kind
from tests.replaying import small_models
from tests.replaying.small_models import save


@pytest.fixture
def model(tmp_path):
    return save(small_models.every_operator(np.random.default_rng(1)), tmp_path)


@pytest.fixture
def inputs():
    return {"x": np.random.default_rng(2).standard_normal((3, 2, 6, 6), dtype=np.float32)}


@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_every_matrix_layer_has_shares(model, inputs, mode):
    done = run(model, inputs, "hopper-fp8-promoted", mode=mode, attribution=500)
    found = [layer.attribution for layer in done.layers if layer.kind is Kind.MATRIX]
    assert len(found) == 5
    for one in found:
        assert sum(one.shares.share.values()) == pytest.approx(1, abs=1e-9)
        assert (one.stages[0] is Stage.INPUTS) == (mode == "propagated")


def test_none_unless_asked_for(model, inputs):
    assert all(layer.attribution is None for layer in run(model, inputs, "int8-int32").layers)


def test_why_there_is_none(model, inputs):
    unit = {
        "name": "sr", "operands": dict.fromkeys("abcd", "float32"),
        "level": [{"result": {"format": "bfloat16", "rounding": "stochastic", "sr_bits": 8}}],
    }  # fmt: skip
    matrix = {"unit": unit, "activations": {"scheme": "cast"}, "weights": {"scheme": "cast"}, "seed": 1}
    done = run(model, inputs, {"name": "sr", "matrix": matrix}, attribution=20)
    assert done.layers[0].attribution is None
    assert "stochastically" in done.layers[0].no_attribution
