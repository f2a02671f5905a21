"""Models in integers keep the bits of the reference engine's CPU kernels, whatever the accelerator.

* The engine runs with its optimisations on: it fuses DequantizeLinear … QuantizeLinear to integer kernels.
* Its kernels are exact where scales are powers of two and weights have 7 bits: sums of 8-bit products are then the same
  in every order, and no processor's 8-bit instructions saturate. DynamicQuantizeLinear's scale is none of that: it is a
  float computation of one kernel, and the integers after it are what they are.
* Per-channel scales and zero points, groups, strides, pads, dilations; uint8 and int8 on either side.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from emu.replaying import FallbackReason
from emu.replaying.driver import run
from emu.replaying.result import Kind
from tests.replaying.small_models import FLOAT, model, save

Model = tuple[Any, list[str]]
"""A model, and the layers in it that are integers."""
UNSIGNED, SIGNED = np.uint8, np.int8


def constants(rng: np.random.Generator, activation: Any) -> dict[str, Any]:
    """Scales that are powers of two, of one number and per channel; zero points; weights of 7 bits."""
    zero, middle = (131, 120) if activation is UNSIGNED else (3, -8)
    return {
        "s": np.array(2**-6, np.float32), "z": np.array(zero, activation),
        "sy": np.array(2**-2, np.float32), "zy": np.array(middle, activation),
        "sw": np.array(2**-5, np.float32), "zw": np.array(0, SIGNED),
        "sc": (2.0 ** rng.integers(-7, -3, 4)).astype(np.float32), "zc": np.zeros(4, SIGNED),
        "sg": (2.0 ** rng.integers(-7, -3, 5)).astype(np.float32), "zg": np.zeros(5, SIGNED),
        "w": rng.integers(-64, 64, (4, 3, 3, 3)).astype(SIGNED),
        "wd": rng.integers(-64, 64, (4, 1, 3, 3)).astype(SIGNED),
        "v": rng.integers(-64, 64, (4, 5)).astype(SIGNED), "g": rng.integers(-64, 64, (5, 36)).astype(SIGNED),
        "b": rng.integers(-999, 999, 4).astype(np.int32), "bg": rng.integers(-999, 999, 5).astype(np.int32),
    }  # fmt: skip


def built(nodes: list[Any], outputs: dict[str, tuple[int, int]], known: dict[str, Any], layers: list[str]) -> Model:
    """The model of these nodes with the constants that they read."""
    used = {name for node in nodes for name in node.input}
    kept = {name: value for name, value in known.items() if name in used}
    return model(nodes, {"x": (FLOAT, ["n", 3, 6, 6])}, outputs, kept), layers


def integer_convolutions(known: dict[str, Any]) -> Model:
    """QLinearConv: plain, per channel with pads, strides and dilations, depthwise."""
    first = ["q", "s", "z", "w", "sc", "zc", "sy", "zy", "b"]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("QLinearConv", ["q", "s", "z", "w", "sw", "zw", "sy", "zy"], ["c"], "plain"),
        helper.make_node("QLinearConv", first, ["d"], "channels", pads=[2, 1, 0, 1], strides=[2, 1], dilations=[1, 2]),
        helper.make_node(
            "QLinearConv", ["c", "sy", "zy", "wd", "sc", "zc", "sy", "zy", "b"], ["e"], "depthwise", group=4,
            pads=[1, 1, 1, 1],
        ),
        *(helper.make_node("DequantizeLinear", [a, "sy", "zy"], [b]) for a, b in ("cy", "du", "et")),
    ]  # fmt: skip
    return built(nodes, dict.fromkeys("yut", (FLOAT, 4)), known, ["channels", "depthwise", "plain"])


def integer_products(known: dict[str, Any]) -> Model:
    """QLinearMatMul with weights (one scale, one per column) and of two activations; MatMulInteger; ConvInteger."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("QLinearConv", ["q", "s", "z", "w", "sw", "zw", "sy", "zy", "b"], ["c"], "conv"),
        helper.make_node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("Transpose", ["c"], ["r"], perm=[0, 2, 1, 3]),
        helper.make_node("QLinearMatMul", ["t", "sy", "zy", "v", "sw", "zw", "sy", "zy"], ["m"], "weights"),
        helper.make_node("QLinearMatMul", ["t", "sy", "zy", "v", "sg", "zg", "sy", "zy"], ["o"], "columns"),
        helper.make_node("QLinearMatMul", ["t", "sy", "zy", "r", "sy", "zy", "sy", "zy"], ["p"], "activations"),
        helper.make_node("MatMulInteger", ["t", "v", "zy", "zw"], ["i"], "matmul_integer"),
        helper.make_node("ConvInteger", ["q", "w", "z"], ["j"], "conv_integer", pads=[1, 0, 1, 0], strides=[1, 2]),
        *(helper.make_node("DequantizeLinear", [a, "sy", "zy"], [b]) for a, b in ("my", "ou", "pn")),
    ]
    outputs = dict.fromkeys("yun", (FLOAT, 4)) | dict.fromkeys("ij", (TensorProto.INT32, 4))
    listed = ["activations", "columns", "conv", "conv_integer", "matmul_integer", "weights"]
    return built(nodes, outputs, known, listed)


def dynamic(known: dict[str, Any]) -> Model:
    """DynamicQuantizeLinear, then MatMulInteger and ConvInteger, and what quantisers put behind them."""
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "sx", "zx"]),
        helper.make_node("ConvInteger", ["q", "w", "zx"], ["c"], "conv"),
        helper.make_node("Cast", ["c"], ["f"], to=FLOAT),
        helper.make_node("Mul", ["sx", "sw"], ["k"]),
        helper.make_node("Mul", ["f", "k"], ["h"]),
        helper.make_node("Transpose", ["h"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("DynamicQuantizeLinear", ["t"], ["p", "st", "zt"]),
        helper.make_node("MatMulInteger", ["p", "v", "zt", "zw"], ["m"], "matmul"),
        helper.make_node("Cast", ["m"], ["g32"], to=FLOAT),
        helper.make_node("Mul", ["st", "sw"], ["l"]),
        helper.make_node("Mul", ["g32", "l"], ["y"]),
    ]
    outputs = {"q": (TensorProto.UINT8, 4), "sx": (FLOAT, 0), "zx": (TensorProto.UINT8, 0), "y": (FLOAT, 4)}
    return built(nodes, outputs, known, ["conv", "matmul"])


def between_floats(known: dict[str, Any]) -> Model:
    """Conv (with bias, per channel, grouped), MatMul and Gemm between DequantizeLinear and QuantizeLinear."""

    def through(name: str) -> list[Any]:
        return [
            helper.make_node("QuantizeLinear", [name, "sy", "zy"], [f"{name}q"]),
            helper.make_node("DequantizeLinear", [f"{name}q", "sy", "zy"], [f"{name}f"]),
        ]

    known = known | {"sb": known["s"] * known["sw"], "zb": np.array(0, np.int32)}
    known |= {"sgb": known["sy"] * known["sw"]}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["f"]),
        helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["fw"]),
        helper.make_node("DequantizeLinear", ["b", "sb", "zb"], ["fb"]),
        helper.make_node("Conv", ["f", "fw", "fb"], ["c"], "conv", strides=[1, 1], pads=[1, 1, 0, 0]),
        *through("c"),
        helper.make_node("DequantizeLinear", ["wd", "sc", "zc"], ["fd"], axis=0),
        helper.make_node("Conv", ["cf", "fd"], ["d"], "depthwise", group=4, strides=[2, 1]),
        *through("d"),
        helper.make_node("Transpose", ["df"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("DequantizeLinear", ["v", "sw", "zw"], ["fv"]),
        helper.make_node("MatMul", ["t", "fv"], ["m"], "matmul"),
        *through("m"),
        helper.make_node("Slice", ["cf", "from", "to", "axes"], ["cut"]),
        helper.make_node("Flatten", ["cut"], ["flat"]),
        helper.make_node("DequantizeLinear", ["g", "sw", "zw"], ["fg"]),
        helper.make_node("DequantizeLinear", ["bg", "sgb", "zb"], ["fbg"]),
        helper.make_node("Gemm", ["flat", "fg", "fbg"], ["h"], "gemm", transB=1),
        *through("h"),
    ]
    known |= {"from": np.array([0, 0]), "to": np.array([3, 3]), "axes": np.array([2, 3])}
    return built(
        nodes,
        {"mf": (FLOAT, 4), "hf": (FLOAT, 2), "cq": _type(known["zy"])},
        known,
        ["conv", "depthwise", "gemm", "matmul"],
    )


def machine(unit: str) -> dict[str, Any]:
    """An accelerator without a vector unit: the floats around the integers of `dynamic` stay the engine's."""
    schemes = {"activations": {"scheme": "absmax"}, "weights": {"scheme": "absmax"}}
    return {"name": "any", "matrix": {"unit": unit} | schemes}


def _type(zero: Any) -> tuple[int, int]:
    return helper.np_dtype_to_tensor_dtype(zero.dtype), 4


MODELS: dict[str, Callable[[dict[str, Any]], Model]] = {
    "convolutions": integer_convolutions, "products": integer_products, "dynamic": dynamic, "qdq": between_floats,
}  # fmt: skip


@pytest.mark.parametrize("activation", [UNSIGNED, SIGNED], ids=["uint8", "int8"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("unit", ["fp8-e4m3-fp16acc", "int8-sat16"])
def test_the_bits_are_the_engines(unit: str, name: str, activation: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(17)
    proto, layers = MODELS[name](constants(rng, activation))
    path, inputs = save(proto, tmp_path), {"x": rng.normal(size=(2, 3, 6, 6)).astype(np.float32)}
    result = run(path, inputs, machine(unit), mode="propagated")
    assert not result.layers
    found = [one.node for one in result.fallback if one.reason is FallbackReason.INTEGER_SEMANTICS]
    assert sorted(found) == layers
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for output, want in zip(result.outputs, session.run(list(result.outputs), inputs), strict=True):
        got = result.outputs[output].emulated
        assert got.dtype == want.dtype
        assert got.tobytes() == want.tobytes(), output
        assert want.ndim == 0 or len(np.unique(want)) > min(20, want.size // 2), f"{output} is clamped or constant"


def test_a_vector_unit_takes_the_floats_around_integers_and_leaves_the_integers(tmp_path: Path) -> None:
    """The scales of DynamicQuantizeLinear are multiplied as the accelerator multiplies vectors; nothing before is."""
    rng = np.random.default_rng(17)
    proto, layers = dynamic(constants(rng, UNSIGNED))
    path, inputs = save(proto, tmp_path), {"x": rng.normal(size=(2, 3, 6, 6)).astype(np.float32)}
    plain, vector = (
        run(path, inputs, machine("int8-sat16") | more, mode="propagated")
        for more in ({}, {"vector": {"format": "bfloat16"}})
    )
    assert [(layer.kind, layer.op) for layer in vector.layers] == [(Kind.VECTOR, "Mul")] * 4
    found = [one.node for one in vector.fallback if one.reason is FallbackReason.INTEGER_SEMANTICS]
    assert sorted(found) == layers
    for name in ("q", "sx", "zx"):
        assert vector.outputs[name].emulated.tobytes() == plain.outputs[name].emulated.tobytes()
    assert vector.outputs["y"].emulated.tobytes() != plain.outputs["y"].emulated.tobytes()


def test_convolved_integers_are_the_sum_in_integers(tmp_path: Path) -> None:
    """The engine's integers are the true ones: computed here in int64 from the codes."""
    rng = np.random.default_rng(18)
    known = constants(rng, UNSIGNED)
    proto, _ = integer_products(known)
    inputs = {"x": rng.normal(size=(1, 3, 6, 6)).astype(np.float32)}
    result = run(save(proto, tmp_path), inputs, "fp8-fp16acc", mode="propagated")
    x = np.clip(np.rint(inputs["x"] * 2**6) + 131, 0, 255).astype(np.int64) - 131
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (0, 0)])
    w = known["w"].astype(np.int64)
    want = np.array([
        [np.sum(padded[0, :, i : i + 3, j : j + 3] * w[c]) for i in range(6) for j in range(0, 4, 2)] for c in range(4)
    ])  # fmt: skip
    assert np.array_equal(result.outputs["j"].emulated, want.reshape(1, 4, 6, 2))
