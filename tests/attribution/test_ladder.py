"""The ladder: it ends at the emulated bits, and it blames the stage that is bad."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from emu.accelerators import load_accelerator
from emu.attribution import Stage, attribute
from emu.layers.emulate import emulate
from emu.layers.lowering import lower

CAST = {"scheme": "cast", "per": "tensor"}
FLOAT = {"a": "float32", "b": "float32", "c": "float32", "d": "float32"}


def gemm(m: int = 40, k: int = 96, n: int = 20, spread: float = 1.0, seed: int = 1) -> Any:
    rng = np.random.default_rng(seed)
    x, w = (rng.standard_normal(shape, dtype=np.float32) * spread for shape in ((m, k), (k, n)))
    return lower("Gemm", [x, w, rng.standard_normal(n, dtype=np.float32)], {}, constant=(False, True))


def conv(seed: int = 2) -> Any:
    rng = np.random.default_rng(seed)
    x, w = (rng.standard_normal(shape, dtype=np.float32) for shape in ((2, 8, 9, 9), (12, 4, 3, 3)))
    return lower("Conv", [x, w], {"group": 2, "pads": [1, 1, 1, 1]}, constant=(False, True))


def accelerator(unit: dict[str, Any], output: str = "float32", scheme: dict[str, str] | None = None) -> Any:
    matrix = {"unit": unit, "activations": scheme or CAST, "weights": scheme or CAST, "output": output}
    return load_accelerator({"name": "one", "matrix": matrix}).matrix


def unit(*levels: dict[str, Any], operands: dict[str, str] | None = None, **keys: Any) -> dict[str, Any]:
    return {"name": "made", "operands": FLOAT | (operands or {}), "level": list(levels), **keys}


def run(lowered: Any, plan: Any, **how: Any) -> Any:
    return attribute(lowered, plan, emulate(lowered, plan, events=False).y, **how)


@pytest.mark.parametrize("layer", [gemm, conv])
@pytest.mark.parametrize(
    "name", ["bf16-fma-f32", "fp8-fp16acc", "hopper-fp8-promoted", "hopper-fp8", "int8-int32", "int8-sat16"]
)
def test_the_last_rung_is_the_emulated_layer(name, layer):
    """`attribute` compares every chosen element, and raises if one differs."""
    found = run(layer(), load_accelerator(name).matrix, most=600)
    assert sum(found.shares.share.values()) == pytest.approx(1, abs=1e-9)
    assert found.shares.left_out == 0
    assert not found.whole


BAD = {
    Stage.OPERAND_A: (accelerator(unit({}, operands={"a": "float6_e2m3fn"})), 0.5),
    Stage.OPERAND_B: (accelerator(unit({}, operands={"b": "float6_e2m3fn"})), 0.5),
    Stage.PRODUCT: (accelerator(unit({}, product={"result": {"format": "e8m2"}})), 1),
    Stage.ALIGNMENT: (accelerator(unit({"group": 16, "align_bits": 3})), 1),
    Stage.PRECISION: (accelerator(unit({"result": {"format": "e8m4"}})), 1),
    Stage.RANGE: (accelerator(unit({"result": {"format": "e3m23", "overflow": "saturate"}})), 1),
    Stage.OUTPUT: (accelerator(unit({}), output="float8_e5m2"), 1),
}


@pytest.mark.parametrize("stage", BAD, ids=lambda stage: stage.value)
def test_one_bad_stage_is_blamed(stage):
    plan, spread = BAD[stage]
    found = run(gemm(spread=spread), plan)
    assert found.shares.blamed is stage
    assert found.shares.share[stage] >= 0.95


def test_a_bad_order_is_blamed():
    """The exact sum is small; two lanes of one sign each overflow nothing, but lose what the plain order keeps."""
    level = {"result": {"format": "e8m8"}}
    k = 64
    x = np.zeros((1, k), np.float32)
    x[0, 0::2], x[0, 1::2] = 1 + 2.0**-6, -1
    w = np.ones((k, 3), np.float32)
    lowered = lower("MatMul", [x, w], {}, constant=(False, True))
    plan = accelerator(unit({**level, "lanes": 2, "start": "zero"}, level))
    found = run(lowered, plan)
    assert found.shares.blamed is Stage.ORDER
    assert found.shares.share[Stage.ORDER] >= 0.95


def test_an_overflow_to_infinity_is_charged_to_the_range():
    plan = accelerator(unit({"result": {"format": "e4m23"}}))
    found = run(gemm(spread=8.0), plan)
    assert found.shares.charged.get(Stage.RANGE, 0) > 0
    assert found.shares.left_out == found.shares.charged[Stage.RANGE]


def test_shapley_agrees_about_the_culprit():
    plan, spread = BAD[Stage.ALIGNMENT]
    found = run(gemm(m=6, n=6, spread=spread), plan, with_shapley=True)
    assert sum(found.shapley.values()) == pytest.approx(1, abs=1e-9)
    assert max(found.shapley, key=found.shapley.__getitem__) is Stage.ALIGNMENT


def test_errors_of_the_inputs_come_first():
    plan = load_accelerator("bf16-fma-f32").matrix
    lowered = gemm()
    y = emulate(lowered, plan, events=False).y
    found = attribute(lowered, plan, y, truth=y.astype(np.float64) + 100)
    assert found.stages[0] is Stage.INPUTS
    assert found.shares.share[Stage.INPUTS] > 0.99


def test_stochastic_rounding_is_looked_at_whole_or_not_at_all():
    level = {"result": {"format": "e8m4", "rounding": "stochastic", "sr_bits": 8}}
    plan = replace(accelerator(unit({"result": {"format": "e8m4"}})), seed=3)
    noisy = load_accelerator({
        "name": "sr",
        "matrix": {"unit": unit(level), "activations": CAST, "weights": CAST, "seed": 5},
    }).matrix  # fmt: skip
    assert run(gemm(m=4, n=5), plan).whole
    assert run(gemm(m=4, n=5), noisy).shares.blamed is Stage.PRECISION
    with pytest.raises(ValueError, match="stochastically"):
        run(gemm(), noisy, most=100)
