"""SAWB, PACT and stochastic encoders: worked numbers, and definitions written out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from emu.arithmetic.random import Philox
from emu.errors import FormatError, SpecError
from emu.formats import load_format
from emu.schemes import Target, load_scheme
from emu.schemes.rules.rule import Aim
from emu.schemes.rules.sawb import COEFFICIENTS, Sawb
from emu.schemes.steps.encode import DRAWS

F32 = np.float32


def quantised(scheme, fmt, x, **more):
    """Codes' values, and the scale."""
    given = load_format(fmt)
    made = load_scheme(scheme).quantise(np.asarray(x, F32), Target(format=given, **more))
    return given.decode(made.codes), made.scale


def test_pact_by_hand():
    """The example of the reference: alpha = 6, 4 bits."""
    values, scale = quantised("pact4", "uint4", [3.1, 7, -0.3, 6, 100])
    assert values.tolist() == [8, 15, 0, 15, 15]
    assert scale == F32(6) / F32(15)
    assert np.allclose(values[:2] * scale, [3.2, 6])


@pytest.mark.parametrize(("code", "alpha"), [(4, 2.469), (403, 2.438)])
def test_the_clip_of_normal_weights(code, alpha):
    """For N(0, 1): E[w^2] = 1 and E|w| = sqrt(2 / pi). The reference has the clips of a sample."""
    c1, c2 = COEFFICIENTS[code]
    exact = c1 + c2 * np.sqrt(2 / np.pi)
    assert abs(exact - alpha) < 0.003
    w = np.random.default_rng(0).standard_normal(400_000).astype(F32)
    assert abs(float(Sawb(code=code).bounds(w, Aim(format=load_format("int4"))).high) - exact) < 0.02


def test_sawb_is_its_formula():
    w = np.array([[0.5, -1.5, 2.0, 0.25], [3.0, -4.0, 0.5, 1.0]], F32)
    high = Sawb(code=403).bounds(w, Aim(format=load_format("int4"), axes=(1,))).high
    for row, alpha in zip(w.astype(np.float64), high[:, 0], strict=True):
        assert alpha == F32(12.035 * np.sqrt(np.mean(row * row)) - 12.03 * np.mean(np.abs(row)))


def test_magnitudes_that_are_all_alike():
    """12.68 < 12.80: the formula of code 4 is then negative, and the mean magnitude is taken."""
    assert Sawb(code=4).bounds(np.array([2, -2, 2], F32), Aim(format=load_format("int4_odd"))).high == 2


def test_both_sets_of_levels():
    w = np.random.default_rng(1).standard_normal(10_000).astype(F32)
    with_zero, scale = quantised("sawb4", "int4", w)
    assert sorted(set(with_zero.tolist())) == list(range(-7, 8))
    without, odd = quantised("sawb4_odd", "int4_odd", w)
    assert sorted(set(without.tolist())) == list(range(-15, 16, 2))
    alpha = float(odd) * 15  # t = clip(w / alpha) / 2 + 1/2; q = round(15 t); (2 q / 15 - 1) alpha
    q = np.rint(15 * (np.clip(w / alpha, -1, 1) * 0.5 + 0.5))
    assert (without == 2 * q - 15).mean() > 0.999  # but for roundings of w / alpha at a tie
    assert float(scale) * 7 == pytest.approx(2.438, rel=0.02)


@pytest.mark.parametrize("x", [0.0, 0.3, 0.5, 0.999, 1.0, 1.5, 3.0, 5.9, 63.0, 64.0])
def test_stochastic_encoding_by_its_draws(x):
    """Up if the draw is below the distance from the neighbour nearer zero, in units of 2^-32: P3109's variant B."""
    values, scale = quantised("luq", "float4_log2", [64.0, x, -x], seed=5)
    assert scale == 1.0
    draws = Philox(5, DRAWS).draws((3,), 32)
    low = max(value for value in (0.0, *(2.0**e for e in range(7))) if value <= x)
    high = max(2 * low, 1.0)
    for got, draw, sign in zip(values[1:], draws[1:], (1, -1), strict=True):
        share = (Fraction(x) - Fraction(low)) / (Fraction(high) - Fraction(low))
        up = share + Fraction(2 * int(draw) + 1, 1 << 33) >= 1
        assert got == sign * (high if up and x != low else low)


@pytest.mark.parametrize(("scheme", "fmt", "levels"), [("luq", "float4_log2", 7), ("luq8", "float5_log2", 8)])
def test_luq_has_no_bias(scheme, fmt, levels):
    x = np.random.default_rng(2).laplace(size=3000).astype(F32)
    total = np.zeros(3000)
    for seed in range(64):
        values, scale = quantised(scheme, fmt, x, seed=seed)
        total += values * float(scale)
    assert len(set(np.abs(values[values != 0]).tolist())) == levels
    assert scale == np.abs(x).max() / F32(2 ** (levels - 1))
    off = total / 64 - x
    assert abs(off.mean()) < 4 * off.std() / np.sqrt(off.size)
    assert abs((off * np.sign(x)).mean()) < 4 * off.std() / np.sqrt(off.size)  # no shrinking either


def test_a_seed_is_needed():
    with pytest.raises(FormatError, match="needs a seed"):
        quantised("luq", "float4_log2", [1.0])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"op": "scale", "rule": "sawb"}, "required key of rule 'sawb'"),
        ({"op": "scale", "rule": "sawb", "code": 404}, "code"),
        ({"op": "scale", "rule": "pact", "alpha": 0.0}, "alpha"),
        ({"op": "scale", "rule": "absmax", "alpha": 1.0}, "is no key of rule 'absmax'"),
        ({"op": "scale", "rule": "pact", "alpha": 1.0, "symmetric": False}, "makes symmetric scales"),
    ],
)
def test_what_is_refused(keys, message):
    encode = {"op": "encode", "rounding": "ties_to_even", "overflow": "saturate"}
    with pytest.raises(SpecError, match=message):
        load_scheme({"step": [keys, encode]})


def test_random_bits_of_a_rounding_that_draws_none():
    step = {"op": "encode", "rounding": "ties_to_even", "overflow": "saturate", "sr_bits": 8}
    with pytest.raises(SpecError, match="stochastic"):
        load_scheme({"step": [step]})
