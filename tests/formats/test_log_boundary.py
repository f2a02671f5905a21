"""The boundary of a log format as a number: every nearest rounding, every backend, against Fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import emu
from emu.errors import SpecError

NEAREST = ("ties_to_even", "ties_to_away", "ties_to_zero", "ties_to_positive", "ties_to_negative")
LAMBDAS = (1.0, 1.05, 1.3, 1.6, 2.0, 2.7, 3.999, 4.0)


def log4(boundary: float, phase: str = "even", **more):
    return {"kind": "log", "radix": 4, "exp_bits": 3, "bias": 4, "phase": phase, "boundary": boundary, **more}


def nearest(x: Fraction, boundary: Fraction, half: Fraction, rounding: str, ties: str) -> tuple[Fraction, bool]:
    """Straight from the rule: the power that |x| has reached when it is at its boundary; and whether that was a tie."""
    size = abs(x)
    powers = [Fraction(4) ** e * half for e in range(-3, 4)]
    out, tie = Fraction(0), False
    for at, power in enumerate(powers):
        edge = power * boundary
        if size == power:
            return x, False
        if size > edge:
            out = power
        elif size == edge:
            tie = True
            odd = (at + 1) % 2 == 1
            up = {"ties_to_away": True, "ties_to_zero": False, "ties_to_positive": x > 0, "ties_to_negative": x < 0}
            default = {"even": not odd, "away": True, "zero": False}[ties]
            out = power if up.get(rounding, default) else out
    return (out if x >= 0 else -out), tie


@pytest.mark.parametrize("lam", LAMBDAS)
@pytest.mark.parametrize("phase", ["even", "odd"])
@pytest.mark.parametrize("ties", ["even", "away", "zero"])
def test_a_number_is_the_share_of_the_upper_power(lam, phase, ties, backend):
    share = 1 / lam
    boundary, half = Fraction(share), Fraction(1, 2) if phase == "odd" else Fraction(1)
    fmt = emu.load_format(log4(share, phase, ties=ties))
    edges = [float(Fraction(4) ** e * half * boundary) for e in range(-3, 4)]
    near = [np.nextafter(edge, towards) for edge in edges for towards in (0, np.inf)]
    grid = [float(Fraction(4) ** e * half) for e in range(-4, 4)]
    sizes = np.array(edges + near + grid + [0.0, 3e-9, 1.7, 55.0])
    x = np.concatenate([sizes, -sizes])
    met = 0
    for rounding in NEAREST:
        codes = emu.cast(x.view(np.uint64), "float64", fmt, rounding=rounding, backend=backend)
        for value, got in zip(x.tolist(), fmt.decode(codes).tolist(), strict=True):
            wanted, tie = nearest(Fraction(value), boundary, half, rounding, ties)
            assert Fraction(got) == wanted, (rounding, value, lam)
            met += tie
    assert met or lam in (1.0, 4.0)


def test_1_6_is_half_way(backend):
    """The factor of the paper is the arithmetic midpoint of two neighbours, and underflow follows the series."""
    x = np.random.default_rng(1).lognormal(0, 3, 4000).astype(np.float32)
    x[:7] = [0.625 * 4.0**e for e in range(-3, 4)]
    words = x.view(np.uint32)
    by_number = emu.cast(words, "float32", log4(1 / 1.6, ties="away"), backend=backend)
    assert (by_number == emu.cast(words, "float32", "log4", backend=backend)).all()
    assert by_number[:7].tolist() == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("share", [0.0, 0.2, 1.01, -0.5, float("nan")])
def test_a_boundary_lies_between_two_powers(share):
    with pytest.raises(SpecError, match="boundary"):
        emu.load_format(log4(share))


def test_steps_have_no_number():
    with pytest.raises(SpecError, match="steps = 1"):
        emu.load_format(log4(0.625, steps=2, table_bits=8))
