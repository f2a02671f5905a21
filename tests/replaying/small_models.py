"""Small ONNX models, built in memory and written to a folder of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def model(
    nodes: list[NodeProto],
    inputs: dict[str, tuple[int, list[Any]]],
    outputs: dict[str, tuple[int, int]],
    constants: dict[str, NDArray[Any]] | None = None,
    opset: int = OPSET,
    domains: dict[str, int] | None = None,
) -> ModelProto:
    """A model of these nodes.

    Args:
        nodes: in topological order.
        inputs: element type and shape by name.
        outputs: element type and number of axes by name.
        constants: initialisers by name.
        opset: of the default domain.
        domains: versions of other domains.
    """
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, kind, [None] * axes) for name, (kind, axes) in outputs.items()],
        initializer=[numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    versions = {"": opset} | (domains or {})
    opsets = [helper.make_opsetid(domain, version) for domain, version in versions.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def save(proto: ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    """Write a model and return its path."""
    path = folder / name
    path.write_bytes(proto.SerializeToString())
    return path


def integers(rng: np.random.Generator, *shape: int, top: int = 4) -> NDArray[np.float32]:
    """Small whole numbers: sums of a few hundred products are exact in float32, in any order."""
    return rng.integers(-top, top + 1, shape).astype(np.float32)


def every_operator(rng: np.random.Generator) -> ModelProto:
    """Conv, depthwise Conv, Gemm, MatMul by weights and of two activations, with other operators between them."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "depthwise", group=4, strides=[2, 2], auto_pad="SAME_UPPER"),
        helper.make_node("Flatten", ["c2"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["g"], "gemm", transB=1),
        helper.make_node("MatMul", ["g", "w4"], ["m"], "linear"),
        helper.make_node("Transpose", ["m"], ["mt"], "transpose"),
        helper.make_node("MatMul", ["m", "mt"], ["y"]),
    ]
    constants = {
        "w1": integers(rng, 4, 2, 3, 3, top=1), "b1": integers(rng, 4), "w2": integers(rng, 4, 1, 3, 3, top=1),
        "w3": integers(rng, 6, 36, top=1), "b3": integers(rng, 6), "w4": integers(rng, 6, 5, top=1),
    }  # fmt: skip
    return model(nodes, {"x": (FLOAT, ["n", 2, 6, 6])}, {"y": (FLOAT, 2)}, constants)


def linear(rng: np.random.Generator, name: str = "linear") -> ModelProto:
    """One MatMul [n, 8] x [8, 4]."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name)]
    return model(nodes, {"x": (FLOAT, ["n", 8])}, {"y": (FLOAT, 2)}, {"w": integers(rng, 8, 4)})


def with_external_data(proto: ModelProto, tensor: str, location: str, **keys: int) -> ModelProto:
    """The model with one initialiser's data said to be in a file."""
    for initialiser in proto.graph.initializer:
        if initialiser.name == tensor:
            initialiser.ClearField("raw_data")
            initialiser.data_location = TensorProto.EXTERNAL
            for key, value in {"location": location, **keys}.items():
                initialiser.external_data.add(key=key, value=str(value))
    return proto


def lstm(rng: np.random.Generator) -> ModelProto:
    """A Gemm behind an LSTM of unknown length: one that is too long hides its own multiply-accumulates."""
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r"], ["", "h"], "lstm", hidden_size=3),
        helper.make_node("Squeeze", ["h", "axis"], ["s"], "squeeze"),
        helper.make_node("Gemm", ["s", "w2"], ["y"], "gemm"),
    ]
    constants = {
        "w": integers(rng, 1, 12, 4) / 8, "r": integers(rng, 1, 12, 3) / 8,
        "w2": integers(rng, 3, 2), "axis": np.array([0], np.int64),
    }  # fmt: skip
    return model(nodes, {"x": (FLOAT, ["steps", 1, 4])}, {"y": (FLOAT, 2)}, constants)


def branch(rng: np.random.Generator) -> ModelProto:
    """A MatMul at the top, and another one inside both branches of an If on an input."""

    def body(name: str, op: str) -> onnx.GraphProto:
        nodes = [
            helper.make_node("MatMul", ["m", "w2"], [f"{name}_m"], f"{name}_matmul"),
            helper.make_node(op, [f"{name}_m"], [f"{name}_y"], f"{name}_{op}"),
        ]
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(f"{name}_y", FLOAT, [None, None])])

    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["m"], "top"),
        helper.make_node(
            "If", ["flag"], ["y"], "if", then_branch=body("then", "Relu"), else_branch=body("else", "Neg")
        ),
    ]
    inputs = {"x": (FLOAT, ["n", 8]), "flag": (TensorProto.BOOL, [])}
    return model(nodes, inputs, {"y": (FLOAT, 2)}, {"w1": integers(rng, 8, 4), "w2": integers(rng, 4, 3)})
