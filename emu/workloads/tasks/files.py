"""What type a file is, from its first and last bytes: small files that Python and Pillow write, accuracy.

The first 1024 bytes of the first 4096 without leading white space, and the last 1024 of the last 4096 without trailing
white space; 256 stands where there is no byte. A smoke test: almost any arithmetic passes it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import pickle
import plistlib
import tarfile
import time
import wave
import zipfile
from bz2 import compress
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emu.workloads import metrics
from emu.workloads.tasks.base import MODEL, Forward, Task, Tick, optional

SIDE, BLOCK, NOTHING = 1024, 4096, 256


class FileType(Task[list[str]]):
    """Files of known types."""

    def __init__(self, files: Mapping[str, Path], limit: int, recordings: str) -> None:
        del recordings
        self._labels = json.loads(files["labels"].read_text(encoding="utf-8"))["target_labels_space"]
        chosen = list(samples().items())[:limit]
        self.size, self._truths = len(chosen), [label for label, _ in chosen]
        self._features = [features(content) for _, content in chosen]
        self.inputs = f"{self.size} small files of as many types"

    def answer(self, forward: Forward, tick: Tick) -> list[str]:
        """The type of each file."""
        answers = []
        for index, row in enumerate(self._features):
            tick(index, self.size)
            (shares,) = forward(MODEL, {"bytes": row}).values()
            answers.append(self._labels[int(shares[0].argmax())])
        return answers

    def score(self, answer: list[str], ieee: list[str]) -> dict[str, float]:
        """Accuracy."""
        return {"accuracy": metrics.accuracy(answer, self._truths), "same as IEEE": metrics.accuracy(answer, ieee)}


def features(content: bytes) -> NDArray[np.int32]:
    """The model's input: [1, 2048]."""
    row = np.full((1, 2 * SIDE), NOTHING, np.int32)
    head = np.frombuffer(content[:BLOCK].lstrip()[:SIDE], np.uint8)
    tail = np.frombuffer(content[-BLOCK:].rstrip()[-SIDE:], np.uint8)
    row[0, : head.size] = head
    row[0, 2 * SIDE - tail.size :] = tail
    return row


def samples() -> dict[str, bytes]:
    """Files by type, in a fixed order."""
    table: list[list[object]] = [
        ["name", "bits", "exponent", "fraction"],
        ["float32", 32, 8, 23],
        ["bfloat16", 16, 8, 7],
    ] * 8
    source = Path(json.__file__).read_bytes()
    rows = [dict(zip(map(str, table[0]), line, strict=True)) for line in table[1:]]
    return {
        "python": source,
        "json": json.dumps({"formats": rows}, indent=2).encode(),
        "csv": _csv(table),
        "pickle": pickle.dumps(rows, protocol=4),
        "zip": _zip(source),
        "gzip": gzip.compress(source, mtime=0),
        "bzip": compress(source),
        "xz": lzma.compress(source),
        "tar": _tar(source),
        "wav": _wav(),
        "npy": _npy(),
        "applebplist": plistlib.dumps(rows, fmt=plistlib.FMT_BINARY),
    } | {name: _picture(name) for name in ("png", "gif", "bmp", "jpeg", "tiff", "webp", "ico", "pdf")}


def _csv(table: list[list[object]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(table)
    return out.getvalue().encode()


def _zip(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("source.txt"), content)
    return out.getvalue()


def _tar(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("source.txt")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _wav() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((8000 * np.sin(np.arange(8000) / 8)).astype("<i2").tobytes())
    return out.getvalue()


def _npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.linspace(0, 1, 500))
    return out.getvalue()


def _picture(name: str) -> bytes:
    image = optional("PIL.Image")
    x, y = np.meshgrid(np.arange(64), np.arange(64))
    out = io.BytesIO()
    picture = image.fromarray(np.stack([4 * x, 4 * y, x ^ y], -1).astype(np.uint8))
    dates = {"creationDate": time.gmtime(0), "modDate": time.gmtime(0)} if name == "pdf" else {}  # the same every time
    picture.save(out, name, **dates)
    return out.getvalue()
