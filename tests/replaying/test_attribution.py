"""Replays that charge the error of every layer."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from emu.attribution import Stage
from emu.replaying.driver import run
from emu.replaying.result import Kind


@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_every_matrix_layer_has_shares(model, inputs, mode):
    done = run(model, inputs, "hopper-fp8-promoted", mode=mode, attribution=500)
    found = [layer.attribution for layer in done.layers if layer.kind is Kind.MATRIX]
    assert len(found) == 5
    for one in found:
        assert sum(one.shares.share.values()) == pytest.approx(1, abs=1e-9)
        assert (one.stages[0] is Stage.INPUTS) == (mode == "propagated")


def test_none_unless_asked_for(model, inputs):
    assert all(layer.attribution is None for layer in run(model, inputs, "int8-int32").layers)


def test_why_there_is_none(model, inputs):
    unit = {
        "name": "sr", "operands": dict.fromkeys("abcd", "float32"),
        "level": [{"result": {"format": "bfloat16", "rounding": "stochastic", "sr_bits": 8}}],
    }  # fmt: skip
    matrix = {"unit": unit, "activations": {"scheme": "cast"}, "weights": {"scheme": "cast"}, "seed": 1}
    done = run(model, inputs, {"name": "sr", "matrix": matrix}, attribution=20)
    assert done.layers[0].attribution is None
    assert "stochastically" in done.layers[0].no_attribution


def softmax_model(tmp_path, opset=17):
    """A product, then a softmax of it."""
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["y"], name="product"),
            helper.make_node("Softmax", ["y"], ["p"], name="softmax"),
        ],
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 2, 6])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, [4, 2, 3])],
        [numpy_helper.from_array(np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32), "w")],
    )
    path = tmp_path / "two.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path, {"x": np.random.default_rng(2).standard_normal((4, 2, 6)).astype(np.float32)}


@pytest.mark.parametrize(("opset", "axes"), [(17, (2,)), (12, (1, 2))])
def test_a_vector_operation_is_charged_with_its_own_roundings(tmp_path, opset, axes):
    path, x = softmax_model(tmp_path, opset)
    done = run(path, x, "hopper-fp8-promoted", attribution=1)
    product, softmax = done.layers
    assert (product.softmax_axes, softmax.softmax_axes) == ((), axes)
    assert softmax.attribution is not None
    assert softmax.attribution.shares.share == {Stage.VECTOR: 1.0}
    assert softmax.attribution.shares.elements == softmax.emulated.size


def test_propagated_a_vector_operation_is_charged_apart_from_its_inputs(tmp_path):
    path, x = softmax_model(tmp_path)
    done = run(path, x, "hopper-fp8-promoted", mode="propagated", attribution=1)
    product, softmax = done.layers
    assert softmax.attribution is not None
    y = product.emulated.astype(np.float64)
    own = np.exp(y - y.max(axis=-1, keepdims=True))
    own /= own.sum(axis=-1, keepdims=True)
    error, inputs = (part.ravel() for part in (softmax.emulated - softmax.truth, own - softmax.truth))
    share = softmax.attribution.shares.share
    assert list(share) == [Stage.INPUTS, Stage.VECTOR]
    assert share[Stage.INPUTS] == pytest.approx(error @ inputs / (error @ error), rel=1e-9)
    assert sum(share.values()) == pytest.approx(1, abs=1e-12)
    alone = run(path, x, "hopper-fp8-promoted", mode="propagated")
    assert all(layer.attribution is None for layer in alone.layers)


def test_shapley_values_on_request(model, inputs):
    plain, asked = (
        [layer.attribution for layer in run(model, inputs, "int8-int32", attribution=50, shapley=wanted).layers]
        for wanted in (False, True)
    )
    assert all(not one.shapley for one in plain if one is not None)
    found = [one.shapley for one in asked if one is not None and one.shares.share and Stage.VECTOR not in one.stages]
    assert len(found) == 5
    for values in found:
        assert sum(values.values()) == pytest.approx(1, abs=1e-9)
