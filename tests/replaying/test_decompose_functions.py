"""What ONNX defines by other operators: ONNX's own cases, and some definitions bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from emu.replaying.graph import load_graph
from emu.replaying.reference import Reference
from emu.replaying.session import LoadedModel, ReplaySession

from . import small_models
from .node_cases import cases
from .recurrences import exp, log, tanh
from .small_models import FLOAT
from .test_decompose_attention import FUSED, eighths
from .test_decompose_contrib import mean, same

DEFINED = ["RotaryEmbedding", "MeanVarianceNormalization", "Mish", "Selu", "ThresholdedRelu", "LayerNormalization"]
CASES = [(op, name) for op in DEFINED for name in cases(op) if "expanded" not in name]


@pytest.mark.parametrize(("op", "name"), CASES)
def test_onnx_cases(op: str, name: str) -> None:
    """At the case's own opset, and at the newest that the engine has."""
    proto, inputs, outputs = cases(op)[name]
    if proto.graph.input[0].type.tensor_type.elem_type == TensorProto.BFLOAT16:
        return
    for opset in {proto.opset_import[0].version, 25}:
        proto.opset_import[0].version = opset
        graph = load_graph(proto)
        assert [node.op_type for node in graph.nodes] != [op]
        found = Reference(graph).run(inputs, outputs)
        for output, want in outputs.items():
            near = 2e-3 if want.dtype == np.float16 else 2e-6
            assert found[output].dtype == want.dtype
            np.testing.assert_allclose(found[output], want, rtol=near, atol=near)


def replayed(op: str, tensors: dict[str, Any], opset: int = 23, **attributes: Any) -> NDArray[Any]:
    """The one output under a float32 vector unit; a product beside it, as a model needs a layer."""
    nodes = [
        helper.make_node(op, list(tensors), ["y"], "n", **attributes),
        helper.make_node("MatMul", ["left", "left"], ["z"], "beside"),
    ]
    kinds = {name: (helper.np_dtype_to_tensor_dtype(x.dtype), list(x.shape)) for name, x in tensors.items()}
    rank = next(iter(tensors.values())).ndim
    proto = small_models.model(
        nodes, kinds | {"left": (FLOAT, [2, 2])}, {"y": (FLOAT, rank), "z": (FLOAT, 2)}, opset=opset
    )
    proto.ir_version = 10
    session = ReplaySession(LoadedModel(proto), FUSED)
    assert not session.fallback
    result = session.run(tensors | {"left": np.eye(2, dtype=np.float32)}, mode="propagated")
    return result.outputs["y"].emulated


def test_rotary_embedding_bit_for_bit(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 3, 4, 8)).astype(np.float32)
    angles = rng.normal(size=(2, 4, 4))
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    found = replayed("RotaryEmbedding", {"x": x, "cos": cos, "sin": sin})
    a, b, c, s = x[..., :4], x[..., 4:], cos[:, None], sin[:, None]
    assert same(found, np.concatenate([c * a - s * b, s * a + c * b], axis=-1))


@pytest.mark.parametrize("opset", [13, 18])
def test_mean_variance_normalization_bit_for_bit(rng: np.random.Generator, opset: int) -> None:
    x = eighths(rng, 2, 3, 5)
    found = replayed("MeanVarianceNormalization", {"x": x}, opset, axes=[2])
    deviation = np.sqrt(mean(x * x) - mean(x) * mean(x)) + np.float32(1e-9)
    assert same(found, (x - mean(x)) / deviation)


def test_activations_bit_for_bit(rng: np.random.Generator) -> None:
    x, f = rng.normal(size=(4, 5)).astype(np.float32), np.float32
    assert same(replayed("Mish", {"x": x}, 22), x * tanh(log(f(1) + exp(x))))
    alpha, gamma = f(1.5), f(1.25)
    assert same(
        replayed("Selu", {"x": x}, alpha=1.5, gamma=1.25), np.where(x < 0, gamma * (alpha * exp(x) - alpha), gamma * x)
    )


def test_names_are_those_of_the_definition() -> None:
    node = helper.make_node("Mish", ["x"], ["y"], "act")
    proto = small_models.model([node], {"x": (FLOAT, [3])}, {"y": (FLOAT, 1)}, opset=22)
    proto.ir_version = 10
    names = [(node.op_type, node.name) for node in load_graph(proto).nodes]
    assert names == [("Softplus", "act/Softplus_X"), ("Tanh", "act/TanHSoftplusX"), ("Mul", "act/Y")]


def test_a_definition_that_does_not_fit_stays_whole() -> None:
    """Shrink is defined for opset 18 on."""
    node = helper.make_node("Shrink", ["x"], ["y"], "n")
    proto = small_models.model([node], {"x": (FLOAT, [3])}, {"y": (FLOAT, 1)}, opset=17)
    assert [node.op_type for node in load_graph(proto).nodes] == ["Shrink"]
    proto.opset_import[0].version = 18
    assert "Shrink" not in [node.op_type for node in load_graph(proto).nodes]
