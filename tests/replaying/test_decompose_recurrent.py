"""RNN, LSTM and GRU taken apart: against the engine's fused operators, ONNX's own cases, and a loop bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import helper

from emu.errors import ModelError
from emu.replaying import FallbackReason
from emu.replaying.driver import run
from emu.replaying.graph import load_graph
from emu.replaying.reference import Reference
from emu.replaying.session import LoadedModel, ReplaySession

from . import small_models
from .node_cases import cases
from .recurrences import (
    BATCH,
    DEFAULTS,
    GATES,
    HIDDEN,
    INPUTS,
    STEPS,
    Case,
    cell,
    inputs_of,
    loop,
)
from .small_models import FLOAT, save
from .test_driver import EXACT, engine

FLOAT32_VECTOR = EXACT | {"vector": {"format": "float32"}}
KINDS: list[tuple[str, Case]] = [("RNN", {}), ("LSTM", {}), ("GRU", {}), ("GRU", {"linear_before_reset": 1})]
PLAIN: list[tuple[str, Case, Case]] = [
    (op, {"bias": bias, "initial": initial}, {"direction": direction, **more})
    for op, more in KINDS
    for bias, initial, direction in ((True, True, "forward"), (False, False, "reverse"), (True, True, "bidirectional"))
]
CLIPPED: list[tuple[str, Case, Case]] = [(op, {}, {"clip": 0.375, **more}) for op, more in KINDS]
ENDING: list[tuple[str, Case, Case]] = [
    (op, {"lengths": lengths, "dynamic": dynamic}, {"direction": direction, **more})
    for op, more in KINDS
    for lengths, dynamic, direction in (
        ([STEPS, 2], True, "bidirectional"), ([3, 1], False, "bidirectional"), ([0, 3], True, "reverse"),
        ([2, 0], False, "forward"), ([STEPS] * BATCH, True, "forward"), ([STEPS] * BATCH, False, "forward"),
    )
]  # fmt: skip
GATED: list[tuple[str, Case, Case]] = [
    ("LSTM", {"peepholes": peepholes}, {"input_forget": coupled, "direction": direction, **more})
    for peepholes, coupled, direction, more in (
        (True, 0, "bidirectional", {}), (False, 1, "forward", {}), (True, 1, "reverse", {"clip": 0.25}),
    )
]  # fmt: skip
ACTIVE: list[tuple[str, Case, Case]] = [
    ("LSTM", {}, {"activations": ["Sigmoid", name, "Tanh"], **numbers})
    for name, numbers in (
        ("Relu", {}), ("Sigmoid", {}), ("Softsign", {}), ("Softplus", {}),
        ("LeakyRelu", {"activation_alpha": [0.3]}), ("Elu", {"activation_alpha": [0.3]}),
        ("ThresholdedRelu", {"activation_alpha": [0.3]}),
        ("HardSigmoid", {"activation_alpha": [0.3], "activation_beta": [0.7]}),
        ("Affine", {"activation_alpha": [0.3], "activation_beta": [0.7]}),
        ("ScaledTanh", {"activation_alpha": [0.3], "activation_beta": [0.7]}),
    )
]  # fmt: skip
ACTIVE += [
    ("GRU", {}, {"activations": ["HardSigmoid", "Tanh"], "activation_alpha": [0.3], "activation_beta": [0.7]}),
    ("RNN", {}, {"activations": ["Relu", "LeakyRelu"], "activation_alpha": [0.3], "direction": "bidirectional"}),
]
ALL = PLAIN + CLIPPED + ENDING + GATED + ACTIVE


@pytest.mark.parametrize(("op", "options", "attributes"), ALL)
def test_it_is_the_engines_operator(
    rng: np.random.Generator, tmp_path: Path, op: str, options: Case, attributes: Case
) -> None:
    """The engine's fused cell differs in the order of its sums and in its functions: a few units of 2^-24."""
    proto, tensors = cell(rng, op, **options, **attributes)
    path, given = save(proto, tmp_path), inputs_of(proto, tensors)
    result = run(path, given, EXACT, mode="propagated")
    fused = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, given)
    wide = loop(op, tensors, np.float64, attributes)
    for pair, theirs, exact in zip(result.outputs.values(), fused, wide, strict=True):
        assert pair.emulated.shape == theirs.shape
        np.testing.assert_allclose(pair.emulated, theirs, rtol=2e-6, atol=2e-6)
        near = 1e-6 if result.truth_float32 else 1e-12
        np.testing.assert_allclose(pair.truth, exact, rtol=near, atol=near)
    narrow = {"Elu", "HardSigmoid", "Softsign", "Softplus"}.intersection(attributes.get("activations", ()))
    assert bool(result.truth_float32) == bool(narrow), "the engine has no double kernels of these"
    products = STEPS * (2 if op == "GRU" and not attributes.get("linear_before_reset") else 1) + 1
    assert len(result.layers) == products * (2 if attributes.get("direction") == "bidirectional" else 1)
    assert {one.reason for one in result.fallback} <= {FallbackReason.VECTOR}


@pytest.mark.parametrize(
    ("op", "options", "attributes", "layout"), [(*case, 0) for case in ALL] + [(*case, 1) for case in PLAIN + ENDING]
)
def test_it_is_the_loop_bit_for_bit(
    rng: np.random.Generator, tmp_path: Path, op: str, options: Case, attributes: Case, layout: int
) -> None:
    """An exact unit and a float32 vector unit: every operation of ONNX's equations, in order, rounded once.

    The first product of a step is exact but for its bias; the others are rounded sums, so the loop gets exact sums by
    doing its products in float64."""
    attributes = attributes | ({"layout": 1} if layout else {})
    proto, tensors = cell(rng, op, **options, **attributes)
    result = run(save(proto, tmp_path), inputs_of(proto, tensors), FLOAT32_VECTOR, mode="propagated")
    assert not result.fallback, "nothing is left to reference arithmetic"
    want = loop(op, tensors, np.float32, attributes)
    for pair, bits in zip(result.outputs.values(), want, strict=True):
        assert np.array_equal(pair.emulated.view(np.uint32), np.asarray(bits).view(np.uint32))


@pytest.mark.parametrize(("op", "name"), [(op, name) for op in GATES for name in cases(op)])
def test_onnx_cases(op: str, name: str) -> None:
    """ONNX's own node tests, with their weights as constants; the outputs are rounded from its float32 reference."""
    model, inputs, outputs = cases(op)[name]
    given = model.graph.node[0].input
    fixed = {given[at]: inputs[given[at]] for at in (1, 2, 3, 7) if len(given) > at and given[at]}
    graph = load_graph(model, fixed=fixed)
    assert op not in {node.op_type for node in graph.nodes}
    found = Reference(graph).run({value.name: inputs[value.name] for value in graph.inputs}, outputs)
    for output, want in outputs.items():
        np.testing.assert_allclose(found[output], want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lengths", [None, [STEPS] * BATCH])
def test_names_and_steps(rng: np.random.Generator, tmp_path: Path, lengths: list[int] | None) -> None:
    proto, tensors = cell(rng, "LSTM", lengths=lengths)
    result = run(save(proto, tmp_path), inputs_of(proto, tensors), EXACT)
    assert [layer.name for layer in result.layers] == ["cell/inputs", *(f"cell/step{t}/state" for t in range(STEPS))]
    assert [layer.k for layer in result.layers] == [INPUTS, *[HIDDEN] * STEPS]
    assert not any("chosen" in node.name for node in load_graph(proto).nodes), "whole sequences need no masks"


@pytest.mark.parametrize(
    ("op", "options"),
    [
        ("LSTM", {"steps": "steps"}),
        ("LSTM", {"activations": ["Sigmoid", "Cosine", "Tanh"]}),
        ("RNN", {"activations": ["Affine"], "activation_alpha": [0.5]}),
        ("RNN", {"activations": ["ThresholdedRelu"]}),
        ("LSTM", {"lengths": [STEPS, STEPS + 1]}),
        ("GRU", {"activations": ["HardSigmoid"]}),
    ],
)
def test_others_stay_whole(rng: np.random.Generator, tmp_path: Path, op: str, options: Case) -> None:
    proto, _ = cell(rng, op, **options)
    assert [node.op_type for node in load_graph(save(proto, tmp_path)).nodes] == [op]


def test_numbers_go_to_the_activations_that_have_some(rng: np.random.Generator, tmp_path: Path) -> None:
    """As the engine hands them out: Tanh takes none, the backward LeakyRelu takes the first."""
    proto, tensors = cell(
        rng, "GRU", direction="bidirectional", activations=["HardSigmoid", "Tanh", "Sigmoid", "LeakyRelu"],
        activation_alpha=[0.25, 0.75], activation_beta=[0.5],
    )  # fmt: skip
    path, given = save(proto, tmp_path), inputs_of(proto, tensors)
    made = Reference(load_graph(path)).run(given, ["y"])["y"]
    fused = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(["y"], given)[0]
    np.testing.assert_allclose(made, fused, rtol=0, atol=2e-6)


def test_a_constant_state_is_not_folded(rng: np.random.Generator, tmp_path: Path) -> None:
    """The first product reads constants alone, and is the accelerator's all the same."""
    proto, tensors = cell(rng, "GRU")
    graph = load_graph(save(proto, tmp_path), fixed={"h": tensors["h"]})
    assert sum(node.op_type == "Gemm" for node in graph.nodes) == 2 * STEPS + 1
    proto.graph.initializer.append(helper.make_tensor("h", FLOAT, tensors["h"].shape, tensors["h"].ravel()))
    del proto.graph.input[1]
    result = run(save(proto, tmp_path), {"x": tensors["x"]}, FLOAT32_VECTOR, mode="propagated")
    want = loop("GRU", tensors, np.float32, {})
    for pair, bits in zip(result.outputs.values(), want, strict=True):
        assert np.array_equal(pair.emulated.view(np.uint32), np.asarray(bits).view(np.uint32))


def test_a_negative_zero_stays(rng: np.random.Generator) -> None:
    """A state of −0 passes a step that its sequence does not have: y is zeros there, the last state is the first."""
    attributes: Case = {"activations": ["Affine"], "activation_alpha": [-1.0], "activation_beta": [-0.0]}
    proto, tensors = cell(rng, "RNN", lengths=[1, 3], dynamic=True, bias=False, **attributes)
    tensors["x"][:], tensors["h"][:] = 0, 0
    session = ReplaySession(LoadedModel(proto), FLOAT32_VECTOR)
    found = session.outputs(inputs_of(proto, tensors))
    assert np.signbit(found["yh"]).any()
    ends = np.stack([found["y"][0, 0, 0], found["y"][2, 0, 1]])
    assert np.array_equal(found["yh"][0].view(np.uint32), ends.view(np.uint32))
    assert not found["y"][1:, 0, 0].view(np.uint32).any(), "+0 past the end"


def test_weights_that_do_not_fit_are_the_engines_to_refuse(rng: np.random.Generator, tmp_path: Path) -> None:
    proto, tensors = cell(rng, "LSTM")
    for tensor in proto.graph.initializer:
        if tensor.name == "r":
            tensor.dims[:] = [1, GATES["LSTM"], HIDDEN * HIDDEN]
    path = save(proto, tmp_path)
    assert [node.op_type for node in load_graph(path).nodes] == ["LSTM"]
    with pytest.raises(ModelError, match="cell"):
        LoadedModel(path).run(inputs_of(proto, tensors))


def test_the_default_activations_may_be_written_out(rng: np.random.Generator, tmp_path: Path) -> None:
    proto, _ = cell(rng, "GRU", activations=[name.lower() for name in DEFAULTS["GRU"]], direction="reverse")
    assert not any(node.op_type == "GRU" for node in load_graph(save(proto, tmp_path)).nodes)


def reshaped(rng: np.random.Generator) -> tuple[Any, Case]:
    """A GRU whose length is what a Reshape on an input says."""
    proto, tensors = cell(rng, "GRU", initial=False)
    proto.graph.input[0].name = "flat"
    proto.graph.node.insert(0, helper.make_node("Reshape", ["flat", "shape"], ["x"]))
    proto.graph.input.append(helper.make_tensor_value_info("shape", small_models.INT64, [3]))
    return proto, {"flat": tensors["x"], "shape": np.array([STEPS, BATCH, INPUTS])}


def test_a_fixed_input_makes_the_length_known(rng: np.random.Generator, tmp_path: Path) -> None:
    proto, given = reshaped(rng)
    path = save(proto, tmp_path)
    assert any(node.op_type == "GRU" for node in load_graph(path).nodes)
    graph = load_graph(path, fixed={"shape": given["shape"]})
    assert not any(node.op_type == "GRU" for node in graph.nodes)
    assert engine(path, given).shape == (STEPS, 1, BATCH, HIDDEN)
