"""Attention of onnxruntime's own domain: MultiHeadAttention, and Attention with the projections inside.

* NODE/qk, NODE/softmax and NODE/pv as in `emu.replaying.decompose.attention`; but here the product is scaled, not its
  operands: S = QKᵀ · scale, scale = 1 / √(head size) unless it is given. Then the masks are added, each in its turn:
  the key mask (0, or `mask_filter_value` where it is 0), −∞ for later keys if it is unidirectional, the given bias.
* Attention: NODE/projections is one MatMul with the weights of Q, K and V; its bias is added. MultiHeadAttention: the
  parts of its bias are added to Q, K and V.
* Caches are put in front of the keys and values, and handed out.

Stays whole: packed keys and values; masks by lengths instead of 0 and 1 for every key; caches in a shared buffer;
rotary embeddings; a head size that is not known.

Source: the contrib operators' page of onnxruntime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emu.replaying.decompose.attention import join_heads, split_heads
from emu.replaying.decompose.builder import Builder
from emu.replaying.decompose.masks import INFINITE, Masks

FILTER = -10000.0
"""The default of `mask_filter_value`."""
OLDEST = 13
"""Since this opset, Unsqueeze and Squeeze have their axes as inputs."""


@dataclass(frozen=True, kw_only=True)
class _Core:
    """The common part."""

    heads: int
    size: int
    """of a head of Q and K"""
    dtype: Any
    mask: str
    """0 or 1 for every key; empty: none"""
    mask_rank: int
    bias: str
    """added to the scores; empty: none"""


def multi_head_attention(b: Builder) -> bool:
    """MultiHeadAttention."""
    dtype, heads = b.dtype(0), int(b.attributes.get("num_heads", 0))
    shapes = [b.tensor(at).shape for at in range(3)]
    if dtype is None or not heads or any(shape is None or len(shape) != 3 for shape in shapes):
        return False
    if any(b.given(at) for at in (8, 9)) or b.wanted(3):
        return False
    width, values = ((shape or (None,))[-1] for shape in (shapes[0], shapes[2]))
    core = _core(b, dtype, heads, width, mask=4, bias=5)
    if core is None or width is None or values is None or values % heads:
        return False
    rows = [b.given(at) for at in range(3)]
    if b.given(3):
        bounds = [(0, width), (width, 2 * width), (2 * width, 2 * width + values)]
        each = [b.cut(b.given(3), bound, 0, f"bias_{letter}") for bound, letter in zip(bounds, "qkv", strict=True)]
        rows = [b.op("Add", [x, y], f"{letter}_biased") for x, y, letter in zip(rows, each, "qkv", strict=True)]
    q, k, v = (split_heads(b, x, heads, letter) for x, letter in zip(rows, "qkv", strict=True))
    past = ""
    if b.given(6):
        past = b.given(6)
        k, v = (b.op("Concat", [b.given(at), x], f"present_{n}", axis=2) for at, x, n in ((6, k, "k"), (7, v, "v")))
    b.same(k, "key_output", b.wanted(1))
    b.same(v, "value_output", b.wanted(2))
    _attend(b, core, q, k, v, past)
    return True


def attention(b: Builder) -> bool:
    """Attention: input, weights, bias, mask_index, past, attention_bias."""
    dtype, heads = b.dtype(0), int(b.attributes.get("num_heads", 0))
    weights = b.tensor(1).shape
    if dtype is None or not heads or weights is None or weights[-1] is None or b.attributes.get("do_rotary"):
        return False
    if b.given(6):
        return False
    sizes = list(b.attributes.get("qkv_hidden_sizes", ())) or [weights[-1] // 3] * 3
    core = _core(b, dtype, heads, sizes[0], mask=3, bias=5)
    if core is None or sum(sizes) != weights[-1] or sizes[2] % heads:
        return False
    every = b.op("MatMul", [b.given(0), b.given(1)], "projections")
    if b.given(2):
        every = b.op("Add", [every, b.given(2)], "projections_biased")
    ends = [int(end) for end in np.cumsum([0, *sizes])]
    bounds = zip(ends, ends[1:], "qkv", strict=False)
    q, k, v = (split_heads(b, b.cut(every, (a, z), 2, f"{n}_rows"), heads, n) for a, z, n in bounds)
    past = ""
    if b.given(4):
        pasts = [b.pick(b.given(4), at, 0, f"past_{letter}") for at, letter in enumerate("kv")]
        past = pasts[0]
        k, v = (b.op("Concat", [old, x], f"present_{n}", axis=2) for old, x, n in zip(pasts, (k, v), "kv", strict=True))
    if b.wanted(1):
        both = [b.op("Unsqueeze", [x, b.integers(0)], f"{n}_output") for x, n in ((k, "k"), (v, "v"))]
        b.op("Concat", both, "present", b.wanted(1), axis=0)
    _attend(b, core, q, k, v, past)
    return True


def _core(b: Builder, dtype: Any, heads: int, width: int | None, *, mask: int, bias: int) -> _Core | None:
    """What must be known; `mask` and `bias` are positions of inputs."""
    shape = b.tensor(mask).shape
    if width is None or width % heads or b.graph.opsets.get("", 1) < OLDEST:
        return None
    if b.given(mask) and (shape is None or len(shape) not in (2, 3)):
        return None
    return _Core(
        heads=heads, size=width // heads, dtype=dtype, mask=b.given(mask), mask_rank=len(shape or ()),
        bias=b.given(bias),
    )  # fmt: skip


def _attend(b: Builder, core: _Core, q: str, k: str, v: str, past: str) -> None:
    """Everything from the heads on."""
    scores = b.op("MatMul", [q, b.op("Transpose", [k], "k_columns", perm=[0, 1, 3, 2])], "qk")
    scale = float(b.attributes.get("scale", 0.0)) or 1 / float(np.sqrt(np.float32(core.size)))
    scores = b.op("Mul", [scores, b.number(scale, core.dtype)], "scaled")
    if core.mask:
        live = b.op("Greater", [core.mask, b.constant("int32_0", np.array(0, np.int32))], "key_live")
        axes = [1, 2] if core.mask_rank == 2 else [1]
        where = b.op("Unsqueeze", [live, b.integers(*axes)], "key_mask")
        out = b.number(float(b.attributes.get("mask_filter_value", FILTER)), core.dtype)
        added = b.op("Where", [where, b.number(0.0, core.dtype), out], "key_bias")
        scores = b.op("Add", [scores, added], "key_masked")
    if b.attributes.get("unidirectional", 0):
        masks = Masks(b=b, dtype=core.dtype)
        at = b.op("Unsqueeze", [masks.row(q, 2, "query"), b.integers(1)], "position")
        if past:
            at = b.op("Add", [at, b.size(past, 2, "past")], "position_past")
        allowed = b.op("LessOrEqual", [masks.row(k, 2, "key"), at], "causal")
        scores = b.op("Where", [allowed, scores, b.number(INFINITE, core.dtype)], "masked")
    if core.bias:
        scores = b.op("Add", [scores, core.bias], "biased")
    weights = b.op("Softmax", [scores], "softmax", axis=-1)
    join_heads(b, b.op("MatMul", [weights, v], "pv"), True, b.wanted(0))
