"""Which way up a page is: pages of text, each turned by 0, 90, 180 and 270 degrees clockwise, accuracy.

The picture is scaled so that its short side has 256 pixels, cut to the 224 x 224 in its middle, and normalised by the
mean and deviation of ImageNet, as the model's own preprocessing does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.workloads import metrics
from emu.workloads.tasks import pictures
from emu.workloads.tasks.base import MODEL, Forward, Task, Tick

SHORT, SIZE = 256, 224
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


class Orientation(Task[list[int]]):
    """Pages turned in four ways."""

    def __init__(self, files: Mapping[str, Path], limit: int, recordings: str) -> None:
        del files, recordings
        turns = [index % 4 for index in range(limit)]
        self.size, self._turns = limit, turns
        self._pictures = [prepared(pictures.page(index // 4), turn) for index, turn in enumerate(turns)]
        self.inputs = f"{limit} rendered pages, turned by 0, 90, 180 and 270 degrees"

    def answer(self, forward: Forward, tick: Tick) -> list[int]:
        """The turn of each page, in quarters."""
        answers = []
        for index, picture in enumerate(self._pictures):
            tick(index, self.size)
            (shares,) = forward(MODEL, {"x": picture}).values()
            answers.append(int(shares[0].argmax()))
        return answers

    def score(self, answer: list[int], ieee: list[int]) -> dict[str, float]:
        """Accuracy."""
        return {"accuracy": metrics.accuracy(answer, self._turns), "same as IEEE": metrics.accuracy(answer, ieee)}


def prepared(picture: Any, turn: int) -> NDArray[np.float32]:
    """A page turned clockwise by some quarters, as [1, 3, 224, 224]."""
    picture = picture.rotate(-90 * turn, expand=True)
    factor = SHORT / min(picture.size)
    picture = picture.resize((round(picture.width * factor), round(picture.height * factor)))
    left, top = (picture.width - SIZE) // 2, (picture.height - SIZE) // 2
    picture = picture.crop((left, top, left + SIZE, top + SIZE))
    grey = np.asarray(picture, np.float32)[..., None] / np.float32(255)
    return np.ascontiguousarray(((grey - MEAN) / DEVIATION).transpose(2, 0, 1)[None], np.float32)
