"""Models of one Attention, and ONNX's definition as plain loops over NumPy arrays of any type."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
MINUS = -math.inf


def product(a: Any, b: Any) -> Any:
    """a × b, every product fused into a sum that starts at +0, k ascending, in the operands' type."""
    total = np.zeros((*a.shape[:-1], b.shape[-1]), a.dtype)
    for k in range(a.shape[-1]):
        x = a[..., :, k, None].astype(np.float64) * b[..., None, k, :].astype(np.float64)  # exact if they are float32
        y = total.astype(np.float64)
        wide = x + y
        part = wide - x
        error = (x - (wide - part)) + (y - part)  # Knuth's TwoSum; to odd, so that rounding again is rounding once
        odd = np.nextafter(wide, np.where(error > 0, math.inf, MINUS))
        moves = (error != 0) & (wide.view(np.int64) % 2 == 0) & (a.dtype == np.float32)
        total = np.where(moves, odd, wide).astype(a.dtype)
    return total


def softmax(x: Any) -> Any:
    """Over the last axis, the sum from +0 on, every operation rounded into x's type."""
    d = x - x.max(axis=-1, keepdims=True)
    e = np.exp(d.astype(np.float64)).astype(x.dtype)
    total = np.zeros_like(e[..., :1])
    for k in range(e.shape[-1]):
        total = total + e[..., k : k + 1]
    return e / total


def allowed(t: Arrays, attributes: dict[str, Any], at: tuple[int, int, int, int]) -> bool:
    """Whether a query may attend a key, by every mask of truth values."""
    batch, head, i, j = at
    past = t["past_k"].shape[2] if "past_k" in t else 0
    position = i + past
    if "lengths" in t:
        if j >= t["lengths"][batch]:
            return False
        position = i + int(t["lengths"][batch]) - t["q"].shape[2]
    if attributes.get("is_causal") and j > position:
        return False
    left, right = (attributes.get(f"{side}_window_size", -1) for side in ("left", "right"))
    if (left >= 0 and j < position - left) or (right >= 0 and j > position + right):
        return False
    mask = t.get("mask")
    return mask is None or mask.dtype != np.bool_ or bool(mask[batch, head, i, j])


def attention(tensors: Arrays, kind: Any, attributes: dict[str, Any]) -> list[Any]:
    """Y, the present keys, the present values and the scores of a mode; operands of four axes, a mask of all four."""
    t = {name: value.astype(kind) if value.dtype == np.float32 else value for name, value in tensors.items()}
    q, k, v = t["q"], t["k"], t["v"]
    if "past_k" in t:
        k, v = (np.concatenate([t[f"past_{name}"], x], axis=2) for name, x in (("k", k), ("v", v)))
    present = k, v
    groups = q.shape[1] // k.shape[1]
    k, v = (np.repeat(x, groups, axis=1) for x in (k, v))
    scale = np.float32(attributes["scale"]) if "scale" in attributes else 1 / np.sqrt(np.float32(q.shape[-1]))
    s = kind(np.sqrt(np.float32(scale)))
    scores = product(q * s, np.swapaxes(k * s, -1, -2))
    modes = [scores]
    cap = kind(np.float32(attributes.get("softcap", 0)))
    if cap:
        scores = np.tanh((scores / cap).astype(np.float64)).astype(kind) * cap
    modes.append(scores)
    bias = np.zeros(scores.shape, kind) + t["mask"] if "mask" in t and t["mask"].dtype == kind else None
    scores = scores if bias is None else scores + bias
    inside = np.array([allowed(t, attributes, at) for at in np.ndindex(*scores.shape)]).reshape(scores.shape)
    scores = np.where(inside, scores, kind(MINUS))
    modes.append(scores)
    seen = inside if bias is None else inside & (bias != MINUS)
    with np.errstate(invalid="ignore"):
        weights = np.where(seen.any(axis=-1, keepdims=True), softmax(scores), kind(0))
    modes.append(weights)
    return [product(weights, v), *present, modes[attributes.get("qk_matmul_output_mode", 0)]]
