"""Formats and casts as rows of plain numbers, for the Numba and C kernels.

The dtypes have the fields of the structs of cemu.h, in their order, all int64; a test compares the two. Enum members
are their positions. A listed format has its grid in the point table, and where its codes are not decoded by formula,
the row of the point (or what else it is) of every code in the rank table.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.cast import Cast
from emu.formats.grid import Point
from emu.formats.model import Format
from emu.formats.value import Value


def _row(*names: str) -> np.dtype[Any]:
    return np.dtype([(name, np.int64) for name in names])


FORMAT = _row(
    "kind", "bits", "is_signed", "exp_bits", "man_bits", "bias", "emin", "subnormals", "infinities", "nan",
    "negative_zero", "ignored_low_bits", "ignored_high_bits", "frac_bits", "symmetric", "encoding", "radix_log2",
    "has_zero", "nan_to", "max_magnitude", "odd_phase", "first_point", "points", "below_smallest", "first_rank",
    "nan_code", "infinity_code", "negative_infinity_code", "negative_zero_code",
)  # fmt: skip
POINT = _row(
    "negative", "sig", "q", "code", "odd", "boundary_negative", "boundary_sig", "boundary_q", "boundary_root",
)  # fmt: skip
CAST = _row("format", "rounding", "overflow", "ftz", "sr_bits", "sr_variant", "nan_code", "tininess", "nan_to")
NO_CAST = (-1, 0, 0, 0, 0, 0, 0, 0, -1)
RANK_NAN, RANK_INFINITY, RANK_NEGATIVE_INFINITY, RANK_NEGATIVE_ZERO = -1, -2, -3, -4
"""In place of the row of a point: what else a code may be."""


def as_int64(word: int) -> int:
    """A 64-bit pattern as the int64 that has it."""
    return word - (1 << 64) if word >> 63 else word


def _point_row(point: Point) -> tuple[int, ...]:
    x, boundary = point.value, point.boundary
    border = Value() if boundary is None else boundary.value
    return (
        int(x.negative), as_int64(x.sig), x.q, point.code, int(point.odd), int(border.negative), as_int64(border.sig),
        border.q, int(boundary is not None and boundary.root),
    )  # fmt: skip


@lru_cache(maxsize=256)
def _points(fmt: Format) -> NDArray[Any]:
    """The grid, and after it what tininess needs."""
    points = (*fmt.grid.points, *fmt.grid.below_smallest)
    return np.array([_point_row(point) for point in points], dtype=POINT)


@lru_cache(maxsize=256)
def _ranks(fmt: Format) -> NDArray[np.int64]:
    """By code: the row of its point in the format's own rows; empty if its codes are decoded by formula."""
    if fmt.listing is None and not fmt.log_table:
        return np.zeros(0, np.int64)
    from emu.formats.decode import decode_code

    return np.array([_rank(fmt, decode_code(fmt, code)) for code in range(1 << fmt.bits)], np.int64)


def _rank(fmt: Format, x: Value) -> int:
    if x.nan:
        return RANK_NAN
    if x.inf:
        return RANK_NEGATIVE_INFINITY if x.negative else RANK_INFINITY
    return RANK_NEGATIVE_ZERO if x.is_zero and x.negative else fmt.grid.below(x)


class FormatTable:
    """Collects the formats that a unit uses; equal formats share a row."""

    def __init__(self) -> None:
        self._index: dict[Format, int] = {}

    def index(self, fmt: Format) -> int:
        """The row of a format."""
        return self._index.setdefault(fmt, len(self._index))

    def cast_row(self, how: Cast | None) -> tuple[int, ...]:
        """One row of a cast; `NO_CAST` for none."""
        if how is None:
            return NO_CAST
        return (
            self.index(how.format), how.rounding.code, how.overflow.code, how.ftz.code, how.sr_bits,
            how.sr_variant.code, as_int64(how.nan_code), how.tininess.code,
            -1 if how.nan_to is None else how.nan_to.code,
        )  # fmt: skip

    def rows(self) -> FormatRows:
        """The tables of all formats that were asked for."""
        return FormatRows(tuple(self._index))


class FormatRows:
    """The tables of some formats.

    Attributes:
        formats: one row of `FORMAT` each.
        points: the grids of the listed ones, one after the other, rows of `POINT`.
        ranks: by code, of those that are decoded by looking up.
    """

    def __init__(self, formats: tuple[Format, ...]) -> None:
        points = [_points(fmt) for fmt in formats if fmt.is_listed]
        ranks = [_ranks(fmt) for fmt in formats if fmt.is_listed]
        rows, point, rank = [], 0, 0
        for fmt in formats:
            rows.append(_format_row(fmt, point, rank))
            if fmt.is_listed:
                point, rank = point + _points(fmt).size, rank + _ranks(fmt).size
        self.formats: NDArray[Any] = np.array(rows, dtype=FORMAT)
        self.points: NDArray[Any] = np.concatenate(points) if points else np.zeros(0, POINT)
        self.ranks: NDArray[np.int64] = np.concatenate(ranks) if ranks else np.zeros(0, np.int64)


def _format_row(fmt: Format, first_point: int, first_rank: int) -> tuple[int, ...]:
    regular = not fmt.is_integral and fmt.listing is None
    listed = fmt.is_listed
    return (
        fmt.kind.code, fmt.bits, int(fmt.signed), fmt.exp_bits, fmt.man_bits, fmt.bias, fmt.emin,
        fmt.subnormals.code, int(fmt.infinities), fmt.nan.code, int(fmt.negative_zero),
        fmt.ignored_low_bits, fmt.ignored_high_bits, fmt.frac_bits, int(fmt.symmetric), fmt.encoding.code,
        fmt.radix_log2, int(fmt.has_zero), fmt.nan_to.code, as_int64(fmt.max_magnitude if regular else 0),
        fmt.phase.code, first_point, len(fmt.grid.points) if listed else 0,
        int(listed and bool(fmt.grid.below_smallest)), first_rank if listed and _ranks(fmt).size else -1,
        *(fmt.special_codes if listed else (-1, -1, -1, -1)),
    )  # fmt: skip
