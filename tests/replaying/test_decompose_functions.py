"""What ONNX defines by other operators: ONNX's own cases, and some definitions bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from emu.replaying.decompose import functions
from emu.replaying.graph import load_graph
from emu.replaying.reference import Reference
from emu.replaying.session import LoadedModel, ReplaySession
from emu.vector import node

from . import small_models
from .node_cases import cases
from .recurrences import exp, log, tanh
from .small_models import FLOAT
from .test_decompose_attention import FUSED, eighths
from .test_decompose_contrib import mean, same

TAKEN = ["RotaryEmbedding", "MeanVarianceNormalization", "Mish", "Selu", "Swish"]
"""Operators that the vector unit takes whole: here it does not, so that their definitions are."""
LOSSES = ["NegativeLogLikelihoodLoss", "Softmax_Cross_Entropy_Loss"]
CASES = [(op, name) for op in TAKEN + LOSSES for name in cases(op) if "expanded" not in name]


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Operators that the vector unit is made not to take."""
    names: set[str] = set()

    def takes(op: str, *rest: Any) -> bool:
        return op not in names and node.takes(op, *rest)

    monkeypatch.setattr(functions, "takes", takes)
    return names


@pytest.mark.parametrize(("op", "name"), CASES)
def test_onnx_cases(left: set[str], op: str, name: str) -> None:
    """At the case's own opset, and at the newest that the engine has."""
    left.update(TAKEN)
    proto, inputs, outputs = cases(op)[name]
    if proto.graph.input[0].type.tensor_type.elem_type == TensorProto.BFLOAT16:
        return
    own = proto.graph.node[0].op_type
    for opset in {proto.opset_import[0].version, 25}:
        copy = ModelProto()
        copy.CopyFrom(proto)
        copy.opset_import[0].version = opset
        graph = load_graph(copy)
        assert own not in [node.op_type for node in graph.nodes]
        found = Reference(graph).run(inputs, outputs)
        for output, want in outputs.items():
            near = 2e-3 if want.dtype == np.float16 else 4e-6
            assert found[output].dtype == want.dtype
            np.testing.assert_allclose(found[output], want, rtol=near, atol=near)


def replayed(
    op: str, tensors: dict[str, Any], opset: int = 23, rank: int | None = None, **attributes: Any
) -> NDArray[Any]:
    """The one output under a float32 vector unit; a product beside it, as a model needs a layer."""
    nodes = [
        helper.make_node(op, list(tensors), ["y"], "n", **attributes),
        helper.make_node("MatMul", ["left", "left"], ["z"], "beside"),
    ]
    kinds = {name: (helper.np_dtype_to_tensor_dtype(x.dtype), list(x.shape)) for name, x in tensors.items()}
    rank = next(iter(tensors.values())).ndim if rank is None else rank
    proto = small_models.model(
        nodes, kinds | {"left": (FLOAT, [2, 2])}, {"y": (FLOAT, rank), "z": (FLOAT, 2)}, opset=opset
    )
    proto.ir_version = 10
    session = ReplaySession(LoadedModel(proto), FUSED)
    assert not session.fallback
    result = session.run(tensors | {"left": np.eye(2, dtype=np.float32)}, mode="propagated")
    return result.outputs["y"].emulated


def test_a_loss_bit_for_bit(rng: np.random.Generator) -> None:
    """Weighted and averaged: −Σ w x / Σ w, over the elements of the targets."""
    x, w = eighths(rng, 3, 5), np.abs(eighths(rng, 5)) + np.float32(0.125)
    target = np.array([1, 4, 0])
    found = replayed("NegativeLogLikelihoodLoss", {"x": x, "t": target, "w": w}, 22, rank=0)
    terms = -x[np.arange(3), target] * w[target]
    assert same(found, np.asarray((terms[0] + terms[1] + terms[2]) / (w[1] + w[4] + w[0])))


def test_rotary_embedding_bit_for_bit(rng: np.random.Generator, left: set[str]) -> None:
    left.update(TAKEN)
    x = rng.normal(size=(2, 3, 4, 8)).astype(np.float32)
    angles = rng.normal(size=(2, 4, 4))
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    found = replayed("RotaryEmbedding", {"x": x, "cos": cos, "sin": sin})
    a, b, c, s = x[..., :4], x[..., 4:], cos[:, None], sin[:, None]
    assert same(found, np.concatenate([c * a - s * b, s * a + c * b], axis=-1))


@pytest.mark.parametrize("opset", [13, 18])
def test_mean_variance_normalization_bit_for_bit(rng: np.random.Generator, left: set[str], opset: int) -> None:
    left.update(TAKEN)
    x = eighths(rng, 2, 3, 5)
    found = replayed("MeanVarianceNormalization", {"x": x}, opset, axes=[2])
    deviation = np.sqrt(mean(x * x) - mean(x) * mean(x)) + np.float32(1e-9)
    assert same(found, (x - mean(x)) / deviation)


def test_activations_bit_for_bit(rng: np.random.Generator, left: set[str]) -> None:
    left.update(TAKEN)
    x, f = rng.normal(size=(4, 5)).astype(np.float32), np.float32
    assert same(replayed("Mish", {"x": x}, 22), x * tanh(log(f(1) + exp(x))))
    alpha, gamma = f(1.5), f(1.25)
    assert same(
        replayed("Selu", {"x": x}, alpha=1.5, gamma=1.25), np.where(x < 0, gamma * (alpha * exp(x) - alpha), gamma * x)
    )


def test_names_are_those_of_the_definition(left: set[str]) -> None:
    left.update(TAKEN)
    node = helper.make_node("Mish", ["x"], ["y"], "act")
    proto = small_models.model([node], {"x": (FLOAT, [3])}, {"y": (FLOAT, 1)}, opset=22)
    proto.ir_version = 10
    names = [(node.op_type, node.name) for node in load_graph(proto).nodes]
    assert names == [("Softplus", "act/Softplus_X"), ("Tanh", "act/TanHSoftplusX"), ("Mul", "act/Y")]


def test_a_definition_that_does_not_fit_stays_whole(left: set[str]) -> None:
    """Shrink is defined for opset 18 on."""
    left.add("Shrink")
    node = helper.make_node("Shrink", ["x"], ["y"], "n")
    proto = small_models.model([node], {"x": (FLOAT, [3])}, {"y": (FLOAT, 1)}, opset=17)
    assert [node.op_type for node in load_graph(proto).nodes] == ["Shrink"]
    proto.opset_import[0].version = 18
    assert "Shrink" not in [node.op_type for node in load_graph(proto).nodes]
