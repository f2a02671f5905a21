"""A small model on real-looking data, and studies of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

ALIGN = "matrix.unit.level.0.align_bits"
LENGTH = "matrix.unit.base.length"


@pytest.fixture(scope="session")
def mlp(tmp_path_factory) -> dict[str, str]:
    """The keys of a workload: two matrix products with a Relu between them."""
    folder: Path = tmp_path_factory.mktemp("mlp")
    rng = np.random.default_rng(7)

    def weights(name, *shape):
        return numpy_helper.from_array((rng.standard_normal(shape) / 8).astype(np.float32), name)

    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h"], name="up"),
        helper.make_node("Relu", ["h"], ["r"], name="act"),
        helper.make_node("MatMul", ["r", "w2"], ["y"], name="down"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 64])
    graph = helper.make_graph(nodes, "mlp", [x], [y], [weights("w1", 64, 256), weights("w2", 256, 64)])
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), str(folder / "mlp.onnx")
    )  # fmt: skip
    np.savez(folder / "mlp.npz", x=rng.standard_normal((16, 64)).astype(np.float32))
    return {"model": str(folder / "mlp.onnx"), "inputs": str(folder / "mlp.npz")}


@pytest.fixture
def keys(mlp) -> dict[str, Any]:
    """A study of six points."""
    return {
        "name": "small",
        "workload": mlp,
        "accelerator": "hopper-fp8-promoted",
        "axes": {ALIGN: [5, 9, 13], LENGTH: [32, "all"]},
        "objectives": {"error": "sqnr", "ulp": {"metric": "mean_ulp", "over": "mean"}},
    }
