"""A model under an IEEE unit has the bits of the plain loop that the unit stands for, on every backend.

* A chain of fused multiply-adds in float32: C's `fmaf` from +0, k ascending.
* Multiply, then add, each rounded to float32: NumPy's float32, one product after the other.

Operands and outputs stay float32 (identity schemes), so that a bit that differs is a bit that the unit got wrong.
NaN are equal to each other; everything else, signs of zeros too, is compared as bits.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

import emu
from tests.acceptance import ieee
from tests.compare import assert_same_bits
from tests.replaying.small_models import FLOAT, model, save

CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "plain": ((1, 3, 4, 5), (2, 3, 3, 2), {}),
    "padded": ((2, 2, 3, 3), (3, 2, 3, 3), {"pads": [1, 2, 1, 0]}),
    "strided": ((1, 2, 7, 6), (2, 2, 3, 2), {"strides": [2, 3]}),
    "dilated": ((1, 2, 6, 6), (2, 2, 2, 3), {"dilations": [3, 2]}),
    "grouped": ((1, 6, 4, 4), (4, 3, 3, 3), {"group": 2, "pads": [1, 1, 1, 1], "strides": [2, 1]}),
    "depthwise": ((1, 4, 5, 5), (8, 1, 3, 3), {"group": 4, "pads": [1, 0, 0, 1], "strides": [2, 2]}),
    "one axis": ((2, 3, 9), (4, 3, 4), {"pads": [2, 1], "strides": [2]}),
    "three axes": ((1, 2, 3, 4, 3), (2, 2, 2, 2, 2), {"pads": [0, 1, 0, 1, 0, 1]}),
}
ALPHA, BETA = 0.7, -1.3
UNITS = {"fused": ieee.FMA, "multiply, then add": ieee.MULTIPLY_ADD}


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> ieee.Loop:
    return ieee.compiled(tmp_path_factory.mktemp("loops"))


@pytest.fixture(params=UNITS)
def arithmetic(request: pytest.FixtureRequest, fused: ieee.Loop) -> tuple[dict[str, Any], ieee.Loop]:
    """A unit and its loop."""
    return UNITS[request.param], fused if request.param == "fused" else ieee.multiply_then_add


def every_layer(kind: str) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Layers side by side, all of them on inputs of the model; the inputs; the weights. All of one class."""
    inputs: dict[str, Any] = {"u": ieee.values(kind, 1, 2, 3, 33), "v": ieee.values(kind, 2, 2, 33, 3)}
    inputs["t"] = ieee.values(kind, 3, 19, 4)
    weights: dict[str, Any] = {"wm": ieee.values(kind, 4, 33, 4), "wg": ieee.values(kind, 5, 5, 19)}
    weights |= {"bg": ieee.values(kind, 6, 5), "bm": ieee.values(kind, 7, 4, 5)}
    nodes = [
        helper.make_node("MatMul", ["u", "wm"], ["matmul"]),
        helper.make_node("MatMul", ["u", "v"], ["attention"]),
        helper.make_node("Gemm", ["t", "wg", "bg"], ["gemm"], transA=1, transB=1),
        helper.make_node("Gemm", ["t", "wg", "bm"], ["scaled"], transA=1, transB=1, alpha=ALPHA, beta=BETA),
    ]
    for number, (name, (shape, kernel, keys)) in enumerate(CONVOLUTIONS.items()):
        inputs[f"x {name}"] = ieee.values(kind, 100 + number, *shape)
        weights[f"w {name}"] = ieee.values(kind, 200 + number, *kernel)
        weights[f"b {name}"] = ieee.values(kind, 300 + number, kernel[0])
        nodes.append(helper.make_node("Conv", [f"x {name}", f"w {name}", f"b {name}"], [name], **keys))
    axes = {"matmul": 3, "attention": 3, "gemm": 2, "scaled": 2} | {n: len(c[0]) for n, c in CONVOLUTIONS.items()}
    outputs = {name: (FLOAT, count) for name, count in axes.items()}
    proto = model(nodes, {name: (FLOAT, list(x.shape)) for name, x in inputs.items()}, outputs, weights)
    return proto, inputs, weights


def wanted(loop: ieee.Loop, inputs: dict[str, Any], weights: dict[str, Any], channels_last: bool) -> dict[str, Any]:
    """What the layers of `every_layer` are, in plain loops; what follows the sum is NumPy's float32."""
    u, v, t = (inputs[name] for name in "uvt")
    with np.errstate(all="ignore"):
        product = loop(t.T, weights["wg"].T)
        found = {
            "matmul": np.stack([loop(one, weights["wm"]) for one in u]),
            "attention": np.stack([loop(x, y) for x, y in zip(u, v, strict=True)]),
            "gemm": product + weights["bg"],
            "scaled": product * np.float32(ALPHA) + weights["bm"] * np.float32(BETA),
        }
        for name, (shape, _, keys) in CONVOLUTIONS.items():
            bias = weights[f"b {name}"].reshape(-1, *[1] * (len(shape) - 2))
            sums = ieee.convolution(
                loop, inputs[f"x {name}"], weights[f"w {name}"], channels_last=channels_last, **keys
            )
            found[name] = sums + bias
    return found


def compare(run: Any, expected: dict[str, Any]) -> None:
    """The layers of a run, in the order of the graph, have these bits."""
    float32 = emu.load_format("float32")
    for (name, want), layer in zip(expected.items(), run.run.layers, strict=True):
        assert layer.emulated.dtype == want.dtype == np.float32
        got, want = (np.ascontiguousarray(x).view(np.uint32) for x in (layer.emulated, want))
        assert_same_bits(got, want, float32, name, any_nan=True)


@pytest.mark.parametrize("kind", ieee.CLASSES)
def test_every_layer_has_the_bits_of_the_loop(
    arithmetic: tuple[dict[str, Any], ieee.Loop], kind: str, backend: str, tmp_path: Path
) -> None:
    unit, loop = arithmetic
    proto, inputs, weights = every_layer(kind)
    run = emu.replay(save(proto, tmp_path), inputs, accelerator=ieee.machine(unit), mode="isolated", backend=backend)
    compare(run, wanted(loop, inputs, weights, channels_last=False))


def test_the_order_of_a_convolution_can_be_taps_first(
    arithmetic: tuple[dict[str, Any], ieee.Loop], tmp_path: Path
) -> None:
    unit, loop = arithmetic
    proto, inputs, weights = every_layer("cancelling")
    run = emu.replay(save(proto, tmp_path), inputs, accelerator=ieee.machine(unit, k_order="kh_kw_c"), mode="isolated")
    compare(run, wanted(loop, inputs, weights, channels_last=True))


def test_a_bias_in_the_accumulator_is_where_the_loop_starts(
    arithmetic: tuple[dict[str, Any], ieee.Loop], backend: str, tmp_path: Path
) -> None:
    unit, loop = arithmetic
    t, w, b = (ieee.values("spread", seed, *shape) for seed, shape in enumerate([(6, 40), (40, 5), (5,)]))
    nodes = [helper.make_node("Gemm", ["t", "w", "b"], ["gemm"])]
    proto = model(nodes, {"t": (FLOAT, [6, 40])}, {"gemm": (FLOAT, 2)}, {"w": w, "b": b})
    run = emu.replay(
        save(proto, tmp_path), {"t": t}, accelerator=ieee.machine(unit, bias="c"), mode="isolated", backend=backend
    )
    compare(run, {"gemm": loop(t, w, b)})


def network() -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Layers after one another: convolutions, a Gemm, a MatMul, with other operators between them."""
    draw: Callable[..., Any] = lambda seed, *shape: ieee.values("normal", seed, *shape)  # noqa: E731
    weights = {
        "w1": draw(1, 4, 3, 3, 3), "b1": draw(2, 4), "w2": draw(3, 8, 1, 3, 3), "w3": draw(4, 7, 72),
        "b3": draw(5, 7), "w4": draw(6, 7, 6),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], group=4, strides=[2, 2], pads=[1, 1, 0, 0]),
        helper.make_node("Flatten", ["c2"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["g"], transB=1),
        helper.make_node("Relu", ["g"], ["r2"]),
        helper.make_node("MatMul", ["r2", "w4"], ["y"]),
    ]
    proto = model(nodes, {"x": (FLOAT, [2, 3, 6, 6])}, {"y": (FLOAT, 2)}, weights)
    return proto, {"x": draw(7, 2, 3, 6, 6)}, weights


def test_a_whole_network_has_the_bits_of_the_loops(
    arithmetic: tuple[dict[str, Any], ieee.Loop], backend: str, tmp_path: Path
) -> None:
    """Propagated: every layer reads what the layers before it made."""
    unit, loop = arithmetic
    proto, inputs, w = network()
    run = emu.replay(save(proto, tmp_path), inputs, accelerator=ieee.machine(unit), mode="propagated", backend=backend)
    c1 = ieee.convolution(loop, inputs["x"], w["w1"], pads=[1, 1, 1, 1]) + w["b1"][:, None, None]
    c2 = ieee.convolution(loop, np.maximum(c1, 0), w["w2"], group=4, strides=[2, 2], pads=[1, 1, 0, 0])
    g = loop(c2.reshape(2, -1), w["w3"].T) + w["b3"]
    y = loop(np.maximum(g, 0), w["w4"])
    compare(run, {"c1": c1, "c2": c2, "g": g, "y": y})
    assert run.run.outputs["y"].emulated.tobytes() == y.tobytes()


def test_the_loops_differ(fused: ieee.Loop) -> None:
    """Each of the comparisons above can fail: fused, not fused, and the other order are three different results."""
    _, inputs, weights = every_layer("normal")
    x, w = inputs["u"][0], weights["wm"]
    results = [fused(x, w), ieee.multiply_then_add(x, w), fused(x[:, ::-1], w[::-1])]
    for i, one in enumerate(results):
        for other in results[:i]:
            assert (one != other).any()
