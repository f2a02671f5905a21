"""pychop, on NumPy: values of a format, held in float64 or float32."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from emu.bench.peers.work import Array, Work, half_codes, numbers


def _rounding(exp_bits: int, man_bits: int) -> Any:
    return import_module("pychop").Chop(exp_bits=exp_bits, sig_bits=man_bits, rmode=1, subnormal=True)


def cast(x: Array) -> Work:
    """Chop: values, which emu makes codes of for the comparison."""
    from emu.formats.load import load_format

    chop, wide = _rounding(4, 3), x.astype(np.float64)
    return Work(
        run=lambda: chop(wide), codes=lambda found: load_format("float8_e4m3fn").encode(np.asarray(found)),
        note="its largest number is 240, and some that are larger become 0",
    )  # fmt: skip


def product(a: Array, b: Array) -> Work:
    """One outer product after the other, in float64."""
    chop, x, y = _rounding(5, 10), numbers(a).astype(np.float64), numbers(b).astype(np.float64)

    def run() -> Array:
        acc = np.zeros((x.shape[0], y.shape[1]))
        for k in range(x.shape[1]):
            acc = chop(acc + np.outer(x[:, k], y[k]))
        return acc

    return Work(run=run, codes=half_codes)
