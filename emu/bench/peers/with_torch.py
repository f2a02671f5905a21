"""PyTorch on the CPU, on as many threads as NumPy's BLAS."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import numpy as np

from emu.bench.peers.work import Array, Work, half_codes, numbers


def _library() -> Any:
    torch: Any = import_module("torch")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return torch


def cast(x: Array) -> Work:
    """Tensor.to."""
    torch = _library()
    given = torch.from_numpy(x)
    return Work(
        run=lambda: given.to(torch.float8_e4m3fn), codes=lambda found: np.asarray(found.view(torch.uint8).numpy()),
        note="what is too large becomes the largest number",
    )  # fmt: skip


def product(a: Array, b: Array) -> Work:
    """One outer product after the other, in float32."""
    torch = _library()
    x, y = torch.from_numpy(numbers(a)), torch.from_numpy(numbers(b))

    def run() -> Any:
        acc = torch.zeros((x.shape[0], y.shape[1]), dtype=torch.float16)
        for k in range(x.shape[1]):
            acc = (acc.float() + torch.outer(x[:, k], y[k])).half()
        return acc

    return Work(run=run, codes=lambda found: half_codes(found.numpy()))
