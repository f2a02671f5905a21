"""The format of one bit, -1 and +1: what its roundings do between two values with no zero."""

from __future__ import annotations

import numpy as np
import pytest

import emu

MINUS, PLUS = 0, 1
X = [-3.0, -1.0, -0.5, -0.0, 0.0, 0.25, 1.0, 2.0]


@pytest.mark.parametrize(
    ("rounding", "codes"),
    [
        ("ties_to_even", [0, 0, 0, 1, 1, 1, 1, 1]),  # the format's ties = "positive": the sign of zero is +1
        ("ties_to_positive", [0, 0, 0, 1, 1, 1, 1, 1]),
        ("ties_to_negative", [0, 0, 0, 0, 0, 1, 1, 1]),
        ("toward_positive", [0, 0, 1, 1, 1, 1, 1, 1]),
        ("toward_negative", [0, 0, 0, 0, 0, 0, 1, 1]),
    ],
)
def test_encode(rounding, codes):
    assert emu.load_format("binary").encode(X, rounding).tolist() == codes


def test_products_are_xnor(backend):
    x, y = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    found, flags = emu.mul(x, y, "binary", flags=True, backend=backend)
    assert found.tolist() == [1, 0, 0, 1]
    assert flags.tolist() == [0, 0, 0, 0]


def test_a_sum_saturates(backend):
    found, flags = emu.add([0, 1, 0], [0, 1, 1], "binary", flags=True, backend=backend)
    assert found.tolist() == [0, 1, 1]
    assert flags.tolist() == [5, 5, 1]
