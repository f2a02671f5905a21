"""BERT as an ONNX graph: embeddings, encoder layers, mean pooling over the attended tokens, length 1.

* Names are those of the checkpoint (`encoder.layer.0.attention.self.query`, …); the two products of attention are
  `….attention.scores` and `….attention.context`.
* Scores are scaled by 1/√d before the softmax; masked ones become the lowest float32. GELU is the exact one, by erf.
* Positions count from 0; every token is of type 0. No prefix, or `bert.`.

Source: Devlin et al., arXiv:1810.04805; pooling of sentence-transformers (mean, then L2 normalisation).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import ModelError
from emu.safetensors import read_safetensors
from emu.workloads.builders.assembly import Assembly

if TYPE_CHECKING:
    from onnx import ModelProto

SMALLEST_LENGTH = 1e-12
"""A pooled vector is divided by its length, or by this."""


def build_bert(files: Mapping[str, Path]) -> ModelProto:
    """The encoder of `weights` and `config`.

    Raises:
        ModelError: a tensor or a key is missing, or the activation is another one.
    """
    weights = {name.removeprefix("bert."): value for name, value in read_safetensors(files["weights"]).items()}
    config = json.loads(files["config"].read_text(encoding="utf-8"))
    try:
        if config["hidden_act"] != "gelu" or config.get("position_embedding_type", "absolute") != "absolute":
            raise ModelError(f"{files['config']}: only exact GELU and absolute positions are known")
        return _Bert(weights, config).build()
    except KeyError as error:
        raise ModelError(f"{files['weights']}: is no BERT encoder: {error} is missing") from None


class _Bert:
    def __init__(self, weights: dict[str, NDArray[Any]], config: dict[str, Any]) -> None:
        self.weights, self.graph = weights, Assembly("bert")
        self.layers, self.heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
        self.width, self.epsilon = int(config["hidden_size"]), float(config["layer_norm_eps"])

    def build(self) -> ModelProto:
        """The model."""
        g = self.graph
        allowed = g.node("Cast", "attention_mask", to=9)  # BOOL
        mask = g.node("Unsqueeze", allowed, g.constant([1, 2], dtype=np.int64))
        x = self._embeddings()
        for index in range(self.layers):
            x = self._layer(x, mask, f"encoder.layer.{index}")
        axes = ["batch", "sequence"]
        return g.model(
            {"input_ids": (np.int64, axes), "attention_mask": (np.int64, axes)},
            {"embedding": (self._pooled(x), ["batch", self.width])},
        )

    def _embeddings(self) -> str:
        g, w = self.graph, self.weights
        words = g.node("Gather", g.weight("words", w["embeddings.word_embeddings.weight"]), "input_ids")
        zero, one = g.constant(0, dtype=np.int64), g.constant(1, dtype=np.int64)
        places = g.node("Range", zero, g.length("input_ids", 1), one)
        positions = g.node("Gather", g.weight("positions", w["embeddings.position_embeddings.weight"]), places)
        kind = g.weight("type", w["embeddings.token_type_embeddings.weight"][0])
        x = g.node("Add", g.node("Add", words, kind), positions, name="embeddings.add")
        return self._norm(x, "embeddings.LayerNorm")

    def _layer(self, x: str, mask: str, name: str) -> str:
        g, size = self.graph, self.width // self.heads
        q, k, v = (
            g.split_heads(self._linear(x, f"{name}.attention.self.{part}"), self.heads, size)
            for part in ("query", "key", "value")
        )
        scores = g.node("MatMul", q, g.node("Transpose", k, perm=[0, 1, 3, 2]), name=f"{name}.attention.scores")
        scores = g.node("Mul", scores, g.constant(1 / math.sqrt(size), dtype=np.float32))
        shares = g.node("Softmax", g.masked(scores, mask), axis=-1, name=f"{name}.attention.softmax")
        context = g.join_heads(g.node("MatMul", shares, v, name=f"{name}.attention.context"), self.width)
        context = self._linear(context, f"{name}.attention.output.dense")
        x = self._norm(g.node("Add", context, x), f"{name}.attention.output.LayerNorm")
        inner = g.node("Gelu", self._linear(x, f"{name}.intermediate.dense"), name=f"{name}.intermediate.gelu")
        return self._norm(g.node("Add", self._linear(inner, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")

    def _pooled(self, x: str) -> str:
        g = self.graph
        attended = g.node("Cast", g.node("Unsqueeze", "attention_mask", g.constant([2], dtype=np.int64)), to=1)
        one, last = g.constant([1], dtype=np.int64), g.constant([-1], dtype=np.int64)
        total = g.node("ReduceSum", g.node("Mul", x, attended), one, keepdims=0)
        mean = g.node("Div", total, g.node("ReduceSum", attended, one, keepdims=0), name="pooling.mean")
        length = g.node("ReduceL2", mean, last, keepdims=1)
        length = g.node("Max", length, g.constant(SMALLEST_LENGTH, dtype=np.float32))
        return g.node("Div", mean, length, name="pooling.normalised")

    def _linear(self, x: str, name: str) -> str:
        return self.graph.linear(x, name, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, x: str, name: str) -> str:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return self.graph.norm(x, name, weight, bias, self.epsilon)
