"""gfloat's array functions."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from emu.bench.peers.work import Array, Work, half_codes, numbers


def cast(x: Array) -> Work:
    """round_ndarray, encode_ndarray."""
    gfloat: Any = import_module("gfloat")
    form = import_module("gfloat.formats").format_info_ocp_e4m3
    wide = x.astype(np.float64)

    def run() -> Array:
        found: Array = gfloat.encode_ndarray(form, gfloat.round_ndarray(form, wide))
        return found

    return Work(run=run, codes=lambda found: found.astype(np.uint8))


def product(a: Array, b: Array) -> Work:
    """One outer product after the other, in float64."""
    gfloat: Any = import_module("gfloat")
    form = import_module("gfloat.formats").format_info_binary16
    x, y = numbers(a).astype(np.float64), numbers(b).astype(np.float64)

    def run() -> Array:
        acc = np.zeros((x.shape[0], y.shape[1]))
        for k in range(x.shape[1]):
            acc = gfloat.round_ndarray(form, acc + np.outer(x[:, k], y[k]))
        return acc

    return Work(run=run, codes=half_codes)
