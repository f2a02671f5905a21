"""How well a language model foretells a text: perplexity over the first tokens of a text that ships with Python.

* The text is the topic `booleans` of Python's own help; it differs a little between releases of Python.
* The tokeniser is made from the GGUF file: byte-level BPE with its tokens and merges, digits one by one where the file
  says `smollm`. No token is put in front unless the file says so.
* One run of the model over limit + 1 tokens: limit of them are foretold.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from emu.errors import ModelError
from emu.workloads import metrics
from emu.workloads.readers.gguf import Gguf, require
from emu.workloads.tasks.base import MODEL, Forward, Task, Tick, optional

TOPIC = "booleans"
Logits = NDArray[np.float32]


class Perplexity(Task[Logits]):
    """A text of tokens."""

    repeats: ClassVar[bool] = False

    def __init__(self, files: Mapping[str, Path], limit: int, recordings: str) -> None:
        del recordings
        from pydoc_data.topics import topics

        tokens = encode(Gguf(files["weights"]), topics[TOPIC])
        self._tokens = np.array(tokens[: limit + 1], np.int64)
        self.size = self._tokens.size - 1
        self.inputs = f"{self.size} tokens of the topic {TOPIC!r} of Python's help"

    def answer(self, forward: Forward, tick: Tick) -> Logits:
        """The logits of every position."""
        tick(0, 1)
        logits: Logits = forward(MODEL, {"input_ids": self._tokens[None]})["logits"][0]
        return logits

    def score(self, answer: Logits, ieee: Logits) -> dict[str, float]:
        """Perplexity, and how often the best token is IEEE's."""
        same = float(np.mean(answer.argmax(axis=1) == ieee.argmax(axis=1)))
        return {"perplexity": metrics.perplexity(answer, self._tokens), "same top token as IEEE": same}


def encode(file: Gguf, text: str) -> list[int]:
    """The tokens of a text.

    Raises:
        ModelError: the file has a tokeniser of another kind.
    """
    package = optional("tokenizers")
    meta: dict[str, Any] = file.metadata
    kind = require(meta, "tokenizer.ggml.model", file.path)
    if kind != "gpt2":
        raise ModelError(f"{file.path}: tokeniser {kind!r}, and byte-level BPE ('gpt2') is wanted")
    names = require(meta, "tokenizer.ggml.tokens", file.path)
    merges = [tuple(pair.split(" ", 1)) for pair in require(meta, "tokenizer.ggml.merges", file.path)]
    vocabulary = {name: index for index, name in enumerate(names)}
    tokenizer = package.Tokenizer(package.models.BPE(vocab=vocabulary, merges=merges))
    steps = [package.pre_tokenizers.ByteLevel(add_prefix_space=False)]
    if meta.get("tokenizer.ggml.pre") == "smollm":
        steps.insert(0, package.pre_tokenizers.Digits(individual_digits=True))
    tokenizer.pre_tokenizer = package.pre_tokenizers.Sequence(steps)
    start = [int(meta["tokenizer.ggml.bos_token_id"])] if meta.get("tokenizer.ggml.add_bos_token") else []
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return start + ids
