"""A model of every operator that is lowered, and a capture of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from emu.captures import Stored, capture
from tests.replaying.small_models import integers, model, save

FLOAT = TensorProto.FLOAT


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def small_net(rng: np.random.Generator, *, whole: bool = False) -> Any:
    """Every operator that is lowered; two layers share a weight, one reads another's output, one has its weights first,
    two names have slashes, and one layer has none. `whole`: small whole numbers, sums of which are exact."""

    def draw(*shape: int) -> np.ndarray:
        return (integers(rng, *shape, top=1) if whole else rng.standard_normal(shape)).astype(np.float32)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "/net/conv", pads=[1, 1, 1, 1], group=2),
        helper.make_node("Relu", ["c1"], ["r1"], "relu"),
        helper.make_node("ConvTranspose", ["r1", "w2"], ["c2"], "up", strides=[2, 2]),
        helper.make_node("Flatten", ["c2"], ["f"], "flatten"),
        helper.make_node(
            "Gemm",
            ["f", "w3", "b3"],
            ["g"],
            "/net/gemm",
            transB=1,
            alpha=0.5 if whole else 0.3,
            beta=2.0 if whole else 1.7,
        ),
        helper.make_node("MatMul", ["g", "w4"], ["m"], "chained"),
        helper.make_node("MatMul", ["w4", "mt"], ["v"], "weights_first"),
        helper.make_node("Transpose", ["m"], ["mt"], "transpose"),
        helper.make_node("MatMul", ["m", "mt"], ["y"]),
        helper.make_node("Einsum", ["m", "m"], ["z"], "einsum", equation="ab,cb->ac"),
    ]
    nodes[6], nodes[7] = nodes[7], nodes[6]
    constants = {
        "w1": draw(4, 1, 3, 3), "b1": draw(4), "w2": draw(4, 2, 2, 2), "w3": draw(6, 2 * 12 * 12), "b3": draw(6),
        "w4": draw(6, 6),
    }  # fmt: skip
    outputs = {"y": (FLOAT, 2), "z": (FLOAT, 2), "v": (FLOAT, 2)}
    return model(nodes, {"x": (FLOAT, ["n", 2, 6, 6])}, outputs, constants)


@pytest.fixture
def path(rng: np.random.Generator, tmp_path: Path) -> Path:
    return save(small_net(rng), tmp_path)


@pytest.fixture
def x(rng: np.random.Generator) -> dict[str, Any]:
    return {"x": rng.standard_normal((3, 2, 6, 6)).astype(np.float32)}


@pytest.fixture
def stored(path: Path, x: dict[str, Any], tmp_path: Path) -> Stored:
    return capture(path, x, tmp_path / "layers.safetensors")
