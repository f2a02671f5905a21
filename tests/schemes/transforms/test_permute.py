"""The transform `permute`: the order of channels."""

from __future__ import annotations

import numpy as np

from emu.schemes.enums import PermuteRule
from emu.schemes.transforms.permute import Permute
from tests.schemes.transforms.pairs import F32, pair, value


def test_channels_are_sorted_by_their_range():
    plain = pair(F32([[3, -1, 0, np.inf], [-2, 1, 0, 2]]), np.arange(8).reshape(4, 2))
    order = Permute().choose(plain)
    assert order["order"].tolist() == [2, 1, 3, 0]
    made = Permute().apply(plain, order)
    assert made.x.tolist() == [[0, -1, np.inf, 3], [0, 1, 2, -2]]
    assert made.w[0].tolist() == [[4, 5], [2, 3], [6, 7], [0, 1]]


def test_equal_channels_stay_in_their_order():
    plain = pair(np.ones((2, 5)), np.ones((5, 1)))
    assert Permute().choose(plain)["order"].tolist() == list(range(5))


def test_weights_decide():
    plain = pair(np.ones((2, 3)), [[5, 0], [1, -6], [2, 2]])
    permute = Permute(rule=PermuteRule.WEIGHTS)
    assert permute.choose(plain)["order"].tolist() == [2, 0, 1]
    assert np.array_equal(value(permute.apply(plain, permute.choose(plain))), value(plain))
