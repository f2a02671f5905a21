"""`from=LAYER`, and another accelerator as the truth: in words, in bits, and after an interruption."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from emu.errors import ModelError, SpecError
from emu.layers.plain import evaluate
from emu.replaying.course import Course, course
from emu.replaying.driver import run
from emu.replaying.result import FallbackReason, Kind, Mode, Truth
from tests.replaying import small_models
from tests.replaying.small_models import FLOAT, integers, save
from tests.replaying.test_spill import StoppedError, same, stop_after

ONE, OTHER = "hopper-fp8-promoted", "int8-int32"
VECTORLESS = {
    "name": "plain",
    "matrix": {"unit": "bf16-fma-f32", "activations": {"scheme": "cast"}, "weights": {"scheme": "cast"}},
}
NAMES = ["conv", "depthwise", "gemm", "linear", "y"]


def two_branches(rng):
    """Layers on two branches, vector operations between and behind them, and a node before everything."""
    nodes = [
        helper.make_node("Mul", ["x", "third"], ["s"], "scale"),
        helper.make_node("MatMul", ["s", "w1"], ["a"], "left"),
        helper.make_node("MatMul", ["s", "w2"], ["b"], "right"),
        helper.make_node("Tanh", ["a"], ["t"], "tanh"),
        helper.make_node("Add", ["t", "b"], ["c"], "sum"),
        helper.make_node("Gemm", ["c", "w3", "b3"], ["g"], "last"),
        helper.make_node("Softmax", ["g"], ["p"], "softmax"),
    ]
    constants = {
        "third": np.float32(1 / 3), "w1": integers(rng, 8, 6) / 8, "w2": integers(rng, 8, 6) / 8,
        "w3": integers(rng, 6, 4) / 8, "b3": integers(rng, 4),
    }  # fmt: skip
    return small_models.model(nodes, {"x": (FLOAT, ["n", 8])}, {"p": (FLOAT, 2), "a": (FLOAT, 2)}, constants)


@pytest.fixture
def branched(tmp_path):
    return save(two_branches(np.random.default_rng(3)), tmp_path, "branched.onnx")


@pytest.fixture
def rows():
    return {"x": np.random.default_rng(4).standard_normal((5, 8), dtype=np.float32)}


def bits(layer):
    return np.asarray(layer.emulated).tobytes(), np.asarray(layer.truth).tobytes()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("isolated", Course(mode=Mode.ISOLATED)),
        ("propagated", Course(mode=Mode.PROPAGATED)),
        ("from=a=b", Course(mode=Mode.FROM, start="a=b")),
        (Mode.PROPAGATED, Course(mode=Mode.PROPAGATED)),
    ],
)
def test_a_mode_is_parsed_and_spelled_the_same_way(text, found):
    assert course(text) == found
    assert course(str(found)) == course(found) == found


@pytest.mark.parametrize("text", ["from", "from=", Mode.FROM, "From=x", "fro=x", ""])
def test_what_is_no_mode_is_refused(text):
    with pytest.raises(SpecError, match=r"unknown mode .*Allowed: isolated, propagated, from=LAYER"):
        course(text)


@pytest.mark.parametrize("truth", ["float64", "float32"])
@pytest.mark.parametrize("accelerator", [ONE, OTHER])
def test_from_the_first_layer_is_propagated(model, inputs, accelerator, truth):
    whole = run(model, inputs, accelerator, mode="propagated", truth=truth, attribution=50)
    found = run(model, inputs, accelerator, mode="from=conv", truth=truth, attribution=50)
    same(whole, found)
    assert [layer.name for layer in found.layers if layer.kind is Kind.MATRIX] == NAMES
    assert (found.mode, found.start) == (Mode.FROM, "conv")
    assert found.fallback == whole.fallback
    assert all(pair.truth.tobytes() == whole.outputs[name].truth.tobytes() for name, pair in found.outputs.items())


@pytest.mark.parametrize("truth", ["float64", "float32"])
@pytest.mark.parametrize("accelerator", [ONE, OTHER])
def test_from_the_last_layer_is_isolated(model, inputs, accelerator, truth):
    alone = run(model, inputs, accelerator, truth=truth).layers[-1]
    found = run(model, inputs, accelerator, mode="from=y", truth=truth)
    assert [layer.name for layer in found.layers] == ["y"]
    assert bits(found.layers[0]) == bits(alone)
    assert found.layers[0].events == alone.events
    assert found.outputs["y"].emulated.tobytes() == alone.emulated.tobytes()
    before = [entry.node for entry in found.fallback if entry.reason is FallbackReason.BEFORE]
    assert set(NAMES[:-1]) <= set(before)


@pytest.mark.parametrize("accelerator", [ONE, OTHER])
def test_from_a_layer_in_the_middle(branched, rows, accelerator):
    """`right` is emulated and `left`, which comes first but is on no path to it, is not."""
    found = {layer.name: layer for layer in run(branched, rows, accelerator, mode="from=right").layers}
    alone = {layer.name: layer for layer in run(branched, rows, accelerator).layers}
    flowing = {layer.name: layer for layer in run(branched, rows, accelerator, mode="propagated").layers}
    assert "left" not in found and {"right", "last"} <= set(found)
    assert bits(found["right"]) == bits(alone["right"])
    assert bits(found["last"])[0] not in (bits(alone["last"])[0], bits(flowing["last"])[0])


def test_what_comes_before_the_first_layer_is_float32_either_way(branched, rows):
    """`scale` is no layer here: the bits are those of a propagated run, whose truth alone is in double there."""
    whole, found = (run(branched, rows, VECTORLESS, mode=mode) for mode in ("propagated", "from=left"))
    assert [bits(x)[0] for x in whole.layers] == [bits(x)[0] for x in found.layers]
    assert bits(found.layers[0]) == bits(run(branched, rows, VECTORLESS).layers[0])


def test_from_a_vector_operation(branched, rows):
    found = run(branched, rows, ONE, mode="from=sum")
    assert [layer.name for layer in found.layers] == ["sum", "last", "softmax"]
    alone = {layer.name: layer for layer in run(branched, rows, ONE).layers}
    assert bits(found.layers[0]) == bits(alone["sum"])


def test_an_output_made_before_the_start_is_float32(branched, rows):
    found, alone = (run(branched, rows, ONE, mode=mode) for mode in ("from=last", "isolated"))
    left = found.outputs["a"]
    assert left.truth.dtype == left.emulated.dtype == np.float32
    assert left.truth.tobytes() == left.emulated.tobytes()
    assert bits(next(x for x in found.layers if x.name == "last")) == bits(
        next(x for x in alone.layers if x.name == "last")
    )


@pytest.mark.parametrize(
    ("start", "hint"), [("depthwize", "did you mean 'depthwise'"), ("relu9", "the accelerator runs: conv")]
)
def test_an_unknown_layer_is_refused_with_the_nearest_one(model, inputs, start, hint):
    with pytest.raises(ModelError, match=f"no layer '{start}' to start from.*{hint}"):
        run(model, inputs, ONE, mode=f"from={start}")


def test_a_layer_that_was_not_selected_is_none_to_start_from(model, inputs):
    with pytest.raises(ModelError, match="no layer 'conv' to start from"):
        run(model, inputs, ONE, mode="from=conv", layers="gemm")


# Another accelerator as the truth


def of(made):
    return {layer.name: layer for layer in made.layers}


@pytest.mark.parametrize("mode", ["isolated", "propagated", "from=right"])
def test_the_truth_is_what_the_other_one_computes(branched, rows, mode):
    found = run(branched, rows, OTHER, mode=mode, against=ONE)
    mine, theirs = of(run(branched, rows, OTHER, mode=mode)), of(run(branched, rows, ONE, mode=mode))
    assert found.truth is Truth.ACCELERATOR
    assert (found.against, len(found.against_hash)) == (ONE, len(found.accelerator_hash))
    for layer in found.layers:
        assert layer.emulated.tobytes() == mine[layer.name].emulated.tobytes()
        assert layer.truth.tobytes() == theirs[layer.name].emulated.astype(np.float64).tobytes()
    other = run(branched, rows, ONE, mode=mode).outputs
    for name, pair in found.outputs.items():
        assert pair.truth.tobytes() == other[name].emulated.tobytes()


@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_an_accelerator_against_itself(branched, rows, mode):
    for layer in run(branched, rows, ONE, mode=mode, against=ONE).layers:
        assert layer.truth.tobytes() == layer.emulated.astype(np.float64).tobytes()


@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_one_of_them_without_a_vector_unit(branched, rows, mode):
    """What the other one leaves to the reference engine is its truth there; what only it runs has no row."""
    theirs = of(run(branched, rows, VECTORLESS, mode=mode))
    assert set(theirs) == {"left", "right", "last"}
    found = of(run(branched, rows, ONE, mode=mode, against=VECTORLESS))
    assert {"tanh", "sum", "softmax"} <= set(found)
    for name, layer in theirs.items():
        assert found[name].truth.tobytes() == layer.emulated.astype(np.float64).tobytes()
    engine = of(run(branched, rows, ONE, truth="float32"))["softmax"].truth
    assert (found["softmax"].truth.tobytes() == engine.tobytes()) == (mode == "isolated")
    back = of(run(branched, rows, VECTORLESS, mode=mode, against=ONE))
    assert set(back) == {"left", "right", "last"}
    mine = of(run(branched, rows, ONE, mode=mode))
    assert all(back[name].truth.tobytes() == mine[name].emulated.astype(np.float64).tobytes() for name in back)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"truth": "float32"}, "float32 or another accelerator, not both"),
        ({"attribution": 10}, "not defined from one accelerator to another"),
    ],
)
def test_what_does_not_go_with_another_accelerator(model, inputs, more, says):
    with pytest.raises(SpecError, match=says):
        run(model, inputs, ONE, against=OTHER, **more)


def test_an_accelerator_truth_has_to_be_named(model, inputs):
    with pytest.raises(SpecError, match="named by `against`"):
        run(model, inputs, ONE, truth="accelerator")


# Interrupted


@pytest.mark.parametrize(
    "how",
    [
        {"mode": "from=depthwise", "attribution": 50},
        {"mode": "from=depthwise", "truth": "float32"},
        {"mode": "isolated", "against": OTHER},
        {"mode": "propagated", "against": OTHER},
        {"mode": "from=depthwise", "against": OTHER},
    ],
)
def test_a_resumed_run_has_the_same_bits(model, inputs, tmp_path, how):
    whole = run(model, inputs, ONE, **how)
    with pytest.raises(StoppedError):
        run(model, inputs, ONE, **how, unfinished=tmp_path / "left", on_layer=stop_after(2))
    begun = []
    resumed = run(model, inputs, ONE, **how, unfinished=tmp_path / "left", progress=lambda *at: begun.append(at))
    same(whole, resumed)
    flows = how["mode"] != "isolated"
    others = len(of(run(model, inputs, OTHER, mode=how["mode"]))) if "against" in how and flows else 0
    total = len(whole.layers) + others
    assert {at[1] for at in begun} == {total}
    done = [at[0] for at in begun]
    known = {*range(total + 1)} - {*done}
    assert done == sorted(done)
    assert begun[-1] == (total, total, "")
    assert len(known) == 2 * (2 if others else 1)  # what was there is passed over without a word


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"mode": "from=gemm"}, "mode"), ({"against": "bf16-fma-f32"}, "against"), ({"against": None}, "against, truth")],
)
def test_another_start_or_truth_is_another_question(model, inputs, tmp_path, changed, word):
    how = {"mode": "from=depthwise", "against": OTHER, "unfinished": tmp_path / "left"}
    run(model, inputs, ONE, **how)
    with pytest.raises(ModelError, match=rf"another question \({word} differ"):
        run(model, inputs, ONE, **(how | changed))


def test_the_layers_of_the_other_one_are_not_computed_again_either(model, inputs, tmp_path, monkeypatch):
    how = {"mode": "propagated", "against": OTHER, "unfinished": tmp_path / "left"}
    whole = run(model, inputs, ONE, **how)
    monkeypatch.setattr("emu.replaying.machine.emulate", None)
    same(whole, run(model, inputs, ONE, **how))


def test_the_truth_of_a_start_is_float64_of_float32_activations(model, inputs):
    """The first layer's truth is the double product of the engine's own activations."""
    from emu.replaying.layers import find_layers
    from emu.replaying.session import LoadedModel

    found = run(model, inputs, ONE, mode="from=gemm").layers[0]
    loaded = LoadedModel(model)
    layer = next(layer for layer in find_layers(loaded.graph) if layer.name == "gemm")
    values = loaded.reference.run(inputs, ["f"])
    assert found.truth.tobytes() == evaluate(layer.lower(values, loaded.graph)).tobytes()
