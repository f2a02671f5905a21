"""Values of a format to their codes."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

from .decoding import decode, infinity_field, power_of
from .formats import Format
from .numbers import QUIET, Inf, Nan, Num, exponent, power


@cache
def codes_of(fmt: Format) -> dict[object, int]:
    """The first code of each value of a codebook."""
    out: dict[object, int] = {}
    for code in range(len(fmt.values)):
        x = decode(fmt, code)
        key = "nan" if isinstance(x, Nan) else ("inf", x.negative) if isinstance(x, Inf) else x.value
        out.setdefault(key, code)
        if isinstance(x, Num) and x.size == 0 and x.negative:
            out.setdefault("-0", code)
    return out


def has_infinity(fmt: Format, negative: bool) -> bool:
    """Whether the format has the infinity of this sign."""
    if fmt.kind == "codebook":
        return ("inf", negative) in codes_of(fmt)
    return fmt.infinities and (fmt.signed or not negative)


def encode_infinity(fmt: Format, negative: bool) -> int:
    """The code of an infinity that the format has."""
    if fmt.kind == "codebook":
        return codes_of(fmt)["inf", negative]
    return (infinity_field(fmt) + (negative and fmt.field_mask + 1)) << fmt.ignored_low_bits


def encode_nan(fmt: Format, x: Nan) -> int:
    """The code of a NaN, quieted: its sign and payload as far as the format holds them."""
    if fmt.kind == "codebook":
        return codes_of(fmt)["nan"]
    sign = fmt.field_mask + 1 if x.negative and fmt.signed else 0
    if fmt.nan == "ieee":
        field = (x.payload | QUIET) >> (64 - fmt.man_bits)
        top = fmt.field_mask >> fmt.man_bits << fmt.man_bits
        return (sign | top | field) << fmt.ignored_low_bits
    if fmt.nan == "negative_zero":
        return (fmt.field_mask + 1) << fmt.ignored_low_bits
    return (sign | fmt.field_mask) << fmt.ignored_low_bits


def encode(fmt: Format, negative: bool, size: Fraction) -> int:
    """The code of a finite value of the format."""
    if fmt.kind == "codebook":
        codes = codes_of(fmt)
        return codes["-0"] if size == 0 and negative and "-0" in codes else codes[-size if negative else size]
    if fmt.is_integral:
        whole = size * power(fmt.frac_bits)
        assert whole.denominator == 1
        if fmt.encoding == "sign_magnitude":
            return whole.numerator | (negative and size != 0) << (fmt.bits - 1)
        return (-whole.numerator if negative else whole.numerator) % (1 << fmt.bits)
    sign = fmt.field_mask + 1 if negative and fmt.signed else 0
    if size == 0:
        return (sign if fmt.negative_zero else 0) << fmt.ignored_low_bits
    return (sign | _field(fmt, size)) << fmt.ignored_low_bits


def _field(fmt: Format, size: Fraction) -> int:
    if fmt.kind == "log":
        step = fmt.radix.bit_length() - 1
        field = (exponent(size) + (fmt.phase == "odd")) // step + fmt.bias
        assert power_of(fmt, field) == size
        return field
    e = exponent(size)
    lowest = 1 << fmt.man_bits if e < fmt.emin else 0
    significand = size / power(max(e, fmt.emin) - fmt.man_bits)
    assert significand.denominator == 1, (fmt.name, size)
    above = max(e, fmt.emin) - fmt.emin + (fmt.subnormals != "normal")
    field = (above << fmt.man_bits) + significand.numerator - (1 << fmt.man_bits)
    assert lowest == 0 or field >= 0
    return field
