"""The sums of searches: exact, whatever the order."""

from __future__ import annotations

import numpy as np
import pytest

from emu.schemes.transforms.loss import product, total, total_square

RNG = np.random.default_rng(4)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def _same_numbers():
    """Every test draws the same, whatever ran before it."""
    RNG.bit_generator.state = START


def test_products_of_few_bits_are_exact():
    a, b = RNG.integers(-1000, 1000, (2, 7, 300)), RNG.integers(-1000, 1000, (2, 300, 5))
    assert np.array_equal(product(a, b), (a @ b).astype(float))


def test_products_do_not_depend_on_the_order_of_k():
    a, b = RNG.standard_normal((6, 999)) * 10.0 ** RNG.integers(-9, 9, (6, 1)), RNG.standard_normal((999, 4))
    order = RNG.permutation(999)
    assert not np.array_equal(a @ b, a[:, order] @ b[order])
    assert np.array_equal(product(a, b), product(a[:, order], b[order]))


def test_products_are_near():
    """21 bits at K = 768: every factor is off by half a unit of the grid of its row or column at most."""
    a, b = RNG.standard_normal((6, 768)), RNG.standard_normal((768, 4))
    of_a, of_b = (2.0 ** np.frexp(np.abs(x).max(axis=n, keepdims=True))[1] * 2.0**-22 for x, n in ((a, 1), (b, 0)))
    bound = np.abs(a) @ (of_b * np.ones_like(b)) + (of_a * np.ones_like(a)) @ np.abs(b) + 768 * of_a * of_b
    assert (np.abs(product(a, b) - a @ b) <= bound + 1e-10).all()
    assert np.abs(product(a, b) - a @ b).max() > 0


def test_what_is_no_number_counts_as_zero():
    a, b = np.array([[np.inf, 1.0, np.nan]]), np.array([[3.0], [2.0], [np.inf]])
    assert product(a, b).tolist() == [[2.0]]


def test_squares():
    assert total_square(np.zeros((0, 3))) == 0
    for n in (1, 2, 3, 7, 64, 1000):
        x = RNG.integers(-1000, 1000, n)
        assert total_square(x.astype(float)) == int((x * x).sum())


@pytest.mark.parametrize("n", [0, 1, 2, 5, 8, 13])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_sums_along_an_axis_are_of_halves(n, axis):
    x = np.moveaxis(np.random.default_rng(1).standard_normal((n, 3, 2)), 0, axis)

    def halves(parts):
        if len(parts) < 2:
            return parts[0] if parts else np.zeros((3, 2))
        half = -(-len(parts) // 2)
        first = parts[:half]
        return halves([a + parts[half + i] if half + i < len(parts) else a for i, a in enumerate(first)])

    wanted = halves(list(np.moveaxis(x, axis, 0)))
    assert np.array_equal(np.moveaxis(total(x, axis), axis, 0)[0], wanted)
