"""Layers, bit for bit, against the independent executor: another lowering, other schemes, another epilogue, one
product at a time in exact arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu.accelerators import load_accelerator
from emu.layers.emulate import emulate
from emu.layers.lowering import lower
from tests.oracle.lowering import layer
from tests.oracle.support import executor

CONV = {"strides": (2, 1), "dilations": (1, 2), "pads": (1, 0, 2, 1), "group": 2}
UP = {"strides": (2, 2), "pads": (1, 0, 1, 1), "output_padding": (0, 1)}
SAME = {"auto_pad": "SAME_LOWER", "strides": (2, 2)}
CASES: dict[str, tuple[str, tuple[int, ...], tuple[int, ...], int | None, dict[str, Any]]] = {
    "conv": ("Conv", (2, 4, 5, 6), (6, 2, 2, 3), 6, CONV),
    "depthwise": ("Conv", (2, 3, 5, 4), (3, 1, 3, 3), None, {"group": 3, "pads": (1, 1, 1, 1)}),
    "conv-1d": ("Conv", (3, 2, 9), (4, 2, 3), 4, {"pads": (2, 1), "strides": (2,)}),
    "conv-same": ("Conv", (1, 2, 5, 6), (3, 2, 2, 4), 3, SAME),
    "up": ("ConvTranspose", (2, 6, 3, 4), (6, 4, 4, 3), 4, UP),
    "up-groups": ("ConvTranspose", (1, 4, 5), (4, 1, 4), 2, {"group": 2, "strides": (2,), "pads": (1, 1)}),
    "gemm": ("Gemm", (5, 7), (4, 7), 4, {"transB": 1}),
    "gemm-long": ("Gemm", (140, 3), (140, 2), 2, {"transA": 1}),
    "matmul": ("MatMul", (2, 3, 6), (6, 5), None, {}),
    "matmul-batch": ("MatMul", (2, 1, 3, 6), (4, 6, 5), None, {}),
}
MACHINES = {
    # accelerator: unit, activation granularity, weight granularity, output format
    "hopper-fp8-promoted": ("deepseek-fp8-promoted", "token", "channel", "bfloat16"),
    "hopper-fp8": ("nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e4m3.e4m3", "token", "channel", "bfloat16"),
    "fp8-fp16acc": ("fp8-e4m3-fp16acc", "tensor", "channel", "float16"),
    "int8-int32": ("int8-int32", "tensor", "channel", "float32"),
    "int8-sat16": ("int8-sat16", "tensor", "channel", "float32"),
    "int6-sat16": ("int6-sat16", "tensor", "channel", "float32"),
    "bf16-fma-f32": ("bf16-fma-f32", None, None, "bfloat16"),
}


def same_bits(got: Any, want: Any) -> bool:
    return got.shape == want.shape and np.array_equal(got.view(np.uint32), want.view(np.uint32))


def tensors(case: str) -> tuple[Any, Any, Any]:
    """Activations with outliers and exact zeros, weights of different size per channel."""
    rng = np.random.default_rng(sorted(CASES).index(case))
    _, x_shape, w_shape, biases, _ = CASES[case]
    x = rng.normal(size=x_shape) * np.exp2(rng.integers(-6, 4, x_shape)) * rng.integers(0, 2, x_shape)
    w = rng.normal(size=w_shape) * np.exp2(rng.integers(-3, 4, (w_shape[0], *(1,) * (len(w_shape) - 1))))
    bias = None if biases is None else rng.normal(size=biases).astype(np.float32)
    return x.astype(np.float32), w.astype(np.float32), bias


ORDERS = [
    (case, order)
    for case, (op, *_) in CASES.items()
    for order in (["c_kh_kw", "kh_kw_c"] if "Conv" in op else ["c_kh_kw"])
]


@pytest.mark.parametrize(("case", "order"), ORDERS)
@pytest.mark.parametrize("machine", MACHINES)
def test_layer_is_the_oracles(machine: str, case: str, order: str) -> None:
    op, _, _, _, attributes = CASES[case]
    unit, per_act, per_weight, output = MACHINES[machine]
    weights = {}
    if attributes.get("group", 1) > 1 and op == "ConvTranspose" and per_weight:
        per_weight, weights = "tensor", {"weights": {"scheme": "absmax", "per": "tensor"}}
    x, w, bias = tensors(case)
    oracle = executor(unit)
    want = layer(
        op, x, w, bias, attributes, oracle, load_accelerator(machine).matrix.unit.a.name,
        load_accelerator(machine).matrix.unit.b.name, per_act, per_weight, output, k_order=order,
    )  # fmt: skip
    plan = load_accelerator({"extends": machine, "matrix": {"k_order": order} | weights}).plan(case, op)
    lowered = lower(op, (x, w, bias), attributes, constant=(False, True), k_order=plan.k_order)
    assert same_bits(emulate(lowered, plan).y, want.values)


@pytest.mark.parametrize("case", ["conv", "gemm", "gemm-long"])
@pytest.mark.parametrize("machine", ["hopper-fp8-promoted", "hopper-fp8", "int8-int32", "bf16-fma-f32"])
def test_bias_in_the_accumulator(machine: str, case: str) -> None:
    op, _, _, _, attributes = CASES[case]
    unit, per_act, per_weight, output = MACHINES[machine]
    x, w, bias = tensors(case)
    formats = load_accelerator(machine).matrix.unit
    want = layer(
        op, x, w, bias, attributes, executor(unit), formats.a.name, formats.b.name, per_act, per_weight, output,
        bias_in="c",
    )  # fmt: skip
    plan = load_accelerator({"extends": machine, "matrix": {"bias": "c"}}).plan(case, op)
    lowered = lower(op, (x, w, bias), attributes, constant=(False, True))
    assert same_bits(emulate(lowered, plan).y, want.values)
