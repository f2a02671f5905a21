"""Operators beyond MatMul, Gemm and Conv, replayed: they are layers, and an exact unit gives the engine's numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from emu.errors import ModelError
from emu.formats import load_format
from emu.replaying import FallbackReason
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


def test_einsum_is_a_layer_where_it_is_a_matrix_product(rng: np.random.Generator, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Einsum", ["x", "w"], ["q"], "project", equation="btc,chd->bthd"),
        helper.make_node("Einsum", ["q", "q"], ["s"], "scores", equation="bihd,bjhd->bhij"),
        helper.make_node("Einsum", ["s", "g"], ["y"], "gate", equation="bhij,h->bhij"),
    ]
    constants = {"w": integers(rng, 6, 2, 3, top=1), "g": integers(rng, 2)}
    proto = small_models.model(nodes, {"x": (FLOAT, [2, 4, 6])}, {"y": (FLOAT, 4)}, constants)
    path, inputs = save(proto, tmp_path), {"x": integers(rng, 2, 4, 6, top=2)}
    result = run(path, inputs, EXACT, mode="propagated")
    assert [(layer.name, layer.op, layer.k) for layer in result.layers] == [
        ("project", "Einsum", 6), ("scores", "Einsum", 3),
    ]  # fmt: skip
    assert [(one.node, one.reason) for one in result.fallback] == [("gate", FallbackReason.HIDDEN_MACS)]
    assert np.array_equal(result.outputs["y"].emulated, engine(path, inputs))


SCALES: dict[str, Any] = {
    "s": np.array(2**-6, np.float32), "sw": np.array(2**-5, np.float32), "sy": np.array(2**-2, np.float32),
    "z": np.array(131, np.uint8), "zw": np.array(0, np.int8), "zy": np.array(120, np.uint8),
}  # fmt: skip


def quantised_weights(rng: np.random.Generator) -> dict[str, Any]:
    """Weights of 7 bits, scales that are powers of two: exact also on processors whose 8-bit products saturate, and in
    the order of any engine's sums."""
    return SCALES | {
        "w": rng.integers(-64, 64, (4, 3, 3, 3)).astype(np.int8),
        "v": rng.integers(-64, 64, (4, 5)).astype(np.int8),
        "b": rng.integers(-999, 999, 4).astype(np.int32),
    }


def qlinear(rng: np.random.Generator) -> Any:
    """Every integer operator: QLinearConv, QLinearMatMul, MatMulInteger, ConvInteger."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("QLinearConv", ["q", "s", "z", "w", "sw", "zw", "sy", "zy", "b"], ["c"], "conv"),
        helper.make_node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("QLinearMatMul", ["t", "sy", "zy", "v", "sw", "zw", "sy", "zy"], ["m"], "matmul"),
        helper.make_node("DequantizeLinear", ["m", "sy", "zy"], ["y"]),
        helper.make_node("MatMulInteger", ["t", "v", "zy", "zw"], ["i"], "matmul_integer"),
        helper.make_node("ConvInteger", ["q", "w", "z"], ["j"], "conv_integer"),
    ]
    outputs = {"y": (FLOAT, 4), "i": (TensorProto.INT32, 4), "j": (TensorProto.INT32, 4)}
    return small_models.model(nodes, {"x": (FLOAT, ["n", 3, 6, 6])}, outputs, quantised_weights(rng))


def qdq(rng: np.random.Generator) -> Any:
    """The same as floats between QuantizeLinear and DequantizeLinear; weights are dequantised constants."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["f"]),
        helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["fw"]),
        helper.make_node("Conv", ["f", "fw"], ["c"], "conv"),
        helper.make_node("QuantizeLinear", ["c", "sy", "zy"], ["qc"]),
        helper.make_node("DequantizeLinear", ["qc", "sy", "zy"], ["fc"]),
        helper.make_node("Transpose", ["fc"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("DequantizeLinear", ["v", "sw", "zw"], ["fv"]),
        helper.make_node("MatMul", ["t", "fv"], ["m"], "matmul"),
        helper.make_node("QuantizeLinear", ["m", "sy", "zy"], ["qm"]),
        helper.make_node("DequantizeLinear", ["qm", "sy", "zy"], ["y"]),
    ]
    constants = {name: value for name, value in quantised_weights(rng).items() if name != "b"}
    return small_models.model(nodes, {"x": (FLOAT, ["n", 3, 6, 6])}, {"y": (FLOAT, 4)}, constants)


@pytest.mark.parametrize(
    ("build", "listed"),
    [(qlinear, ["conv", "conv_integer", "matmul", "matmul_integer"]), (qdq, ["conv", "matmul"])],
)
def test_a_model_in_integers_runs_as_it_states(
    rng: np.random.Generator, tmp_path: Path, build: Any, listed: list[str]
) -> None:
    """Whatever the accelerator, the bits are those of the engine, with its optimisations: it fuses QDQ to integers."""
    path = save(build(rng), tmp_path)
    inputs = {"x": rng.normal(size=(2, 3, 6, 6)).astype(np.float32)}
    result = run(path, inputs, "fp8-fp16acc", mode="propagated")
    assert not result.layers
    assert {one.reason for one in result.fallback} == {FallbackReason.INTEGER_SEMANTICS}
    between = {"QuantizeLinear", "DequantizeLinear"}
    assert sorted(one.node for one in result.fallback if one.op not in between) == listed
    assert {one.op for one in result.fallback} >= between
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for name, want in zip(result.outputs, session.run(list(result.outputs), inputs), strict=True):
        got = result.outputs[name].emulated
        assert got.dtype == want.dtype
        assert got.tobytes() == want.tobytes(), name
    assert len(np.unique(result.outputs["y"].emulated)) > 50, "neither clamped nor constant"
    strict = EXACT | {"fallback": {"ops": "error"}}
    with pytest.raises(ModelError, match=r"'q': operator 'QuantizeLinear'.*integer_semantics"):
        run(path, inputs, strict)


def test_dequantised_weights_alone_are_weights(rng: np.random.Generator, tmp_path: Path) -> None:
    """Weights stored in integers, activations in floats: a layer. So are both in float8."""
    zero = helper.make_tensor("z8", TensorProto.FLOAT8E4M3FN, [], [0.0])
    nodes = [
        helper.make_node("DequantizeLinear", ["v", "sw", "zw"], ["fv"]),
        helper.make_node("MatMul", ["x", "fv"], ["a"], "stored"),
        helper.make_node("QuantizeLinear", ["a", "sy", "z8"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "sy", "z8"], ["f"]),
        helper.make_node("Transpose", ["f"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["f", "t"], ["y"], "float8"),
    ]
    weights = quantised_weights(rng)
    constants = {name: weights[name] for name in ("v", "sw", "zw", "sy")}
    proto = small_models.model(nodes, {"x": (FLOAT, ["n", 4])}, {"y": (FLOAT, 2)}, constants, opset=19)
    proto.graph.initializer.append(zero)
    result = run(save(proto, tmp_path), {"x": integers(rng, 2, 4)}, EXACT)
    assert [layer.name for layer in result.layers] == ["stored", "float8"]


VECTOR = {"vector": {"format": "bfloat16"}}


@pytest.mark.parametrize("build", [qlinear, qdq])
def test_a_vector_unit_leaves_the_models_own_integers_alone(
    rng: np.random.Generator, tmp_path: Path, build: Any
) -> None:
    path, inputs = save(build(rng), tmp_path), {"x": rng.normal(size=(2, 3, 6, 6)).astype(np.float32)}
    result = run(path, inputs, EXACT | VECTOR, mode="propagated")
    assert not result.layers
    assert np.array_equal(result.outputs["y"].emulated, engine(path, inputs))


def test_what_is_listed_of_vector_operations(rng: np.random.Generator, tmp_path: Path) -> None:
    """Dequantised activations are one product in the vector format; casts and the nearest element are no arithmetic."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], "quantise"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], "dequantise"),
        helper.make_node("Cast", ["d"], ["h"], "cast", to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["h"], ["f"], "back", to=TensorProto.FLOAT),
        helper.make_node("Resize", ["f", "", "scales"], ["r"], "nearest", mode="nearest"),
        helper.make_node("Resize", ["r", "", "scales"], ["l"], "linear", mode="linear"),
        helper.make_node("ThresholdedRelu", ["l"], ["t"], "threshold"),
        helper.make_node("Selu", ["t"], ["u"], "selu"),
        helper.make_node("Atan", ["u"], ["v"], "atan"),
        helper.make_node("MatMul", ["v", "w"], ["y"], "matmul"),
    ]
    constants = {
        "s": np.float32(0.037), "z": np.uint8(131), "scales": np.float32([1, 1, 2, 2]), "w": integers(rng, 16, 3),
    }  # fmt: skip
    path = save(small_models.model(nodes, {"x": (FLOAT, [1, 2, 4, 4])}, {"y": (FLOAT, 4)}, constants), tmp_path)
    inputs = {"x": rng.normal(size=(1, 2, 4, 4)).astype(np.float32)}
    result = run(path, inputs, EXACT | VECTOR, mode="propagated")
    listed = [(one.node, one.reason) for one in result.fallback]
    assert listed == [("quantise", FallbackReason.VECTOR), ("atan", FallbackReason.VECTOR)]
    assert [one.name for one in result.layers] == ["dequantise", "linear", "selu", "matmul"]
    exact, scale = (inputs["x"] / np.float32(0.037)).round(), float(np.float32(0.037))
    bf16 = load_format("bfloat16")
    one = bf16.decode(bf16.encode(np.float64(scale)))
    wanted = bf16.decode(bf16.encode(np.clip(exact, -131, 124).astype(np.float64) * one))
    assert np.array_equal(result.layers[0].emulated, wanted)
    without = run(path, inputs, EXACT, mode="propagated")
    names = ["quantise", "dequantise", "linear", "selu", "atan"]
    assert [one.node for one in without.fallback] == names
