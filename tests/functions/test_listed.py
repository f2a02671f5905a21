"""Into formats without a regular grid: the neighbours of the exact result, found by search among all values."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import emu
from emu import functions

from .expected import special
from .mpfr import bracket

LEVELS = [-1.0, -0.7, -0.52, -0.39, -0.28, -0.18, -0.09, 0.0, 0.08, 0.16, 0.25, 0.34, 0.44, 0.56, 0.72, 1.0]
TARGETS = {
    "log4": {"kind": "log", "radix": 4, "exp_bits": 3, "bias": 4},
    "log2": {"kind": "log", "radix": 2, "exp_bits": 5, "bias": 16},
    "levels": {"kind": "codebook", "values": [round(v * 128) / 128 for v in LEVELS]},
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("function", ["exp", "log", "sin", "tanh", "sigmoid", "gelu", "recip", "rsqrt"])
def test_neighbours(function: str, target: str) -> None:
    """Directed roundings give the neighbour on that side; nearest ones the nearer one; beyond the ends, the end."""
    source, to = emu.load_format("e5m2"), emu.load_format(TARGETS[target])
    values = {Fraction(float(v)): code for code, v in reversed(list(enumerate(to.decode(np.arange(1 << to.bits)))))}
    order = sorted(values)
    modes = ("toward_negative", "toward_positive", "ties_to_away")
    results = [getattr(functions, function)(np.arange(256), "e5m2", to=to, rounding=mode) for mode in modes]
    checked = 0
    for code, x in enumerate(source.decode(np.arange(256)).tolist()):
        if special(function, x) is not None or math.isnan(x):
            continue
        low, high = bracket(function, x)
        down = max((v for v in order if v <= low), default=order[0])
        up = min((v for v in order if v >= high), default=order[-1])
        got = [to.decode(result[code]).item() for result in results]
        assert got[0] == down and got[1] == up, (x, got)
        if target == "levels" and down < up:
            middle = (down + up) / 2
            assert got[2] == (up if low > middle or low == middle > 0 else down), x
        checked += 1
    assert checked > 100
