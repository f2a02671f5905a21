"""Rotary embeddings of onnxruntime's own domain (ONNX's own is defined by a function body).

* The rotated part of a head is pairs (a, b): its halves, or neighbours if it is interleaved. They become
  cos · a − sin · b and sin · a + cos · b, with the rows of the caches at each position; the rest stays.

Source: the contrib operators' page of onnxruntime.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emu.replaying.decompose.attention import join_heads, split_heads
from emu.replaying.decompose.builder import Builder

OLDEST = 13
"""Since this opset, Unsqueeze and Squeeze have their axes as inputs."""


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """The caches at the positions at hand, [batch or 1, 1, length, pairs]."""

    cos: str
    sin: str
    pairs: int
    size: int
    """of a head"""
    interleaved: bool

    @classmethod
    def at(
        cls, b: Builder, caches: tuple[int, int], positions: str, size: int, *, interleaved: bool
    ) -> Rotation | None:
        """None if the caches' width is not known, or is too large; `positions` is [batch or 1, length]."""
        shape = b.tensor(caches[0]).shape
        pairs = None if shape is None or len(shape) != 2 else shape[1]
        if not pairs or 2 * pairs > size:
            return None
        names = zip(caches, ("cos", "sin"), strict=True)
        rows = [(b.op("Gather", [b.given(at), positions], f"{name}_rows", axis=0), name) for at, name in names]
        cos, sin = (b.op("Unsqueeze", [x, b.integers(1)], name) for x, name in rows)
        return cls(cos=cos, sin=sin, pairs=pairs, size=size, interleaved=interleaved)

    def __call__(self, b: Builder, x: str, name: str) -> str:
        """[batch, heads, length, size], rotated."""
        whole = 2 * self.pairs == self.size
        turned = x if whole else b.cut(x, (0, 2 * self.pairs), 3, f"{name}_turned")
        if self.interleaved:
            pairs = b.reshape(turned, [0, 0, 0, self.pairs, 2], f"{name}_pairs")
            first, second = (b.pick(pairs, at, 4, f"{name}_{at}") for at in (0, 1))
        else:
            bounds = ((0, self.pairs), (self.pairs, 2 * self.pairs))
            first, second = (b.cut(turned, bound, 3, f"{name}_{at}") for at, bound in enumerate(bounds))
        products = {
            (letter, at): b.op("Mul", [factor, part], f"{name}_{letter}{at}")
            for letter, factor in (("cos", self.cos), ("sin", self.sin))
            for at, part in enumerate((first, second))
        }
        real = b.op("Sub", [products["cos", 0], products["sin", 1]], f"{name}_real")
        other = b.op("Add", [products["sin", 0], products["cos", 1]], f"{name}_imaginary")
        if self.interleaved:
            parts = ((real, "even"), (other, "odd"))
            each = [b.op("Unsqueeze", [part, b.integers(4)], f"{name}_{word}") for part, word in parts]
            made = b.reshape(b.op("Concat", each, f"{name}_joined", axis=4), [0, 0, 0, -1], f"{name}_both")
        else:
            made = b.op("Concat", [real, other], f"{name}_both", axis=3)
        if whole:
            return made
        rest = b.cut(x, (2 * self.pairs, self.size), 3, f"{name}_rest")
        return b.op("Concat", [made, rest], f"{name}_rotated", axis=3)


def rotary_embedding(b: Builder) -> bool:
    """RotaryEmbedding: input, position_ids, cos_cache, sin_cache."""
    shape, places = b.tensor(0).shape, b.tensor(1).shape
    if b.dtype(0) is None or shape is None or shape[-1] is None or places is None:
        return False
    heads, scale = int(b.attributes.get("num_heads", 0)) or None, float(b.attributes.get("scale", 1.0))
    joined = len(shape) == 3
    if (joined and heads is None) or b.attributes.get("is_packed_batching") or scale != 1:
        return False
    if b.graph.opsets.get("", 1) < OLDEST:
        return False
    positions = b.given(1)
    x = split_heads(b, b.given(0), heads if joined else None, "x")
    if len(places) == 1:  # the position of the first row; the others follow
        count = b.op("Squeeze", [b.size(x, 2, "length"), b.integers(0)], "count")
        zero, one = (b.constant(f"int{at}", np.array(at, np.int64)) for at in (0, 1))
        row = b.op("Range", [zero, count, one], "row")
        positions = b.op("Unsqueeze", [b.op("Add", [positions, row], "positions"), b.integers(0)], "position")
    size = shape[-1] // (heads or 1) if joined else shape[-1]
    turn = Rotation.at(b, (2, 3), positions, size, interleaved=bool(b.attributes.get("interleaved", 0)))
    if turn is None:
        return False
    join_heads(b, turn(b, x, "x"), joined, b.wanted(0))
    return True
