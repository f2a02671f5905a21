"""Attention as what it is made of: QKᵀ, a softmax, and PV.

* NODE/qk and NODE/pv are MatMul layers, so a rule of an accelerator can give each a unit of its own; NODE/softmax, the
  scaling of Q and K (NODE/q_scaled, NODE/k_scaled) and the soft cap run in the vector unit.
* One operation after the other, as ONNX writes the operator:
  - s = √scale, scale = 1 / √(head size) unless it is given, in float32, then rounded to Q's type; Q · s and K · s, also
    of keys from the cache; S = QKᵀ. A scale of 1 is no operation.
  - Soft cap: S = tanh(S / cap) · cap.
  - The bias, if `attn_mask` is of floats, is added. What any of the other masks (truth values, causal, window, padding
    of the keys) does not allow is −inf: selected, not added, so no rounding and no NaN comes from it.
  - P = softmax of S over the keys; zeros for a query without any key. Y = PV.
* Heads that share keys and values (grouped queries) read copies of them, made by a Gather.
* `softmax_precision` is a Cast before and after the softmax where it differs from Q's type.
* All modes of `qk_matmul_output`, caches (`past_key`, `past_value`) and external caches (`nonpad_kv_seqlen`).

Stays whole: a type other than float32, float16 and float64; a number of heads, a head size (without a given scale) or a
mask's type that is not known before anything runs; numbers of heads that do not divide.

Source: ONNX operator Attention, opsets 23 to 25.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emu.replaying.decompose.builder import Builder
from emu.replaying.decompose.masks import INFINITE, Masks, padded, positions
from emu.replaying.sizes import Tensor

Q, K, V, MASK, PAST_K, PAST_V, LENGTHS = range(7)
"""Positions of the inputs."""
Y, PRESENT_K, PRESENT_V, SCORES = range(4)
"""Positions of the outputs."""
PADS_MASK = 24
"""Since this opset, a mask may be shorter than the keys."""


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What must be known of a node."""

    dtype: Any
    heads: int | None
    """number of heads of Q, where it is laid out in three axes"""
    shared: int | None
    """the same of K and V"""
    repeat: tuple[int, ...]
    """for each head of Q, the one of K and V that it reads; none if it is its own"""
    scale: float
    truth_mask: bool


def take_apart(b: Builder) -> bool:
    """Build an attention, if it can be."""
    facts = _facts(b)
    if facts is None:
        return False
    q = split_heads(b, b.given(Q), facts.heads, "q")
    k, v = (split_heads(b, b.given(which), facts.shared, letter) for which, letter in ((K, "k"), (V, "v")))
    if b.given(PAST_K):
        k = b.op("Concat", [b.given(PAST_K), k], "present_k", axis=2)
        v = b.op("Concat", [b.given(PAST_V), v], "present_v", axis=2)
    b.same(k, "key_output", b.wanted(PRESENT_K))
    b.same(v, "value_output", b.wanted(PRESENT_V))
    k, v = (repeated(b, x, facts.repeat, letter) for x, letter in ((k, "k"), (v, "v")))
    s = float(np.sqrt(np.float32(facts.scale)))
    if s != 1:
        q, k = (b.op("Mul", [x, b.number(s, facts.dtype)], f"{letter}_scaled") for x, letter in ((q, "q"), (k, "k")))
    scores = b.op("MatMul", [q, b.op("Transpose", [k], "k_columns", perm=[0, 1, 3, 2])], "qk")
    masks = _masks(b, facts, q, k)
    weights = _weights(b, facts, masks, scores)
    join_heads(b, b.op("MatMul", [weights, v], "pv"), facts.heads is not None, b.wanted(Y))
    return True


def _facts(b: Builder) -> _Facts | None:
    from onnx import TensorProto

    q, k, dtype = b.tensor(Q), b.tensor(K), b.dtype(Q)
    if dtype is None:
        return None
    heads, shared = (b.attributes.get(key) for key in ("q_num_heads", "kv_num_heads"))
    axes = 4 if heads is None or shared is None else 3
    if any(x.shape is not None and len(x.shape) != axes for x in (q, k)):
        return None
    if axes == 4:
        heads = shared = None
    total, own = heads or _axis(q, 1), shared or _axis(k, 1)
    if not total or not own or total % own:
        return None
    scale = b.attributes.get("scale")
    if scale is None:
        width = _axis(q, -1)
        if not width or width % (heads or 1):
            return None
        scale = np.float32(1) / np.sqrt(np.float32(width // (heads or 1)))
    mask = b.tensor(MASK).element
    if (b.given(MASK) and mask not in (TensorProto.BOOL, q.element)) or scale < 0:
        return None
    groups = total // own
    return _Facts(
        dtype=dtype, heads=heads, shared=shared,
        repeat=tuple(at // groups for at in range(total)) if groups > 1 else (),
        scale=float(scale), truth_mask=mask == TensorProto.BOOL,
    )  # fmt: skip


def _axis(x: Tensor, axis: int) -> int | None:
    return None if x.shape is None else x.shape[axis]


def split_heads(b: Builder, x: str, heads: int | None, name: str) -> str:
    """[batch, length, heads · size] as [batch, heads, length, size]; without a number it is that already."""
    if heads is None:
        return x
    return b.op("Transpose", [b.reshape(x, [0, 0, heads, -1], f"{name}_split")], f"{name}_heads", perm=[0, 2, 1, 3])


def join_heads(b: Builder, x: str, joins: bool, output: str) -> None:
    """The other way round, under the output's name."""
    if not joins:
        b.same(x, "output", output)
        return
    b.reshape(b.op("Transpose", [x], "rows", perm=[0, 2, 1, 3]), [0, 0, -1], "output", output)


def repeated(b: Builder, x: str, repeat: Sequence[int], name: str) -> str:
    """Copies of heads that are shared; x, if none is."""
    indices = np.array(tuple(repeat), np.int64)
    if len(set(repeat)) == len(indices):
        return x
    return b.op("Gather", [x, b.constant("groups", indices)], f"{name}_shared", axis=1)


def _masks(b: Builder, facts: _Facts, q: str, k: str) -> Masks:
    """All masks of a node."""
    masks = Masks(b=b, dtype=facts.dtype)
    causal = bool(b.attributes.get("is_causal", 0))
    left, right = (int(b.attributes.get(f"{side}_window_size", -1)) for side in ("left", "right"))
    if b.given(MASK):
        masks.may_be_empty = True
        mask, rest = b.given(MASK), b.number(INFINITE, facts.dtype)
        if facts.truth_mask:
            rest = b.constant("false", np.array(False))
        if _may_be_short(b):
            mask = padded(b, mask, b.size(k, 2, "keys"), rest, "mask")
        if facts.truth_mask:
            masks.allowed.append(mask)
        else:
            masks.bias = mask
    lengths = ""
    if b.given(LENGTHS):
        masks.may_be_empty = True
        lengths = positions(b, [-1, 1, 1, 1], b.given(LENGTHS), "lengths")
    if not (causal or lengths or left >= 0 or right >= 0):
        return masks
    key = masks.row(k, 2, "key")
    if lengths:
        masks.allow("Less", key, lengths, "not_padding")
    if causal or left >= 0 or right >= 0:
        masks.may_be_empty |= left >= 0 or right >= 0
        at = b.op("Unsqueeze", [masks.row(q, 2, "query"), b.integers(1)], "query_row")
        if b.given(PAST_K):
            at = b.op("Add", [at, b.size(b.given(PAST_K), 2, "past")], "position")
        elif lengths:
            before = b.op("Sub", [lengths, b.size(q, 2, "queries")], "before")
            at = b.op("Add", [at, before], "position")
        if causal:
            masks.allow("LessOrEqual", key, at, "causal")
        if left >= 0:
            masks.allow("GreaterOrEqual", key, b.op("Sub", [at, b.integers(left)], "leftmost"), "left")
        if right >= 0:
            masks.allow("LessOrEqual", key, b.op("Add", [at, b.integers(right)], "rightmost"), "right")
    return masks


def _may_be_short(b: Builder) -> bool:
    """Whether the mask may be shorter than the keys."""
    mask, k = b.tensor(MASK).shape, b.tensor(K).shape
    if b.graph.opsets.get("", 1) < PADS_MASK:
        return False
    known = mask and k and not b.given(PAST_K) and mask[-1] is not None
    return not (known and mask and k and mask[-1] == k[-2])


def _weights(b: Builder, facts: _Facts, masks: Masks, scores: str) -> str:
    """The softmax of the scores; the node's output of scores on the way."""
    stages = [scores]
    cap = float(b.attributes.get("softcap", 0.0))
    if cap:
        by = b.number(cap, facts.dtype)
        inner = b.op("Tanh", [b.op("Div", [scores, by], "cap_in")], "cap_tanh")
        scores = b.op("Mul", [inner, by], "capped")
    stages.append(scores)
    scores = masks.masked(scores)
    stages.append(scores)
    own, wide = b.tensor(Q).element, int(b.attributes.get("softmax_precision", 0))
    if wide not in (0, own):
        scores = b.op("Cast", [scores], "softmax_in", to=wide)
    weights = b.op("Softmax", [scores], "softmax", axis=-1)
    if wide not in (0, own):
        weights = b.op("Cast", [weights], "softmax_out", to=own)
    stages.append(masks.guarded(weights))
    b.same(stages[int(b.attributes.get("qk_matmul_output_mode", 0))], "scores_output", b.wanted(SCORES))
    return stages[-1]
