"""The transform `smooth`: its vectors against their formulas, and what its search finds."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.schemes.enums import SmoothRule
from emu.schemes.transforms.shift import Shift
from emu.schemes.transforms.smooth import Smooth, nearest_power, smoothed
from tests.schemes.transforms.pairs import F32, error, pair, value

RNG = np.random.default_rng(4)
START = RNG.bit_generator.state
THRESHOLD = Smooth(rule=SmoothRule.THRESHOLD)


@pytest.fixture(autouse=True)
def _same_numbers():
    """Every test draws the same, whatever ran before it."""
    RNG.bit_generator.state = START


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_migration_strength(alpha):
    x, w = RNG.standard_normal((5, 4)).astype(F32), RNG.standard_normal((4, 3)).astype(F32)
    found = Smooth(rule=SmoothRule.MIGRATION, alpha=alpha).choose(pair(x, w))["scale"]
    with localcontext() as digits:
        digits.prec = 60
        for j, scale in enumerate(found):
            top, below = Decimal(float(np.abs(x[:, j]).max())), Decimal(float(np.abs(w[j]).max()))
            assert scale == F32(float(top ** Decimal(alpha) / below ** (1 - Decimal(alpha))))


def test_a_channel_of_zeros_keeps_its_scale():
    x, w = F32([[0, 4, 1], [0, -8, 2]]), F32([[1, 2], [2, 0], [0, 0]])
    assert Smooth(rule=SmoothRule.MIGRATION).choose(pair(x, w))["scale"].tolist() == [1, 2, 1]


def test_infinities_take_no_part():
    x, w = F32([[np.inf, 4], [np.nan, -8]]), np.ones((2, 1), F32)
    assert Smooth(rule=SmoothRule.MIGRATION).choose(pair(x, w))["scale"].tolist() == [1, F32(8**0.5)]


def test_the_example_of_the_paper_at_t_3():
    """numerics G.4: [-97, -58] and [1, -1.5] moved by [-77.5, -0.25], then divided by [6.5, 1]."""
    w = F32([[1, 2], [3, 4]])
    plain = pair([[-97, 1], [-58, -1.5]], w)
    shift = Shift().choose(plain)
    assert shift["shift"].tolist() == [-77.5, -0.25]
    moved = Shift().apply(plain, shift)
    high, low = moved.x.max(axis=0), moved.x.min(axis=0)
    scale = np.maximum(1, np.maximum(high / F32(3), -low / F32(3)))
    assert scale.tolist() == [6.5, 1]
    made = smoothed(moved, scale)
    assert made.x.tolist() == [[-3, 1.25], [3, -1.25]]
    assert np.array_equal(value(made), value(plain))


def test_the_search_is_that_of_its_loop():
    """Written as the authors' code has it, with plain products: the chosen vector has the least error of all."""
    x = RNG.standard_normal((16, 12)).astype(F32)
    x[:, 3] *= 30
    w = RNG.standard_normal((12, 8)).astype(F32)
    made = pair(x, w, bits=6)
    largest, errors, scales = float(np.abs(x).max()), [], []
    count = max(100, int(largest / 0.5))
    for i in range(count + 1):
        t = largest - i * ((largest - 1) / count)
        scales.append(np.maximum(1, np.maximum(x.max(0).astype(float) / t, -x.min(0).astype(float) / t)).astype(F32))
        errors.append(error(smoothed(made, scales[-1]), x.astype(float) @ w.astype(float)))
    found = THRESHOLD.choose(made)["scale"]
    at = next(i for i, scale in enumerate(scales) if np.array_equal(scale, found))
    assert errors[at] == pytest.approx(min(errors), rel=1e-6)
    assert errors[at] < errors[0] / 2


def test_it_is_never_worse_than_nothing_where_it_was_chosen():
    for _ in range(5):
        x, w = RNG.standard_cauchy((9, 6)).astype(F32), RNG.standard_normal((6, 4)).astype(F32)
        plain = pair(x, w, bits=4)
        wanted = value(plain)
        made = THRESHOLD.apply(plain, THRESHOLD.choose(plain))
        assert error(made, wanted) <= error(plain, wanted) * (1 + 1e-9)


def test_small_values_need_no_threshold():
    assert THRESHOLD.choose(pair(RNG.uniform(-1, 1, (4, 3)), np.ones((3, 2)), bits=4))["scale"].tolist() == [1, 1, 1]


@given(st.floats(2.0**-100, 2.0**100, width=32))
def test_powers_of_two_are_nearest_by_ratio(scale):
    found = float(nearest_power(np.array([scale], F32))[0])
    assert np.frexp(found)[0] == 0.5
    assert found * found / 2 <= scale * scale <= found * found * 2


@given(st.lists(st.integers(-64, 64), min_size=6, max_size=6), st.lists(st.integers(-64, 64), min_size=6, max_size=6))
def test_powers_of_two_change_no_product(x, w):
    plain = pair(np.reshape(x, (2, 3)), np.reshape(w, (3, 2)))
    smooth = Smooth(rule=SmoothRule.MIGRATION, alpha=0.7, power_of_two=True)
    made = smooth.apply(plain, smooth.choose(plain))
    assert np.array_equal(value(made), value(plain))
