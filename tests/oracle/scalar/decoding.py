"""Codes to values, by the rules of spec/README.md."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

from .formats import Format, fraction
from .numbers import QUIET, Inf, Nan, Num, Value, power


def decode(fmt: Format, code: int) -> Value:
    """What a code stands for."""
    if fmt.kind == "codebook":
        return _listed(fmt.values[code])
    if fmt.is_integral:
        return _integral(fmt, code)
    code = code >> fmt.ignored_low_bits
    magnitude, negative = code & fmt.field_mask, bool(fmt.signed and code >> (fmt.exp_bits + fmt.man_bits) & 1)
    return _log(fmt, negative, magnitude) if fmt.kind == "log" else _float(fmt, negative, magnitude)


def _listed(x: object) -> Value:
    if x == "nan":
        return Nan()
    value = fraction(x)
    return Num(value < 0 or (isinstance(x, float) and str(x) == "-0.0"), abs(value))


def _integral(fmt: Format, code: int) -> Num:
    top = 1 << (fmt.bits - 1)
    if fmt.signed and code & top:
        code = -(code - top) if fmt.encoding == "sign_magnitude" else code - 2 * top
    return Num(code < 0, abs(code) * power(-fmt.frac_bits))


def _log(fmt: Format, negative: bool, magnitude: int) -> Value:
    if fmt.nan == "top_code" and magnitude == fmt.field_mask:
        return Nan()
    if fmt.zero and magnitude == 0:
        return Num(negative, Fraction(0))
    return Num(negative, power_of(fmt, magnitude))


def power_of(fmt: Format, field: int) -> Fraction:
    """The power of the radix of an exponent field, which may be outside the field's range."""
    size = Fraction(fmt.radix) ** (field - fmt.bias)
    return size / 2 if fmt.phase == "odd" else size


def _float(fmt: Format, negative: bool, magnitude: int) -> Value:
    e, m = magnitude >> fmt.man_bits, magnitude & ((1 << fmt.man_bits) - 1)
    if is_nan(fmt, negative, magnitude):
        if fmt.nan != "ieee":
            return Nan(negative and fmt.nan == "all_ones")
        payload = m << (64 - fmt.man_bits)
        return Nan(negative, payload | QUIET, not payload & QUIET)
    if fmt.infinities and magnitude == infinity_field(fmt):
        return Inf(negative)
    size = grid_value(fmt, e, m)
    if fmt.subnormals == "none" and e == 0:
        size = Fraction(0)
    if fmt.subnormals == "normal" and magnitude == 0:
        size = Fraction(0)
    return Num(negative and (size != 0 or fmt.negative_zero), size)


def is_nan(fmt: Format, negative: bool, magnitude: int) -> bool:
    """Whether the fields of a float are a NaN."""
    if fmt.nan == "ieee":
        return magnitude > fmt.field_mask >> fmt.man_bits << fmt.man_bits
    if fmt.nan == "negative_zero":
        return negative and magnitude == 0
    return fmt.nan in ("all_ones", "top_code") and magnitude == fmt.field_mask


def infinity_field(fmt: Format) -> int:
    """The fields of infinity: the top exponent, or the largest magnitude that is no NaN."""
    if fmt.nan == "ieee":
        return fmt.field_mask >> fmt.man_bits << fmt.man_bits
    return fmt.field_mask - (fmt.nan in ("all_ones", "top_code"))


def grid_value(fmt: Format, e: int, m: int) -> Fraction:
    """The value of exponent field e and mantissa field m."""
    lsb = power(max(e - fmt.bias, fmt.emin) - fmt.man_bits)
    hidden = 1 << fmt.man_bits if e > 0 or fmt.subnormals == "normal" else 0
    if e == 0 and fmt.subnormals == "lowered":
        lsb /= 2
    return (hidden + m) * lsb


def max_field(fmt: Format) -> int:
    """The fields of the largest finite float or log value."""
    if fmt.kind == "float" and fmt.infinities:
        return infinity_field(fmt) - 1
    return fmt.field_mask - (fmt.nan in ("all_ones", "top_code"))


@cache
def largest(fmt: Format, negative: bool = False) -> Fraction:
    """The largest finite magnitude of a sign; 0 for the negative side of an unsigned format."""
    if negative and not fmt.signed and fmt.kind != "codebook":
        return Fraction(0)
    if fmt.is_integral:
        whole = (1 << (fmt.bits - int(fmt.signed))) - 1 + int(negative and fmt.can_wrap)
        return whole * power(-fmt.frac_bits)
    if fmt.kind == "log":
        return power_of(fmt, max_field(fmt))
    if fmt.kind == "codebook":
        numbers = [x for code in range(len(fmt.values)) if isinstance(x := decode(fmt, code), Num)]
        return max((x.size for x in numbers if x.negative == negative), default=Fraction(0))
    return grid_value(fmt, max_field(fmt) >> fmt.man_bits, max_field(fmt) & ((1 << fmt.man_bits) - 1))


@cache
def smallest_normal(fmt: Format) -> Fraction:
    """The smallest normal magnitude of a float; the smallest magnitude above 0 of a log format or codebook."""
    if fmt.kind == "log":
        return power_of(fmt, int(fmt.zero))
    if fmt.kind == "codebook":
        numbers = [x for code in range(len(fmt.values)) if isinstance(x := decode(fmt, code), Num)]
        return min(x.size for x in numbers if x.size)
    return grid_value(fmt, 0, 1) if fmt.subnormals == "normal" else grid_value(fmt, 1, 0)
