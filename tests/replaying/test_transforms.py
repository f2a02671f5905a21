"""Transforms in replays: what calibration chooses, and weights that are quantised once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from emu.layers.calibrated import static_of
from emu.layers.emulate import emulate
from emu.layers.lowering import lower
from emu.replaying.driver import run
from emu.replaying.session import LoadedModel, ReplaySession

from . import small_models
from .small_models import FLOAT, save

SHIFT = {"op": "shift"}
TRANSFORMS: dict[str, list[dict[str, Any]]] = {
    "shift": [SHIFT],
    "migration": [{"op": "smooth", "rule": "migration"}],
    "threshold": [SHIFT, {"op": "smooth", "rule": "threshold", "steps": 20}],
    "permute": [{"op": "permute"}],
    "rotate": [{"op": "rotate", "seed": 1}],
    "noise": [SHIFT, {"op": "noise", "seed": 1, "candidates": 20}],
    "split": [{"op": "split", "threshold": 6.0, "unit": "bf16-fma-f32"}],
    "split below": [{"op": "split", "threshold": 6.0, "unit": "bf16-fma-f32", "ranges_of": "below"}],
}


def accelerator(transforms: list[dict[str, Any]], when: str) -> dict[str, Any]:
    return {
        "extends": "int8-int32",
        "matrix": {
            "activations": {"scheme": "absmax", "range": when},
            "transform": [{**one, "range": when} for one in transforms],
        },
    }


def inputs(rng: np.random.Generator) -> dict[str, Any]:
    x = rng.standard_normal((2, 8, 6, 6)).astype(np.float32)
    x[:, rng.integers(8)] *= 12
    return {"x": x + rng.standard_normal(1).astype(np.float32)}


@pytest.fixture
def path(rng: np.random.Generator, tmp_path: Path) -> Path:
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("Flatten", ["r"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w2", "b2"], ["y"], "gemm"),
    ]
    shapes: dict[str, Any] = {"w1": (4, 8, 3, 3), "b1": 4, "w2": (144, 5), "b2": 5}
    constants = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return save(small_models.model(nodes, {"x": (FLOAT, ["n", 8, 6, 6])}, {"y": (FLOAT, 2)}, constants), tmp_path)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_calibrated_on_the_same_inputs_is_chosen_at_hand(name: str, path: Path, rng: np.random.Generator) -> None:
    x = inputs(rng)
    static = run(path, x, accelerator(TRANSFORMS[name], "static"), calibration=x)
    dynamic = run(path, x, accelerator(TRANSFORMS[name], "dynamic"))
    assert len(static.layers) == 2
    for one, other in zip(static.layers, dynamic.layers, strict=True):
        assert np.array_equal(one.emulated, other.emulated)
    same = np.array_equal(static.layers[0].emulated, run(path, x, "int8-int32").layers[0].emulated)
    assert same == (name == "permute")  # integer sums have no order


@pytest.mark.parametrize("name", TRANSFORMS)
def test_calibration_is_what_the_layer_makes_of_it(name: str, path: Path, rng: np.random.Generator) -> None:
    """A replay's first layer is that layer with what it decides from the calibration tensor."""
    model = LoadedModel(path)
    seen, x = inputs(rng), inputs(rng)
    session = ReplaySession(model, accelerator(TRANSFORMS[name], "static"), calibration=seen)
    plan = session.accelerator.plan("conv", "Conv")
    w, b = (model.graph.array(name) for name in ("w1", "b1"))
    lowered = [lower("Conv", [one["x"], w, b], {"pads": [1] * 4}, constant=(False, True, True)) for one in (seen, x)]
    want = emulate(lowered[1], plan, static=static_of(lowered[0], plan)).y
    assert np.array_equal(session.run(x).layers[0].emulated, want)


@pytest.mark.parametrize("when", ["static", "dynamic"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_weights_that_were_quantised_once_are_never_stale(
    name: str, when: str, path: Path, rng: np.random.Generator
) -> None:
    model, keys = LoadedModel(path), accelerator(TRANSFORMS[name], when)
    calibration = inputs(rng) if when == "static" else None
    keeping = ReplaySession(model, keys, calibration=calibration)
    forgetful = ReplaySession(model, keys, calibration=calibration, keep_weights=False)
    for _ in range(3):
        x = inputs(rng)
        assert np.array_equal(keeping.outputs(x)["y"], forgetful.outputs(x)["y"])
