"""Small networks in NumPy, in float64, written from the papers and independent of the builders; with random weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import files

Weights = dict[str, np.ndarray]
WIDTH, HEADS, INNER, WORDS = 12, 3, 20, 16
SIZE = WIDTH // HEADS
BANDS, FRAMES = 6, 8
erf = np.vectorize(math.erf)


def close(found: np.ndarray, wanted: np.ndarray) -> bool:
    """To float32's precision through a few layers."""
    return found.shape == wanted.shape and np.abs(found - wanted).max() < 2e-5 * np.abs(wanted).max()


def gelu(x):
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def norm(x, weight, bias, epsilon):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) * weight + bias


def attention(q, k, v, heads, allowed=None):
    """Head by head; q [m, width], k and v [n, width]."""
    size = q.shape[1] // heads
    out = []
    for head in range(heads):
        at = slice(head * size, (head + 1) * size)
        scores = q[:, at] @ k[:, at].T / math.sqrt(size)
        out.append(softmax(scores if allowed is None else np.where(allowed, scores, -np.inf)) @ v[:, at])
    return np.concatenate(out, axis=1)


def _random(rng, *shape):
    return (rng.standard_normal(shape) / 2).astype(np.float32)


def bert_weights(rng) -> tuple[Weights, dict[str, Any]]:
    config = {"hidden_act": "gelu", "num_hidden_layers": 2, "num_attention_heads": HEADS, "hidden_size": WIDTH,
              "layer_norm_eps": 1e-12}  # fmt: skip
    out = {f"embeddings.{name}_embeddings.weight": _random(rng, rows, WIDTH)
           for name, rows in (("word", WORDS), ("position", 9), ("token_type", 2))}  # fmt: skip
    names = ["embeddings.LayerNorm"]
    shapes = {}
    for i in range(2):
        name = f"encoder.layer.{i}"
        names += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes[f"{name}.attention.{part}"] = (WIDTH, WIDTH)
        shapes |= {f"{name}.intermediate.dense": (INNER, WIDTH), f"{name}.output.dense": (WIDTH, INNER)}
    for name in names:
        out |= {f"{name}.weight": _random(rng, WIDTH) + 1, f"{name}.bias": _random(rng, WIDTH)}
    for name, shape in shapes.items():
        out |= {f"{name}.weight": _random(rng, *shape), f"{name}.bias": _random(rng, shape[0])}
    return out, config


def bert(weights: Weights, config, ids, mask):
    w = {name: value.astype(np.float64) for name, value in weights.items()}

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def normed(x, name):
        return norm(x, w[f"{name}.weight"], w[f"{name}.bias"], config["layer_norm_eps"])

    rows = []
    for tokens, attended in zip(ids, mask, strict=True):
        keep = attended.astype(bool)
        x = w["embeddings.word_embeddings.weight"][tokens] + w["embeddings.position_embeddings.weight"][: len(tokens)]
        x = normed(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for i in range(config["num_hidden_layers"]):
            name = f"encoder.layer.{i}"
            q, k, v = (linear(x, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
            y = linear(attention(q, k, v, HEADS, keep[None, :]), f"{name}.attention.output.dense")
            x = normed(x + y, f"{name}.attention.output.LayerNorm")
            y = linear(gelu(linear(x, f"{name}.intermediate.dense")), f"{name}.output.dense")
            x = normed(x + y, f"{name}.output.LayerNorm")
        mean = x[keep].mean(0)
        rows.append(mean / np.linalg.norm(mean))
    return np.array(rows)


def llama_weights(rng, *, tied: bool) -> tuple[Weights, dict[str, Any]]:
    """Two layers; four heads on two of keys and values."""
    metadata = {
        "general.architecture": "llama", "llama.block_count": 2, "llama.embedding_length": 16,
        "llama.attention.head_count": 4, "llama.attention.head_count_kv": 2, "llama.context_length": 32,
        "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.freq_base": 100.0,
        "llama.rope.dimension_count": 4,
    }  # fmt: skip
    out = {"token_embd.weight": _random(rng, WORDS, 16), "output_norm.weight": _random(rng, 16) + 1}
    if not tied:
        out["output.weight"] = _random(rng, WORDS, 16)
    for i in range(2):
        shapes = {"attn_q": (16, 16), "attn_k": (8, 16), "attn_v": (8, 16), "attn_output": (16, 16),
                  "ffn_gate": (24, 16), "ffn_up": (24, 16), "ffn_down": (16, 24)}  # fmt: skip
        out |= {f"blk.{i}.{name}.weight": _random(rng, *shape) for name, shape in shapes.items()}
        out |= {f"blk.{i}.{name}.weight": _random(rng, 16) + 1 for name in ("attn_norm", "ffn_norm")}
    return out, metadata


def llama_file(weights: Weights, metadata: dict[str, Any]) -> bytes:
    return files.gguf(metadata, {name: (0, value.shape, value.tobytes()) for name, value in weights.items()})


def llama(weights: Weights, metadata, tokens):
    w = {name.removesuffix(".weight"): value.astype(np.float64) for name, value in weights.items()}
    epsilon, base = np.float32(metadata["llama.attention.layer_norm_rms_epsilon"]), metadata["llama.rope.freq_base"]

    def normed(x, name):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + epsilon) * w[name]

    def turned(x):
        """Neighbours of each head of 4 as complex numbers, turned by position · base^(-2i/4)."""
        pairs = x.reshape(len(x), -1, 2, 2)
        angle = np.arange(len(x))[:, None, None] * base ** (-np.array([0.0, 2.0]) / 4)
        z = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * angle)
        return np.stack([z.real, z.imag], -1).reshape(x.shape)

    x = w["token_embd"][tokens]
    allowed = np.tril(np.ones((len(tokens), len(tokens)), bool))
    for i in range(metadata["llama.block_count"]):
        h = normed(x, f"blk.{i}.attn_norm")
        q, k, v = (h @ w[f"blk.{i}.attn_{part}"].T for part in "qkv")
        k, v = (np.repeat(t.reshape(len(t), 2, 4), 2, axis=1).reshape(len(t), 16) for t in (turned(k), v))
        x = x + attention(turned(q), k, v, 4, allowed) @ w[f"blk.{i}.attn_output"].T
        h = normed(x, f"blk.{i}.ffn_norm")
        gate, up = h @ w[f"blk.{i}.ffn_gate"].T, h @ w[f"blk.{i}.ffn_up"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ w[f"blk.{i}.ffn_down"].T
    return normed(x, "output_norm") @ w.get("output", w["token_embd"]).T


def whisper_weights(rng) -> Weights:
    out: Weights = {"decoder/activation": np.array(3, np.int8), "decoder/embeddings/weight": _random(rng, WORDS, WIDTH),
                    "encoder/position_encodings/encodings": _random(rng, FRAMES, WIDTH),
                    "decoder/position_encodings/encodings": _random(rng, 10, WIDTH)}  # fmt: skip
    shapes = {"encoder/conv1": (WIDTH, BANDS, 3), "encoder/conv2": (WIDTH, WIDTH, 3)}
    norms = ["encoder/layer_norm", "decoder/layer_norm"]
    for part in ("encoder", "decoder"):
        out[f"{part}/num_heads"] = np.array(HEADS, np.int16)
        for i in range(2):
            name = f"{part}/layer_{i}"
            norms += [f"{name}/self_attention/layer_norm", f"{name}/ffn/layer_norm"]
            shapes |= {f"{name}/self_attention/linear_0": (3 * WIDTH, WIDTH),
                       f"{name}/self_attention/linear_1": (WIDTH, WIDTH),
                       f"{name}/ffn/linear_0": (INNER, WIDTH), f"{name}/ffn/linear_1": (WIDTH, INNER)}  # fmt: skip
            if part == "decoder":
                norms.append(f"{name}/attention/layer_norm")
                shapes |= {f"{name}/attention/linear_0": (WIDTH, WIDTH),
                           f"{name}/attention/linear_1": (2 * WIDTH, WIDTH),
                           f"{name}/attention/linear_2": (WIDTH, WIDTH)}  # fmt: skip
    for name in norms:
        out |= {f"{name}/gamma": _random(rng, WIDTH) + 1, f"{name}/beta": _random(rng, WIDTH)}
    for name, shape in shapes.items():
        out |= {f"{name}/weight": _random(rng, *shape), f"{name}/bias": _random(rng, shape[0])}
    return out


def whisper(weights: Weights, mel, tokens):
    """The logits after the last token, all tokens at once."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}

    def linear(x, name):
        return x @ w[f"{name}/weight"].T + w[f"{name}/bias"]

    def normed(x, name):
        return norm(x, w[f"{name}/gamma"], w[f"{name}/beta"], 1e-5)

    def convolved(x, name, stride):
        """x [channels, length]"""
        padded = np.pad(x, ((0, 0), (1, 1)))
        places = range(0, x.shape[1], stride)
        y = [np.tensordot(w[f"{name}/weight"], padded[:, p : p + 3], 2) + w[f"{name}/bias"] for p in places]
        return gelu(np.array(y).T)

    def own_attention(x, name, allowed=None):
        q, k, v = np.split(linear(normed(x, f"{name}/layer_norm"), f"{name}/linear_0"), 3, axis=1)
        return x + linear(attention(q, k, v, HEADS, allowed), f"{name}/linear_1")

    def feed_forward(x, name):
        return x + linear(gelu(linear(normed(x, f"{name}/layer_norm"), f"{name}/linear_0")), f"{name}/linear_1")

    x = convolved(convolved(mel.astype(np.float64), "encoder/conv1", 1), "encoder/conv2", 2).T
    x = x + w["encoder/position_encodings/encodings"]
    for i in range(2):
        x = feed_forward(own_attention(x, f"encoder/layer_{i}/self_attention"), f"encoder/layer_{i}/ffn")
    heard = normed(x, "encoder/layer_norm")
    x = w["decoder/embeddings/weight"][tokens] + w["decoder/position_encodings/encodings"][: len(tokens)]
    allowed = np.tril(np.ones((len(tokens), len(tokens)), bool))
    for i in range(2):
        name = f"decoder/layer_{i}"
        x = own_attention(x, f"{name}/self_attention", allowed)
        q = linear(normed(x, f"{name}/attention/layer_norm"), f"{name}/attention/linear_0")
        k, v = np.split(linear(heard, f"{name}/attention/linear_1"), 2, axis=1)
        x = x + linear(attention(q, k, v, HEADS), f"{name}/attention/linear_2")
        x = feed_forward(x, f"{name}/ffn")
    return (normed(x, "decoder/layer_norm") @ w["decoder/embeddings/weight"].T)[-1]
