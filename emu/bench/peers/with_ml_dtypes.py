"""ml_dtypes, with NumPy's loops."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from emu.bench.peers.work import Array, Work, half_codes, numbers


def cast(x: Array) -> Work:
    """astype."""
    return Work(run=lambda: x.astype(ml_dtypes.float8_e4m3fn), codes=lambda found: found.view(np.uint8))


def product(a: Array, b: Array) -> Work:
    """One outer product after the other, in float32."""
    x, y = numbers(a), numbers(b)

    def run() -> Array:
        acc = np.zeros((x.shape[0], y.shape[1]), np.float16)
        for k in range(x.shape[1]):
            acc = (acc + np.outer(x[:, k], y[k])).astype(np.float16)
        return acc

    return Work(run=run, codes=half_codes)
