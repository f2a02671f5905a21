"""Looking into a format: its codes as a table, the nearest values of numbers, and which numbers are values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emu.errors import FormatError
from emu.formats.classes import FloatClass, class_of
from emu.formats.codec import decode, decode_exact, encode
from emu.formats.codes import as_array
from emu.formats.decode import decode_code
from emu.formats.enums import Flag, Overflow, Rounding

if TYPE_CHECKING:
    from emu.formats.model import Format

MAX_TABLE_BITS = 16


class CodeRow(NamedTuple):
    """One code of a `CodeTable`."""

    code: int
    value: Any
    """a Fraction; of NaN and infinities a float"""
    kind: FloatClass


@dataclass(frozen=True, eq=False, kw_only=True)
class CodeTable:
    """Every code of a format, in columns of the same length, ascending by code. Iterating gives `CodeRow`s."""

    format: Format
    codes: NDArray[Any]
    """the smallest unsigned dtype"""
    values: NDArray[Any]
    """objects: exact Fractions; NaN and infinities are floats; the sign of a zero is in `classes`"""
    classes: NDArray[Any]
    """objects: members of `FloatClass`"""

    def __len__(self) -> int:
        return int(self.codes.size)

    def __iter__(self) -> Iterator[CodeRow]:
        for code, value, kind in zip(self.codes.tolist(), self.values, self.classes, strict=True):
            yield CodeRow(code, value, kind)


def table(fmt: Format) -> CodeTable:
    """Every code of a format of at most 16 bits.

    Raises:
        FormatError: a wider format.
    """
    if fmt.bits > MAX_TABLE_BITS:
        raise FormatError(f"{fmt.name} has {fmt.bits} bits: only formats of at most {MAX_TABLE_BITS} have a table")
    codes = np.arange(1 << fmt.bits, dtype=np.uint64)
    classes = np.empty(codes.shape, dtype=object)
    classes[:] = [class_of(fmt, decode_code(fmt, code)) for code in range(1 << fmt.bits)]
    return CodeTable(format=fmt, codes=codes.astype(fmt.code_dtype), values=decode_exact(fmt, codes), classes=classes)


def nearest(
    fmt: Format, values: Any, rounding: str | Rounding = "ties_to_even", overflow: str | Overflow | None = None
) -> NDArray[np.float64]:
    """The values of the format that numbers round to: decode(encode(values)).

    Args:
        fmt: the format.
        values: as for `encode`.
        rounding: as for `encode`, but not `stochastic`, which needs random bits.
        overflow: as for `encode`.

    Raises:
        FormatError: NaN into a format without NaN, or values of the format that float64 cannot hold.
    """
    return decode(fmt, encode(fmt, values, rounding, overflow))


def is_exact(fmt: Format, values: Any) -> NDArray[np.bool_]:
    """Which numbers are values of the format, as bools of the same shape.

    Special cases: zero of either sign is one where the format has a zero of either sign; an infinity where the format
    has it, of that sign; NaN where the format has NaN.

    Raises:
        ValueError: no real numbers.
    """
    array = as_array(values)
    nan = np.asarray(array != array, dtype=bool)
    up, down = np.zeros(array.shape, bool), np.zeros(array.shape, bool)
    if array.dtype.kind in "fO":
        up, down = (np.asarray(array == limit, dtype=bool) for limit in (np.inf, -np.inf))
    ordinary = np.where(nan | up | down, array.dtype.type(0) if array.dtype != object else 0, array)
    _, flags = encode(fmt, ordinary, "toward_zero", "saturate", flags=True)
    out = (flags & np.uint8(Flag.INEXACT | Flag.OVERFLOW | Flag.INVALID)) == 0
    has_infinity = fmt.infinities & (up | (down & fmt.signed))
    return np.where(nan, fmt.has_nan, np.where(up | down, has_infinity, out))
