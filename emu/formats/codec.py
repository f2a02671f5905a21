"""Encode and decode of whole arrays.

* `decode`: float64 values of codes, exact; a format with values that float64 does not hold is refused.
* `encode`: codes of real values; rounding first, then overflow. Integers and fixed saturate here (inside units they
  wrap), and NaN into a format without NaN is an error unless `nan_to` says otherwise.
* Arrays of float32, float64 and integers go through the C library; Fractions and big integers through the
  reference cast. Both are the same function: tests compare them.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emu.errors import FormatError, OverflowRaised
from emu.formats.cast import Cast, cast, check_cast
from emu.formats.codes import as_array, as_codes, as_narrow, smallest
from emu.formats.decode import decode_code
from emu.formats.draws import draws_of, sr_bits_of
from emu.formats.encode import encode_value
from emu.formats.enums import FLAG_OF_EVENT, NanTo, Overflow, Rounding, StochasticVariant
from emu.formats.fast import lookup
from emu.formats.fast.encode import encode as fast_encode
from emu.formats.fast.numbers import WORD, numbers_of
from emu.formats.fast.recent import Recent
from emu.formats.load import load_format
from emu.formats.model import MAX_STORED_BITS, Format
from emu.formats.modes import member
from emu.formats.native import cast_codes
from emu.formats.ratio import ratio
from emu.formats.rounding import RandomBits
from emu.formats.value import Value, from_fraction

_FLOATS = {np.dtype(np.float16): "float16", np.dtype(np.float32): "float32", np.dtype(np.float64): "float64"}


def decode(fmt: Format, codes: ArrayLike) -> NDArray[np.float64]:
    """The values of codes, as float64 of the same shape.

    Special cases: NaN codes give NaN (sign and payload are not kept), infinities and signed zeros stay.

    Raises:
        FormatError: some value of the format is no float64; use `decode_exact`.
        ValueError: not codes of this format.
    """
    if not fits_float64(fmt):
        raise FormatError(f"{fmt.name} has values that float64 cannot hold: use emu.formats.codec.decode_exact")
    found = _looked_up(fmt, codes, np.float64)
    if found is not None:
        return found
    words = as_codes(codes, fmt)
    binary64 = load_format("float64")
    out, _ = cast_codes(words, fmt, check_cast(binary64))
    return out.view(np.float64)


def decode32(fmt: Format, codes: ArrayLike) -> NDArray[np.float32]:
    """The values of codes, as float32 of the same shape; else as `decode`.

    Raises:
        FormatError: the format has more than 32 bits, or some value is no float32; or, beyond 16 bits, it is no
            ordinary float, two's complement or unsigned.
        ValueError: not codes of this format.
    """
    found = _looked_up(fmt, codes, np.float32, few=0)
    if found is None:
        raise FormatError(
            f"{fmt.name} has more than 32 bits, values that float32 cannot hold, or no kernel: use decode"
        )
    return found


def _looked_up(fmt: Format, codes: ArrayLike, dtype: Any, few: int = 64) -> NDArray[Any] | None:
    """The numbers of codes by a kernel or a table; None if there is none, or for a few codes of a format with many."""
    if fmt.bits > WORD:
        return None
    words = as_narrow(codes, fmt)
    if words.size < few and fmt.bits > 8:
        return None
    return numbers_of(fmt, words, dtype)


def decode_exact(fmt: Format, codes: ArrayLike) -> NDArray[Any]:
    """The values of codes as an object array of Fractions; NaN and infinities are Python floats."""
    words = as_codes(codes, fmt)
    out = np.empty(words.shape, dtype=object)
    for index, code in np.ndenumerate(words):
        x = decode_code(fmt, int(code))
        out[index] = x.fraction() if x.finite else float("nan") if x.nan else float("-inf" if x.negative else "inf")
    return out


def fits_float64(fmt: Format) -> bool:
    """Whether every value of the format is a float64."""
    if fmt.is_integral:
        top = max(fmt.max_sig, fmt.min_sig).bit_length() - 1 - fmt.frac_bits
        return fmt.max_sig < 1 << 53 and -fmt.frac_bits >= -1074 and top <= 1023
    if fmt.is_listed:
        values = [point.value for point in fmt.grid.real if point.value.sig]
        return all(x.sig.bit_length() <= 53 and x.q >= -1074 and x.top <= 1023 for x in values)
    return fmt.man_bits <= 52 and fmt.lsb >= -1074 and fmt.msb <= 1024


_CASTS: Recent[Cast] = Recent()


def encode(
    fmt: Format,
    values: Any,
    rounding: str | Rounding = "ties_to_even",
    overflow: str | Overflow | None = None,
    *,
    random: Any = None,
    flags: bool = False,
    nan_to: str | NanTo = "error",
    sr_bits: int | None = None,
    sr_variant: str | StochasticVariant = "B",
) -> Any:
    """The codes of real values.

    Args:
        fmt: the format.
        values: array-like of float16/32/64, integers, or Fractions; any shape.
        rounding: a rounding of DESIGN section 2 (not `exact`).
        overflow: an overflow rule; default: the format's (`saturate` for integers and fixed).
        random: for `stochastic`: one integer below 2^sr_bits for each value, or `emu.Philox` or `emu.Lfsr`.
        flags: also return uint8 exception flags in SoftFloat's bits.
        nan_to: what NaN becomes in a format without NaN: `error`, `zero`, `negative_zero` or `max`.
        sr_bits: of `stochastic`: N, 1 to 64; default: what the source draws, or the width of an unsigned dtype.
        sr_variant: of `stochastic`: P3109's A, B or C.

    Returns:
        Codes in the smallest unsigned dtype, of the shape of `values`; or (codes, flags).

    Special cases: NaN gives the format's default NaN; infinities follow `overflow`; signed zeros stay where the
    format has them.

    Raises:
        FormatError: NaN into a format without NaN (unless `nan_to`), or an unknown mode.
        OverflowRaised: beyond the range with overflow = "raise".
        ValueError: values of another kind, or `random` of another shape.
    """
    if fmt.bits > MAX_STORED_BITS:
        raise FormatError(f"{fmt.name} has {fmt.bits} bits: only formats of at most {MAX_STORED_BITS} bits have codes")
    plain = random is None and sr_bits is None and isinstance(rounding, str | Enum) and isinstance(nan_to, str | Enum)
    plain = plain and isinstance(overflow, str | Enum | None)

    def make() -> Cast:
        target = fmt if nan_to == "error" else replace(fmt, nan_to=member(NanTo, nan_to))
        return _cast_of(target, rounding, overflow, sr_bits_of(random, sr_bits), sr_variant)

    how = _CASTS.get(fmt, (rounding, overflow, nan_to, sr_variant), make) if plain else make()
    array = as_array(values)
    draws = draws_of(random, how, array.shape)
    if not flags and draws is None:
        quick = _fast(array, how)
        if quick is not None:
            if quick[1] and not fmt.has_nan and nan_to == "error":
                refuse_nan(np.asarray(array != array), fmt)
            return quick[0]
    if not fmt.has_nan and nan_to == "error":
        refuse_nan(np.asarray(array != array), fmt)  # NaN alone differs from itself, in arrays of objects too
    source = _source_format(array)
    masks: NDArray[np.uint16] | None
    if source is None:
        codes, masks = _encode_exact(array, how, draws)
    else:
        words = array.view(f"u{array.itemsize}") if array.dtype in _FLOATS else array
        codes, masks = cast_codes(as_codes(words, source), source, how, draws=draws, want_masks=flags, default_nan=True)
    out = smallest(codes, fmt)
    return (out, flags_of(masks)) if flags else out


def _fast(array: NDArray[Any], how: Cast) -> tuple[NDArray[Any], bool] | None:
    """Codes, and whether there was a NaN, by a fast kernel or a table; None if there is none for this cast."""
    if array.dtype in (np.float32, np.float64):
        return fast_encode(array, how)
    if array.dtype.kind not in "iuf" or array.itemsize > 2 or array.size >> 8 * array.itemsize == 0:
        return None
    source = _source_format(array)
    table = None if source is None else lookup.codes_of(source, how, True)
    if table is None:
        return None
    codes, _ = lookup.look_up(table, np.ascontiguousarray(array).view(f"u{array.itemsize}").reshape(array.shape))
    return codes, array.dtype.kind == "f"


def _cast_of(fmt: Format, rounding: Any, overflow: Any, sr_bits: int | None, sr_variant: Any) -> Cast:
    default = Overflow.SATURATE if fmt.is_integral else None
    mode = member(Rounding, rounding)
    if mode is Rounding.EXACT:
        raise FormatError(
            "rounding = 'exact' is for pipes inside units; encode needs a rounding to values of the format"
        )
    return check_cast(
        fmt,
        rounding=mode,
        overflow=default if overflow is None else member(Overflow, overflow),
        sr_bits=sr_bits,
        sr_variant=member(StochasticVariant, sr_variant),
    )


def refuse_nan(nan: NDArray[np.bool_], fmt: Format) -> None:
    """Refuse NaN, where the array says there is one, for a format without it.

    Raises:
        FormatError: there is one; names its index, and what would be taken.
    """
    if nan.any():
        where = np.unravel_index(int(np.flatnonzero(nan.ravel())[0]), nan.shape)
        at = tuple(int(i) for i in where)
        raise FormatError(f"NaN at index {at}, and {fmt.name} has no NaN: pass nan_to='zero', 'negative_zero' or 'max'")


def _source_format(array: NDArray[Any]) -> Format | None:
    if array.dtype in _FLOATS:
        return load_format(_FLOATS[array.dtype])
    if array.dtype.kind in "iu" and array.dtype.isbuiltin == 1:
        return load_format(f"{'u' if array.dtype.kind == 'u' else ''}int{8 * array.itemsize}")
    if array.dtype == object:
        return None
    raise ValueError(
        f"values of dtype {array.dtype} cannot be encoded: give float16, float32, float64, integers or Fractions"
    )


def exact_value(x: Any) -> Value:
    """A Python number as an exact value.

    Raises:
        ValueError: no real number, or a Fraction whose denominator is no power of two.
    """
    if isinstance(x, float | np.float16 | np.float32 | np.float64):
        code = int(np.float64(x).view(np.uint64))
        return decode_code(load_format("float64"), code)
    if isinstance(x, int | np.integer | Fraction):
        return from_fraction(Fraction(int(x) if isinstance(x, np.integer) else x))
    raise ValueError(f"{x!r} is no float, int or Fraction")


def _encode_exact(array: NDArray[Any], how: Cast, draws: NDArray[np.uint64] | None) -> tuple[Any, NDArray[np.uint16]]:
    fmt = how.format
    codes = np.zeros(array.shape, dtype=np.uint64)
    masks = np.zeros(array.shape, dtype=np.uint16)
    for index, number in np.ndenumerate(array):
        random = None
        if draws is not None:
            random = RandomBits(bits=how.sr_bits, value=int(draws[index]), variant=how.sr_variant)
        made, events = cast(_value_of(number, fmt), how, random)
        codes[index] = how.nan_code if made.nan else encode_value(fmt, made)
        masks[index] = events
    return codes, masks


def _value_of(number: Any, fmt: Format) -> Value:
    """The number as a value, near enough for any cast to the format."""
    return ratio(number, fmt) if isinstance(number, Fraction) else exact_value(number)


def flags_of(masks: NDArray[np.uint16] | None) -> NDArray[np.uint8]:
    """SoftFloat's flags of masks of events."""
    assert masks is not None
    out = np.zeros(masks.shape, dtype=np.uint8)
    for kind, flag in FLAG_OF_EVENT.items():
        out[(masks >> kind.code) & 1 == 1] |= np.uint8(flag)
    return out


__all__ = ["OverflowRaised", "decode", "decode_exact", "encode", "exact_value", "fits_float64"]
