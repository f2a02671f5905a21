"""Attention taken apart: against the engine, ONNX's own cases, a loop in float64, and a loop bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from emu.replaying.graph import load_graph
from emu.replaying.reference import Reference
from emu.replaying.session import LoadedModel, ReplaySession

from . import small_models
from .attention_loop import Arrays, attention
from .node_cases import cases
from .small_models import FLOAT

BATCH, HEADS, QUERIES, KEYS, SIZE, VALUES, PAST = 2, 4, 3, 5, 4, 6, 2
INPUTS = ("q", "k", "v", "mask", "past_k", "past_v", "lengths")
OUTPUTS = ("y", "present_k", "present_v", "scores")
UNIT: dict[str, Any] = {
    "name": "f32-fma",
    "operands": {"a": "float32", "b": "float32", "c": "float32", "d": "float32"},
    "level": [{"result": {"format": "float32"}}],
}
FUSED: dict[str, Any] = {
    "name": "fused",
    "matrix": {"unit": UNIT, "activations": {"scheme": "cast"}, "weights": {"scheme": "cast"}},
    "vector": {"format": "float32"},
    "fallback": {"ops": "error"},
}
Attributes = dict[str, Any]
CASES: list[tuple[Arrays | Any, Attributes]] = [
    ({}, {}),
    ({}, {"is_causal": 1, "scale": 0.3}),
    ({"shared": 2}, {"softcap": 1.5, "scale": 1.0}),
    ({"mask": "float", "past": True}, {"is_causal": 1, "qk_matmul_output_mode": 2}),
    ({"mask": "bool", "shared": 1}, {"qk_matmul_output_mode": 3, "softcap": 2.0}),
    ({"mask": "infinite"}, {"qk_matmul_output_mode": 1, "softcap": 2.0}),
    ({"lengths": [4, 1]}, {"is_causal": 1, "opset": 24}),
    ({"lengths": [5, 2], "mask": "bool"}, {"opset": 24}),
    ({"past": True}, {"left_window_size": 2, "right_window_size": 1, "opset": 25}),
]


def eighths(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return (rng.integers(-8, 9, shape) / 8).astype(np.float32)


def drawn(rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Operands of four axes."""
    shared = options.get("shared", HEADS)
    t: Arrays = {
        "q": eighths(rng, BATCH, HEADS, QUERIES, SIZE), "k": eighths(rng, BATCH, shared, KEYS, SIZE),
        "v": eighths(rng, BATCH, shared, KEYS, VALUES),
    }  # fmt: skip
    if options.get("past"):
        t |= {"past_k": eighths(rng, BATCH, shared, PAST, SIZE), "past_v": eighths(rng, BATCH, shared, PAST, VALUES)}
    total = (BATCH, HEADS, QUERIES, KEYS + PAST * bool(options.get("past")))
    match options.get("mask"):
        case "float":
            t["mask"] = eighths(rng, *total)
        case "infinite":
            t["mask"] = np.where(rng.random(total) < 0.5, eighths(rng, *total), np.float32("-inf"))
            t["mask"][1, 2, 0] = -np.inf
        case "bool":
            t["mask"] = rng.random(total) < 0.6
            t["mask"][0, 1, 2] = False
    if "lengths" in options:
        t["lengths"] = np.array(options["lengths"], np.int64)
    return t


def model(tensors: Arrays, attributes: Attributes) -> Any:
    """One Attention with all outputs."""
    attributes = dict(attributes)
    opset = attributes.pop("opset", 23)
    kinds = {name: (helper.np_dtype_to_tensor_dtype(x.dtype), list(x.shape)) for name, x in tensors.items()}
    inputs = [name if name in tensors else "" for name in INPUTS[: 7 if opset > 23 else 6]]
    present = [name if "lengths" not in tensors else "" for name in OUTPUTS[1:3]]
    outputs = ["y", *(present if "past_k" in tensors else ["", ""]), "scores"]
    node = helper.make_node("Attention", inputs, outputs, "att", **attributes)
    made = {name: (FLOAT, 4) for name in outputs if name}
    proto = small_models.model([node], kinds, made, opset=opset)
    proto.ir_version = 11
    return proto


@pytest.mark.parametrize("name", cases("Attention"))
def test_onnx_cases(name: str) -> None:
    """ONNX's own node tests, those of an opset that the engine has no Attention of included; bfloat16 stays whole."""
    proto, inputs, outputs = cases("Attention")[name]
    graph = load_graph(proto)
    left = {node.op_type for node in graph.nodes}
    if proto.graph.input[0].type.tensor_type.elem_type == TensorProto.BFLOAT16:
        assert "Attention" in left
        return
    assert "Attention" not in left
    found = Reference(graph).run(inputs, outputs)
    for output, want in outputs.items():
        near = 2e-3 if want.dtype == np.float16 else 1e-6
        assert found[output].dtype == want.dtype
        np.testing.assert_allclose(found[output], want, rtol=near, atol=near)


@pytest.mark.parametrize(("options", "attributes"), CASES)
def test_it_is_the_definition_and_the_engines(
    rng: np.random.Generator, options: dict[str, Any], attributes: Attributes
) -> None:
    """The parts in the engine's float32, and in truth's float64."""
    tensors = drawn(rng, options)
    proto = model(tensors, attributes)
    result = ReplaySession(LoadedModel(proto), FUSED).run(tensors, mode="propagated")
    wide = dict(zip(OUTPUTS, attention(tensors, np.float64, attributes), strict=True))
    assert not result.truth_float32
    for name, pair in result.outputs.items():
        np.testing.assert_allclose(pair.truth, wide[name], rtol=1e-12, atol=1e-12)
    if attributes.get("opset", 23) > 24:
        return  # the engine has no such Attention
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for name, want in zip(result.outputs, session.run(list(result.outputs), tensors), strict=True):
        if (attributes.get("qk_matmul_output_mode"), name) != (2, "scores"):  # the engine masks with a finite number
            np.testing.assert_allclose(result.outputs[name].emulated, want, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("options", "attributes"), CASES)
def test_it_is_the_loop_bit_for_bit(rng: np.random.Generator, options: dict[str, Any], attributes: Attributes) -> None:
    """Fused multiply-adds in the unit, a float32 vector unit: every operation in order, rounded once."""
    tensors = drawn(rng, options)
    session = ReplaySession(LoadedModel(model(tensors, attributes)), FUSED)
    assert not session.fallback, "nothing is left to reference arithmetic"
    result = session.run(tensors, mode="propagated")
    assert [layer.name for layer in result.layers if layer.macs] == ["att/qk", "att/pv"]
    assert "att/softmax" in [layer.name for layer in result.layers]
    want = dict(zip(OUTPUTS, attention(tensors, np.float32, attributes), strict=True))
    for name, pair in result.outputs.items():
        assert np.array_equal(pair.emulated.view(np.uint32), want[name].view(np.uint32)), name


def test_units_of_their_own(rng: np.random.Generator) -> None:
    """A rule gives QKᵀ one unit and PV another."""
    tensors = drawn(rng, {})
    other = {"match": {"layer": "*/pv"}, "unit": "bf16-fma-f32"}
    session = ReplaySession(LoadedModel(model(tensors, {})), FUSED | {"rule": [other]})
    units = {layer.name: layer.unit_name for layer in session.run(tensors).layers if layer.macs}
    assert units["att/qk"] != units["att/pv"] == "bf16-fma-f32"


@pytest.mark.parametrize(
    ("shape", "attributes"),
    [
        ([BATCH, QUERIES, "hidden"], {"q_num_heads": 2, "kv_num_heads": 2}),
        ([BATCH, "heads", QUERIES, SIZE], {}),
        ([BATCH, QUERIES, 8], {"q_num_heads": 3, "kv_num_heads": 2, "scale": 0.5}),
    ],
)
def test_others_stay_whole(shape: list[Any], attributes: Attributes) -> None:
    """A head size, or a number of heads, that is not known or does not divide."""
    node = helper.make_node("Attention", ["q", "q", "q"], ["y"], "att", **attributes)
    proto = small_models.model([node], {"q": (FLOAT, shape)}, {"y": (FLOAT, len(shape))}, opset=23)
    proto.ir_version = 11
    assert [node.op_type for node in load_graph(proto).nodes] == ["Attention"]
