"""Minimum and maximum (IEEE 754-2019, 9.6), and the neighbours of a value (5.3.1).

* `minimum`, `maximum`: NaN if either operand is NaN; -0 is less than +0.
* `minimum_number`, `maximum_number`: the other operand if one is NaN. A signalling NaN is invalid in all four.
* `next_up`: the least value above x; `next_down`: the greatest below. Next to the largest finite value is infinity, or
  in a format without it that value itself; next to infinity on its own side is infinity. The zero above the negative
  numbers is -0 where the format has it.
* Results are the codes that emu writes: ignored bits are zero, and of several codes of a value it is the usual one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emu.formats.codes import as_codes, smallest
from emu.formats.decode import decode_code
from emu.formats.encode import encode_value
from emu.formats.enums import Flag, Subnormals
from emu.formats.model import Format
from emu.formats.value import Value, infinity
from emu.operations.call import FormatLike, broadcast, formats_of, nan_code
from emu.operations.compare import is_nan, signs
from emu.operations.enums import NanStyle
from emu.operations.lookup import looked_up


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
    return _neighbour(x, fmt, up=True)


def next_down(x: ArrayLike, fmt: FormatLike) -> NDArray[Any]:
    """The greatest value below x; of a NaN, a quiet NaN."""
    return _neighbour(x, fmt, up=False)


def _choose(x: ArrayLike, y: ArrayLike, fmt: FormatLike, *, sign: int, number: bool, flags: bool) -> Any:
    (shared, _), _ = formats_of(fmt, 2)

    def general(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        left, right = broadcast((x, y), (shared, shared))
        order, nan, signalling = signs(left, right, shared)
        negative = _negative(left, shared)
        ahead = np.where(order == 0, np.where(negative, -1, 1), order)  # of two zeros, -0 is the lesser
        out = np.where(ahead == sign, left, right)
        canonical = np.uint64(nan_code(shared, NanStyle.RISCV))
        if number:
            out = np.where(is_nan(left, shared), right, np.where(is_nan(right, shared), left, out))
            nan = is_nan(left, shared) & is_nan(right, shared)
        out = smallest(_written(np.where(nan, canonical, out), shared), shared)
        return out, np.where(signalling, np.uint8(Flag.INVALID), np.uint8(0)).astype(np.uint8)

    found = looked_up(("choose", sign, number, shared), (shared, shared), (x, y), general, flags=flags)
    if found is None:
        found = general(x, y) if flags else general(x, y)[0]
    return found


def _negative(codes: NDArray[np.uint64], fmt: Format) -> NDArray[np.bool_]:
    return np.asarray(_mapped(codes, lambda code: int(decode_code(fmt, code).negative)) == 1)


def _written(codes: NDArray[np.uint64], fmt: Format) -> NDArray[np.uint64]:
    """The codes that emu writes for the values of codes: without ignored bits, one of several codes of a value."""
    return _mapped(codes, lambda code: encode_value(fmt, decode_code(fmt, code)))


def _neighbour(x: ArrayLike, fmt: FormatLike, *, up: bool) -> NDArray[Any]:
    (shared,), _ = formats_of(fmt, 1)

    def general(x: ArrayLike) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        out = smallest(_mapped(as_codes(x, shared, "x"), lambda code: _next(shared, code, up=up)), shared)
        return out, np.zeros(out.shape, np.uint8)

    found = looked_up(("next", up, shared), (shared,), (x,), general, flags=False)
    return general(x)[0] if found is None else np.asarray(found)


def _mapped(codes: NDArray[np.uint64], change: Callable[[int], int]) -> NDArray[np.uint64]:
    """A function of codes, computed once for each code that occurs."""
    unique, inverse = np.unique(codes, return_inverse=True)
    return np.array([change(int(code)) for code in unique], np.uint64)[inverse].reshape(codes.shape)


def _next(fmt: Format, code: int, *, up: bool) -> int:
    x = decode_code(fmt, code)
    if x.nan:
        return nan_code(fmt, NanStyle.RISCV)
    if x.inf:
        return encode_value(fmt, x if x.negative != up else fmt.largest(x.negative))
    if fmt.is_listed:
        return _next_listed(fmt, x, up=up)
    if fmt.is_integral:
        least, most = min(-fmt.min_sig, x.signed_sig), max(fmt.max_sig, x.signed_sig)
        n = max(least, min(most, x.signed_sig + (1 if up else -1)))
        return encode_value(fmt, Value(negative=n < 0, sig=abs(n), q=-fmt.frac_bits))
    return _next_float(fmt, x, up=up)


def _next_listed(fmt: Format, x: Value, *, up: bool) -> int:
    points = fmt.grid.points
    at = fmt.grid.below(x) + (1 if up else -1)
    while 0 <= at < len(points) and points[at].virtual:
        at += 1 if up else -1
    if 0 <= at < len(points):
        value = points[at].value
        return encode_value(fmt, value.with_sign(True) if up and x.negative and not value.sig else value)
    return encode_value(fmt, infinity(not up) if fmt.infinities and (up or fmt.signed) else x)


def _next_float(fmt: Format, x: Value, *, up: bool) -> int:
    """Magnitudes of a float are in the order of their fields: from `first`, the smallest, to the largest."""
    first = 1 << fmt.man_bits if fmt.subnormals is Subnormals.NONE else 1
    outward = x.sig == 0 or x.negative != up
    magnitude = (encode_value(fmt, x.with_sign(False)) >> fmt.ignored_low_bits) + (1 if outward else -1)
    negative = not up if x.sig == 0 else x.negative
    if x.sig == 0:
        magnitude = first
    if negative and not fmt.signed:
        return encode_value(fmt, x)
    if magnitude < first:
        return encode_value(fmt, Value(negative=x.negative and fmt.negative_zero))
    if magnitude > fmt.max_magnitude:
        return encode_value(fmt, infinity(negative) if fmt.infinities else x)
    return (int(negative) << fmt.field_bits | magnitude) << fmt.ignored_low_bits
