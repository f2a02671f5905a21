"""Comparisons of codes (IEEE 754-2019, 5.6.1 and 5.11), and the total order (5.10).

* A NaN is neither equal to, nor less than, anything; -0 equals +0. The quiet predicates raise invalid for a
  signalling NaN only, the signalling ones for every NaN: by default `equal` is quiet, `less` and `less_equal` signal.
* Values are compared exactly, also between formats.
* Total order: -NaN < -inf < ... < -0 < +0 < ... < +inf < +NaN; NaNs by payload, signalling below quiet for positive
  ones. For formats whose NaN has no sign and payload it is one value above all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emu.formats.codec import decode, fits_float64
from emu.formats.decode import decode_code
from emu.formats.enums import Flag, NanEncoding
from emu.formats.model import Format
from emu.formats.value import Value, compare
from emu.operations.call import FormatLike, broadcast, formats_of
from emu.operations.lookup import looked_up

Bools = NDArray[np.bool_]


def equal(x: ArrayLike, y: ArrayLike, fmt: FormatLike, *, signaling: bool = False, flags: bool = False) -> Any:
    """x = y, elementwise: bools, or (bools, flags). False for NaN."""
    return _predicate(x, y, fmt, "equal", signaling, flags)


def less(x: ArrayLike, y: ArrayLike, fmt: FormatLike, *, signaling: bool = True, flags: bool = False) -> Any:
    """x < y, elementwise: bools, or (bools, flags). False for NaN."""
    return _predicate(x, y, fmt, "less", signaling, flags)


def less_equal(x: ArrayLike, y: ArrayLike, fmt: FormatLike, *, signaling: bool = True, flags: bool = False) -> Any:
    """x <= y, elementwise: bools, or (bools, flags). False for NaN."""
    return _predicate(x, y, fmt, "less_equal", signaling, flags)


def total_order(x: ArrayLike, y: ArrayLike, fmt: FormatLike) -> Bools:
    """totalOrder(x, y), elementwise: whether x comes before y, or is y, in the total order."""
    (first, second), _ = _formats(fmt)

    def general(x: ArrayLike, y: ArrayLike) -> tuple[Bools, NDArray[np.uint8]]:
        left, right = broadcast((x, y), (first, second))
        keys = {key: rank for rank, key in enumerate(_ordered([*_uniques(left, first), *_uniques(right, second)]))}
        return np.asarray(_map(left, first, keys) <= _map(right, second, keys)), np.zeros(left.shape, np.uint8)

    found = looked_up(("total_order", first, second), (first, second), (x, y), general, flags=False)
    return general(x, y)[0] if found is None else np.asarray(found)


def signs(x: ArrayLike, y: ArrayLike, fmt: FormatLike) -> tuple[NDArray[np.int8], Bools, Bools]:
    """The sign of x - y (0 where either is NaN), where either is NaN, and where either is a signalling one."""
    (first, second), _ = _formats(fmt)
    left, right = broadcast((x, y), (first, second))
    nan = is_nan(left, first) | is_nan(right, second)
    signalling = is_signalling(left, first) | is_signalling(right, second)
    if fits_float64(first) and fits_float64(second):
        a, b = decode(first, left), decode(second, right)
        return (np.sign((a > b).astype(np.int8) - (a < b).astype(np.int8))).astype(np.int8), nan, signalling
    out = np.zeros(left.shape, np.int8)
    for index in zip(*np.nonzero(~nan), strict=True):
        out[index] = _compare(decode_code(first, int(left[index])), decode_code(second, int(right[index])))
    return out, nan, signalling


def is_nan(codes: NDArray[np.uint64], fmt: Format) -> Bools:
    """Which codes are NaN."""
    if not fmt.has_nan:
        return np.zeros(codes.shape, np.bool_)
    from emu.formats.native import is_nan as of_format

    return of_format(codes, fmt)


def is_signalling(codes: NDArray[np.uint64], fmt: Format) -> Bools:
    """Which codes are signalling NaNs: quiet bit 0, in formats with nan = "ieee"."""
    if fmt.nan is not NanEncoding.IEEE:
        return np.zeros(codes.shape, np.bool_)
    quiet = np.uint64(1 << (fmt.man_bits - 1) << fmt.ignored_low_bits)
    return np.asarray(is_nan(codes, fmt) & (codes & quiet == 0))


_TESTS: dict[str, Callable[[NDArray[np.int8]], Any]] = {
    "equal": lambda order: order == 0, "less": lambda order: order < 0, "less_equal": lambda order: order <= 0,
}  # fmt: skip


def _formats(fmt: FormatLike) -> tuple[tuple[Format, ...], Format]:
    given = tuple(fmt) if isinstance(fmt, tuple | list) else (fmt, fmt)
    return formats_of(given, 2, given[0] if given else None)


def _predicate(x: ArrayLike, y: ArrayLike, fmt: FormatLike, name: str, signaling: bool, flags: bool) -> Any:
    formats, _ = _formats(fmt)

    def general(x: ArrayLike, y: ArrayLike) -> tuple[Bools, NDArray[np.uint8]]:
        order, nan, signalling = signs(x, y, fmt)
        out = np.asarray(_TESTS[name](order)) & ~nan
        invalid = nan if signaling else signalling
        return out, np.where(invalid, np.uint8(Flag.INVALID), np.uint8(0)).astype(np.uint8)

    found = looked_up((name, bool(signaling), formats), formats, (x, y), general, flags=flags)
    if found is None:
        found = general(x, y) if flags else general(x, y)[0]
    return found


def _compare(x: Value, y: Value) -> int:
    left, right = ((-1 if v.negative else 1) if v.inf else 0 for v in (x, y))
    if x.inf or y.inf:
        return (left > right) - (left < right)
    return compare(x, y)


def _total(x: Value, y: Value) -> int:
    """-1, 0, 1: the place of x in the total order against that of y."""
    ranks = [(-2 if v.negative else 2) if v.nan else 0 for v in (x, y)]
    if ranks[0] != ranks[1]:
        return -1 if ranks[0] < ranks[1] else 1
    if x.nan:
        order = (x.payload > y.payload) - (x.payload < y.payload)
        return -order if x.negative else order
    return _compare(x, y) or (int(y.negative) - int(x.negative) if x.is_zero and y.is_zero else 0)


def _uniques(codes: NDArray[np.uint64], fmt: Format) -> list[Value]:
    return [decode_code(fmt, int(code)) for code in np.unique(codes)]


def _key(x: Value) -> tuple[Any, ...]:
    """What two values of one place in the order have in common."""
    if x.nan:
        return ("nan", x.negative, x.payload)
    return ("inf", x.negative) if x.inf else (x.negative, x.fraction())


def _ordered(values: list[Value]) -> list[tuple[Any, ...]]:
    return list(dict.fromkeys(_key(x) for x in sorted(values, key=cmp_to_key(_total))))


def _map(codes: NDArray[np.uint64], fmt: Format, keys: dict[tuple[Any, ...], int]) -> NDArray[np.int64]:
    unique, inverse = np.unique(codes, return_inverse=True)
    ranks = np.array([keys[_key(decode_code(fmt, int(code)))] for code in unique], np.int64)
    return ranks[inverse].reshape(codes.shape)


__all__ = ["equal", "less", "less_equal", "total_order"]
