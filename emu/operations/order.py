"""Minimum and maximum (IEEE 754-2019, 9.6), and the neighbours of a value (5.3.1).

* `minimum`, `maximum`: NaN if either operand is NaN; -0 is less than +0.
* `minimum_number`, `maximum_number`: the other operand if one is NaN. A signalling NaN is invalid in all four.
* `next_up`: the least value above x; `next_down`: the greatest below. Next to the largest finite value is infinity, or
  in a format without it that value itself; next to infinity on its own side is infinity. The zero above the negative
  numbers is -0 where the format has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emu.formats.cast import Cast, cast, check_cast
from emu.formats.codes import as_codes, smallest
from emu.formats.decode import decode_code
from emu.formats.encode import encode_value
from emu.formats.enums import Flag, Overflow, Rounding
from emu.formats.model import Format
from emu.formats.value import Value
from emu.operations.call import FormatLike, broadcast, formats_of, nan_code
from emu.operations.compare import is_nan, signs
from emu.operations.enums import NanStyle


def minimum(x: ArrayLike, y: ArrayLike, fmt: FormatLike, *, flags: bool = False) -> Any:
    """The lesser operand; NaN if either is NaN."""
    return _choose(x, y, fmt, sign=-1, number=False, flags=flags)


def maximum(x: ArrayLike, y: ArrayLike, fmt: FormatLike, *, flags: bool = False) -> Any:
    """The greater operand; NaN if either is NaN."""
    return _choose(x, y, fmt, sign=1, number=False, flags=flags)


def minimum_number(x: ArrayLike, y: ArrayLike, fmt: FormatLike, *, flags: bool = False) -> Any:
    """The lesser operand; the other one if one is NaN."""
    return _choose(x, y, fmt, sign=-1, number=True, flags=flags)


def maximum_number(x: ArrayLike, y: ArrayLike, fmt: FormatLike, *, flags: bool = False) -> Any:
    """The greater operand; the other one if one is NaN."""
    return _choose(x, y, fmt, sign=1, number=True, flags=flags)


def next_up(x: ArrayLike, fmt: FormatLike) -> NDArray[Any]:
    """The least value above x; of a NaN, a quiet NaN."""
    return _neighbour(x, fmt, Rounding.TOWARD_POSITIVE)


def next_down(x: ArrayLike, fmt: FormatLike) -> NDArray[Any]:
    """The greatest value below x; of a NaN, a quiet NaN."""
    return _neighbour(x, fmt, Rounding.TOWARD_NEGATIVE)


def _choose(x: ArrayLike, y: ArrayLike, fmt: FormatLike, *, sign: int, number: bool, flags: bool) -> Any:
    (shared, _), _ = formats_of(fmt, 2)
    left, right = broadcast((x, y), (shared, shared))
    order, nan, signalling = signs(left, right, shared)
    negative = _negative(left, shared)
    ahead = np.where(order == 0, np.where(negative, -1, 1), order)  # of two zeros, -0 is the lesser
    out = np.where(ahead == sign, left, right)
    canonical = np.uint64(nan_code(shared, NanStyle.RISCV))
    if number:
        out = np.where(is_nan(left, shared), right, np.where(is_nan(right, shared), left, out))
        nan = is_nan(left, shared) & is_nan(right, shared)
    out = smallest(np.where(nan, canonical, out), shared)
    return (out, np.where(signalling, np.uint8(Flag.INVALID), np.uint8(0)).astype(np.uint8)) if flags else out


def _negative(codes: NDArray[np.uint64], fmt: Format) -> NDArray[np.bool_]:
    unique, inverse = np.unique(codes, return_inverse=True)
    table = np.array([decode_code(fmt, int(code)).negative for code in unique], np.bool_)
    return table[inverse].reshape(codes.shape)


def _neighbour(x: ArrayLike, fmt: FormatLike, rounding: Rounding) -> NDArray[Any]:
    (shared,), _ = formats_of(fmt, 1)
    codes = as_codes(x, shared, "x")
    overflow = Overflow.INFINITY if shared.infinities else Overflow.SATURATE
    how = check_cast(shared, rounding=rounding, overflow=overflow)
    unique, inverse = np.unique(codes, return_inverse=True)
    table = np.array([_next(int(code), how) for code in unique], np.uint64)
    return smallest(table[inverse].reshape(codes.shape), shared)


def _next(code: int, how: Cast) -> int:
    fmt, up = how.format, how.rounding is Rounding.TOWARD_POSITIVE
    x = decode_code(fmt, code)
    if x.nan:
        return how.nan_code
    if x.inf:
        return code if x.negative != up else encode_value(fmt, fmt.largest(x.negative))
    q = min(x.q, fmt.lsb) - 2  # a step far smaller than any gap
    sig = (x.signed_sig << (x.q - q)) + (1 if up else -1)
    made, _ = cast(Value(negative=sig < 0, sig=abs(sig), q=q), how)
    return how.nan_code if made.nan else encode_value(fmt, made)
