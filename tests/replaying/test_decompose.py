"""LSTM and GRU taken apart: against the engine's fused operators, a loop in float64, and a loop bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from emu.errors import ModelError
from emu.replaying import FallbackReason
from emu.replaying.driver import run
from emu.replaying.graph import load_graph
from emu.replaying.session import LoadedModel

from . import small_models
from .small_models import FLOAT, save
from .test_driver import EXACT, engine

STEPS, BATCH, INPUTS, HIDDEN = 4, 2, 3, 5
GATES = {"LSTM": 4, "GRU": 3}
FLOAT32_VECTOR = EXACT | {"vector": {"format": "float32"}}
Case = dict[str, Any]


def eighths(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Small multiples of 1/8: sums of their products are exact in float32."""
    return (rng.integers(-8, 9, shape) / 8).astype(np.float32)


def cell(
    rng: np.random.Generator, op: str, *, bias: bool = True, initial: bool = True, steps: Any = STEPS,
    lengths: list[int] | None = None, **attributes: Any,
) -> tuple[Any, Case]:  # fmt: skip
    """A model of one LSTM or GRU with all its outputs, and its tensors."""
    directions, layout = 1 + (attributes.get("direction") == "bidirectional"), attributes.get("layout", 0)
    width = GATES[op] * HIDDEN
    constants = {"w": eighths(rng, directions, width, INPUTS), "r": eighths(rng, directions, width, HIDDEN)}
    if bias:
        constants["b"] = eighths(rng, directions, 2 * width)
    known: Any = constants | ({} if lengths is None else {"lengths": np.array(lengths, np.int32)})
    state = (BATCH, directions, HIDDEN) if layout else (directions, BATCH, HIDDEN)
    values = {"x": eighths(rng, *((BATCH, STEPS) if layout else (STEPS, BATCH)), INPUTS)}
    shapes = {"x": ["batch", steps, INPUTS] if layout else [steps, "batch", INPUTS]}
    for name in ("h", "c") if op == "LSTM" else ("h",):
        if initial:
            values[name], shapes[name] = eighths(rng, *state), list(state)
    inputs = ["x", "w", "r", "b" if bias else "", "" if lengths is None else "lengths"]
    inputs += [name if initial else "" for name in (("h", "c") if op == "LSTM" else ("h",))]
    outputs = {"y": (FLOAT, 4), "yh": (FLOAT, 3)} | ({"yc": (FLOAT, 3)} if op == "LSTM" else {})
    node = helper.make_node(op, inputs, list(outputs), "cell", hidden_size=HIDDEN, **attributes)
    given = {name: (FLOAT, shape) for name, shape in shapes.items()}
    return small_models.model([node], given, outputs, known), values | constants


def sigmoid(x: Any) -> Any:
    return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(x.dtype)


def tanh(x: Any) -> Any:
    return np.tanh(x.astype(np.float64)).astype(x.dtype)


def loop(op: str, tensors: Case, kind: Any, direction: str = "forward", linear: bool = False, layout: int = 0) -> Any:
    """ONNX's equations, one operation after the other in `kind`: outputs Y, Y_h and, of an LSTM, Y_c."""
    t = {name: value.astype(kind) for name, value in tensors.items()}
    if layout:
        t |= {name: np.swapaxes(t[name], 0, 1) for name in ("x", "h", "c") if name in t}
    every, last_h, last_c = [], [], []
    for d, backwards in enumerate({"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]):
        w, r = t["w"][d], t["r"][d]
        wb, rb = np.split(t["b"][d], 2) if "b" in t else np.zeros((2, len(w)), kind)
        h, c = (t[name][d] if name in t else np.zeros((BATCH, HIDDEN), kind) for name in "hc")
        made = {}
        for step in reversed(range(STEPS)) if backwards else range(STEPS):
            x = (t["x"][step] @ w.T + wb).reshape(BATCH, -1, HIDDEN)
            s = (h @ r.T + rb).reshape(BATCH, -1, HIDDEN)
            if op == "LSTM":
                i, o, f = (sigmoid(x[:, k] + s[:, k]) for k in range(3))
                c = f * c + i * tanh(x[:, 3] + s[:, 3])
                h = o * tanh(c)
            else:
                z, reset = (sigmoid(x[:, k] + s[:, k]) for k in range(2))
                second = reset * s[:, 2] if linear else (reset * h) @ r[2 * HIDDEN :].T + rb[2 * HIDDEN :]
                h = (1 - z) * tanh(x[:, 2] + second) + z * h
            made[step] = h
        every.append(np.stack([made[step] for step in range(STEPS)]))
        last_h.append(h)
        last_c.append(c)
    outs = [np.stack(every, 1), np.stack(last_h), np.stack(last_c)][: 3 if op == "LSTM" else 2]
    return [outs[0].transpose(2, 0, 1, 3), *(np.swapaxes(o, 0, 1) for o in outs[1:])] if layout else outs


CASES: list[tuple[str, Case, Case]] = [
    (op, {"bias": bias, "initial": initial}, {"direction": direction, **more})
    for op, more in (("LSTM", {}), ("GRU", {}), ("GRU", {"linear_before_reset": 1}))
    for bias, initial, direction in ((True, True, "forward"), (False, False, "reverse"), (True, True, "bidirectional"))
]


@pytest.mark.parametrize(("op", "options", "attributes"), CASES)
def test_it_is_the_engines_operator(
    rng: np.random.Generator, tmp_path: Path, op: str, options: Case, attributes: Case
) -> None:
    """The engine's fused cell differs in the order of its sums and in its functions: a few units of 2^-24."""
    proto, tensors = cell(rng, op, **options, **attributes)
    path = save(proto, tmp_path)
    given = {name: tensors[name] for name in ("x", "h", "c") if name in tensors}
    result = run(path, given, EXACT, mode="propagated")
    session = engine_outputs(path, given)
    direction, linear = attributes["direction"], bool(attributes.get("linear_before_reset"))
    wide = loop(op, tensors, np.float64, direction, linear)
    for pair, fused, exact in zip(result.outputs.values(), session, wide, strict=True):
        assert pair.emulated.shape == fused.shape
        np.testing.assert_allclose(pair.emulated, fused, rtol=0, atol=2e-6)
        np.testing.assert_allclose(pair.truth, exact, rtol=0, atol=1e-12)
    assert not result.truth_float32
    products = STEPS * (2 if op == "GRU" and not linear else 1) + 1
    assert len(result.layers) == products * (2 if direction == "bidirectional" else 1)
    assert {one.reason for one in result.fallback} == {FallbackReason.VECTOR}


def engine_outputs(path: Path, given: Case) -> list[Any]:
    import onnxruntime as ort

    return list(ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, given))


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize(("op", "options", "attributes"), CASES)
def test_it_is_the_loop_bit_for_bit(
    rng: np.random.Generator, tmp_path: Path, op: str, options: Case, attributes: Case, layout: int
) -> None:
    """An exact unit and a float32 vector unit: every operation of ONNX's equations, in order, rounded once.

    The first product of a step is exact but for its bias; the others are rounded sums, so the loop gets exact sums by
    doing its products in float64."""
    more = {"layout": 1} if layout else {}
    proto, tensors = cell(rng, op, **options, **attributes, **more)
    given = {name: tensors[name] for name in ("x", "h", "c") if name in tensors}
    result = run(save(proto, tmp_path), given, FLOAT32_VECTOR, mode="propagated")
    assert not result.fallback, "nothing is left to reference arithmetic"
    rounded = {name: value.view(Rounded) for name, value in tensors.items()}
    want = loop(op, rounded, np.float32, attributes["direction"], bool(attributes.get("linear_before_reset")), layout)
    for pair, bits in zip(result.outputs.values(), want, strict=True):
        assert np.array_equal(pair.emulated.view(np.uint32), np.asarray(bits).view(np.uint32))


class Rounded(np.ndarray):
    """float32 whose matrix products are made in float64, which is exact enough to be rounded once."""

    def __matmul__(self, other: Any) -> Any:
        wide = np.asarray(self, np.float64) @ np.asarray(other, np.float64)
        return wide.astype(np.float32).view(Rounded)


@pytest.mark.parametrize("lengths", [None, [STEPS] * BATCH])
def test_names_and_steps(rng: np.random.Generator, tmp_path: Path, lengths: list[int] | None) -> None:
    proto, tensors = cell(rng, "LSTM", lengths=lengths)
    result = run(save(proto, tmp_path), {name: tensors[name] for name in "xhc"}, EXACT)
    assert [layer.name for layer in result.layers] == ["cell/inputs", *(f"cell/step{t}/state" for t in range(STEPS))]
    assert [layer.k for layer in result.layers] == [INPUTS, *[HIDDEN] * STEPS]


@pytest.mark.parametrize(
    ("op", "options"),
    [
        ("LSTM", {"steps": "steps"}),
        ("LSTM", {"activations": ["Sigmoid", "Relu", "Tanh"]}),
        ("LSTM", {"clip": 1.0}),
        ("LSTM", {"input_forget": 1}),
        ("LSTM", {"lengths": [STEPS, STEPS - 1]}),
        ("GRU", {"activations": ["HardSigmoid", "Tanh"]}),
    ],
)
def test_others_stay_whole(rng: np.random.Generator, tmp_path: Path, op: str, options: Case) -> None:
    proto, _ = cell(rng, op, **options)
    assert [node.op_type for node in load_graph(save(proto, tmp_path)).nodes] == [op]


def test_weights_that_do_not_fit_are_the_engines_to_refuse(rng: np.random.Generator, tmp_path: Path) -> None:
    proto, tensors = cell(rng, "LSTM")
    for tensor in proto.graph.initializer:
        if tensor.name == "r":
            tensor.dims[:] = [1, GATES["LSTM"], HIDDEN * HIDDEN]
    path = save(proto, tmp_path)
    assert [node.op_type for node in load_graph(path).nodes] == ["LSTM"]
    with pytest.raises(ModelError, match="cell"):
        LoadedModel(path).run({name: tensors[name] for name in "xhc"})


def test_the_default_activations_may_be_written_out(rng: np.random.Generator, tmp_path: Path) -> None:
    proto, _ = cell(rng, "GRU", activations=["Sigmoid", "tanh"], direction="reverse")
    assert not any(node.op_type == "GRU" for node in load_graph(save(proto, tmp_path)).nodes)


def test_a_fixed_input_makes_the_length_known(rng: np.random.Generator, tmp_path: Path) -> None:
    """The length is what a Reshape on an input says."""
    proto, tensors = cell(rng, "GRU", initial=False)
    proto.graph.input[0].name = "flat"
    proto.graph.node.insert(0, helper.make_node("Reshape", ["flat", "shape"], ["x"]))
    proto.graph.input.append(helper.make_tensor_value_info("shape", small_models.INT64, [3]))
    path, shape = save(proto, tmp_path), np.array([STEPS, BATCH, INPUTS])
    assert any(node.op_type == "GRU" for node in load_graph(path).nodes)
    graph = load_graph(path, fixed={"shape": shape})
    assert not any(node.op_type == "GRU" for node in graph.nodes)
    assert engine(path, {"flat": tensors["x"], "shape": shape}).shape == (STEPS, 1, BATCH, HIDDEN)
