"""Is there speech: frames of 32 ms in order, the model's state carried along, agreement with IEEE at p > 0.5.

* A frame is 512 samples at 16 kHz with the 64 before it in front.
* A recording where the system has one, with a second of noise behind it; else vowels made by formula (a pulse train
  through three resonances, with pauses), so that every machine can run the task. `inputs` says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emu.workloads import metrics
from emu.workloads.tasks.base import MODEL, Forward, Task, Tick
from emu.workloads.tasks.recordings import find_recordings, read_recording

RATE, FRAME, CONTEXT, STATE = 16000, 512, 64, (2, 1, 128)
Sound = NDArray[np.float32]


class Activity(Task[list[float]]):
    """Frames of sound."""

    def __init__(self, files: Mapping[str, Path], limit: int, recordings: str) -> None:
        del files
        folder = find_recordings(recordings)
        if folder is not None:
            speech, what = read_recording(sorted(folder.glob("*.wav"))[0]), "a LibriVox recording"
        else:
            speech, what = vowels(), "vowels made by formula"
        quiet = min(RATE, limit * FRAME // 4)
        sound = np.concatenate([speech[: limit * FRAME - quiet], noise(quiet)])
        self.size = min(limit, sound.size // FRAME)
        padded = np.concatenate([np.zeros(CONTEXT, np.float32), sound])
        self._frames = [padded[i * FRAME : (i + 1) * FRAME + CONTEXT][None] for i in range(self.size)]
        self.inputs = f"{self.size} frames of 32 ms: {what}, then noise"

    def answer(self, forward: Forward, tick: Tick) -> list[float]:
        """The probability of speech in each frame."""
        state, shares = np.zeros(STATE, np.float32), []
        for index, frame in enumerate(self._frames):
            tick(index, self.size)
            share, state = forward(MODEL, {"input": frame, "state": state}).values()
            shares.append(float(share[0, 0]))
        return shares

    def score(self, answer: list[float], ieee: list[float]) -> dict[str, float]:
        """Agreement with IEEE, and how much of the sound is taken for speech."""
        said, truth = [share > 0.5 for share in answer], [share > 0.5 for share in ieee]
        return {"frame agreement": metrics.accuracy(said, truth), "speech": sum(said) / self.size}


def noise(samples: int) -> Sound:
    """White noise, quiet."""
    return (0.01 * np.random.default_rng(1).standard_normal(samples)).astype(np.float32)


def vowels(seconds: float = 5.0) -> Sound:
    """Vowels of a low voice, 0.3 s each, with a pause after every third."""
    rng = np.random.default_rng(2)
    parts: list[Sound] = []
    shapes = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
    index = 0
    while sum(part.size for part in parts) < seconds * RATE:
        parts.append(_vowel(shapes[index % len(shapes)], 110 + 15 * (index % 4), rng))
        if index % 3 == 2:
            parts.append(noise(RATE // 4))
        index += 1
    return np.concatenate(parts)


def _vowel(formants: tuple[int, ...], pitch: float, rng: np.random.Generator) -> Sound:
    """A train of pulses with a falling, slightly unsteady pitch, through resonances."""
    n = 3 * RATE // 10
    steps = pitch * np.linspace(1.1, 0.9, n) * (1 + 0.01 * rng.standard_normal(n)) / RATE
    phase = np.cumsum(steps)
    x = np.where(np.diff(np.floor(phase), prepend=0) > 0, 1.0, 0.0) + 0.002 * rng.standard_normal(n)
    for formant in formants:
        radius, angle = np.exp(-np.pi * 90 / RATE), 2 * np.pi * formant / RATE
        y = np.zeros(n + 2)
        for i in range(n):
            y[i + 2] = x[i] + 2 * radius * np.cos(angle) * y[i + 1] - radius * radius * y[i]
        x = y[2:]
    envelope = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / (RATE // 50))
    loud: Sound = (0.3 * envelope * x / np.abs(x).max()).astype(np.float32)
    return loud
