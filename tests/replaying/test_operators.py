"""Operators beyond MatMul, Gemm and Conv, replayed: they are layers, and an exact unit gives the engine's numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from emu.replaying.driver import run

from . import small_models
from .small_models import FLOAT, integers, save
from .test_driver import EXACT, engine


@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_transposed_convolution_is_a_layer(rng: np.random.Generator, tmp_path: Path, mode: str) -> None:
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w", "b"], ["u"], "up", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("ConvTranspose", ["u", "v"], ["y"], "odd", strides=[2, 2], group=2),
    ]
    constants = {"w": integers(rng, 3, 4, 4, 4, top=2), "b": integers(rng, 4), "v": integers(rng, 4, 1, 3, 3, top=2)}
    proto = small_models.model(nodes, {"x": (FLOAT, ["n", 3, 4, 5])}, {"y": (FLOAT, 4)}, constants)
    path, inputs = save(proto, tmp_path), {"x": integers(rng, 2, 3, 4, 5)}
    result = run(path, inputs, EXACT, mode=mode)
    assert [(layer.name, layer.op, layer.k) for layer in result.layers] == [
        ("up", "ConvTranspose", 3 * 4), ("odd", "ConvTranspose", 2 * 9),
    ]  # fmt: skip
    assert not result.fallback
    for layer in result.layers:
        assert np.array_equal(layer.truth, layer.emulated)
        assert layer.events is not None
    if mode == "propagated":
        assert np.array_equal(result.outputs["y"].emulated, engine(path, inputs))
