"""`encode_fma` against fractions, and Int8QuantizeNNPI's difference from plain quantisation."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from emu.errors import FormatError, SpecError
from emu.formats import load_format
from emu.schemes import Target, load_scheme
from tests.grids import half

NNPI = load_scheme("nnpi-quantize")
PLAIN = load_scheme("fbgemm")


def reference(x: float, scale: np.float32, zero: int, low: int, high: int) -> int:
    """Int8QuantizeNNPI on one number."""
    inverse = half(Fraction(float(np.float32(1) / scale)))
    t = half(half(Fraction(x)) * inverse + half(Fraction(zero)))
    away = (abs(t) + Fraction(1, 2)).__floor__() * (1 if t > 0 else -1)
    return min(max(away, low), high)


def given(scale: float, zero: int, fmt: str = "uint8") -> Target:
    return Target(format=load_format(fmt), scale=np.array(scale, np.float32), zero=np.array(zero, np.int64))


@pytest.mark.parametrize(
    ("fmt", "scale", "zero"),
    [("uint8", 0.0312, 10), ("uint8", 7.3e-5, 255), ("uint8", 211.7, 128), ("int8", 0.0312, -3)],
)
def test_codes_are_the_sources(fmt: str, scale: float, zero: int) -> None:
    rng = np.random.default_rng(1)
    x = (rng.normal(size=2000) * scale * 90).astype(np.float32)
    x[:40] = (np.arange(40) - 20 + np.float32(0.5)) * np.float32(scale)
    made = NNPI.quantise(x, given(scale, zero, fmt))
    low, high = (-128, 127) if fmt == "int8" else (0, 255)
    wanted = [reference(float(one), np.float32(scale), zero, low, high) for one in x]
    codes = made.codes.view(np.int8) if fmt == "int8" else made.codes
    assert codes.tolist() == wanted
    open_ended = np.array([reference(float(one), np.float32(scale), zero, -(10**9), 10**9) for one in x])
    assert made.beyond.saturated == np.count_nonzero((open_ended < low) | (open_ended > high)) > 0


def test_how_often_it_differs_from_plain_quantisation() -> None:
    """numerics: 399 of 5001 inputs in [-0.3, 7.6], s = 0.0312, zp = 10."""
    x = np.linspace(-0.3, 7.6, 5001).astype(np.float32)
    nnpi, plain = (scheme.quantise(x, given(0.0312, 10)).codes.astype(int) for scheme in (NNPI, PLAIN))
    assert np.count_nonzero(nnpi != plain) == 399
    assert np.abs(nnpi - plain).max() == 1


def test_without_a_zero_point_it_is_a_product() -> None:
    scheme = load_scheme(
        {
            "name": "symmetric",
            "step": [
                {"op": "scale", "rule": "absmax"},
                {"op": "encode_fma", "format": "float16", "rounding": "ties_to_even"},
            ],
        }
    )
    x = np.linspace(-3, 3, 1001).astype(np.float32)
    made = scheme.quantise(x, Target(format=load_format("int8")))
    inverse = half(Fraction(float(np.float32(1) / made.scale)))
    wanted = [round(half(half(Fraction(float(one))) * inverse)) for one in x]
    assert made.codes.view(np.int8).tolist() == [min(max(q, -128), 127) for q in wanted]


def test_fbgemms_parameters() -> None:
    """ChooseQuantizationParams: 0 in the range, the zero point from the nearer end."""
    for low, high in ((-1.0, 3.0), (0.5, 2.0), (-2.0, -0.25), (-0.1, 0.9)):
        x = np.array([low, high], np.float32)
        made = PLAIN.quantise(x, Target(format=load_format("uint8")))
        bottom, top = np.float32(min(low, 0)), np.float32(max(high, 0))
        scale = np.float32(np.float64(np.float32(top - bottom)) / 255)
        assert made.scale == scale
        ends = (0 - float(bottom) / float(scale), 255 - float(top) / float(scale))
        nearer = ends[0] if abs(float(bottom) / float(scale)) < 255 + abs(float(top) / float(scale)) else ends[1]
        assert made.zero is not None
        assert int(made.zero) == min(max(round(nearer), 0), 255)


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"format": "float32"}, "step[1].format"),
        ({"format": "int8"}, "step[1].format"),
        ({"result": "float64"}, "step[1].result"),
        ({"rounding": "stochastic"}, "step[1].rounding"),
    ],
)
def test_what_is_refused(keys: dict[str, Any], key: str) -> None:
    step = {"op": "encode_fma", "format": "float16", "rounding": "ties_to_even", **keys}
    with pytest.raises(SpecError) as error:
        load_scheme({"name": "x", "step": [{"op": "scale", "rule": "absmax"}, step]})
    assert error.value.key == key


def test_nan_has_no_code_and_infinities_are_clamped() -> None:
    made = NNPI.quantise(np.array([np.inf, -np.inf, 1e30], np.float32), given(1.0, 4))
    assert made.codes.tolist() == [255, 0, 255]
    with pytest.raises(FormatError, match="holds NaN"):
        NNPI.quantise(np.array([np.nan], np.float32), given(1.0, 4))
    with pytest.raises(SpecError):
        NNPI.check(load_format("float16"), "f", "k")
