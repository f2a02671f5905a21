"""The arithmetic of scales and codes: exact rules, special cases, independent divisions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.errors import FormatError
from emu.formats import Overflow, Rounding, load_format
from emu.schemes import absmax_scale, encode_scaled, scale_of
from emu.schemes.cast import OutOfRange

INT8, E4M3, E2M1, BF16 = (load_format(name) for name in ("int8", "float8_e4m3fn", "float4_e2m1fn", "bfloat16"))
CLAMP = {"rounding": Rounding.TIES_TO_EVEN, "overflow": Overflow.SATURATE}
FINITE = st.floats(0, 2.0**100, width=32)


def nearest_float32(x: Fraction) -> np.float32:
    """The float32 next to x, ties to even, by trying the neighbours of a first guess."""
    guess = np.float32(float(x))
    candidates = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    return min(candidates, key=lambda c: (abs(Fraction(float(c)) - x), int(c.view(np.uint32)) & 1))


@given(FINITE.filter(bool))
@pytest.mark.parametrize("name", ["int8", "int6", "float8_e4m3fn", "float8_e5m2", "float4_e2m1fn", "float16", "int32"])
def test_scale_is_one_rounded_division(name: str, absmax: float) -> None:
    fmt = load_format(name)
    largest = Fraction(fmt.max_sig) * Fraction(2) ** fmt.max_q
    want = max(nearest_float32(Fraction(absmax) / largest), np.float32(2.0**-149))
    assert scale_of(np.asarray(absmax, np.float32), fmt) == want


def test_scales_of_the_formats() -> None:
    """int8 uses 127, e4m3 448, e2m1 6."""
    one = np.ones(3, np.float32)
    assert absmax_scale(one, INT8) == np.float32(1) / np.float32(127)
    assert absmax_scale(one, E4M3) == np.float32(1) / np.float32(448)
    assert absmax_scale(one, E2M1) == np.float32(1) / np.float32(6)


def test_scale_of_nothing_is_one() -> None:
    assert absmax_scale(np.zeros((2, 3), np.float32), INT8) == 1
    assert absmax_scale(np.zeros((0,), np.float32), INT8) == 1
    x = np.array([[0, 0], [127, 1]], np.float32)
    assert absmax_scale(x, INT8, (1,)).tolist() == [[1.0], [1.0]]


def test_scale_shapes() -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert absmax_scale(x, INT8).shape == ()
    assert absmax_scale(x, INT8, (-1,)).shape == (2, 3, 1)
    assert absmax_scale(x, INT8, (1, 2)).shape == (2, 1, 1)
    assert absmax_scale(x, INT8).dtype == np.float32


def test_what_is_no_number_takes_no_part_in_absmax() -> None:
    x = np.array([1.0, -2.0, np.inf, np.nan, -np.inf], np.float32)
    assert absmax_scale(x, INT8) == np.float32(2) / np.float32(127)
    assert absmax_scale(x[2:], INT8) == 1


def test_scale_that_underflows_is_the_smallest_float32() -> None:
    assert absmax_scale(np.array([2.0**-149], np.float32), E4M3) == np.float32(2.0**-149)


def test_codes_are_the_encoded_quotient() -> None:
    x = np.array([0.0, -0.0, 1.0, -1.0, 0.5, 1 / 3], np.float32)
    codes, beyond = encode_scaled(x, absmax_scale(x, INT8), INT8, **CLAMP)
    assert INT8.decode(codes).tolist() == [0, 0, 127, -127, 64, 42]
    assert beyond == OutOfRange()


@given(st.lists(st.floats(-(2.0**60), 2.0**60, width=32), min_size=1, max_size=20))
@pytest.mark.parametrize("fmt", [INT8, E4M3, E2M1], ids=str)
def test_absmax_never_saturates_and_reaches_the_top(fmt: Any, values: list[float]) -> None:
    x = np.array(values, np.float32)
    scale = absmax_scale(x, fmt)
    codes, beyond = encode_scaled(x, scale, fmt, **CLAMP)
    if np.abs(x).max() > 2.0**-100:  # the scale is a normal number, so it is precise
        assert beyond == OutOfRange()
        assert np.abs(fmt.decode(codes)).max() == fmt.max_finite


def test_saturation_is_counted() -> None:
    x = np.array([447, 448, 464, 465, -1e9, np.inf], np.float32)
    codes, beyond = encode_scaled(x, None, E4M3, **CLAMP)
    assert E4M3.decode(codes).tolist() == [448, 448, 448, 448, -448, 448]
    assert beyond.saturated == 3, "464 is a tie that rounds to 448; 465, -1e9 and inf are clamped"


def test_infinities_that_stay_are_not_saturated() -> None:
    how = {"rounding": Rounding.TIES_TO_EVEN, "overflow": Overflow.SATURATE_PROPAGATE}
    codes, beyond = encode_scaled(np.array([np.inf, 3.4e38], np.float32), None, BF16, **how)
    assert np.isinf(BF16.decode(codes)).tolist() == [True, False]
    assert beyond.saturated == 1


def test_nan_needs_a_format_that_has_it() -> None:
    x = np.array([1, np.nan], np.float32)
    with pytest.raises(FormatError, match=r"tensor 'hidden' holds NaN \(1 of 2 elements\), and int8 has none"):
        encode_scaled(x, None, INT8, name="hidden", **CLAMP)
    assert np.isnan(E4M3.decode(encode_scaled(x, None, E4M3, **CLAMP)[0])).tolist() == [False, True]


def test_scaled_integers_are_symmetric() -> None:
    """-128 is beyond a scaled int8 from either side, and is counted; without a scale it is a value like any other."""
    x = np.array([-1000, -128, -127.5, -127.4, 1000], np.float32)
    codes, beyond = encode_scaled(x, np.ones((), np.float32), INT8, **CLAMP)
    assert INT8.decode(codes).tolist() == [-127, -127, -127, -127, 127]
    assert beyond == OutOfRange(saturated=4)
    codes, beyond = encode_scaled(x, None, INT8, **CLAMP)
    assert INT8.decode(codes).tolist() == [-128, -128, -128, -127, 127]
    assert beyond == OutOfRange(saturated=2)


def test_what_becomes_infinite_or_wraps_is_overflowed() -> None:
    x = np.array([1e6, -1e6, np.inf, 1], np.float32)
    half = load_format("float16")
    how = {"rounding": Rounding.TIES_TO_EVEN, "overflow": Overflow.INFINITY}
    assert encode_scaled(x, None, half, **how)[1] == OutOfRange(overflowed=2)
    assert encode_scaled(x, None, E4M3, **how)[1] == OutOfRange(overflowed=3), "an infinity becomes NaN here"
    wrap = {"rounding": Rounding.TIES_TO_EVEN, "overflow": Overflow.WRAP}
    codes, beyond = encode_scaled(np.array([300, -128], np.float32), np.ones((), np.float32), INT8, **wrap)
    assert INT8.decode(codes).tolist() == [44, -128], "wrapping needs the whole range"
    assert beyond == OutOfRange(overflowed=1)


@pytest.mark.filterwarnings("error")
def test_a_format_wider_than_float32_makes_no_warning() -> None:
    assert absmax_scale(np.ones(3, np.float32), load_format("float64")) == np.float32(2.0**-149)
