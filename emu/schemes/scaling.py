"""The arithmetic of the scheme steps, as plain functions of arrays.

* Everything is IEEE float32, ties to even, one rounding per operation.
* `absmax_scale`: s = fl32(absmax / max_finite), one division rounded once; s = 1 where absmax = 0. Integer formats
  have max_finite = 2^(bits - 1) - 1, so int8 uses 127 and never produces -128.
* `encode_scaled`: code = encode(fl32(x / s)), or of fl32(x · inverse). Where there is a scale, two's complement codes
  are symmetric: -128 of int8 is beyond the range (but for `full_range`, and `overflow = "wrap"`, which needs it all).

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

from emu.arithmetic.random import Philox
from emu.formats import Format, Overflow, Rounding, load_format
from emu.formats.codes import smallest
from emu.schemes.cast import FLOAT32_MAX, Float32, OutOfRange, cast_tensor
from emu.schemes.enums import Divisor, PowerOfTwo, ZeroPoint

SMALLEST = np.float32(2.0**-149)
LARGEST = np.float32(FLOAT32_MAX)


def absmax_scale(x: Float32, fmt: Format, axes: tuple[int, ...] | None = None) -> Float32:
    """The scale that maps the largest finite magnitude to the format's largest finite value.

    Args:
        x: values.
        fmt: the operand format.
        axes: the axes that one scale covers (kept with size 1), or None for the whole tensor (a 0-D result).

    Returns:
        float32 scales, positive.
    """
    return scale_of(absmax_of(x, axes), fmt)


def absmax_of(x: Float32, axes: tuple[int, ...] | None = None) -> Float32:
    """The largest finite magnitude; 0 where there is none."""
    magnitude = np.abs(x)
    absmax = magnitude.max(axis=axes, keepdims=axes is not None, initial=0.0)
    if not np.isfinite(absmax).all():
        finite = np.where(np.isfinite(magnitude), magnitude, np.float32(0))
        absmax = finite.max(axis=axes, keepdims=axes is not None, initial=0.0)
    return np.asarray(absmax, np.float32)


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


def quotient_of(x: Float32, scale: Float32 | None, inverse: Float32 | None = None) -> Float32:
    """fl32(x / s), or fl32(x · inverse) if one is given; x where there is neither."""
    with np.errstate(all="ignore"):
        if inverse is not None:
            made: Float32 = x * inverse
            return made
        return x if scale is None else np.asarray(x / scale)


def encode_scaled(
    x: Float32,
    scale: Float32 | None,
    fmt: Format,
    *,
    rounding: Rounding,
    overflow: Overflow,
    name: str = "x",
    inverse: Float32 | None = None,
    full_range: bool = False,
    random: Philox | None = None,
) -> tuple[NDArray[Any], OutOfRange]:
    """Codes of fl32(x / s).

    Args:
        x: values.
        scale: broadcasts to x; None is 1.
        fmt: the operand format.
        rounding, overflow: of the encoding.
        inverse: to multiply by, rather than divide by the scale.
        full_range: the smallest two's complement code is not beyond the range.
        random: of stochastic rounding.
        name: the tensor, for the error message.

    Returns:
        The codes, and how many values lay beyond the range.

    Raises:
        FormatError: NaN, and the format has none.
    """
    if scale is not None and not full_range and fmt.is_integral and overflow is not Overflow.WRAP:
        fmt = replace(fmt, symmetric=True)
    return cast_tensor(quotient_of(x, scale, inverse), fmt, rounding, overflow, name, random)


def encode_around(
    x: Float32,
    scale: Float32 | None,
    zero: NDArray[np.int64],
    fmt: Format,
    *,
    rounding: Rounding,
    name: str = "x",
    inverse: Float32 | None = None,
    random: Philox | None = None,
) -> tuple[NDArray[Any], OutOfRange]:
    """Codes of round(fl32(x / s)) + z, clamped to the whole range of an integer format.

    Args:
        x: values.
        scale: broadcasts to x; None is 1.
        zero: the code that stands for 0, broadcasts to x.
        fmt: an integer format.
        rounding: of the quotient.
        name: the tensor, for the error message.
        inverse: to multiply by, rather than divide by the scale.
        random: of stochastic rounding.

    Returns:
        The codes, and how many were clamped.

    Raises:
        FormatError: NaN.
    """
    wide = load_format("int32")
    codes, _ = cast_tensor(quotient_of(x, scale, inverse), wide, rounding, Overflow.SATURATE, name, random)
    shifted = codes.view(np.int32).astype(np.int64) + zero
    low, high = integer_range(fmt)
    beyond = OutOfRange(saturated=int(np.count_nonzero((shifted < low) | (shifted > high))))
    mask = (1 << fmt.bits) - 1
    return smallest((np.clip(shifted, low, high) & mask).astype(np.uint64), fmt), beyond


def integer_range(fmt: Format) -> tuple[int, int]:
    """The smallest and the largest value of an integer format."""
    return (-(1 << (fmt.bits - 1)), (1 << (fmt.bits - 1)) - 1) if fmt.signed else (0, (1 << fmt.bits) - 1)


def divisor_of(fmt: Format, divisor: Divisor | float) -> float | None:
    """What a symmetric range is divided by; None: the format's largest value, which `divided` knows best."""
    if divisor is Divisor.MAX_FINITE:
        return None
    if isinstance(divisor, Divisor):
        return fmt.max_finite + (0.5 if divisor is Divisor.HALF_STEP else 1.0)
    return divisor


def divided(extent: Float32, by: Format | float) -> Float32:
    """s = fl32(extent / divisor), and 1 where the extent is 0; a quotient that underflows is 2^−149."""
    if isinstance(by, Format):
        return scale_of(extent, by)
    with np.errstate(all="ignore"):
        quotient = extent / np.float32(by)
    return np.where(extent == 0, np.float32(1), np.maximum(quotient, SMALLEST)).astype(np.float32)


def inverse_of(extent: Float32, by: Format | float) -> Float32:
    """fl32(divisor / extent), and 1 where the extent is 0; what overflows is the largest float32."""
    divisor = np.float32(by.max_finite if isinstance(by, Format) else by)
    with np.errstate(all="ignore"):
        quotient = np.minimum(divisor / extent, LARGEST)
    return np.where(extent == 0, np.float32(1), quotient).astype(np.float32)


def reciprocal_of(scale: Float32) -> Float32:
    """fl32(1 / s); what overflows is the largest float32."""
    with np.errstate(all="ignore"):
        return np.asarray(np.minimum(np.float32(1) / scale, LARGEST))


def as_power_of_two(scale: Float32, which: PowerOfTwo) -> Float32:
    """Positive scales as powers of two, not below 2^−149 nor above 2^127."""
    fraction, exponent = np.frexp(scale)  # fraction in [0.5, 1)
    match which:
        case PowerOfTwo.FLOOR:
            up = np.zeros(scale.shape, np.bool_)
        case PowerOfTwo.CEIL:
            up = np.asarray(fraction > 0.5)
        case PowerOfTwo.NEAREST:
            up = np.asarray(fraction >= 0.75)
    power = np.clip(exponent - 1 + up, -149, 127)
    return np.asarray(np.ldexp(np.float32(1), power), np.float32)


def rounded_to(scale: Float32, fmt: Format) -> Float32:
    """The scale as a value of `fmt`, never 0: the smallest positive one instead."""
    values = fmt.decode(fmt.encode(scale, Rounding.TIES_TO_EVEN, Overflow.SATURATE))
    least = np.float32(fmt.smallest_positive or 0)
    return np.maximum(values.astype(np.float32), np.maximum(least, SMALLEST))


def zero_point_of(low: Float32, high: Float32, scale: Float32, fmt: Format, how: ZeroPoint) -> NDArray[np.int64]:
    """The code of zero of an integer format, for values from low to high.

    Args:
        low, high: the ends of the range, in the shape of the scale.
        scale: positive.
        fmt: an integer format.
        how: from which end, and whether it is clamped.
    """
    qmin, qmax = integer_range(fmt)
    with np.errstate(all="ignore"):
        if how is ZeroPoint.NEARER:
            wide = scale.astype(np.float64)
            from_low, from_high = qmin - low / wide, qmax - high / wide
            nearer = abs(qmin) + np.abs(low / wide) < abs(qmax) + np.abs(high / wide)
            exact = np.where(nearer, from_low, from_high)
            return np.asarray(np.rint(np.clip(exact, qmin, qmax)), np.int64)
        steps = np.rint((low / scale).astype(np.float32)).astype(np.float64)
    ends = (-(2.0**31), 2.0**31 - 1) if how is ZeroPoint.FREE else (qmin, qmax)
    return np.asarray(np.clip(qmin - steps, *ends), np.int64)
