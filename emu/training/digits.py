"""Handwritten digits: 1347 images to train on, 450 that are held out.

scikit-learn's `digits`, real 8x8 images with pixels 0..16 (E. Alpaydin and C. Kaynak, "Optical Recognition of
Handwritten Digits", UCI Machine Learning Repository, 1998, CC BY 4.0), split as `emu.demo.train_digits` splits them;
the held-out part is the demo's own file. Pixels are divided by 16.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TRAINING = Path(__file__).parent / "digits.npz"
HELD_OUT = Path(__file__).parents[1] / "demo" / "digits.npz"
Labelled = tuple[NDArray[np.float32], NDArray[np.int64]]


def training_images() -> Labelled:
    """[1347, 1, 8, 8] in 0..1, and labels."""
    return _read(TRAINING)


def held_out_images() -> Labelled:
    """[450, 1, 8, 8] in 0..1, and labels."""
    return _read(HELD_OUT)


def _read(path: Path) -> Labelled:
    with np.load(path) as data:
        return data["images"].astype(np.float32) / np.float32(16), data["labels"].astype(np.int64)


def batches(count: int, size: int, steps: int, seed: int) -> list[NDArray[np.intp]]:
    """Which images each step takes: one permutation after the other, what is left over at its end is not taken."""
    rng = np.random.default_rng(seed)
    out: list[NDArray[np.intp]] = []
    while len(out) < steps:
        order = rng.permutation(count)
        out += [order[start : start + size] for start in range(0, count - size + 1, size)]
    return out[:steps]
