"""From what a method does to what it is called: docstrings of Python's built-in types, mean reciprocal rank.

* A query is the first paragraph of a method's docstring; the candidates are the names, as `str capitalize`. Pairs are
  taken evenly from all methods of the types in `TYPES`, in alphabetical order; docstrings differ a little between
  releases of Python.
* Calibration inputs are docstrings of the other methods: every eighth of them in each of 8 texts, cut to the
  length of the shortest, so that no padding takes part.
* Texts go through the model one by one, so that no padding takes part in a scale. Vectors have length 1, and their
  product is the score.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from emu.workloads import metrics
from emu.workloads.tasks.base import MODEL, Forward, Task, Tick, optional

TYPES = (bytearray, dict, float, frozenset, int, list, memoryview, set, str, tuple)
MAX_TOKENS = 256
CALIBRATION_TEXTS, SHORTEST = 8, 16
Vectors = NDArray[np.float32]


class Retrieval(Task[Vectors]):
    """Docstrings and names."""

    calibrates: ClassVar[bool] = True

    def __init__(self, files: Mapping[str, Path], limit: int, recordings: str) -> None:
        del recordings
        every = pairs()
        self.size = min(limit, len(every))
        places = [index * len(every) // self.size for index in range(self.size)]
        chosen = [every[place] for place in places]
        self._others = [query for place, (query, _) in enumerate(every) if place not in places]
        tokenizer = optional("tokenizers").Tokenizer.from_file(str(files["tokenizer"]))
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
        texts = [query for query, _ in chosen] + [name for _, name in chosen]
        self._tokens = [np.array([tokenizer.encode(text).ids], np.int64) for text in texts]
        self._tokenizer = tokenizer
        self.inputs = f"{self.size} docstrings of built-in methods, and the methods' names"

    def calibration(self) -> dict[str, NDArray[Any]] | None:
        """Docstrings that are not asked; None if too few are left."""
        texts = [" ".join(self._others[first::CALIBRATION_TEXTS]) for first in range(CALIBRATION_TEXTS)]
        ids = [self._tokenizer.encode(text).ids for text in texts]
        length = min(map(len, ids))
        if length < SHORTEST:
            return None
        tokens = np.array([some[:length] for some in ids], np.int64)
        return {"input_ids": tokens, "attention_mask": np.ones_like(tokens)}

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
