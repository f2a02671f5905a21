"""From a code to its exact value: the definition (unit-spec section 2, `decode`).

* float: e = max(exponent field, 1) - bias, so a subnormal has emin; with `subnormals = "normal"` field 0 is a binade
  of its own; with `"none"` it is zero whatever the mantissa.
* integer and fixed: e = 0, the binary point, whatever the size. log and codebook: e = floor(log2 |x|).
* A zero is dead (no e). Bits that the format ignores are dropped *before* anything is classified, so a tf32 NaN
  whose payload lies in the low 13 bits is an infinity.
"""

from __future__ import annotations

from emu.formats.enums import FormatKind, IntegerEncoding, NanEncoding, Subnormals
from emu.formats.model import Format
from emu.formats.value import QUIET, Value, infinity, zero


def decode_code(fmt: Format, code: int) -> Value:
    """The value of one code.

    Args:
        fmt: a stored format (at most 64 bits).
        code: 0 <= code < 2^bits.
    """
    if fmt.kind is FormatKind.FLOAT:
        return _float(fmt, code)
    if fmt.kind is FormatKind.LOG:
        return _log(fmt, code)
    if fmt.listing is not None:
        return fmt.listing.values[code]
    return _integral(fmt, code)


def _split(fmt: Format, code: int) -> tuple[bool, int]:
    """Sign and magnitude fields, without the ignored bits."""
    looked_at = (code >> fmt.ignored_low_bits) & ((1 << (int(fmt.signed) + fmt.field_bits)) - 1)
    magnitude = looked_at & ((1 << fmt.field_bits) - 1)
    return bool(looked_at >> fmt.field_bits), magnitude


def _float(fmt: Format, code: int) -> Value:
    negative, magnitude = _split(fmt, code)
    exponent, mantissa = magnitude >> fmt.man_bits, magnitude & ((1 << fmt.man_bits) - 1)
    if magnitude == 0:
        if negative and fmt.nan is NanEncoding.NEGATIVE_ZERO:
            return Value(nan=True, payload=QUIET)
        return zero(negative and fmt.negative_zero)
    if magnitude > fmt.max_magnitude:
        if fmt.infinities and magnitude == fmt.infinity_magnitude:
            return infinity(negative)
        payload = mantissa << (64 - fmt.man_bits) if fmt.nan is NanEncoding.IEEE else QUIET
        return Value(nan=True, negative=negative, payload=payload)
    if exponent == 0 and fmt.subnormals is Subnormals.NONE:
        return zero(negative and fmt.negative_zero)
    hidden = exponent > 0 or fmt.subnormals is Subnormals.NORMAL
    e = max(exponent - fmt.bias, fmt.emin)
    return Value(negative=negative, sig=mantissa + (int(hidden) << fmt.man_bits), q=e - fmt.man_bits, e=e)


def _log(fmt: Format, code: int) -> Value:
    negative, magnitude = _split(fmt, code)
    if fmt.nan is NanEncoding.TOP_CODE and magnitude > fmt.max_magnitude:
        return Value(nan=True, negative=negative, payload=QUIET)
    if fmt.has_zero and magnitude == 0:
        return zero(negative)
    return fmt.power(magnitude).with_sign(negative)


def _integral(fmt: Format, code: int) -> Value:
    top = 1 << (fmt.bits - 1)
    number = code
    if fmt.signed and code & top:
        number = -(code - top) if fmt.encoding is IntegerEncoding.SIGN_MAGNITUDE else code - 2 * top
    return Value(negative=number < 0, sig=abs(number), q=-fmt.frac_bits, e=0 if number else None)
