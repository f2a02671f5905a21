"""Which keys a query of an attention attends: masks as nodes that compare and select, and round nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emu.replaying.decompose.builder import Builder

INFINITE = float("-inf")


@dataclass(kw_only=True)
class Masks:
    """The masks of one attention; they broadcast to [batch, heads, queries, keys]."""

    b: Builder
    dtype: Any
    """of the scores"""
    allowed: list[str] = field(default_factory=list)
    """tensors of truth: the query attends the key"""
    bias: str = ""
    """a tensor that is added to the scores; empty: none"""
    may_be_empty: bool = False
    """whether a query may be left without any key"""

    def row(self, tensor: str, axis: int, name: str) -> str:
        """0, 1, … along an axis of a tensor."""
        size = self.b.op("Squeeze", [self.b.size(tensor, axis, f"{name}_size"), self.b.integers(0)], f"{name}_count")
        zero, one = (self.b.constant(f"int{at}", np.array(at, np.int64)) for at in (0, 1))
        return self.b.op("Range", [zero, size, one], name)

    def allow(self, condition: str, first: str, second: str, name: str) -> None:
        """Add a comparison to what is allowed."""
        self.allowed.append(self.b.op(condition, [first, second], name))

    def masked(self, scores: str) -> str:
        """The scores, with the bias added, and −inf where a key is not allowed."""
        b = self.b
        if self.bias:
            scores = b.op("Add", [scores, self.bias], "biased")
        every = self.every()
        return b.op("Where", [every, scores, b.number(INFINITE, self.dtype)], "masked") if every else scores

    def every(self) -> str:
        """What all masks allow; empty if there is none."""
        name, b = "", self.b
        for at, one in enumerate(self.allowed):
            name = b.op("And", [name, one], f"allowed{at}") if name else one
        self.allowed = [name] if name else []
        return name

    def guarded(self, weights: str) -> str:
        """The weights; zeros for a query that no key is left for."""
        b = self.b
        if not self.may_be_empty:
            return weights
        live = list(self.allowed)
        if self.bias:
            live.append(
                b.op("Not", [b.op("Equal", [self.bias, b.number(INFINITE, self.dtype)], "bias_out")], "bias_in")
            )
        name = live[0] if len(live) == 1 else b.op("And", live, "live")
        zero, one = (b.constant(f"count{at}", np.array(at, np.int32)) for at in (0, 1))
        count = b.reduce("ReduceMax", b.op("Where", [name, one, zero], "live_count"), [-1], "live_any")
        empty = b.op("Equal", [count, zero], "empty")
        return b.op("Where", [empty, b.number(0.0, self.dtype), weights], "weights")


def padded(b: Builder, mask: str, total: str, value: str, name: str) -> str:
    """A mask whose last axis is made as long as `total` (a list of one integer) says."""
    short = b.op("Sub", [total, b.size(mask, -1, f"{name}_size")], f"{name}_missing")
    pads = b.op("Concat", [b.integers(0), short], f"{name}_pads", axis=0)
    return b.op("Pad", [mask, pads, value, b.integers(-1)], name)


def positions(b: Builder, shape: Sequence[int], values: str, name: str) -> str:
    """Integers for each sequence of a batch, in the shape that broadcasts to the scores."""
    return b.reshape(b.op("Cast", [values], f"{name}_int64", to=_int64()), shape, name)


def _int64() -> int:
    from onnx import TensorProto

    return int(TensorProto.INT64)
