"""Kuzmin et al. 2022: a format with a real-valued bias is one with an integer bias times a scale."""

from __future__ import annotations

import numpy as np
import pytest

from emu.formats import load_format
from emu.schemes import Scheme, Target, load_scheme

ENCODE = {"op": "encode", "rounding": "ties_to_even", "overflow": "saturate"}


def bounded(c: float) -> Scheme:
    return load_scheme({"step": [{"op": "scale", "rule": "bound", "value": c}, ENCODE]})


def published(x: np.ndarray, c: float, mantissa: int, exponent: int) -> np.ndarray:
    """fp8_quantizer.py of the authors, in float64."""
    bias = 2.0**exponent - np.log2(c) + np.log2(2 - 2.0**-mantissa) - 1
    clipped = np.clip(x.astype(np.float64), -c, c)
    with np.errstate(divide="ignore"):
        power = np.maximum(np.floor(np.log2(np.abs(clipped)) + bias), 1)
    step = 2.0 ** (power - mantissa - bias)
    return step * np.rint(clipped / step)


@pytest.mark.parametrize(("mantissa", "exponent"), [(2, 5), (3, 4), (4, 3), (5, 2)])
@pytest.mark.parametrize("c", [240.0, 3.0, 0.7, 1.0, 57344.0])
def test_the_codes_are_those_of_the_authors(mantissa: int, exponent: int, c: float) -> None:
    fmt = load_format(f"{mantissa}m{exponent}e")
    x = (np.random.default_rng(1).standard_normal(4000) * c / 3).astype(np.float32)
    made = bounded(c).quantise(x, Target(format=fmt))
    wanted = published(x, c, mantissa, exponent)
    step = fmt.decode(made.codes)
    assert np.array_equal(step, fmt.decode(fmt.encode(wanted / (c / fmt.max_finite))))


def test_worked_examples() -> None:
    fmt = load_format("3m4e")
    assert fmt.decode(bounded(240.0).quantise(np.float32([1, 0.3]), Target(format=fmt)).codes).tolist() == [1, 0.3125]
    made = bounded(3.0).quantise(np.float32([3.3, -0.0101]), Target(format=fmt))
    assert made.scale == np.float32(0.0125)
    assert (fmt.decode(made.codes) / 80).tolist() == [3, -0.01015625]
    assert made.beyond.saturated == 1


def test_one_exponent_bit_is_an_integer_grid() -> None:
    fmt = load_format("6m1e")
    values = np.unique(np.abs(fmt.decode(np.arange(256, dtype=np.uint8))))
    assert len(values) == 128
    assert len(set(np.diff(values))) == 1


def test_the_search_finds_the_range_of_a_clipped_tensor() -> None:
    """n even numbers and one of 8: n s² / 12 + (8 − c)² with s = c / 127 is least at c = 8 / (1 + n / (12 · 127²))."""
    x = np.append(np.linspace(-1, 1, 20001), 8).astype(np.float32)
    made = load_scheme("mse").quantise(x, Target(format=load_format("int8")))
    assert abs(made.scale * 127 - 8 / (1 + 20001 / (12 * 127**2))) < 0.16, "two candidates"
    assert made.beyond.saturated == 1
    exact = np.arange(-127, 128).astype(np.float32)
    assert load_scheme("mse").quantise(exact, Target(format=load_format("int8"))).beyond.saturated == 0
