"""Shapes that only the inputs tell: a cell of any length is taken apart for the run at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from emu.errors import ModelError
from emu.replaying import FallbackReason
from emu.replaying.driver import run
from emu.replaying.graph import bind, load_graph
from emu.replaying.pick import pick_layers
from emu.replaying.session import LoadedModel

from . import small_models
from .recurrences import BATCH, HIDDEN, INPUTS, STEPS, Case, cell, inputs_of, loop
from .small_models import FLOAT, INT64, lstm, save
from .test_driver import EXACT

FLOAT32_VECTOR = EXACT | {"vector": {"format": "float32"}}


@pytest.fixture
def dynamic(rng: np.random.Generator, tmp_path: Path) -> tuple[Path, Case, Case]:
    """An LSTM of any length, its inputs and all its tensors."""
    proto, tensors = cell(rng, "LSTM", steps="steps")
    return save(proto, tmp_path), inputs_of(proto, tensors), tensors


@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_a_run_takes_apart_what_its_inputs_tell(dynamic: tuple[Path, Case, Case], mode: str) -> None:
    path, given, tensors = dynamic
    assert [node.op_type for node in load_graph(path).nodes] == ["LSTM"]
    result = run(path, given, FLOAT32_VECTOR, mode=mode)
    assert not result.fallback
    assert "cell/step3/state" in [layer.name for layer in result.layers]
    if mode == "propagated":
        for pair, bits in zip(result.outputs.values(), loop("LSTM", tensors, np.float32, {}), strict=True):
            assert np.array_equal(pair.emulated.view(np.uint32), bits.view(np.uint32))


def test_a_layer_is_picked_by_the_same_names(dynamic: tuple[Path, Case, Case]) -> None:
    from emu.accelerators import load_accelerator

    path, given, _ = dynamic
    (picked,) = pick_layers(path, given, (load_accelerator(EXACT),), "cell/step2/state")
    assert picked.lowered.geometry.k == HIDDEN


def test_calibration_of_another_length(rng: np.random.Generator, tmp_path: Path) -> None:
    """An axis that the inputs do not agree on stays open, and the cell whole."""
    path = save(lstm(rng), tmp_path)
    long, short = ({"x": small_models.integers(rng, steps, 1, 4)} for steps in (5, 3))
    same = run(path, long, EXACT, calibration=long)
    assert "lstm/step4/state" in [layer.name for layer in same.layers]
    other = run(path, long, EXACT, calibration=short)
    assert [layer.name for layer in other.layers] == ["gemm"]
    assert ("lstm", FallbackReason.HIDDEN_MACS) in [(one.node, one.reason) for one in other.fallback]


def test_a_bound_model_takes_inputs_of_that_shape(rng: np.random.Generator, tmp_path: Path) -> None:
    path = save(lstm(rng), tmp_path)
    long, short = ({"x": small_models.integers(rng, steps, 1, 4)} for steps in (5, 3))
    free, bound = LoadedModel(path), LoadedModel(path, like=[long])
    assert free.run(short)["y"].shape == free.run(long)["y"].shape
    assert np.abs(bound.run(long)["y"] - free.run(long)["y"]).max() < 1e-5
    with pytest.raises(ModelError, match=r"'x' has shape \[3, 1, 4\], and the graph wants \[5, 1, 4\]"):
        bound.run(short)


def test_nothing_is_bound_without_need(rng: np.random.Generator, tmp_path: Path) -> None:
    """A model without such a cell, and one whose length no shape tells: the inputs stay open."""
    plain = load_graph(save(small_models.linear(rng), tmp_path))

    def never() -> Any:
        raise AssertionError

    assert bind(plain, never) is plain
    proto, tensors = cell(rng, "GRU", initial=False)
    proto.graph.input[0].name = "flat"
    proto.graph.node.insert(0, helper.make_node("Reshape", ["flat", "shape"], ["x"]))
    proto.graph.input.append(helper.make_tensor_value_info("shape", INT64, [3]))
    hidden = load_graph(proto)
    given = {"flat": tensors["x"], "shape": np.array([STEPS, BATCH, INPUTS])}
    assert bind(hidden, lambda: [given]) is hidden


def test_a_length_that_follows_from_sizes(rng: np.random.Generator) -> None:
    """[batch, channels, time], cut in half and flattened by computed shapes: known once the input's shape is."""
    proto, _ = cell(rng, "RNN", initial=False)
    del proto.graph.input[:]
    proto.graph.input.append(helper.make_tensor_value_info("image", FLOAT, ["n", INPUTS, "time"]))
    nodes = [
        helper.make_node("Shape", ["image"], ["sizes"]),
        helper.make_node("Gather", ["sizes", "two"], ["time"], axis=0),
        helper.make_node("Div", ["time", "twos"], ["half"]),
        helper.make_node("Slice", ["image", "zeros", "half", "twos"], ["cut"]),
        helper.make_node("Transpose", ["cut"], ["rows"], perm=[2, 0, 1]),
        helper.make_node("Concat", ["half", "minus", "inner"], ["shape"], axis=0),
        helper.make_node("Reshape", ["rows", "shape"], ["x"]),
    ]
    for at, node in enumerate(nodes):
        proto.graph.node.insert(at, node)
    numbers = {"two": [2], "twos": [2], "zeros": [0], "minus": [-1], "inner": [INPUTS]}
    for name, value in numbers.items():
        proto.graph.initializer.append(helper.make_tensor(name, INT64, [1], value))
    graph = load_graph(proto)
    assert any(node.op_type == "RNN" for node in graph.nodes)
    image = {"image": rng.normal(size=(BATCH, INPUTS, 2 * STEPS)).astype(np.float32)}
    bound = bind(graph, lambda: [image])
    assert not any(node.op_type == "RNN" for node in bound.nodes)
    assert sum(node.op_type == "Gemm" for node in bound.nodes) == STEPS + 1
    want = LoadedModel(proto).run(image)["y"]
    assert np.abs(LoadedModel(proto, like=[image]).run(image)["y"] - want).max() < 1e-6


def test_a_capture_has_the_layers_of_a_replay(dynamic: tuple[Path, Case, Case], tmp_path: Path) -> None:
    from emu.captures.record import capture

    path, given, _ = dynamic
    stored = capture(path, given, tmp_path / "out.safetensors")
    assert "cell/step3/state" in [layer.name for layer in stored.layers]


def test_a_branch_on_a_size_is_taken(rng: np.random.Generator) -> None:
    """An If that asks how many axes or rows there are, around a cell: as exporters write them."""
    proto, tensors = cell(rng, "LSTM", steps="steps")
    (lstm_node,) = proto.graph.node
    inside = helper.make_graph(
        [lstm_node], "cell", [], [helper.make_tensor_value_info(n, FLOAT, None) for n in lstm_node.output]
    )
    twice = [helper.make_node("Add", [name, name], [f"{name}2"]) for name in ("h", "h", "c")]
    for at, (node, name) in enumerate(zip(twice, ("a", "b", "d"), strict=True)):
        node.output[0] = f"{name}{at}"
    other = helper.make_graph(
        twice, "other", [], [helper.make_tensor_value_info(node.output[0], FLOAT, None) for node in twice]
    )
    del proto.graph.node[:]
    proto.graph.node.extend(
        [
            helper.make_node("Shape", ["x"], ["sizes"]),
            helper.make_node("Gather", ["sizes", "zero"], ["count"]),
            helper.make_node("Equal", ["count", "four"], ["is_four"]),
            helper.make_node("If", ["is_four"], ["y", "yh", "yc"], "if", then_branch=inside, else_branch=other),
        ]
    )
    for name, value in (("zero", 0), ("four", STEPS)):
        proto.graph.initializer.append(helper.make_tensor(name, INT64, [], [value]))
    given = inputs_of(proto, tensors)
    graph = load_graph(proto)
    assert "If" in [node.op_type for node in graph.nodes]
    bound = bind(graph, lambda: [given])
    assert not {"If", "LSTM"}.intersection(node.op_type for node in bound.nodes)
    found = LoadedModel(proto, like=[given]).run(given)
    for made, want in zip(found.values(), loop("LSTM", tensors, np.float64, {}), strict=True):
        np.testing.assert_allclose(made, want, rtol=0, atol=1e-6)
