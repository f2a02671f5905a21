"""The arithmetic of the scheme steps, as plain functions of arrays.

* Everything is IEEE float32, ties to even, one rounding per operation.
* `absmax_scale`: s = fl32(absmax / max_finite), one division rounded once; s = 1 where absmax = 0. Integer formats
  have max_finite = 2^(bits - 1) - 1, so int8 uses 127 and never produces -128.
* `encode_scaled`: code = encode(fl32(x / s)). Where there is a scale, two's complement codes are symmetric: -128 of
  int8 is beyond the range (unless `overflow = "wrap"`, which needs the whole of it).

Special cases:

* Infinities and NaN take no part in absmax: an outlier that is not a number must not set everything else to zero.
  They are then encoded as the format and the overflow rule say.
* If absmax > 0 but the quotient underflows to 0, s is the smallest positive float32, 2^-149.
* NaN into a format without NaN is an error that names the tensor.

Source: DESIGN section 9.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats import Format, Overflow, Rounding, load_format
from emu.formats.codes import smallest
from emu.schemes.cast import Float32, OutOfRange, cast_tensor

SMALLEST = np.float32(2.0**-149)


def absmax_scale(x: Float32, fmt: Format, axes: tuple[int, ...] | None = None) -> Float32:
    """The scale that maps the largest finite magnitude to the format's largest finite value.

    Args:
        x: values.
        fmt: the operand format.
        axes: the axes that one scale covers (kept with size 1), or None for the whole tensor (a 0-D result).

    Returns:
        float32 scales, positive.
    """
    magnitude = np.abs(x)
    absmax = magnitude.max(axis=axes, keepdims=axes is not None, initial=0.0)
    if not np.isfinite(absmax).all():
        finite = np.where(np.isfinite(magnitude), magnitude, np.float32(0))
        absmax = finite.max(axis=axes, keepdims=axes is not None, initial=0.0)
    return scale_of(np.asarray(absmax, np.float32), fmt)


def scale_of(absmax: Float32, fmt: Format) -> Float32:
    """s = fl32(absmax / max_finite), and 1 where absmax = 0.

    Args:
        absmax: finite, not negative.
    """
    with np.errstate(all="ignore"):
        largest = np.float32(fmt.max_finite)
        exact = np.isfinite(largest) and Fraction(fmt.max_sig) * Fraction(2) ** fmt.max_q == Fraction(float(largest))
        quotient = absmax / largest if exact else _divide(absmax, fmt)
    return np.where(absmax == 0, np.float32(1), np.maximum(quotient, SMALLEST)).astype(np.float32)


def _divide(absmax: Float32, fmt: Format) -> Float32:
    """fl32(absmax / max_finite) where max_finite is no float32 (int32, float64, ...): one rounding all the same."""
    largest = Fraction(fmt.max_sig) * Fraction(2) ** fmt.max_q
    quotients = [Fraction(float(value)) / largest for value in absmax.ravel()]
    codes = load_format("float32").encode(np.array(quotients, object))
    return np.asarray(codes, np.uint32).view(np.float32).reshape(absmax.shape)


def encode_scaled(
    x: Float32, scale: Float32 | None, fmt: Format, *, rounding: Rounding, overflow: Overflow, name: str = "x"
) -> tuple[NDArray[Any], OutOfRange]:
    """Codes of fl32(x / s).

    Args:
        x: values.
        scale: broadcasts to x; None is 1.
        fmt: the operand format.
        rounding, overflow: of the encoding.
        name: the tensor, for the error message.

    Returns:
        The codes, and how many values lay beyond the range.

    Raises:
        FormatError: NaN, and the format has none.
    """
    if scale is not None:
        with np.errstate(all="ignore"):
            x = x / scale
        if fmt.is_integral and overflow is not Overflow.WRAP:
            fmt = replace(fmt, symmetric=True)
    return cast_tensor(x, fmt, rounding, overflow, name)


def encode_around(
    x: Float32, scale: Float32 | None, zero: NDArray[np.int64], fmt: Format, *, rounding: Rounding, name: str = "x"
) -> tuple[NDArray[Any], OutOfRange]:
    """Codes of round(fl32(x / s)) + z, clamped to the whole range of an integer format.

    Args:
        x: values.
        scale: broadcasts to x; None is 1.
        zero: the code that stands for 0, broadcasts to x.
        fmt: an integer format.
        rounding: of the quotient.
        name: the tensor, for the error message.

    Returns:
        The codes, and how many were clamped.

    Raises:
        FormatError: NaN.
    """
    with np.errstate(all="ignore"):
        quotient = x if scale is None else x / scale
    wide = load_format("int32")
    codes, _ = cast_tensor(quotient, wide, rounding, Overflow.SATURATE, name)
    shifted = codes.view(np.int32).astype(np.int64) + zero
    low, high = integer_range(fmt)
    beyond = OutOfRange(saturated=int(np.count_nonzero((shifted < low) | (shifted > high))))
    mask = (1 << fmt.bits) - 1
    return smallest((np.clip(shifted, low, high) & mask).astype(np.uint64), fmt), beyond


def integer_range(fmt: Format) -> tuple[int, int]:
    """The smallest and the largest value of an integer format."""
    return (-(1 << (fmt.bits - 1)), (1 << (fmt.bits - 1)) - 1) if fmt.signed else (0, (1 << fmt.bits) - 1)
