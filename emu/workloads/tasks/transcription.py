"""Writing down what is said: Whisper's greedy decoding, word error rate.

* 30 s of sound at 16 kHz, silence behind the recording. Spectrogram: frames of 400 samples every 160 under a periodic
  Hann window, mirrored at both ends; power; 80 bands on Slaney's mel scale, each triangle of area 1; log10, not below
  1e-10 nor 8 below the largest; (x + 4) / 4. In float64, rounded to float32 at the end.
* Decoding starts with the tokens start and no-timestamps, takes the best token each time, and ends with the end token
  or after `MAX_TOKENS`. Tokens that the model's config suppresses (`suppress_ids`, and `suppress_ids_begin` at first)
  are never taken.
* Words are compared in lower case, letters, digits and apostrophes only.

Source: Radford et al., arXiv:2212.04356, and openai/whisper's audio.py and decoding.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from emu.errors import ModelError
from emu.workloads import metrics
from emu.workloads.tasks.base import Forward, Task, Tick, optional
from emu.workloads.tasks.recordings import RATE, find_recordings, read_recording, read_transcription

WINDOW, STEP, BANDS, SECONDS = 400, 160, 80, 30
MAX_TOKENS = 96
START, NO_TIMES, END = "<|startoftranscript|>", "<|notimestamps|>", "<|endoftext|>"


class Transcription(Task[list[str]]):
    """Recordings with known words."""

    def __init__(self, files: Mapping[str, Path], limit: int, recordings: str) -> None:
        folder = find_recordings(recordings)
        if folder is None:
            raise ModelError(
                f"no recordings in {recordings!r} under the system's shared data: "
                "install the package that brings them (`emu workload show` names it)"
            )
        said = sorted(read_transcription(folder).items())[:limit]
        self.size, self._truths = len(said), [words(text) for _, text in said]
        self._sounds = [read_recording(folder / f"{name}.wav") for name, _ in said]
        self._tokenizer = optional("tokenizers").Tokenizer.from_file(str(files["tokenizer"]))
        self._start, self._no_times, self._end = (self._tokenizer.token_to_id(x) for x in (START, NO_TIMES, END))
        config = json.loads(files["config"].read_text(encoding="utf-8"))
        self._never, self._not_first = config["suppress_ids"], config["suppress_ids_begin"]
        self.inputs = f"{self.size} LibriVox recordings of {sum(x.size for x in self._sounds) / RATE:.0f} s in all"

    def answer(self, forward: Forward, tick: Tick) -> list[str]:
        """What is said in each recording."""
        answers = []
        for index, sound in enumerate(self._sounds):
            tick(index, self.size)
            answers.append(self._tokenizer.decode(self._written(forward, sound), skip_special_tokens=True))
        return answers

    def score(self, answer: list[str], ieee: list[str]) -> dict[str, float]:
        """Word error rate, against the truth and against IEEE."""
        found = [words(text) for text in answer]
        other = metrics.error_rate(found, [words(text) for text in ieee]) if any(map(words, ieee)) else 0.0
        return {"word error rate": metrics.error_rate(found, self._truths), "words unlike IEEE": other}

    def _written(self, forward: Forward, sound: NDArray[np.float32]) -> list[int]:
        """Greedy decoding of one recording."""
        heard = forward("encoder", {"mel": spectrogram(sound)[None]})
        layers = len(heard) // 2
        past = {
            f"past_{what}_{layer}": np.empty((1, 0, heard["keys_0"].shape[2]), np.float32)
            for layer in range(layers)
            for what in ("keys", "values")
        }
        tokens: list[int] = [self._start, self._no_times]
        written: list[int] = []
        while len(written) < MAX_TOKENS:
            made = forward("decoder", {"tokens": np.array([tokens], np.int64), **heard, **past})
            past = {f"past_{name[4:]}": value for name, value in made.items() if name != "logits"}
            best = self._best(made["logits"][0], first=not written)
            if best == self._end:
                break
            written.append(best)
            tokens = [best]
        return written

    def _best(self, logits: NDArray[Any], *, first: bool) -> int:
        logits = logits.copy()
        logits[self._never] = -np.inf
        if first:
            logits[self._not_first] = -np.inf
        return int(logits.argmax())


def words(text: str) -> list[str]:
    """The words of a text, as they are compared."""
    return re.findall(r"[a-z0-9']+", text.lower())


def spectrogram(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """The log-mel spectrogram of 30 s: [80, 3000]."""
    samples = np.zeros(SECONDS * RATE)
    samples[: min(sound.size, samples.size)] = sound[: samples.size]
    padded = np.pad(samples, WINDOW // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    frames = sliding_window_view(padded, WINDOW)[::STEP][: samples.size // STEP]
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    logs = np.log10(np.maximum(mel_filters() @ power.T, 1e-10))
    scaled = (np.maximum(logs, logs.max() - 8) + 4) / 4
    return np.ascontiguousarray(scaled, np.float32)


def mel_filters() -> NDArray[np.float64]:
    """Triangles over the frequencies: [80, 201]."""
    frequencies = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    edges = _hertz(np.linspace(_mel(0.0), _mel(RATE / 2), BANDS + 2))
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    area = 2 / (edges[2:] - edges[:-2])
    return np.maximum(0, np.minimum(rising, falling)) * area[:, None]


KNEE, LINEAR, LOG = 1000.0, 3 / 200, 27 / np.log(6.4)
"""Slaney's mel scale: linear below the knee, logarithmic above it."""


def _mel(hertz: float) -> float:
    return float(hertz * LINEAR if hertz < KNEE else KNEE * LINEAR + LOG * np.log(hertz / KNEE))


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    low = mel / LINEAR
    return np.where(mel < KNEE * LINEAR, low, KNEE * np.exp((np.maximum(mel, KNEE * LINEAR) - KNEE * LINEAR) / LOG))
