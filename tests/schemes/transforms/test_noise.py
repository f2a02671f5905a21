"""The transform `noise`: what is drawn, where it goes, and what the search finds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emu.formats import load_format
from emu.schemes.enums import NoiseDistribution
from emu.schemes.transforms.noise import Noise, draw
from tests.schemes.transforms.pairs import F32, error, pair, value

RNG = np.random.default_rng(4)
START = RNG.bit_generator.state
W = RNG.standard_normal((96, 24)).astype(F32)


@pytest.fixture(autouse=True)
def _same_numbers():
    """Every test draws the same, whatever ran before it."""
    RNG.bit_generator.state = START


def plateau(rows=32):
    """A step of 0.34 at 6 bits; nearly all values at half a step below 0, as after GELU."""
    x = (-0.17 + 0.01 * RNG.standard_normal((rows, 96))).astype(F32)
    x[:, ::12] = np.abs(3 * RNG.standard_normal((rows, 8)))
    x[0, 0] = F32(31 * 0.34)
    return x


def test_what_is_drawn():
    uniform, gaussian = (draw(kind, 5, 1 << 16) for kind in (NoiseDistribution.UNIFORM, NoiseDistribution.GAUSSIAN))
    assert np.abs(uniform).max() < 1
    assert uniform.std() == pytest.approx(1 / math.sqrt(3), rel=0.03)
    assert (gaussian.mean(), gaussian.std()) == pytest.approx((-1, 2), rel=0.03)
    normal = (gaussian + 1) / 2
    # the same words make both: uniform = 2 Phi(z) - 1
    assert uniform == pytest.approx([math.erf(z / math.sqrt(2)) for z in normal], abs=1e-6)
    assert not np.array_equal(draw(NoiseDistribution.UNIFORM, 6, 1 << 16), uniform)


def test_the_bias_takes_it_back():
    plain = pair(RNG.integers(-31, 31, (4, 96)), RNG.integers(-31, 32, (96, 3)) | 31, bits=6)
    made = Noise(seed=1, amplitude=0.5).apply(plain, {"noise": F32(RNG.integers(-8, 8, 96) / 16)})
    assert np.array_equal(value(made), value(plain))
    assert made.ranges is plain.x
    assert not np.array_equal(made.x, plain.x)


def test_an_amplitude_is_in_steps():
    plain = pair(plateau(), W, bits=6)
    step = np.abs(plain.x).max() / F32(31)
    found = Noise(seed=3, amplitude=0.5).choose(plain)["noise"]
    assert np.array_equal(found, (float(step) * 0.5 * draw(NoiseDistribution.UNIFORM, 3, 96)).astype(F32))


@pytest.mark.parametrize("distribution", list(NoiseDistribution))
def test_a_plateau_between_two_codes_gains(distribution):
    plain = pair(plateau(), W, bits=6)
    wanted = plain.x.astype(float) @ plain.quantised_w(plain.w)[0].astype(float)
    noise = Noise(seed=3, candidates=200, distribution=distribution)
    made = noise.apply(plain, noise.choose(plain))
    assert error(made, wanted) < error(plain, wanted) / 2


def test_the_search_is_that_of_its_loop():
    """Plain products: the chosen amplitude has the least error of all."""
    plain = pair(plateau(8), W, bits=6)
    wanted = plain.x.astype(float) @ plain.quantised_w(plain.w)[0].astype(float)
    found = Noise(seed=3, candidates=50).choose(plain)
    tried = [Noise(seed=3, amplitude=2 * i / 50).choose(plain) for i in range(50)]
    errors = [error(Noise(seed=3).apply(plain, one), wanted) for one in tried]
    at = next(i for i, one in enumerate(tried) if np.array_equal(one["noise"], found["noise"]))
    assert at > 0
    assert errors[at] == pytest.approx(min(errors), rel=1e-4)


def test_values_on_codes_need_none():
    x = RNG.integers(-31, 32, (8, 96)).astype(F32)
    x[0, 0] = 31
    assert not Noise(seed=3, candidates=40).choose(pair(x, W, bits=6))["noise"].any()


def test_a_mean_moves_a_plateau_that_is_alone():
    """All values half a step below 0: a mean of about ±half a step puts them on a code, and no amplitude is left."""
    x = np.full((4, 96), -0.5, F32)
    x[0, 0] = 31
    plain = pair(x, np.where(np.arange(96)[:, None] == 0, F32(0), W), bits=6)
    found = Noise(seed=3, candidates=40, mean=True).choose(plain)["noise"]
    assert len(set(found.tolist())) == 1
    assert abs(float(found[0])) == 0.5


def test_noise_in_a_format():
    fmt = load_format("int4")
    plain = pair(plateau(), W, bits=6)
    found = Noise(seed=3, amplitude=1.0, format=fmt).choose(plain)["noise"]
    assert len(np.unique(found)) <= 15
    exact = Noise(seed=3, amplitude=1.0).choose(plain)["noise"]
    assert np.abs(found - exact).max() <= np.abs(exact).max() / 7 / 2 * 1.001


@pytest.mark.parametrize(("distance", "better"), [(0.0, True), (0.3, True), (0.55, False), (0.8, False)])
def test_noise_of_half_a_step_helps_next_to_a_boundary_alone(distance, better):
    """The paper's theorem, with b half a step, noise of amplitude n = b, and |x| from the boundary between two codes:
    the mean square falls if and only if |x| < n (1 - sqrt(n / 3b)) = 0.4226 b. 4096 channels are as many draws.
    """
    x = np.full((1, 4096), 0.5 + distance / 2, F32)
    x[0, 0] = 31
    plain = pair(x, np.ones((4096, 1)), bits=6)
    step = plain.scale_of_x()
    assert step.scale == 1
    n = Noise(seed=3, amplitude=0.5).choose(plain)["noise"]
    squares = ((plain.quantised_x(x + n, step) - n - x)[:, 1:].astype(float) ** 2).mean()
    assert squares == pytest.approx(1 / 12, rel=0.05)  # wherever x is
    without = ((plain.quantised_x(x, step) - x)[:, 1:].astype(float) ** 2).mean()
    assert without == pytest.approx((0.5 - distance / 2) ** 2, rel=1e-6)
    assert (squares < without) == better
