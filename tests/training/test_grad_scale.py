"""GradScale by the table of figure 3(a), and alone."""

from __future__ import annotations

import numpy as np
import pytest

from emu.training import GradScale, Vote
from emu.training.grad_scale import largest


@pytest.mark.parametrize(
    ("max_abs", "vote"),
    [
        (0.0, Vote.DOUBLE), (31.0, Vote.DOUBLE), (32.0, Vote.DOUBLE), (np.nextafter(32.0, 33.0), Vote.KEEP),
        (64.0, Vote.KEEP), (np.nextafter(64.0, 65.0), Vote.HALVE), (1e30, Vote.HALVE), (np.inf, Vote.HALVE),
        (np.nan, Vote.HALVE),
    ],
)  # fmt: skip
def test_the_table(max_abs, vote):
    assert GradScale(max=64.0).vote(max_abs) is vote
    assert GradScale(max=64.0, scale=0.5).vote(2 * max_abs) is vote


def test_twenty_one_doublings():
    """The example of the reference: max |g| = 3e-5 from scale 1."""
    scale, steps = GradScale(max=64.0), 0
    while (after := scale.step(3e-5)) != scale:
        scale, steps = after, steps + 1
    assert (steps, scale.scale, 32 < 3e-5 * scale.scale <= 64) == (21, 2.0**21, True)
    assert GradScale(max=64.0).settled(3e-5) == (scale, 21)


@pytest.mark.parametrize("max_abs", [3e-5, 1.0, 64.0, 65.0, 7e11, 2.0**-40])
def test_it_comes_to_rest_at_the_closed_form(max_abs):
    rest, steps = GradScale(max=64.0).settled(max_abs)
    assert rest.scale == 2.0 ** np.floor(np.log2(64 / max_abs))
    assert steps == abs(np.log2(rest.scale))


def test_a_gradient_of_zero_never_rests():
    with pytest.raises(ValueError, match="no rest"):
        GradScale(max=64.0).settled(0.0, most=100)


def test_it_stays_a_float32():
    """What a layer asks for that is dead, or whose gradient is never finite, for longer than float32 has powers."""
    up = down = GradScale(max=64.0)
    for _ in range(300):
        up, down = up.step(0.0), down.step(np.inf)
    assert (up.scale, down.scale) == (2.0**127, 2.0**-126)
    assert up.step(np.inf).scale == 2.0**126
    with pytest.raises(ValueError, match="no rest"):
        up.settled(0.0, most=10)


@pytest.mark.parametrize(
    ("workers", "scale"),
    [
        ([1.0, 1.0, 100.0], 2.0),
        ([1.0, 100.0], 1.0),
        ([100.0, 100.0, 1.0], 0.5),
        ([40.0, 40.0, 1.0], 2.0),
        ([40.0], 1.0),
    ],
)
def test_votes_are_added_over_workers(workers, scale):
    assert GradScale(max=64.0).step(*workers).scale == scale


def test_workers_have_equal_parts_of_a_batch():
    g = np.arange(10.0).reshape(10, 1) - 8
    assert largest(g, 2) == [8.0, 3.0]
    assert largest(g, 1) == [8.0]
    assert len(largest(g, 4)) == 4
