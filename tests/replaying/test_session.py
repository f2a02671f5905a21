"""Sessions: made ready once, the same bits as a replay of its own; models in memory; fixed inputs; no events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from emu.errors import ModelError, SpecError
from emu.layers import operands as operands_module
from emu.replaying.driver import run
from emu.replaying.result import Kind
from emu.replaying.session import LoadedModel, ReplaySession

from . import small_models
from .small_models import FLOAT, integers, save


@pytest.fixture
def path(rng: np.random.Generator, tmp_path: Path) -> Path:
    return save(small_models.every_operator(rng), tmp_path)


def inputs(rng: np.random.Generator, n: int) -> dict[str, Any]:
    return {"x": rng.standard_normal((n, 2, 6, 6)).astype(np.float32)}


ACCELERATORS = ("hopper-fp8-promoted", "int8-int32", "bf16-fma-f32")


@pytest.mark.parametrize("accelerator", ACCELERATORS)
@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_a_session_gives_the_bits_of_single_replays(
    path: Path, rng: np.random.Generator, accelerator: str, mode: str
) -> None:
    session = ReplaySession(LoadedModel(path), accelerator)
    for n in (3, 1, 3):
        x = inputs(rng, n)
        alone, one = run(path, x, accelerator, mode=mode), session.run(x, mode=mode)
        for a, b in zip(alone.layers, one.layers, strict=True):
            assert np.array_equal(a.emulated, b.emulated) and np.array_equal(a.truth, b.truth)
            assert (a.events is None) == (b.events is None) == (a.kind is Kind.VECTOR)
            assert a.events is None or b.events is None or np.array_equal(a.events.counts, b.events.counts)
            assert (a.quantiser_saturated, a.quantiser_overflowed) == (b.quantiser_saturated, b.quantiser_overflowed)
        assert (alone.inputs_sha256, alone.accelerator_hash) == (one.inputs_sha256, one.accelerator_hash)


@pytest.mark.parametrize("accelerator", [*ACCELERATORS, "blackwell-mxfp8"])
@pytest.mark.parametrize(
    ("op", "attributes", "weights", "shapes"),
    [  # B has another order of taps, other products, and another batch, from run to run
        ("ConvTranspose", {"strides": [2, 2], "output_shape": [16, 16]}, (2, 2, 4, 4), [(1, 2, 7, 7), (1, 2, 8, 8)]),
        ("ConvTranspose", {"strides": [2], "output_shape": [9]}, (2, 2, 4), [(1, 2, 4), (1, 2, 5)]),
        ("MatMul", {}, (3, 5, 2), [(2, 3, 4, 5), (4, 3, 4, 5)]),
        ("MatMul", {}, (2, 1, 5, 3), [(1, 2, 2, 4, 5), (2, 2, 1, 4, 5)]),
    ],
)
def test_kept_weights_are_laid_out_as_each_run_wants_them(
    rng: np.random.Generator, accelerator: str, op: str, attributes: Any, weights: Any, shapes: Any
) -> None:
    node, rank = helper.make_node(op, ["x", "w"], ["y"], **attributes), len(shapes[0])
    constants = {"w": rng.standard_normal(weights).astype(np.float32)}
    proto = small_models.model([node], {"x": (FLOAT, [None] * rank)}, {"y": (FLOAT, rank)}, constants)
    session = ReplaySession(LoadedModel(proto), accelerator)
    for shape in (*shapes, shapes[0]):
        x = {"x": rng.standard_normal(shape).astype(np.float32)}
        (kept,), (anew,) = session.run(x).layers, run(proto, x, accelerator).layers
        assert kept.emulated.tobytes() == anew.emulated.tobytes()


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_outputs_alone_are_those_of_a_propagated_replay(path: Path, rng: np.random.Generator, accelerator: str) -> None:
    session = ReplaySession(LoadedModel(path), accelerator)
    for n in (2, 3):
        x = inputs(rng, n)
        found = session.outputs(x)
        for name, pair in run(path, x, accelerator, mode="propagated").outputs.items():
            assert np.array_equal(found[name], pair.emulated)


def test_weights_are_quantised_once(path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    quantised: list[str] = []
    real = operands_module._quantise

    def spy(values: Any, assignment: Any, target: Any) -> Any:
        quantised.append(target.name)
        return real(values, assignment, target)

    monkeypatch.setattr(operands_module, "_quantise", spy)
    model = LoadedModel(path)
    session = ReplaySession(model, "int8-int32")
    session.outputs(inputs(rng, 1))
    activations, weights = ["f", "g", "m", "mt", "r1", "x"], ["w1", "w2", "w3", "w4"]
    assert sorted(quantised) == sorted(activations + weights)
    quantised.clear()
    session.outputs(inputs(rng, 1))
    assert sorted(quantised) == activations
    quantised.clear()
    ReplaySession(model, "int8-int32").outputs(inputs(rng, 1))
    forgetful = ReplaySession(model, "int8-int32", keep_weights=False)
    for _ in range(2):
        forgetful.outputs(inputs(rng, 1))
    assert sorted(quantised) == sorted(3 * (activations + weights))


@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_without_events_the_bits_are_the_same_and_the_counts_none(
    path: Path, rng: np.random.Generator, mode: str
) -> None:
    x = inputs(rng, 2)
    counted, fast = (run(path, x, "int8-sat16", mode=mode, events=events) for events in (True, False))
    for a, b in zip(counted.layers, fast.layers, strict=True):
        assert np.array_equal(a.emulated, b.emulated)
        assert a.events is not None and b.events is None
        assert a.quantiser_saturated == b.quantiser_saturated


def test_a_model_in_memory_is_a_model(rng: np.random.Generator, path: Path) -> None:
    proto = onnx.load(path)
    x = inputs(rng, 2)
    here, there = LoadedModel(proto), LoadedModel(path)
    assert np.array_equal(here.run(x)["y"], there.run(x)["y"])
    assert str(here.graph.path) == "test"
    proto.graph.node[0].op_type = "Conw"
    with pytest.raises(ModelError, match="unknown operator 'Conw'"):
        LoadedModel(proto)


def test_an_unknown_mode_and_a_wrong_input_are_refused(path: Path, rng: np.random.Generator) -> None:
    session = ReplaySession(LoadedModel(path), "int8-int32")
    with pytest.raises(SpecError, match="unknown mode"):
        session.run(inputs(rng, 1), mode="local")
    with pytest.raises(ModelError, match="is missing"):
        session.outputs({})
    with pytest.raises(ModelError, match="no layer matches"):
        ReplaySession(LoadedModel(path), "int8-int32", layers="nothing")


@pytest.mark.parametrize("mode", ["isolated", "propagated"])
@pytest.mark.parametrize("stored", [False, True])
def test_layers_are_in_graph_order_however_they_were_run(
    path: Path, rng: np.random.Generator, tmp_path: Path, mode: str, stored: bool
) -> None:
    session = ReplaySession(LoadedModel(path), "hopper-fp8")
    run_ = session.run(inputs(rng, 2), mode=mode, unfinished=tmp_path / "unfinished" if stored else None)
    order = [layer.node_index for layer in run_.layers]
    assert order == sorted(order) and len(order) >= 5


# ----------------------------------------------------------------------------------------------------------- branches


def branching(rng: np.random.Generator) -> onnx.ModelProto:
    """If on rate == 16: a product and a body in each branch, an initialiser handed out, the same names in both."""

    def body(name: str, weight: str, inner: str) -> onnx.GraphProto:
        deep = helper.make_graph(
            [helper.make_node(inner, ["m"], ["deep"], "inner")], "deep", [],
            [helper.make_tensor_value_info("deep", FLOAT, None)],
        )  # fmt: skip
        nodes = [
            helper.make_node("MatMul", ["x", weight], ["m"], f"{name}_product"),
            helper.make_node("If", ["flag"], ["y2"], f"{name}_if", then_branch=deep, else_branch=deep),
            helper.make_node("Add", ["y2", "shift"], ["sum"], f"{name}_add"),
            helper.make_node("Abs", ["x"], ["size"], f"{name}_abs"),
        ]
        outputs = [helper.make_tensor_value_info(value, FLOAT, None) for value in ("sum", "size", "shift")]
        shift = numpy_helper.from_array(np.array([len(name)], np.float32), "shift")
        return helper.make_graph(nodes, name, [], outputs, initializer=[shift])

    nodes = [
        helper.make_node("Equal", ["rate", "sixteen"], ["is16"], "equal"),
        helper.make_node(
            "If", ["is16"], ["y", "m", "shift"], "choose", then_branch=body("then", "w1", "Relu"),
            else_branch=body("other", "w2", "Neg"),
        ),
    ]  # fmt: skip
    constants = {"w1": integers(rng, 8, 4), "w2": integers(rng, 8, 4), "sixteen": np.array(16, np.int64)}
    given = {"x": (FLOAT, ["n", 8]), "rate": (TensorProto.INT64, []), "flag": (TensorProto.BOOL, [])}
    return small_models.model(nodes, given, {"y": (FLOAT, 2), "m": (FLOAT, 2), "shift": (FLOAT, 1)}, constants)


@pytest.mark.parametrize(("rate", "layer"), [(16, "then_product"), (8, "other_product")])
@pytest.mark.parametrize("flag", [True, False])
def test_a_branch_on_a_fixed_input_is_taken(
    rng: np.random.Generator, tmp_path: Path, rate: int, layer: str, flag: bool
) -> None:
    path = save(branching(rng), tmp_path)
    x = {"x": integers(rng, 3, 8)}
    whole = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = whole.run(None, x | {"rate": np.array(rate), "flag": np.array(flag)})
    fixed = LoadedModel(path, fixed={"rate": np.array(rate)})
    assert [value.name for value in fixed.graph.inputs] == ["x", "flag"]
    assert all(
        np.array_equal(a, b) for a, b in zip(wanted, fixed.run(x | {"flag": np.array(flag)}).values(), strict=True)
    )
    session = ReplaySession(fixed, "bf16-fma-f32")
    run_ = session.run(x | {"flag": np.array(flag)}, mode="propagated", truth="float32")
    assert [done.name for done in run_.layers if done.kind is Kind.MATRIX] == [layer]
    assert all(np.array_equal(pair.truth, y) for pair, y in zip(run_.outputs.values(), wanted, strict=True))


def test_a_branch_inside_a_taken_branch_is_taken_too(rng: np.random.Generator, tmp_path: Path) -> None:
    path = save(branching(rng), tmp_path)
    fixed = LoadedModel(path, fixed={"rate": np.array(16), "flag": np.array(True)})
    assert "If" not in {node.op_type for node in fixed.graph.nodes}
    with pytest.raises(ModelError, match="no float MatMul"):
        ReplaySession(LoadedModel(path), "bf16-fma-f32")  # nothing is known: both products are hidden in branches


def test_a_fixed_input_that_does_not_fit_is_refused(rng: np.random.Generator, tmp_path: Path) -> None:
    path = save(branching(rng), tmp_path)
    with pytest.raises(ModelError, match="fixed input 'rate' has another type"):
        LoadedModel(path, fixed={"rate": np.array(16, np.int32)})
    with pytest.raises(ModelError, match="fixed input 'speed' does not exist; inputs: x, rate, flag"):
        LoadedModel(path, fixed={"speed": np.array(16)})
    with pytest.raises(ModelError, match="the condition of an If has 2 values"):
        LoadedModel(path, fixed={"rate": np.array([16, 8])})
