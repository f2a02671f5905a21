"""From what a method does to what it is called: docstrings of Python's built-in types, mean reciprocal rank.

* A query is the first paragraph of a method's docstring; the candidates are the names, as `str capitalize`. Pairs are
  taken evenly from all methods of the types in `TYPES`, in alphabetical order; docstrings differ a little between
  releases of Python.
* Texts go through the model one by one, so that no padding takes part in a scale. Vectors have length 1, and their
  product is the score.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emu.workloads import metrics
from emu.workloads.tasks.base import MODEL, Forward, Task, Tick, optional

TYPES = (bytearray, dict, float, frozenset, int, list, memoryview, set, str, tuple)
MAX_TOKENS = 256
Vectors = NDArray[np.float32]


class Retrieval(Task[Vectors]):
    """Docstrings and names."""

    def __init__(self, files: Mapping[str, Path], limit: int, recordings: str) -> None:
        del recordings
        every = pairs()
        self.size = min(limit, len(every))
        chosen = [every[index * len(every) // self.size] for index in range(self.size)]
        tokenizer = optional("tokenizers").Tokenizer.from_file(str(files["tokenizer"]))
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
        texts = [query for query, _ in chosen] + [name for _, name in chosen]
        self._tokens = [np.array([tokenizer.encode(text).ids], np.int64) for text in texts]
        self.inputs = f"{self.size} docstrings of built-in methods, and the methods' names"

    def answer(self, forward: Forward, tick: Tick) -> Vectors:
        """The vectors: queries, then names."""
        vectors = []
        for index, ids in enumerate(self._tokens):
            tick(index, len(self._tokens))
            made = forward(MODEL, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
            vectors.append(made["embedding"][0])
        return np.stack(vectors)

    def score(self, answer: Vectors, ieee: Vectors) -> dict[str, float]:
        """MRR, and the mean cosine to IEEE's vectors."""
        wide = answer.astype(np.float64)
        table = wide[: self.size] @ wide[self.size :].T
        return {"MRR": metrics.mean_reciprocal_rank(table), "cosine to IEEE": metrics.mean_cosine(answer, ieee)}


def pairs() -> list[tuple[str, str]]:
    """Every (first paragraph of a docstring, type and name)."""
    found = []
    for kind in TYPES:
        for name in sorted(vars(kind)):
            text = inspect.getdoc(getattr(kind, name)) if not name.startswith("_") else None
            first = " ".join((text or "").split("\n\n")[0].split())
            if first and "->" not in first:
                found.append((first, f"{kind.__name__} {name.replace('_', ' ')}"))
    return found
