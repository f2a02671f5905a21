"""From a value of a format to its code: the definition. The value must be one that `cast` made for this format."""

from __future__ import annotations

from emu.formats.enums import IntegerEncoding, NanEncoding, Subnormals
from emu.formats.model import Format
from emu.formats.value import QUIET, Value


def encode_value(fmt: Format, x: Value) -> int:
    """The code of a value of this format; ignored bits are zero.

    Raises:
        ValueError: the value is none of the format's (a mistake of the caller, not of a user).
    """
    if fmt.is_integral:
        return _integral(fmt, x)
    if fmt.is_listed:
        return _listed(fmt, x)
    sign = int(x.negative and fmt.signed) << fmt.field_bits
    if x.nan:
        return _nan(fmt, x) << fmt.ignored_low_bits
    if x.inf:
        return (sign | fmt.infinity_magnitude) << fmt.ignored_low_bits
    if x.sig == 0:
        return (sign if fmt.negative_zero else 0) << fmt.ignored_low_bits
    return (sign | _magnitude(fmt, x)) << fmt.ignored_low_bits


def _nan(fmt: Format, x: Value) -> int:
    sign = int(x.negative and fmt.signed) << fmt.field_bits
    if fmt.nan is NanEncoding.NEGATIVE_ZERO:
        return 1 << fmt.field_bits
    if fmt.nan is NanEncoding.IEEE:
        exponent = ((1 << fmt.exp_bits) - 1) << fmt.man_bits
        return sign | exponent | (x.payload | QUIET) >> (64 - fmt.man_bits)
    return sign | (1 << fmt.field_bits) - 1


def _listed(fmt: Format, x: Value) -> int:
    nan, positive, negative, negative_zero = fmt.special_codes
    if x.nan:
        return nan
    if x.inf:
        return negative if x.negative else positive
    if x.sig == 0 and x.negative and fmt.negative_zero:
        return negative_zero
    return fmt.grid.code_of(x)


def _magnitude(fmt: Format, x: Value) -> int:
    """Exponent and mantissa fields of a finite value that is not zero."""
    e = max(x.top, fmt.emin)
    shift = x.q - (e - fmt.man_bits)
    sig = x.sig << shift if shift >= 0 else x.sig >> -shift
    if shift < 0 and sig << -shift != x.sig:
        raise ValueError(f"{x} is no value of {fmt.name}")
    hidden = sig >> fmt.man_bits
    field = e + fmt.bias if hidden or fmt.subnormals is Subnormals.NORMAL else 0
    return field << fmt.man_bits | sig & ((1 << fmt.man_bits) - 1)


def _integral(fmt: Format, x: Value) -> int:
    shift = x.q + fmt.frac_bits
    n = x.sig << shift if shift >= 0 else x.sig >> -shift
    if not x.finite or (shift < 0 and n << -shift != x.sig):
        raise ValueError(f"{x} is no value of {fmt.name}")
    if fmt.encoding is IntegerEncoding.SIGN_MAGNITUDE:
        return n | int(x.negative and n > 0) << (fmt.bits - 1)
    return (-n if x.negative else n) & ((1 << fmt.bits) - 1)
