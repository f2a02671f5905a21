"""The transform `rotate`: its matrix, its exactness, its inverse in the weights."""

from __future__ import annotations

import numpy as np
import pytest

from emu.schemes.transforms.rotate import Rotate, rotated
from tests.schemes.transforms.pairs import F32, pair, value

RNG = np.random.default_rng(4)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def _same_numbers():
    """Every test draws the same, whatever ran before it."""
    RNG.bit_generator.state = START


def sylvester(size):
    made = np.ones((1, 1))
    while len(made) < size:
        made = np.block([[made, made], [made, -made]])
    return made


@pytest.mark.parametrize("size", [2, 4, 8, 64])
def test_the_matrix_is_sylvesters(size):
    assert np.array_equal(rotated(np.eye(size, dtype=F32), size), (sylvester(size) / np.sqrt(size)).astype(F32))


def test_blocks_stand_by_themselves():
    x = RNG.integers(-9, 9, (3, 8)).astype(F32)
    assert np.array_equal(rotated(x, 4)[:, 4:], (x[:, 4:] @ sylvester(4) / 2).astype(F32))


@pytest.mark.parametrize(("channels", "size"), [(16, None), (12, 4), (48, 16), (16, 16)])
@pytest.mark.parametrize("seed", [None, 3])
def test_a_power_of_four_changes_no_product_of_integers(channels, size, seed):
    plain = pair(RNG.integers(-50, 50, (5, channels)), RNG.integers(-50, 50, (channels, 3)))
    made = Rotate(size=size, seed=seed).apply(plain, {})
    assert not np.array_equal(made.x, plain.x)
    assert np.array_equal(value(made), value(plain))


def test_the_size_is_the_largest_that_divides():
    plain = pair(np.eye(12), np.eye(12))
    assert np.array_equal(Rotate().apply(plain, {}).x, Rotate(size=4).apply(plain, {}).x)
    with pytest.raises(ValueError, match="12 channels are no multiple of size = 8"):
        Rotate(size=8).apply(plain, {})


def test_signs_are_those_of_the_seed():
    plain = pair(np.ones((1, 64)), np.ones((64, 1)))
    made = [Rotate(seed=seed).apply(plain, {}).x for seed in (1, 1, 2)]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


def test_an_outlier_spreads():
    x = RNG.standard_normal((4, 256)).astype(F32)
    x[:, 7] = 100
    made = Rotate(seed=0).apply(pair(x, np.ones((256, 1))), {})
    assert np.abs(made.x).max() < 12
