"""GroupQueryAttention and RotaryEmbedding of onnxruntime's domain: against the engine, and a loop bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper

from emu.replaying.graph import load_graph
from emu.replaying.session import LoadedModel, ReplaySession

from .attention_loop import product, softmax
from .recurrences import tanh
from .test_decompose_attention import FUSED, eighths
from .test_decompose_contrib import heads, model, same

Array = NDArray[Any]
HEADS, SHARED, SIZE, PLACES = 4, 2, 16, 12
INPUTS = ("q", "k", "v", "past_k", "past_v", "lengths", "total", "cos", "sin", "_places", "bias")


def caches(rng: np.random.Generator, pairs: int) -> tuple[Array, Array]:
    angles = rng.normal(size=(PLACES, pairs))
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def turned(x: Array, cos: Array, sin: Array, interleaved: bool) -> Array:
    """[heads, length, size] by [length, pairs]."""
    pairs = cos.shape[-1]
    part, rest = x[..., : 2 * pairs], x[..., 2 * pairs :]
    a, b = (part[..., ::2], part[..., 1::2]) if interleaved else (part[..., :pairs], part[..., pairs:])
    real, other = cos * a - sin * b, sin * a + cos * b
    if interleaved:
        both = np.stack([real, other], axis=-1).reshape(part.shape)
    else:
        both = np.concatenate([real, other], axis=-1)
    return np.concatenate([both, rest], axis=-1)


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("case", ["joined", "heads", "part"])
def test_rotary_embedding(rng: np.random.Generator, interleaved: int, case: str) -> None:
    cos, sin = caches(rng, 2 if case == "part" else 4)
    x = eighths(rng, 2, 3, 16) if case == "joined" else eighths(rng, 2, 2, 3, 8)
    places = np.array([[0, 1, 2], [5, 3, 4]] if case == "joined" else [4])
    attributes: dict[str, Any] = {"interleaved": interleaved}
    attributes |= {} if case == "heads" else {"num_heads": 2}
    attributes |= {"rotary_embedding_dim": 4} if case == "part" else {}
    given = {"x": x, "p": places}
    proto = model("RotaryEmbedding", given | {"cos": cos, "sin": sin}, {}, {"y": x.ndim}, **attributes)
    given |= {"cos": cos, "sin": sin}
    graph = load_graph(proto)
    assert "RotaryEmbedding" not in [node.op_type for node in graph.nodes]
    result = ReplaySession(LoadedModel(proto), FUSED).run(given, mode="propagated").outputs["y"].emulated
    engine = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(result, engine.run(["y"], given)[0], rtol=0, atol=1e-6)
    rows = places if case == "joined" else np.array([[4, 5, 6]] * 2)
    split = heads(x) if case == "joined" else x
    want = np.stack([turned(one, cos[row], sin[row], bool(interleaved)) for one, row in zip(split, rows, strict=True)])
    assert same(result, want.swapaxes(1, 2).reshape(x.shape) if case == "joined" else want)


CASES: list[dict[str, Any]] = [
    {"new": 3, "past": 0, "lengths": [3, 3]},
    {"new": 3, "past": 0, "lengths": [3, 2], "rotary": 1},
    {"new": 1, "past": 4, "lengths": [5, 3], "rotary": 2},
    {"new": 2, "past": 3, "lengths": [5], "packed": True, "rotary": 1},
    {"new": 2, "past": 8, "lengths": [5], "scale": 0.3},
    {"new": 1, "past": 8, "lengths": [5, 6], "packed": True},
    {"new": 4, "past": 4, "lengths": [8], "local_window_size": 3},
    {"new": 2, "past": 3, "lengths": [5], "softcap": 1.5, "biased": True},
]


def built(rng: np.random.Generator, case: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A model and its tensors."""
    new, past, batch = case["new"], case["past"], len(case["lengths"])
    t: dict[str, Any] = dict.fromkeys(INPUTS)
    rows = {name: eighths(rng, batch, new, n * SIZE) for name, n in (("q", HEADS), ("k", SHARED), ("v", SHARED))}
    t |= {"q": np.concatenate(list(rows.values()), axis=2)} if case.get("packed") else rows
    t |= {name: eighths(rng, batch, SHARED, past, SIZE) for name in ("past_k", "past_v")}
    t |= {"lengths": np.array(case["lengths"], np.int32) - 1, "total": np.array(max(case["lengths"]), np.int32)}
    if case.get("rotary"):
        t["cos"], t["sin"] = caches(rng, SIZE // 2)
    if case.get("biased"):
        t["bias"] = eighths(rng, batch, HEADS, new, max(past, *case["lengths"], 0))
    attributes = {key: case[key] for key in ("scale", "softcap", "local_window_size") if key in case}
    attributes |= {"do_rotary": 1, "rotary_interleaved": case["rotary"] - 1} if case.get("rotary") else {}
    named = {name if x is not None else f"_{name}": x for name, x in t.items()}
    proto = model(
        "GroupQueryAttention", named, {}, {"y": 3, "keys": 4, "values": 4},
        num_heads=HEADS, kv_num_heads=SHARED, **attributes,
    )  # fmt: skip
    return proto, {name: x for name, x in t.items() if x is not None} | {"rows": rows}


def definition(t: dict[str, Any], case: dict[str, Any]) -> list[tuple[Array, Array, Array]]:
    """For each sequence: the rows of its output, its keys and its values, as far as they are defined."""
    made = []
    q, k, v = (heads(t["rows"][name], n) for name, n in (("q", HEADS), ("k", SHARED), ("v", SHARED)))
    for b, n in enumerate(case["lengths"]):
        before = 0 if t["total"] == case["new"] else n - case["new"]
        position = before + np.arange(case["new"])
        one, key = q[b], k[b]
        if case.get("rotary"):
            one, key = (
                turned(x, t["cos"][position], t["sin"][position], case["rotary"] == 2) for x in (one, key)
            )  # fmt: skip
        keys, values = (
            np.concatenate([t[name][b, :, :before], x], axis=1)[:, :n]
            for name, x in (("past_k", key), ("past_v", v[b]))
        )
        rows = slice(0, min(case["new"], n))
        wide = [np.repeat(x, HEADS // SHARED, axis=0) for x in (keys, values)]
        scores = product(one, np.swapaxes(wide[0], 1, 2)) * np.float32(case.get("scale", 0.25))
        if "softcap" in case:
            scores = tanh(scores / np.float32(case["softcap"])) * np.float32(case["softcap"])
        if "bias" in t:
            scores = scores + t["bias"][b][:, :, :n]
        behind = position[:, None] - np.arange(n)
        seen = (behind >= 0) & (behind < case.get("local_window_size", n))
        weights = softmax(np.where(seen, scores, np.float32("-inf")))
        y = product(weights, wide[1]).swapaxes(0, 1).reshape(case["new"], -1)[rows]
        made.append((y, keys, values))
    return made


@pytest.mark.parametrize("case", CASES)
def test_group_query_attention(rng: np.random.Generator, case: dict[str, Any]) -> None:
    proto, tensors = built(rng, case)
    given = {value.name: tensors[value.name] for value in proto.graph.input}
    session = ReplaySession(LoadedModel(proto), FUSED)
    assert not session.fallback
    result = session.run(given, mode="propagated")
    assert [layer.name for layer in result.layers if layer.macs] == ["n/qk", "n/pv"]
    found = {name: pair.emulated for name, pair in result.outputs.items()}
    engine = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    theirs = dict(zip(found, engine.run(list(found), given), strict=True))
    assert {name: x.shape for name, x in found.items()} == {name: x.shape for name, x in theirs.items()}
    for b, (y, keys, values) in enumerate(definition(tensors, case)):
        assert same(found["y"][b, : len(y)], y)
        assert same(found["keys"][b, :, : keys.shape[1]], keys)
        assert same(found["values"][b, :, : keys.shape[1]], values)
        np.testing.assert_allclose(y, theirs["y"][b, : len(y)], rtol=0, atol=1e-6)
        np.testing.assert_allclose(keys, theirs["keys"][b, :, : keys.shape[1]], rtol=0, atol=1e-6)
        np.testing.assert_allclose(values, theirs["values"][b, :, : keys.shape[1]], rtol=0, atol=0)


@pytest.mark.parametrize("change", [{"smooth_softmax": 1}, {"num_heads": 3}, {"qk_output": 1}])
def test_others_stay_whole(rng: np.random.Generator, change: dict[str, Any]) -> None:
    proto, _ = built(rng, CASES[0])
    (node,) = proto.graph.node
    kept = [one for one in node.attribute if one.name not in change]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(name, value) for name, value in change.items())])
    assert [node.op_type for node in load_graph(proto).nodes] == ["GroupQueryAttention"]
