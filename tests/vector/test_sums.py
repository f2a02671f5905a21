"""The orders of sums, against loops written from their definition."""

from __future__ import annotations

import numpy as np
import pytest

from emu.accelerators.keys import SumOrder
from emu.formats import load_format
from emu.vector import Adder, Arithmetic

BF16 = Arithmetic(format=load_format("bfloat16"))


def plus(x, y):
    return float(BF16.add(np.asarray(x), np.asarray(y)))


def chain(values, total=0.0):
    for value in values:
        total = plus(total, value)
    return total


def pairwise(values):
    while len(values) > 1:
        paired = [plus(*values[i : i + 2]) for i in range(0, len(values) - 1, 2)]
        values = paired + ([values[-1]] if len(values) % 2 else [])
    return values[0]


def wanted(values, order, width):
    if order is SumOrder.CHAIN:
        return chain(values)
    if order is SumOrder.TREE:
        return chain([pairwise(values[i : i + width]) for i in range(0, len(values), width)])
    lanes = [chain(values[lane::width]) for lane in range(min(width, len(values)))]
    return pairwise(lanes) if lanes else 0.0


@pytest.mark.parametrize("order", SumOrder)
@pytest.mark.parametrize("width", [1, 2, 5, 8, 100])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 16, 33])
def test_orders(order, width, count):
    values = BF16.round(np.random.default_rng(count).standard_normal((3, count)) * 10)
    found = Adder(arithmetic=BF16, order=order, width=width).total(values)
    assert found.tolist() == [wanted(row.tolist(), order, width) for row in values]


def test_the_order_matters():
    values = np.array([[256.0, 1, 1, 1, 1, 1, 1, 1]])
    made = [Adder(arithmetic=BF16, order=order, width=2).total(values)[0] for order in SumOrder]
    assert made == [256.0, 262.0, 260.0]
