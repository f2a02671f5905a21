"""From a file to a flat graph, islands, and the double run of what is no layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from emu.errors import ModelError
from emu.replaying import FallbackReason
from emu.replaying.driver import run
from emu.replaying.fallback import find_fallbacks
from emu.replaying.graph import load_graph
from emu.replaying.layers import find_layers
from emu.replaying.reference import Reference
from emu.replaying.schedule import Island, islands_of, schedule

from . import small_models
from .small_models import FLOAT, INT64, integers, save
from .test_driver import EXACT


def test_weights_behind_other_operators_are_constants(tmp_path: Path) -> None:
    """Identity, Transpose and DequantizeLinear of constants are folded away."""
    nodes = [
        helper.make_node("Constant", [], ["q"], value=helper.make_tensor("", TensorProto.INT8, [4, 8], [1] * 32)),
        helper.make_node("DequantizeLinear", ["q", "scale"], ["d"]),
        helper.make_node("Transpose", ["d"], ["t"]),
        helper.make_node("Identity", ["t"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["y"], "linear"),
        helper.make_node("MatMul", ["w", "d"], ["unused"], "dead"),
    ]
    proto = small_models.model(nodes, {"x": (FLOAT, ["n", 8])}, {"y": (FLOAT, 2)}, {"scale": np.array(0.5, np.float32)})
    graph = load_graph(save(proto, tmp_path))
    assert [node.op_type for node in graph.nodes] == ["MatMul"]
    assert np.array_equal(graph.array("w"), np.full((8, 4), 0.5, np.float32))
    assert [layer.constant for layer in find_layers(graph)] == [(False, True)]


def test_random_operators_are_not_folded(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("RandomUniform", [], ["r"], shape=[8, 4], dtype=FLOAT),
        helper.make_node("MatMul", ["x", "r"], ["y"], "linear"),
    ]
    graph = load_graph(save(small_models.model(nodes, {"x": (FLOAT, ["n", 8])}, {"y": (FLOAT, 2)}), tmp_path))
    assert [node.op_type for node in graph.nodes] == ["RandomUniform", "MatMul"]


def test_functions_are_inlined(rng: np.random.Generator, tmp_path: Path) -> None:
    body = [helper.make_node("MatMul", ["a", "b"], ["m"]), helper.make_node("Relu", ["m"], ["c"])]
    function = helper.make_function("local", "Linear", ["a", "b"], ["c"], body, [helper.make_opsetid("", 17)])
    proto = small_models.model(
        [helper.make_node("Linear", ["x", "w"], ["y"], "linear", domain="local")],
        {"x": (FLOAT, ["n", 8])}, {"y": (FLOAT, 2)}, {"w": integers(rng, 8, 4)}, domains={"local": 1},
    )  # fmt: skip
    proto.functions.append(function)
    graph = load_graph(save(proto, tmp_path))
    assert [node.op_type for node in graph.nodes] == ["MatMul", "Relu"]


def test_islands_are_maximal_and_in_order(rng: np.random.Generator, tmp_path: Path) -> None:
    graph = load_graph(save(small_models.every_operator(rng), tmp_path))
    layers = find_layers(graph)
    steps = schedule(graph, layers)
    kinds = [[node.op_type for node in step.nodes] if isinstance(step, Island) else step.name for step in steps]
    assert kinds == ["conv", ["Relu"], "depthwise", ["Flatten"], "gemm", "linear", ["Transpose"], "y"]
    relu = steps[1]
    assert isinstance(relu, Island)
    assert (relu.inputs, relu.outputs) == (("c1",), ("r1",))


def test_independent_branches_share_islands(rng: np.random.Generator, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "left"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["x", "v"], ["c"], "right"),
        helper.make_node("Sigmoid", ["c"], ["d"]),
        helper.make_node("Add", ["b", "d"], ["y"]),
    ]
    constants = {"w": integers(rng, 8, 4), "v": integers(rng, 8, 4)}
    graph = load_graph(
        save(small_models.model(nodes, {"x": (FLOAT, ["n", 8])}, {"y": (FLOAT, 2)}, constants), tmp_path)
    )
    steps = schedule(graph, find_layers(graph))
    assert [isinstance(step, Island) for step in steps] == [False, False, True]


def test_layer_names(rng: np.random.Generator, tmp_path: Path) -> None:
    """Node name, else first output; a shared name gets the output appended."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "same"),
        helper.make_node("MatMul", ["a", "v"], ["b"], "same"),
        helper.make_node("MatMul", ["b", "v"], ["y"]),
    ]
    constants = {"w": integers(rng, 8, 4), "v": integers(rng, 4, 4)}
    graph = load_graph(
        save(small_models.model(nodes, {"x": (FLOAT, ["n", 8])}, {"y": (FLOAT, 2)}, constants), tmp_path)
    )
    assert [layer.name for layer in find_layers(graph)] == ["same:a", "same:b", "y"]


def test_every_layer_has_a_name_of_its_own(rng: np.random.Generator) -> None:
    """Weights that are kept go by it: a name that is made must not be another layer's."""
    named = (("o", ""), ("p", "o"), ("q", "o:o"))
    nodes = [helper.make_node("MatMul", ["x", f"w{out}"], [out], name) for out, name in named]
    constants = {f"w{out}": integers(rng, 8, 4) for out, _ in named}
    proto = small_models.model(nodes, {"x": (FLOAT, ["n", 8])}, {out: (FLOAT, 2) for out, _ in named}, constants)
    assert [layer.name for layer in find_layers(load_graph(proto))] == ["o:o'", "o:p", "o:o"]


def test_hidden_layers_are_listed_and_run_in_reference_arithmetic(rng: np.random.Generator, tmp_path: Path) -> None:
    path = save(small_models.lstm(rng), tmp_path)
    result = run(path, {"x": integers(rng, 300, 1, 4)}, EXACT, mode="propagated")
    assert ("lstm", "LSTM", FallbackReason.HIDDEN_MACS) in [(f.node, f.op, f.reason) for f in result.fallback]
    assert result.truth_float32 == ("lstm",), "the engine has no double LSTM"
    assert [layer.name for layer in result.layers] == ["gemm"]


@pytest.mark.parametrize("flag", [True, False])
def test_branches_that_hold_layers(rng: np.random.Generator, tmp_path: Path, flag: bool) -> None:
    path = save(small_models.branch(rng), tmp_path)
    inputs = {"x": integers(rng, 2, 8), "flag": np.array(flag)}
    result = run(path, inputs, EXACT, mode="propagated")
    hidden = [f.node for f in result.fallback if f.reason is FallbackReason.HIDDEN_MACS]
    assert sorted(hidden) == ["else_matmul", "then_matmul"]
    assert result.truth_float32 == ("if",)
    assert np.array_equal(result.outputs["y"].emulated, result.outputs["y"].truth)


def test_double_run_keeps_what_float32_loses(tmp_path: Path) -> None:
    """1 + 2^-30 survives an island in double; Cast to float becomes a cast to double; Resize's scales stay float32."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], "linear"),
        helper.make_node("Cast", ["i"], ["f"], "cast", to=FLOAT),
        helper.make_node("Add", ["m", "f"], ["s"], "add"),
        helper.make_node("Unsqueeze", ["s", "axes"], ["u"], "unsqueeze"),
        helper.make_node("Resize", ["u", "", "scales"], ["z"], "resize", mode="nearest"),
        helper.make_node("Erf", ["s"], ["e"], "erf"),
        helper.make_node("Sigmoid", ["s"], ["g"], "sigmoid"),
    ]
    constants = {
        "w": np.array([[2.0**-30]], np.float32),
        "scales": np.ones(4, np.float32),
        "axes": np.array([0, 1], np.int64),
    }
    proto = small_models.model(
        nodes, {"x": (FLOAT, [1, 1]), "i": (INT64, [1, 1])},
        {"s": (FLOAT, 2), "z": (FLOAT, 4), "e": (FLOAT, 2), "g": (FLOAT, 2)}, constants,
    )  # fmt: skip
    given: dict[str, Any] = {"x": np.ones((1, 1), np.float32), "i": np.ones((1, 1), np.int64)}
    result = run(save(proto, tmp_path), given, EXACT, mode="propagated")
    assert result.outputs["s"].truth.item() == 1 + 2.0**-30
    assert result.outputs["s"].emulated.item() == 1.0
    assert set(result.truth_float32) == {"resize", "erf"} - _double_kernels()
    assert all(pair.truth.dtype == np.float64 for pair in result.outputs.values())


def _double_kernels() -> set[str]:
    """Which of the two the installed engine runs on doubles: it may gain kernels."""
    import onnxruntime as ort

    found = set()
    for name, node, inputs in (
        ("erf", helper.make_node("Erf", ["x"], ["y"]), ["x"]),
        ("resize", helper.make_node("Resize", ["x", "", "s"], ["y"], mode="nearest"), ["x", "s"]),
    ):
        kinds = {"x": TensorProto.DOUBLE, "s": FLOAT}
        proto = helper.make_model(
            helper.make_graph(
                [node], "probe", [helper.make_tensor_value_info(i, kinds[i], None) for i in inputs],
                [helper.make_empty_tensor_value_info("y")],
            ),
            opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
        )  # fmt: skip
        try:
            ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
        except Exception:  # noqa: S112 - the engine's exceptions have no common base
            continue
        found.add(name)
    return found


@pytest.mark.parametrize("computed", [False, True])
def test_large_constants_are_refused_before_they_are_made(tmp_path: Path, computed: bool) -> None:
    """A few bytes that ask for gigabytes on the way to one number; also if the shape itself is computed."""
    parts = [helper.make_node("Concat", ["half", "half"], ["shape"], axis=0)] if computed else []
    nodes = [
        *parts,
        helper.make_node("ConstantOfShape", ["shape"], ["large"], "filler"),
        helper.make_node("ReduceSum", ["large"], ["total"], keepdims=0),
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Add", ["m", "total"], ["y"]),
    ]
    constants = {"w": np.ones((8, 4), np.float32)}
    constants |= {"half": np.array([30000])} if computed else {"shape": np.array([30000, 30000])}
    path = save(small_models.model(nodes, {"x": (FLOAT, ["n", 8])}, {"y": (FLOAT, 2)}, constants), tmp_path)
    message = r"node 'filler': operator 'ConstantOfShape' makes a constant of 3600000000 bytes"
    with pytest.raises(ModelError, match=message):
        load_graph(path)


def test_scatters_that_add_are_listed(tmp_path: Path) -> None:
    """A scatter only moves values unless it has a reduction that computes."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], "linear"),
        helper.make_node("ScatterND", ["m", "at", "u"], ["s"], "moves"),
        helper.make_node("ScatterND", ["s", "at", "u"], ["y"], "adds", reduction="add"),
    ]
    constants = {"w": np.ones((8, 4), np.float32), "at": np.array([[0]]), "u": np.ones((1, 4), np.float32)}
    proto = small_models.model(nodes, {"x": (FLOAT, [2, 8])}, {"y": (FLOAT, 2)}, constants, opset=18)
    graph = load_graph(save(proto, tmp_path))
    found = find_fallbacks(graph, Reference(graph).types, frozenset({"linear"}))
    assert [fallback.node for fallback in found] == ["adds"]


def test_island_outputs_are_in_the_order_of_their_nodes(tmp_path: Path) -> None:
    """Not in that of a set, which differs from process to process."""
    names = [f"t{index}" for index in range(20)]
    nodes = [helper.make_node("Relu", ["x"], [name]) for name in names]
    nodes += [helper.make_node("MatMul", [name, "w"], [f"y{name}"]) for name in names]
    outputs = {f"y{name}": (FLOAT, 2) for name in names}
    proto = small_models.model(nodes, {"x": (FLOAT, [2, 8])}, outputs, {"w": np.ones((8, 4), np.float32)})
    graph = load_graph(save(proto, tmp_path))
    (island,) = islands_of(schedule(graph, find_layers(graph)))
    assert list(island.outputs) == names
