"""The numbers of a seed: pinned bits, and the distributions that they are to have."""

from __future__ import annotations

import hashlib
import math
import statistics

import numpy as np
import pytest

from emu.errors import SpecError
from emu.spec import convert
from emu.workloads.synthetic import draws, elementary
from emu.workloads.synthetic.keys import TensorKeys
from emu.workloads.synthetic.tensors import build_tensor


def drawn(**keys):
    """A tensor of these keys."""
    return build_tensor("tensor.t", convert(keys, TensorKeys, file="here", prefix="tensor.t"), "here").draw()


def digest(x) -> str:
    return hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()[:16]


OWN = {"lognormal": {"sigma": 2.0}, "student_t": {"df": 8}}
DRAWN = ("normal", "uniform", "laplace", "lognormal", "student_t")
PINNED = {
    "normal": "e500f545353699ce",
    "uniform": "758856bb8fc807bb",
    "laplace": "eb1a45bd31728780",
    "lognormal": "0bfc79d25ca0e695",
    "student_t": "48ddcb2a3b8cb94d",
}
"""SHA-256 of 1000 float32 numbers of seed 5: released workloads must keep their bits."""


@pytest.mark.parametrize("distribution", DRAWN)
def test_a_seed_means_these_bits(distribution):
    x = drawn(shape=[10, 100], distribution=distribution, seed=5, **OWN.get(distribution, {}))
    assert x.dtype == np.float32
    assert x.shape == (10, 100)
    assert digest(x) == PINNED[distribution]


def test_the_words_are_those_of_philox_4x64_by_its_definition():
    """Ten rounds of the paper in Python integers; NumPy's first block has counter 1."""
    mask = (1 << 64) - 1
    counter, key = [1, 0, 0, 0], [7, 3]
    for _ in range(10):
        low, high = 0xD2E7470EE14C6C93 * counter[0], 0xCA5A826395121157 * counter[2]
        counter = [(high >> 64) ^ counter[1] ^ key[0], high & mask, (low >> 64) ^ counter[3] ^ key[1], low & mask]
        key = [(key[0] + 0x9E3779B97F4A7C15) & mask, (key[1] + 0xBB67AE8584CAA73B) & mask]
    assert [int(word) for word in draws.words(7, 3, 4)] == counter


def test_uniform_numbers_are_never_0_or_1_and_exact():
    words = np.array([0, (1 << 64) - 1], np.uint64) >> np.uint64(12)
    assert list((words.astype(np.float64) + 0.5) * 2.0**-52) == [2.0**-53, 1 - 2.0**-53]
    u = draws.uniform(1, 0, (1000,))
    assert 0 < u.min() < 0.01 < 0.99 < u.max() < 1


def test_log_exp_and_the_quantile_are_those_of_the_mathematics():
    rng = np.random.default_rng(0)
    x = np.exp(rng.uniform(-40, 40, 2000))
    u = np.concatenate([rng.uniform(0, 1, 1000), 10 ** rng.uniform(-15, -1, 500), 1 - 10 ** rng.uniform(-15, -1, 500)])
    normal = statistics.NormalDist()
    for ours, right in (
        (elementary.log(x), [math.log(one) for one in x]),
        (elementary.exp(np.log(x)), [math.exp(one) for one in np.log(x)]),
        (elementary.quantile(u), [normal.inv_cdf(float(one)) for one in u]),
    ):
        assert np.max(np.abs(ours / np.array(right) - 1)) < 2e-15
    assert elementary.exp(np.array([-1e9, 0.0])).tolist() == [elementary.exp(np.array([-700.0]))[0], 1.0]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 1000])
def test_total_is_the_sum(size):
    x = np.arange(size * 6, dtype=np.float64).reshape(2, size, 3)
    assert np.array_equal(elementary.total(x, 1), x.sum(axis=1, keepdims=True))
    assert np.array_equal(elementary.total(x, -2), x.sum(axis=1, keepdims=True))


MOMENTS = {  # mean of |x|, and of x^2
    "normal": (math.sqrt(2 / math.pi), 1.0),
    "uniform": (0.5, 1 / 3),
    "laplace": (1.0, 2.0),
    "student_t": (2 * math.sqrt(8) * math.gamma(4.5) / (7 * math.sqrt(math.pi) * math.gamma(4)), 8 / 6),
}


@pytest.mark.parametrize("distribution", MOMENTS)
def test_a_distribution_has_its_moments(distribution):
    x = drawn(shape=[200_000], distribution=distribution, seed=1, **OWN.get(distribution, {})).astype(np.float64)
    size, square = MOMENTS[distribution]
    assert abs(x.mean()) < 0.01 * math.sqrt(square)
    assert np.abs(x).mean() == pytest.approx(size, rel=0.01)
    assert np.square(x).mean() == pytest.approx(square, rel=0.02)


def test_a_lognormal_is_one_with_random_signs():
    x = drawn(shape=[100_000], distribution="lognormal", sigma=2.0, scale=2.0**-8, seed=3).astype(np.float64)
    logarithm = np.log(np.abs(x))
    assert logarithm.mean() == pytest.approx(-8 * math.log(2), abs=0.03)
    assert logarithm.std() == pytest.approx(2, rel=0.01)
    assert np.mean(x < 0) == pytest.approx(0.5, abs=0.01)


def test_scale_and_mean_come_before_the_format():
    plain = drawn(shape=[50], distribution="uniform", seed=4)
    moved = drawn(shape=[50], distribution="uniform", seed=4, scale=3.0, mean=1.0)
    assert np.allclose(moved, 1 + 3 * plain, atol=1e-6)
    coarse = drawn(shape=[50], distribution="uniform", seed=4, scale=3.0, mean=1.0, format="float8_e5m2")
    assert set(np.frexp(coarse)[0] * 8 % 1) == {0.0}  # two bits after the leading one
    assert np.max(np.abs(coarse - moved)) <= 0.25
    assert drawn(shape=[3], distribution="constant", scale=2.5).tolist() == [2.5] * 3
    assert np.array_equal(drawn(shape=[2, 3, 3], distribution="identity"), np.stack([np.eye(3)] * 2))


@pytest.mark.parametrize(
    ("keys", "key", "reason"),
    [
        ({"distribution": "normal"}, "seed", "required"),
        ({"distribution": "constant", "seed": 1}, "seed", "nothing is drawn"),
        ({"distribution": "lognormal", "seed": 1}, "sigma", "required"),
        ({"distribution": "normal", "seed": 1, "sigma": 1.0}, "sigma", "is of lognormal"),
        ({"distribution": "student_t", "seed": 1}, "df", "required"),
        ({"distribution": "student_t", "seed": 1, "df": 65}, "df", "64"),
        ({"distribution": "normal", "seed": -1}, "seed", ">= 0"),
        ({"distribution": "norml", "seed": 1}, "distribution", "unknown value"),
        ({"distribution": "identity"}, "shape", "two axes"),
        ({"distribution": "normal", "seed": 1, "shape": []}, "shape", "length"),
        ({"distribution": "normal", "seed": 1, "shape": [0]}, "shape[0]", ">= 1"),
        ({"distribution": "normal", "seed": 1, "shape": [(1 << 24) + 1]}, "shape[0]", "16777216"),
        ({"distribution": "normal", "seed": 1, "format": "float9"}, "format", "unknown"),
        ({"distribution": "constant", "scale": 1e39}, "", "not finite"),
        ({"distribution": "constant", "scale": math.nan}, "", "not finite"),
        ({"distribution": "normal", "seed": 1, "scale": 1.7e308, "mean": 1.7e308}, "", "not finite"),
        ({"distribution": "lognormal", "seed": 1, "sigma": math.inf}, "", "not finite"),
        ({"distribution": "normal", "seed": 1, "change": [{"op": "clamp", "low": math.nan}]}, "", "not finite"),
        ({"distribution": "constant", "scale": 1e6, "format": "float16"}, "format", "does not fit float16"),
    ],
)
def test_a_tensor_that_cannot_be_is_refused(keys, key, reason):
    with pytest.raises(SpecError, match=reason) as refusal:
        drawn(**{"shape": [4], **keys})
    assert refusal.value.key == f"tensor.t.{key}".rstrip(".")
