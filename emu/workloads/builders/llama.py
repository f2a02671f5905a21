"""A decoder of the Llama kind as an ONNX graph: token numbers in, logits of every position out.

* Layer names are those of the GGUF file (`blk.0.attn_q`, …); the two products of attention are `blk.0.attn_scores` and
  `blk.0.attn_context`; the last product is `output`.
* RMS norm: x / √(mean(x²) + ε) · weight. Feed-forward: down(silu(gate) · up), silu(x) = x · sigmoid(x).
* Rotary positions over pairs of neighbours, as GGUF stores the rows of Q and K: with angle θ = position · base^(-2i/n),
  (x₂ᵢ, x₂ᵢ₊₁) becomes (x₂ᵢ cos θ - x₂ᵢ₊₁ sin θ, x₂ᵢ sin θ + x₂ᵢ₊₁ cos θ). The tables are made in float64, rounded once.
* Grouped heads: each head of K and V serves several of Q, by broadcasting. Scores are scaled by 1/√d; later positions
  become the lowest float32 before the softmax.
* Without `output.weight` the embedding is used for the last product as well.

Source: Touvron et al., arXiv:2302.13971; Shazeer, arXiv:2002.05202; Su et al., arXiv:2104.09864; Ainslie et al.,
arXiv:2305.13245; llama.cpp for the order of rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emu.errors import ModelError
from emu.workloads.builders.assembly import Assembly
from emu.workloads.readers.gguf import Gguf, require

if TYPE_CHECKING:
    from onnx import ModelProto

LONGEST = 2048
"""Positions that the tables hold at most."""


def build_llama(files: Mapping[str, Path]) -> ModelProto:
    """The decoder of `weights`.

    Raises:
        ModelError: another architecture, or a tensor or a key is missing.
    """
    return _Llama(Gguf(files["weights"])).build()


class _Llama:
    def __init__(self, file: Gguf) -> None:
        self.file, self.graph = file, Assembly("llama")
        kind = require(file.metadata, "general.architecture", file.path)
        if kind != "llama":
            raise ModelError(f"{file.path}: architecture {kind!r}, and llama is wanted")

        def number(key: str) -> float:
            return float(require(file.metadata, f"llama.{key}", file.path))

        self.layers, self.width = int(number("block_count")), int(number("embedding_length"))
        self.heads = int(number("attention.head_count"))
        self.groups = int(file.metadata.get("llama.attention.head_count_kv", self.heads))
        self.size = self.width // self.heads
        self.epsilon = number("attention.layer_norm_rms_epsilon")
        self.base = float(file.metadata.get("llama.rope.freq_base", 10000.0))
        self.longest = min(LONGEST, int(number("context_length")))
        if int(file.metadata.get("llama.rope.dimension_count", self.size)) != self.size:
            raise ModelError(f"{file.path}: rotary positions over a part of each head are not known here")

    def build(self) -> ModelProto:
        """The model."""
        g = self.graph
        embedding = g.weight("token_embd", self.file.tensor("token_embd.weight"))
        x = g.node("Gather", embedding, "input_ids", name="token_embd.rows")
        length = g.length("input_ids", 1)
        zero, one = g.constant(0, dtype=np.int64), g.constant(1, dtype=np.int64)
        places = g.node("Range", zero, length, one)
        turns = [g.node("Gather", table, places) for table in self._tables()]
        allowed = g.causal(length)
        for index in range(self.layers):
            x = self._layer(x, f"blk.{index}", turns, allowed)
        x = self._norm(x, "output_norm")
        tied = "output.weight" not in self.file.names
        y = g.linear(x, "output", self.file.tensor("token_embd.weight" if tied else "output.weight"))
        axes = ["batch", "sequence"]
        return g.model({"input_ids": (np.int64, axes)}, {"logits": (y, [*axes, None])})

    def _tables(self) -> tuple[str, str]:
        """Cosines and sines [positions, size / 2]."""
        rates = self.base ** (-np.arange(0, self.size, 2, dtype=np.float64) / self.size)
        angles = np.arange(self.longest, dtype=np.float64)[:, None] * rates
        return self.graph.weight("rope.cos", np.cos(angles)), self.graph.weight("rope.sin", np.sin(angles))

    def _layer(self, x: str, name: str, turns: list[str], allowed: str) -> str:
        g = self.graph
        inner = self._norm(x, f"{name}.attn_norm")
        x = g.node("Add", x, self._attention(inner, name, turns, allowed), name=f"{name}.attn_add")
        inner = self._norm(x, f"{name}.ffn_norm")
        gate = self._linear(inner, f"{name}.ffn_gate")
        gate = g.node("Mul", gate, g.node("Sigmoid", gate, name=f"{name}.ffn_sigmoid"), name=f"{name}.ffn_silu")
        inner = g.node("Mul", gate, self._linear(inner, f"{name}.ffn_up"), name=f"{name}.ffn_mul")
        return g.node("Add", x, self._linear(inner, f"{name}.ffn_down"), name=f"{name}.ffn_add")

    def _attention(self, x: str, name: str, turns: list[str], allowed: str) -> str:
        g, share = self.graph, self.heads // self.groups
        q = self._turned(g.split_heads(self._linear(x, f"{name}.attn_q"), self.heads, self.size), turns, self.heads)
        k = self._turned(g.split_heads(self._linear(x, f"{name}.attn_k"), self.groups, self.size), turns, self.groups)
        v = g.split_heads(self._linear(x, f"{name}.attn_v"), self.groups, self.size)
        second = g.constant([2], dtype=np.int64)
        q = g.reshape(q, 0, self.groups, share, -1, self.size)
        k = g.node("Transpose", g.node("Unsqueeze", k, second), perm=[0, 1, 2, 4, 3])
        scores = g.node("MatMul", q, k, name=f"{name}.attn_scores")
        scores = g.node("Mul", scores, g.constant(1 / math.sqrt(self.size), dtype=np.float32))
        shares = g.node("Softmax", g.masked(scores, allowed), axis=-1, name=f"{name}.attn_softmax")
        y = g.node("MatMul", shares, g.node("Unsqueeze", v, second), name=f"{name}.attn_context")
        y = g.join_heads(g.reshape(y, 0, self.heads, -1, self.size), self.width)
        return self._linear(y, f"{name}.attn_output")

    def _turned(self, x: str, turns: list[str], heads: int) -> str:
        """Rotary positions on [batch, heads, sequence, size]."""
        g, (cos, sin) = self.graph, turns
        pairs = g.reshape(x, 0, heads, -1, self.size // 2, 2)
        last = g.constant([-1], dtype=np.int64)
        even, odd = (g.node("Gather", pairs, g.constant(which, dtype=np.int64), axis=-1) for which in (0, 1))
        left = g.node("Sub", g.node("Mul", even, cos), g.node("Mul", odd, sin))
        right = g.node("Add", g.node("Mul", even, sin), g.node("Mul", odd, cos))
        both = g.node("Concat", g.node("Unsqueeze", left, last), g.node("Unsqueeze", right, last), axis=-1)
        return g.reshape(both, 0, heads, -1, self.size)

    def _norm(self, x: str, name: str) -> str:
        g, last = self.graph, self.graph.constant([-1], dtype=np.int64)
        mean = g.node("ReduceMean", g.node("Mul", x, x), last, keepdims=1)
        root = g.node("Sqrt", g.node("Add", mean, g.constant(self.epsilon, dtype=np.float32)))
        weight = g.weight(f"{name}.weight", self.file.tensor(f"{name}.weight"))
        return g.node("Mul", g.node("Div", x, root), weight, name=name)

    def _linear(self, x: str, name: str) -> str:
        bias = self.file.tensor(f"{name}.bias") if f"{name}.bias" in self.file.names else None
        return self.graph.linear(x, name, self.file.tensor(f"{name}.weight"), bias)
