"""GroupQueryAttention of onnxruntime's own domain: the attention of decoders, with its cache and rotary embeddings.

* NODE/qk, NODE/softmax and NODE/pv as in `emu.replaying.decompose.attention`; the product is scaled:
  S = QKᵀ · scale, scale = 1 / √(head size) unless it is given; tanh(S / cap) · cap, if there is a soft cap; + the bias.
* A sequence of n = `seqlens_k` + 1 keys has n − S of them in the cache, S being the length of Q; none if
  `total_sequence_length` is S, the first prompt (shorter ones of its batch are filled up). The new keys follow those
  of the cache: selected, nothing is added. The cache that is handed out is as long as the longer of the given one and
  `total_sequence_length`; what it holds beyond n, and what the rows of a first prompt
  beyond n give, is not defined.
* Row i is at position p = n − S + i (i in a first prompt): it attends keys j ≤ p, and p − `local_window_size` < j.
* Q and K are rotated at those positions, or at `position_ids`.
* Q, K and V may be packed in one tensor. Heads that share keys read copies of them, made by a Gather.

Stays whole: a smooth softmax, a sink, a quantised cache, the output of scores; a head size that is not known.

Source: the contrib operators' page of onnxruntime.
"""

from __future__ import annotations

import numpy as np

from emu.replaying.decompose.attention import join_heads, repeated, split_heads
from emu.replaying.decompose.builder import Builder
from emu.replaying.decompose.masks import INFINITE
from emu.replaying.decompose.rotary import OLDEST, Rotation

Q, K, V, PAST_K, PAST_V, LENGTHS, TOTAL, COS, SIN, PLACES, BIAS = range(11)
"""Positions of the inputs."""
Y, PRESENT_K, PRESENT_V, SCORES = range(4)
"""Positions of the outputs."""
REFUSED = ("smooth_softmax", "qk_output")
"""Attributes that are not known here."""


def take_apart(b: Builder) -> bool:
    """GroupQueryAttention."""
    dtype, shape = b.dtype(Q), b.tensor(Q).shape
    heads, shared = (int(b.attributes.get(key, 0)) for key in ("num_heads", "kv_num_heads"))
    if dtype is None or not heads or not shared or heads % shared or b.graph.opsets.get("", 1) < OLDEST:
        return False
    if any(b.attributes.get(key, 0) > 0 for key in REFUSED) or any(b.given(at) for at in range(11, len(b.node.input))):
        return False
    if any(b.attributes.get(key, "NONE") != "NONE" for key in ("k_quant_type", "v_quant_type")) or b.wanted(SCORES):
        return False
    parts = heads if b.given(K) else heads + 2 * shared
    if shape is None or len(shape) != 3 or not shape[2] or shape[2] % parts:
        return False
    size = shape[2] // parts
    return _built(b, heads, shared, size)


def _built(b: Builder, heads: int, shared: int, size: int) -> bool:
    dtype = b.dtype(Q)
    rows = [b.given(at) for at in (Q, K, V)]
    if not rows[1]:
        ends = [0, heads * size, (heads + shared) * size, (heads + 2 * shared) * size]
        bounds = zip(ends, ends[1:], "qkv", strict=False)
        rows = [b.cut(rows[0], (start, end), 2, f"{name}_rows") for start, end, name in bounds]
    q, k, v = (split_heads(b, x, n, a) for x, n, a in zip(rows, (heads, shared, shared), "qkv", strict=True))
    before = _before(b, q)  # [batch, 1]: keys in the cache
    position = b.op("Add", [before, _row(b, b.size(q, 2, "queries"), "row")], "position")  # [batch, queries]
    if b.attributes.get("do_rotary", 0):
        places = b.given(PLACES) or position
        turn = Rotation.at(b, (COS, SIN), places, size, interleaved=bool(b.attributes.get("rotary_interleaved", 0)))
        if turn is None:
            return False
        q, k = turn(b, q, "q"), turn(b, k, "k")
    k, v = _cached(b, before, k, v)
    b.same(k, "key_output", b.wanted(PRESENT_K))
    b.same(v, "value_output", b.wanted(PRESENT_V))
    k, v = (repeated(b, x, tuple(at // (heads // shared) for at in range(heads)), n) for x, n in ((k, "k"), (v, "v")))
    scores = b.op("MatMul", [q, b.op("Transpose", [k], "k_columns", perm=[0, 1, 3, 2])], "qk")
    scale = float(b.attributes.get("scale", 0.0)) or 1 / float(np.sqrt(np.float32(size)))
    scores = b.op("Mul", [scores, b.number(scale, dtype)], "scaled")
    cap = float(b.attributes.get("softcap", 0.0))
    if cap > 0:
        by = b.number(cap, dtype)
        scores = b.op("Mul", [b.op("Tanh", [b.op("Div", [scores, by], "cap_in")], "cap_tanh"), by], "capped")
    if b.given(BIAS):
        scores = b.op("Add", [scores, b.given(BIAS)], "biased")
    scores = b.op("Where", [_allowed(b, position, k), scores, b.number(INFINITE, dtype)], "masked")
    weights = b.op("Softmax", [scores], "softmax", axis=-1)
    join_heads(b, b.op("MatMul", [weights, v], "pv"), True, b.wanted(Y))
    return True


def _row(b: Builder, size: str, name: str) -> str:
    """0, 1, … up to a size (a list of one integer)."""
    count = b.op("Squeeze", [size, b.integers(0)], f"{name}_count")
    zero, one = (b.constant(f"int{at}", np.array(at, np.int64)) for at in (0, 1))
    return b.op("Range", [zero, count, one], name)


def _int64(b: Builder, tensor: str, name: str) -> str:
    from onnx import TensorProto

    return b.op("Cast", [tensor], name, to=TensorProto.INT64)


def _total(b: Builder) -> str:
    """total_sequence_length, a list of one integer."""
    return b.reshape(_int64(b, b.given(TOTAL), "total_int64"), [1], "total")


def _before(b: Builder, q: str) -> str:
    """[batch, 1]: how many keys of each sequence are in the cache."""
    length = b.size(q, 2, "length")
    lengths = b.reshape(_int64(b, b.given(LENGTHS), "lengths_int64"), [-1, 1], "lengths")
    known = b.op("Sub", [b.op("Add", [lengths, b.integers(1)], "keys"), length], "known")
    first = b.op("Equal", [_total(b), length], "first")
    return b.op("Where", [first, b.integers(0), known], "before")


def _cached(b: Builder, before: str, k: str, v: str) -> tuple[str, str]:
    """Keys and values, the cached ones first: [batch, heads, as long as the cache that is handed out, size]."""
    if not b.given(PAST_K):
        return k, v
    past, total = b.size(b.given(PAST_K), 2, "past"), f"{b.unique}/total"
    longest = b.op("Max", [past, total], "longest")
    at = b.op("Sub", [_row(b, longest, "at"), before], "at_new")  # [batch, keys]: the place among the new keys
    new = b.op("GreaterOrEqual", [at, b.integers(0)], "is_new")
    last = b.op("Sub", [b.size(k, 2, "new"), b.integers(1)], "last_new")
    place = b.op("Add", [past, b.op("Min", [at, last], "at_most")], "place_new")
    where = b.op("Where", [new, place, b.op("Add", [at, before], "at_old")], "place")
    where = b.op("Unsqueeze", [where, b.integers(1, 3)], "places")
    made = []
    for cache, x, name in ((PAST_K, k, "k"), (PAST_V, v, "v")):
        both = b.op("Concat", [b.given(cache), x], f"{name}_old_new", axis=2)
        wide = b.op("Expand", [where, _shape(b, both, longest, name)], f"{name}_places")
        made.append(b.op("GatherElements", [both, wide], f"present_{name}", axis=2))
    return made[0], made[1]


def _shape(b: Builder, both: str, longest: str, name: str) -> str:
    """The shape of a cache of that length."""
    shape = b.op("Shape", [both], f"{name}_old_new_shape")
    ends = [b.op("Gather", [shape, b.integers(*axes)], f"{name}_sizes{axes[0]}", axis=0) for axes in ((0, 1), (3,))]
    return b.op("Concat", [ends[0], longest, ends[1]], f"{name}_shape", axis=0)


def _allowed(b: Builder, position: str, k: str) -> str:
    """[batch, 1, queries, keys]: which keys a row attends."""
    key = _row(b, b.size(k, 2, "all_keys"), "key")
    at = b.op("Unsqueeze", [position, b.integers(1, 3)], "query")
    allowed = b.op("LessOrEqual", [key, at], "causal")
    window = int(b.attributes.get("local_window_size", -1))
    if window > 0:
        edge = b.op("Sub", [at, b.integers(window)], "edge")
        allowed = b.op("And", [allowed, b.op("Greater", [key, edge], "near")], "allowed")
    return allowed
