"""Loops and scans of a known number of steps: their products are layers, and the result is the engine's."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import GraphProto, TensorProto, helper

from emu.replaying import FallbackReason, loops
from emu.replaying.graph import bind, load_graph
from emu.replaying.session import LoadedModel, ReplaySession

from . import small_models
from .attention_loop import product
from .node_cases import cases
from .recurrences import tanh
from .small_models import FLOAT, INT64
from .test_decompose_attention import FUSED, eighths
from .test_decompose_contrib import same

BOOL = TensorProto.BOOL
STEPS, BATCH, WIDTH = 3, 2, 4
Arrays = dict[str, NDArray[Any]]


def info(name: str, kind: int = FLOAT, shape: Any = None) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def body(condition: str = "going") -> GraphProto:
    """h = tanh(h × w + x[step]); h is carried and stacked. w and x are captured."""
    nodes = [
        helper.make_node("Gather", ["x", "step"], ["row"]),
        helper.make_node("MatMul", ["h_in", "w"], ["product"], "product"),
        helper.make_node("Add", ["product", "row"], ["sum"], "sum"),
        helper.make_node("Tanh", ["sum"], ["h_out"], "tanh"),
        helper.make_node("Identity", ["h_out"], ["h_row"]),
        helper.make_node("Less", ["step", "most"], ["less"]),
        helper.make_node("Identity", ["going"], ["same"]),
    ]
    inputs = [info("step", INT64, []), info("going", BOOL, []), info("h_in", shape=[BATCH, WIDTH])]
    outputs = [info(condition, BOOL, []), info("h_out", shape=[BATCH, WIDTH]), info("h_row", shape=[BATCH, WIDTH])]
    most = helper.make_tensor("most", INT64, [], [STEPS])
    return helper.make_graph(nodes, "body", inputs, outputs, [most])


def loop_model(rng: np.random.Generator, condition: str = "same", trips: Any = STEPS, start: Any = True) -> Any:
    """A Loop; `trips` None: they are an input."""
    constants: Any = {"w": eighths(rng, WIDTH, WIDTH), "true": np.array(start)}
    constants |= {} if trips is None else {"trips": np.array(trips, np.int64)}
    inputs: Any = {"x": (FLOAT, [STEPS, BATCH, WIDTH]), "h": (FLOAT, [BATCH, WIDTH])}
    inputs |= {"trips": (INT64, [])} if trips is None else {}
    node = helper.make_node("Loop", ["trips", "true", "h"], ["last", "all"], "loop", body=body(condition))
    return small_models.model([node], inputs, {"last": (FLOAT, 2), "all": (FLOAT, 3)}, constants)


def given(rng: np.random.Generator) -> Arrays:
    return {"x": eighths(rng, STEPS, BATCH, WIDTH), "h": eighths(rng, BATCH, WIDTH)}


def weights(proto: Any) -> NDArray[Any]:
    return load_graph(proto).array("w")


def agree(proto: Any, tensors: Arrays, model: LoadedModel | None = None) -> tuple[Any, Arrays]:
    """A run under fused multiply-adds that is near the engine's own; nothing falls back."""
    session = ReplaySession(model or LoadedModel(proto), FUSED)
    assert not session.fallback
    result = session.run(tensors, mode="propagated")
    found = {name: pair.emulated for name, pair in result.outputs.items()}
    engine = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for name, want in zip(found, engine.run(list(found), tensors), strict=True):
        np.testing.assert_allclose(found[name], want, rtol=0, atol=1e-6)
    return result, found


@pytest.mark.parametrize("condition", ["same", "going"])
def test_a_loop_is_its_steps(rng: np.random.Generator, condition: str) -> None:
    proto, tensors = loop_model(rng, condition), given(rng)
    result, found = agree(proto, tensors)
    assert [one.name for one in result.layers if one.macs] == [f"loop/step{t}/product" for t in range(STEPS)]
    h, rows = tensors["h"], []
    for t in range(STEPS):
        h = tanh(product(h, weights(proto)) + tensors["x"][t])
        rows.append(h)
    assert same(found["last"], h)
    assert same(found["all"], np.stack(rows))


@pytest.mark.parametrize(
    "change", [{"condition": "less"}, {"trips": None}, {"trips": 0}, {"start": False}, {"trips": 1 << 40}]
)
def test_others_stay(rng: np.random.Generator, change: dict[str, Any]) -> None:
    """A condition that is computed, a number that is not known, no step, too many; what they hide is listed."""
    proto = loop_model(rng, **change)
    nodes = [helper.make_node("MatMul", ["last", "w"], ["z"], "beside")]
    proto.graph.node.extend(nodes)
    proto.graph.output.append(info("z", shape=[None, None]))
    model = LoadedModel(proto)
    assert [node.op_type for node in model.graph.nodes] == ["Loop", "MatMul"]
    fallback = ReplaySession(model, FUSED | {"fallback": {"ops": "reference"}}).fallback
    assert ("product", FallbackReason.HIDDEN_MACS) in [(one.node, one.reason) for one in fallback]


def test_a_graph_does_not_grow_beyond_its_bound(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "MOST_NODES", 9 * STEPS - 1)
    assert [node.op_type for node in load_graph(loop_model(rng)).nodes] == ["Loop"]
    monkeypatch.setattr(loops, "MOST_NODES", 9 * STEPS)
    assert "Loop" not in [node.op_type for node in load_graph(loop_model(rng)).nodes]


def test_steps_that_follow_from_a_shape(rng: np.random.Generator) -> None:
    """As many as x has rows: known for the inputs at hand."""
    proto = loop_model(rng, trips=None)
    del proto.graph.input[2]
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "rows"
    proto.graph.node.insert(0, helper.make_node("Gather", ["sizes", "zero"], ["trips"], axis=0))
    proto.graph.node.insert(0, helper.make_node("Shape", ["x"], ["sizes"]))
    proto.graph.initializer.append(helper.make_tensor("zero", INT64, [], [0]))
    graph, tensors = load_graph(proto), given(rng)
    assert "Loop" in [node.op_type for node in graph.nodes]
    assert "Loop" not in [node.op_type for node in bind(graph, lambda: [tensors]).nodes]
    result, _ = agree(proto, tensors, LoadedModel(proto, like=[tensors]))
    assert len([one for one in result.layers if one.macs]) == STEPS


@pytest.mark.parametrize(("axis", "turned", "put", "stacked_turned"), [(0, 0, 0, 0), (1, 1, 2, 1), (0, 1, 1, 0)])
def test_a_scan_is_its_steps(rng: np.random.Generator, axis: int, turned: int, put: int, stacked_turned: int) -> None:
    nodes = [
        helper.make_node("MatMul", ["s_in", "w"], ["product"], "product"),
        helper.make_node("Add", ["product", "row"], ["s_out"], "sum"),
        helper.make_node("Mul", ["s_out", "row"], ["y_row"], "mul"),
    ]
    shape = [BATCH, WIDTH]
    inner = helper.make_graph(
        nodes, "body", [info("s_in", shape=shape), info("row", shape=shape)],
        [info("s_out", shape=shape), info("y_row", shape=shape)],
    )  # fmt: skip
    scan = helper.make_node(
        "Scan", ["s", "x"], ["last", "rows"], "scan", body=inner, num_scan_inputs=1, scan_input_axes=[axis],
        scan_input_directions=[turned], scan_output_axes=[put], scan_output_directions=[stacked_turned],
    )  # fmt: skip
    x = np.moveaxis(eighths(rng, STEPS, BATCH, WIDTH), 0, axis)
    kinds: Any = {"s": (FLOAT, shape), "x": (FLOAT, list(x.shape))}
    outputs = {"last": (FLOAT, 2), "rows": (FLOAT, 3)}
    proto = small_models.model([scan], kinds, outputs, {"w": eighths(rng, WIDTH, WIDTH)})
    tensors = {"s": eighths(rng, *shape), "x": np.ascontiguousarray(x)}
    _, found = agree(proto, tensors)
    s, rows = tensors["s"], []
    for t in reversed(range(STEPS)) if turned else range(STEPS):
        row = np.take(x, t, axis)
        s = product(s, weights(proto)) + row
        rows.append(s * row)
    assert same(found["last"], s)
    assert same(found["rows"], np.stack(rows[::-1] if stacked_turned else rows, put))


@pytest.mark.parametrize("name", [name for name in cases("Scan") if "scan9" in name])
def test_onnx_scans(name: str) -> None:
    proto, inputs, outputs = cases("Scan")[name]
    graph = LoadedModel(proto)
    assert "Scan" not in [node.op_type for node in graph.graph.nodes]
    for output, want in graph.run(inputs).items():
        assert np.array_equal(want, outputs[output])
