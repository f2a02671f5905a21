"""Whisper from CTranslate2's file as two ONNX graphs.

* `encoder`: a log-mel spectrogram `mel` [1, 80, 3000] in; for every decoder layer the keys and values of its
  cross-attention (`keys_0`, `values_0`, … [1, 1500, width]) out, because they are made once per recording.
* `decoder`: the next `tokens` [1, n], the keys and values above, and those of the tokens before (`past_keys_0`,
  `past_values_0`, … [1, m, width], m = 0 at first) in; `logits` [1, vocabulary] of the last token and the keys and
  values of all tokens (`all_keys_0`, …) out.
* Layer names are those of the file (`encoder/layer_0/self_attention/linear_0`, …; linear_0 of self-attention makes
  queries, keys and values at once); the products of attention are `…/scores` and `…/context`.
* Layers normalise first, with ε = 1e-5; GELU is the exact one. Scores are scaled by 1/√d.

Source: Radford et al., arXiv:2212.04356; CTranslate2's WhisperSpec.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import ModelError
from emu.workloads.builders.assembly import Assembly
from emu.workloads.readers.ctranslate2 import read_ctranslate2

if TYPE_CHECKING:
    from onnx import ModelProto

EPSILON = 1e-5
EXACT_GELU = 3
"""CTranslate2's number of the activation."""


def build_whisper(files: Mapping[str, Path]) -> dict[str, ModelProto]:
    """Both graphs of `weights`.

    Raises:
        ModelError: another kind of file, or a variable is missing.
    """
    path = files["weights"]
    weights = read_ctranslate2(path, "WhisperSpec")
    try:
        if int(weights["decoder/activation"]) != EXACT_GELU:
            raise ModelError(f"{path}: activation {int(weights['decoder/activation'])}, and exact GELU is wanted")
        return {"encoder": _Encoder(weights).build(), "decoder": _Decoder(weights).build()}
    except KeyError as error:
        raise ModelError(f"{path}: is no Whisper model: {error} is missing") from None


class _Part:
    """What both graphs have."""

    name: str

    def __init__(self, weights: dict[str, NDArray[Any]]) -> None:
        self.weights, self.graph = weights, Assembly(f"whisper {self.name}")
        self.width = weights["decoder/embeddings/weight"].shape[1]
        self.heads = int(weights[f"{self.name}/num_heads"])
        self.layers = self._count(self.name)

    def _count(self, part: str) -> int:
        starts = (key.split("/")[1] for key in self.weights if key.startswith(f"{part}/layer_"))
        return len({start for start in starts if start[6:].isdigit()})

    def _linear(self, x: str, name: str) -> str:
        return self.graph.linear(x, name, self.weights[f"{name}/weight"], self.weights.get(f"{name}/bias"))

    def _norm(self, x: str, name: str) -> str:
        return self.graph.norm(x, name, self.weights[f"{name}/gamma"], self.weights[f"{name}/beta"], EPSILON)

    def _feed_forward(self, x: str, name: str) -> str:
        g = self.graph
        inner = self._linear(self._norm(x, f"{name}/layer_norm"), f"{name}/linear_0")
        return g.node("Add", x, self._linear(g.node("Gelu", inner, name=f"{name}/gelu"), f"{name}/linear_1"))

    def _attended(self, name: str, q: str, k: str, v: str, allowed: str | None = None) -> str:
        """Attention over [1, sequence, width] of queries, keys and values."""
        g, size = self.graph, self.width // self.heads
        q, k, v = (g.split_heads(x, self.heads, size) for x in (q, k, v))
        scores = g.node("MatMul", q, g.node("Transpose", k, perm=[0, 1, 3, 2]), name=f"{name}/scores")
        scores = g.node("Mul", scores, g.constant(1 / math.sqrt(size), dtype=np.float32))
        scores = scores if allowed is None else g.masked(scores, allowed)
        shares = g.node("Softmax", scores, axis=-1, name=f"{name}/softmax")
        return g.join_heads(g.node("MatMul", shares, v, name=f"{name}/context"), self.width)


class _Encoder(_Part):
    name = "encoder"

    def build(self) -> ModelProto:
        """The graph."""
        g, w = self.graph, self.weights
        x = self._convolution("mel", "encoder/conv1", 1)
        x = g.node("Transpose", self._convolution(x, "encoder/conv2", 2), perm=[0, 2, 1])
        x = g.node("Add", x, g.weight("encoder/positions", w["encoder/position_encodings/encodings"]))
        for index in range(self.layers):
            name = f"encoder/layer_{index}"
            parts = g.split(self._linear(self._norm(x, f"{name}/self_attention/layer_norm"),
                                             f"{name}/self_attention/linear_0"), 3)  # fmt: skip
            y = self._attended(f"{name}/self_attention", *parts)
            x = g.node("Add", x, self._linear(y, f"{name}/self_attention/linear_1"))
            x = self._feed_forward(x, f"{name}/ffn")
        x = self._norm(x, "encoder/layer_norm")
        outputs: dict[str, tuple[str, list[Any]]] = {}
        axes = [1, None, self.width]
        for index in range(self._count("decoder")):
            keys, values = g.split(self._linear(x, f"decoder/layer_{index}/attention/linear_1"), 2)
            outputs |= {f"keys_{index}": (keys, axes), f"values_{index}": (values, axes)}
        bands = w["encoder/conv1/weight"].shape[1]
        frames = 2 * w["encoder/position_encodings/encodings"].shape[0]
        return g.model({"mel": (np.float32, [1, bands, frames])}, outputs)

    def _convolution(self, x: str, name: str, stride: int) -> str:
        g, w = self.graph, self.weights
        weight, bias = (g.weight(f"{name}/{part}", w[f"{name}/{part}"]) for part in ("weight", "bias"))
        return g.node("Gelu", g.node("Conv", x, weight, bias, name=name, strides=[stride], pads=[1, 1]))


class _Decoder(_Part):
    name = "decoder"

    def build(self) -> ModelProto:
        """The graph."""
        g, w = self.graph, self.weights
        one = g.constant(1, dtype=np.int64)
        past, now = g.length("past_keys_0", 1), g.length("tokens", 1)
        total = g.node("Add", past, now)
        places = g.node("Range", past, total, one)
        every = g.node("Range", g.constant(0, dtype=np.int64), total, one)
        allowed = g.node("LessOrEqual", every, g.node("Unsqueeze", places, g.constant([1], dtype=np.int64)))
        positions = g.weight("decoder/positions", w["decoder/position_encodings/encodings"])
        words = g.node("Gather", g.weight("decoder/embeddings", w["decoder/embeddings/weight"]), "tokens")
        x = g.node("Add", words, g.node("Gather", positions, places))
        axes = [1, None, self.width]
        inputs: dict[str, tuple[Any, list[Any]]] = {"tokens": (np.int64, [1, None])}
        outputs: dict[str, tuple[str, list[Any]]] = {}
        for index in range(self.layers):
            sources = [f"{what}_{index}" for what in ("keys", "values", "past_keys", "past_values")]
            inputs |= dict.fromkeys(sources, (np.float32, axes))
            x, keys, values = self._layer(x, f"decoder/layer_{index}", sources, allowed)
            outputs |= {f"all_keys_{index}": (keys, axes), f"all_values_{index}": (values, axes)}
        x = g.node("Gather", self._norm(x, "decoder/layer_norm"), g.constant(-1, dtype=np.int64), axis=1)
        logits = self._linear(x, "decoder/projection")
        return g.model(inputs, {"logits": (logits, [1, None]), **outputs})

    def _layer(self, x: str, name: str, sources: list[str], allowed: str) -> tuple[str, str, str]:
        """The layer's output, and the keys and values of all tokens."""
        g, (keys, values, past_keys, past_values) = self.graph, sources
        own = f"{name}/self_attention"
        q, k, v = g.split(self._linear(self._norm(x, f"{own}/layer_norm"), f"{own}/linear_0"), 3)
        k, v = g.node("Concat", past_keys, k, axis=1), g.node("Concat", past_values, v, axis=1)
        x = g.node("Add", x, self._linear(self._attended(own, q, k, v, allowed), f"{own}/linear_1"))
        cross = f"{name}/attention"
        q = self._linear(self._norm(x, f"{cross}/layer_norm"), f"{cross}/linear_0")
        x = g.node("Add", x, self._linear(self._attended(cross, q, keys, values), f"{cross}/linear_2"))
        return self._feed_forward(x, f"{name}/ffn"), k, v
