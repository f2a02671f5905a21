"""Reading a line of text: rendered lines, greedy CTC decoding, character error rate without spaces.

* A line is 48 pixels high and at least 320 wide (white to the right of it), with values (x / 255 - 0.5) / 0.5.
* Class 0 is the blank, then come the characters of the model's list, then the space. Neighbours that are equal count
  once; blanks are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emu.errors import ModelError
from emu.workloads import metrics
from emu.workloads.tasks.base import MODEL, Forward, Task, Tick
from emu.workloads.tasks.pictures import LINES, text_line

HEIGHT, SHORTEST = 48, 320


class Recognition(Task[list[str]]):
    """Lines of text."""

    def __init__(self, files: Mapping[str, Path], limit: int, recordings: str) -> None:
        del recordings
        self._characters = ["", *read_characters(files["characters"]), " "]
        self._texts = LINES[:limit]
        self.size = len(self._texts)
        self._lines = [prepared(text) for text in self._texts]
        self.inputs = f"{self.size} rendered lines of text"

    def answer(self, forward: Forward, tick: Tick) -> list[str]:
        """What each line says."""
        answers = []
        for index, line in enumerate(self._lines):
            tick(index, self.size)
            (shares,) = forward(MODEL, {"x": line}).values()
            answers.append(decode(shares[0], self._characters))
        return answers

    def score(self, answer: list[str], ieee: list[str]) -> dict[str, float]:
        """Character error rate."""
        del ieee
        plain = [text.replace(" ", "") for text in answer]
        return {"character error rate": metrics.error_rate(plain, [text.replace(" ", "") for text in self._texts])}


def prepared(text: str) -> NDArray[np.float32]:
    """A line as [1, 3, 48, width]."""
    grey = text_line(text, HEIGHT)
    grey = np.pad(grey, ((0, 0), (0, max(0, SHORTEST - grey.shape[1]))), constant_values=255)
    scaled = (grey / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
    return np.repeat(scaled[None, None], 3, axis=1)


def decode(shares: NDArray[np.float32], characters: list[str]) -> str:
    """Greedy CTC."""
    best = shares.argmax(axis=1)
    kept = [int(now) for now, before in zip(best, [0, *best[:-1]], strict=True) if now and now != before]
    return "".join(characters[index] for index in kept)


def read_characters(path: Path) -> list[str]:
    """The list `character_dict` of a model's YAML file: one `- x` a line, in quotes where YAML asks for them.

    Raises:
        ModelError: no such list.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    starts = [index for index, line in enumerate(lines) if line.strip() == "character_dict:"]
    if len(starts) != 1:
        raise ModelError(f"{path}: holds no list character_dict")
    found = []
    for line in lines[starts[0] + 1 :]:
        if not line.startswith("  - "):
            break
        found.append(_unquoted(line[4:]))
    return found


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1].encode().decode("unicode_escape") if "\\" in text else text[1:-1]
    return text
