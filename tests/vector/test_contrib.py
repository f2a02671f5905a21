"""What the engine's optimiser makes of others: meaning against the engine, roundings against steps on codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper

import emu
from emu.formats import load_format
from emu.replaying.driver import run
from emu.vector import run_node, takes
from emu.vector.contrib import CONTRIB, DOMAIN
from tests.replaying.small_models import FLOAT, model, save

from .test_operators import MATRIX, unit

RNG = np.random.default_rng(4)
X, Y = (RNG.standard_normal((2, 3, 8)).astype(np.float32) for _ in range(2))
ROWS = [RNG.standard_normal(8).astype(np.float32) for _ in range(3)]
CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("Gelu", [X], {}), ("BiasGelu", [X, ROWS[0]], {}), ("FastGelu", [X], {}), ("FastGelu", [X, ROWS[0]], {}),
    ("QuickGelu", [X], {}), ("QuickGelu", [X], {"alpha": 1.0}),
    ("SkipLayerNormalization", [X, Y, ROWS[0], ROWS[1]], {"epsilon": 1e-3}),
    ("SkipLayerNormalization", [X, Y, *ROWS], {}), ("SkipSimplifiedLayerNormalization", [X, Y, ROWS[0]], {}),
    ("SkipSimplifiedLayerNormalization", [X, Y, ROWS[0], ROWS[1]], {}),
]  # fmt: skip


def proto_of(op: str, operands: list[Any], attributes: dict[str, Any]) -> Any:
    names = [f"x{i}" for i in range(len(operands))]
    node = helper.make_node(op, names, ["y"], "node", domain=DOMAIN, **attributes)
    inputs = {name: (FLOAT, list(x.shape)) for name, x in zip(names, operands, strict=True)}
    proto = model([node], inputs, {"y": (FLOAT, 3)}, opset=21)
    proto.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return proto


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{len(case[1])}-{list(case[2])}")
def test_meaning(case: tuple[str, list[Any], dict[str, Any]]) -> None:
    op, operands, attributes = case
    session = onnxruntime.InferenceSession(proto_of(*case).SerializeToString())
    (wanted,) = session.run(None, {f"x{i}": x for i, x in enumerate(operands)})
    assert takes(op, attributes, 1, 21, DOMAIN)
    assert not takes(op, attributes, 2, 21, DOMAIN)
    found = run_node(unit(), op, operands, attributes, 21, DOMAIN)
    assert np.allclose(found, wanted, rtol=2e-5, atol=3e-6)


def test_every_operator_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(CONTRIB)
    assert not takes("Attention", {}, 1, 21, DOMAIN)
    assert not takes("Add", {}, 1, 21, DOMAIN)
    assert not takes("BiasGelu", {}, 1, 21)


def test_bias_is_added_with_a_rounding() -> None:
    b = load_format("bfloat16")
    x, bias = b.encode(X), b.encode(ROWS[0])
    wanted = emu.gelu(emu.add(x, np.broadcast_to(bias, x.shape), b), b)
    assert np.array_equal(b.encode(run_node(unit("bfloat16"), "BiasGelu", [X, ROWS[0]], {}, 21, DOMAIN)), wanted)


@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_in_a_model(tmp_path: Path, mode: str) -> None:
    case = CASES[7]
    accelerator = {"name": "v", "matrix": MATRIX, "vector": {"format": "bfloat16"}}
    result = run(save(proto_of(*case), tmp_path), {f"x{i}": x for i, x in enumerate(case[1])}, accelerator, mode=mode)
    assert not result.fallback
    (layer,) = result.layers
    wanted = run_node(unit("bfloat16"), case[0], case[1], case[2], 21, DOMAIN)
    assert np.array_equal(layer.emulated, wanted)
    assert np.abs(layer.truth - wanted).max() < 0.1
