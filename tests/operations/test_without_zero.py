"""Operations on a format without a zero: sixteen odd integers, where exact sums of zero lie between two values."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import emu

VALUES = list(range(-15, 16, 2))


def nearest(x: Fraction) -> int:
    """The nearest odd integer from -15 to 15; of two, the one with the even code."""
    distance = [abs(x - value) for value in VALUES]
    codes = [code for code, one in enumerate(distance) if one == min(distance)]
    return next(code for code in codes if len(codes) == 1 or code % 2 == 0)


@pytest.mark.parametrize("backend", ["reference", "numba", "c"])
@pytest.mark.parametrize("name", ["add", "sub", "mul"])
def test_every_pair(name, backend):
    a, b = (one.ravel() for one in np.meshgrid(np.arange(16, dtype=np.uint8), np.arange(16, dtype=np.uint8)))
    exact = {"add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y}[name]
    made = getattr(emu, name)(a, b, "int4_odd", overflow="saturate", backend=backend)
    wanted = [nearest(Fraction(exact(VALUES[x], VALUES[y]))) for x, y in zip(a, b, strict=True)]
    assert made.tolist() == wanted
