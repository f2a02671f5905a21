"""What optimised exports have of onnxruntime's own domain, taken apart: against the engine, and loops bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper

from emu.replaying.graph import load_graph
from emu.replaying.session import LoadedModel, ReplaySession

from . import small_models
from .attention_loop import product, softmax
from .recurrences import sigmoid, tanh
from .small_models import FLOAT
from .test_decompose_attention import FUSED, eighths

Array = NDArray[Any]
Tensors = dict[str, Array]
DOMAIN = "com.microsoft"
MASK = np.array([[1, 1, 0], [1, 0, 1]], np.int32)
LONG_MASK = np.array([[1, 1, 0, 1], [0, 0, 1, 1]], np.int32)


def model(
    op: str, shapes: dict[str, Any], constants: Tensors, outputs: dict[str, int], *,
    opset: int = 17, domain: str = DOMAIN, **attributes: Any,
) -> Any:  # fmt: skip
    """One node: `shapes` are inputs in order, with an array or a shape for each; an empty name is left out."""
    names = [name if not name.startswith("_") else "" for name in shapes]
    node = helper.make_node(
        op, names, [name if not name.startswith("_") else "" for name in outputs], "n", domain=domain, **attributes
    )
    kinds = {
        name: (helper.np_dtype_to_tensor_dtype(x.dtype), list(x.shape))
        for name, x in shapes.items()
        if x is not None and name not in constants
    }
    made = {name: (FLOAT, rank) for name, rank in outputs.items() if not name.startswith("_")}
    proto = small_models.model([node], kinds, made, constants, opset, {domain: 1} if domain else None)
    proto.ir_version = 10
    return proto


def replayed(proto: Any, given: Tensors) -> dict[str, Array]:
    """Everything under fused multiply-adds and a float32 vector unit, after a look at the engine's own operator."""
    session = ReplaySession(LoadedModel(proto), FUSED)
    assert not session.fallback
    found = {name: pair.emulated for name, pair in session.run(given, mode="propagated").outputs.items()}
    engine = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for name, want in zip(found, engine.run(list(found), given), strict=True):
        np.testing.assert_allclose(found[name], want, rtol=2e-6, atol=2e-6)
    return found


def same(found: Array, want: Array) -> bool:
    return want.dtype == np.float32 and np.array_equal(found.view(np.uint32), want.view(np.uint32))


def erf(x: Array) -> Array:
    import math

    return np.array([math.erf(one) for one in x.ravel()], np.float32).reshape(x.shape)


@pytest.mark.parametrize("op", ["Gelu", "BiasGelu", "FastGelu", "QuickGelu"])
@pytest.mark.parametrize("opset", [13, 20])
def test_gelus(rng: np.random.Generator, op: str, opset: int) -> None:
    x, b = eighths(rng, 2, 3, 8), eighths(rng, 8)
    given = {"x": x, "b": b} if op in ("BiasGelu", "FastGelu") else {"x": x}
    found = replayed(model(op, given, {}, {"y": 3}, opset=opset), given)["y"]
    f = np.float32
    x = x + b if "b" in given else x
    if op == "QuickGelu":
        assert same(found, x * sigmoid(f(1.702) * x))
    elif opset < 20:
        inner = x / f(np.sqrt(2)) if op != "FastGelu" else f(np.sqrt(2 / np.pi)) * (x + f(0.044715) * (x * x * x))
        curve = tanh(inner) if op == "FastGelu" else erf(inner)
        assert same(found, (curve + f(1)) * x * f(0.5))


@pytest.mark.parametrize("opset", [13, 17, 23])
@pytest.mark.parametrize("simple", [False, True])
def test_skip_layer_normalization(rng: np.random.Generator, opset: int, simple: bool) -> None:
    x, skip = eighths(rng, 2, 3, 8), eighths(rng, 2, 3, 8)
    constants = {"g": eighths(rng, 8), "b": eighths(rng, 8), "bias": eighths(rng, 8)}
    if simple:
        del constants["b"]
    op = "SkipSimplifiedLayerNormalization" if simple else "SkipLayerNormalization"
    proto = model(
        op, {"x": x, "s": skip} | constants, constants, {"y": 3, "_1": 0, "_2": 0, "sum": 3},
        opset=opset, epsilon=2**-10,
    )  # fmt: skip
    found = replayed(proto, {"x": x, "s": skip})
    total = (x + skip) + constants["bias"]
    assert same(found["sum"], total)
    d = total if simple else total - mean(total)
    y = d / np.sqrt(mean(d * d) + np.float32(2**-10)) * constants["g"]
    assert same(found["y"], y if simple else y + constants["b"])


def mean(x: Array) -> Array:
    """Over the last axis, the sum from +0 on."""
    total = np.zeros_like(x[..., :1])
    for k in range(x.shape[-1]):
        total = total + x[..., k : k + 1]
    return np.asarray(total / np.float32(x.shape[-1]))


@pytest.mark.parametrize(("opset", "axis"), [(17, -1), (18, 2)])
def test_statistics_of_a_layer_norm(rng: np.random.Generator, opset: int, axis: int) -> None:
    x, g = eighths(rng, 2, 3, 8), eighths(rng, 8)
    proto = model(
        "LayerNormalization", {"x": x, "g": g}, {"g": g}, {"y": 3, "mean": 3, "inverse": 3},
        opset=opset, domain="", axis=axis, epsilon=2**-10,
    )  # fmt: skip
    found = replayed(proto, {"x": x})
    d = x - mean(x)
    deviation = np.sqrt(mean(d * d) + np.float32(2**-10))
    assert same(found["mean"], mean(x))
    assert same(found["inverse"], 1 / deviation)
    assert same(found["y"], d / deviation * g)


@pytest.mark.parametrize(("turn_a", "turn_b", "alpha"), [(0, 0, 1.0), (1, 0, 0.3), (0, 1, 2.0), (1, 1, 1.0)])
def test_fused_matmul(rng: np.random.Generator, turn_a: int, turn_b: int, alpha: float) -> None:
    a = eighths(rng, 2, *((4, 3) if turn_a else (3, 4)))
    b = eighths(rng, 2, *((5, 4) if turn_b else (4, 5)))
    proto = model("FusedMatMul", {"a": a, "b": b}, {}, {"y": 3}, transA=turn_a, transB=turn_b, alpha=alpha)
    want = product(*(np.swapaxes(x, 1, 2) if turn else x for x, turn in ((a, turn_a), (b, turn_b))))
    assert same(replayed(proto, {"a": a, "b": b})["y"], want * np.float32(alpha))


def heads(x: Array, count: int = 2) -> Array:
    return x.reshape(*x.shape[:2], count, -1).swapaxes(1, 2)


def attended(q: Array, k: Array, v: Array, scale: float, bias: list[Array], later: int | None) -> Array:
    """The definition, from the heads on; `later` is how many keys come before the first query."""
    scores = product(q, np.swapaxes(k, -1, -2)) * np.float32(scale)
    for one in bias:
        scores = scores + one
    if later is not None:
        seen = np.arange(k.shape[2]) <= np.arange(q.shape[2])[:, None] + later
        scores = np.where(seen, scores, np.float32("-inf"))
    y = product(softmax(scores), v).swapaxes(1, 2)
    return y.reshape(*y.shape[:2], -1)


@pytest.mark.parametrize("opset", [13, 17])
@pytest.mark.parametrize("case", ["plain", "cross", "masked", "biased", "past", "causal"])
def test_multi_head_attention(rng: np.random.Generator, opset: int, case: str) -> None:
    keys = 5 if case in ("cross", "biased") else 3
    t: dict[str, Any] = {
        "q": eighths(rng, 2, 3, 8),
        "k": eighths(rng, 2, keys, 8),
        "v": eighths(rng, 2, keys, 8 if case == "past" else 12),
    }
    attributes: dict[str, Any] = {"num_heads": 2}
    outputs = {"y": 3}
    if case == "masked":
        t |= {"bias": eighths(rng, 28), "m": MASK}
    if case == "biased":
        t |= {"_b": None, "_m": None, "e": eighths(rng, 1, 2, 3, keys)}
        attributes["scale"] = 0.7
    if case == "past":
        t |= {"_b": None, "_m": None, "_e": None, "pk": eighths(rng, 2, 2, 4, 4), "pv": eighths(rng, 2, 2, 4, 4)}
        outputs |= {"keys": 4, "values": 4}
    if case in ("past", "causal"):
        attributes["unidirectional"] = 1
    given = {name: x for name, x in t.items() if x is not None}
    found = replayed(model("MultiHeadAttention", t, {}, outputs, opset=opset, **attributes), given)
    rows = [t["q"], t["k"], t["v"]]
    if case == "masked":
        rows = [x + part for x, part in zip(rows, np.split(t["bias"], [8, 16]), strict=True)]
    q, k, v = map(heads, rows)
    if case == "past":
        k, v = (np.concatenate([t[name], x], axis=2) for name, x in (("pk", k), ("pv", v)))
        assert same(found["keys"], k)
        assert same(found["values"], v)
    bias = [t["e"]] if case == "biased" else []
    bias += [np.where(MASK > 0, np.float32(0), np.float32(-10000))[:, None, None]] if case == "masked" else []
    later = {"past": 4, "causal": 0}.get(case)
    assert same(found["y"], attended(q, k, v, attributes.get("scale", 0.5), bias, later))


@pytest.mark.parametrize("case", ["plain", "masked", "past", "sizes"])
def test_attention_with_projections(rng: np.random.Generator, case: str) -> None:
    sizes = [8, 8, 12] if case == "sizes" else [8, 8, 8]
    x, w, b = eighths(rng, 2, 3, 8), eighths(rng, 8, sum(sizes)), eighths(rng, sum(sizes))
    t: dict[str, Any] = {"x": x, "w": w, "b": b}
    attributes: dict[str, Any] = {"num_heads": 2} | ({"qkv_hidden_sizes": sizes} if case == "sizes" else {})
    outputs, bias, later = {"y": 3}, [], None
    if case == "masked":
        t["m"], attributes["unidirectional"], later = MASK, 1, 0
        bias.append(np.where(MASK > 0, np.float32(0), np.float32(-10000))[:, None, None])
    if case == "past":
        t |= {"m": LONG_MASK, "p": eighths(rng, 2, 2, 2, 1, 4)}
        outputs["present"] = 5
        bias.append(np.where(LONG_MASK > 0, np.float32(0), np.float32(-10000))[:, None, None])
    given = {name: value for name, value in t.items() if name not in ("w", "b")}
    found = replayed(model("Attention", t, {"w": w, "b": b}, outputs, **attributes), given)
    q, k, v = map(heads, np.split(product(x, w) + b, np.cumsum(sizes)[:2], axis=2))
    if case == "past":
        k, v = (np.concatenate([t["p"][at], part], axis=2) for at, part in ((0, k), (1, v)))
        assert same(found["present"], np.stack([k, v]))
    assert same(found["y"], attended(q, k, v, 0.5, bias, later))


@pytest.mark.parametrize(
    ("op", "t", "attributes"),
    [
        ("MultiHeadAttention", {"q": (2, 3, 2, 3, 4)}, {"num_heads": 2}),
        (
            "MultiHeadAttention",
            {"q": (2, 3, 8), "k": (2, 3, 8), "v": (2, 3, 8), "_b": None, "m": (2,)},
            {"num_heads": 2},
        ),
        ("Attention", {"x": (2, 3, 8), "w": (8, 24), "b": (24,)}, {"num_heads": 2, "do_rotary": 1}),
        ("FusedMatMul", {"x": (2, 3, 3), "w": (2, 3, 3)}, {"transBatchA": 1}),
    ],
)
def test_others_stay_whole(op: str, t: dict[str, Any], attributes: dict[str, Any]) -> None:
    kinds = {"m": np.int32}
    arrays = {
        name: None if shape is None else np.zeros(shape, kinds.get(name, np.float32)) for name, shape in t.items()
    }
    graph = load_graph(model(op, arrays, {}, {"y": 3}, **attributes))
    assert [node.op_type for node in graph.nodes] == [op]
