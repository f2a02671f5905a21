"""Encoding of float32 and decoding to it by Numba (emu/kernels/numbers.py), wherever there is a kernel in C."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.cast import Cast
from emu.formats.enums import Rounding
from emu.formats.fast.chunks import in_chunks
from emu.formats.fast.grid import grid_of
from emu.formats.fast.lookup import numbers
from emu.formats.fast.numbers import fields_of
from emu.formats.fast.recent import Recent
from emu.formats.model import Format

QUIET_NAN = 0x7FC00000
_GRIDS: Recent[NDArray[np.int64] | None] = Recent()
_FIELDS: Recent[NDArray[np.int64] | None] = Recent()

_HALVES = {
    Rounding.TIES_TO_EVEN: (1, 1, 1, 1), Rounding.TIES_TO_ZERO: (1, 1, 1, 1), Rounding.TIES_TO_AWAY: (1, 1, 0, 0),
    Rounding.TIES_TO_POSITIVE: (1, 1, 0, 1), Rounding.TIES_TO_NEGATIVE: (1, 1, 1, 0),
    Rounding.TOWARD_POSITIVE: (2, 0, 1, 0), Rounding.TOWARD_NEGATIVE: (0, 2, 0, 1),
    Rounding.AWAY_FROM_ZERO: (2, 2, 1, 1),
}  # fmt: skip
"""half, minus_half, less, minus_less of emu/kernels/numbers.py; none: 0."""


def encode(values: NDArray[np.float32], how: Cast) -> NDArray[Any] | None:
    """Codes of float32 in the smallest unsigned dtype; None if this cannot cast them.

    Args:
        values: of any shape.
        how: the cast; every NaN gets its default code, or what `nan_to` says.
    """
    grid = _GRIDS.get(how, 32, lambda: _grid(how))
    if grid is None:
        return None
    given = np.ascontiguousarray(values).view(np.uint32).reshape(-1)
    out = np.empty(given.size, how.format.code_dtype)
    kernel = _encoder(how, grid)
    in_chunks(given.size, lambda begin, end: kernel(given[begin:end], out[begin:end], grid))
    return out.reshape(values.shape)


def numbers_of(fmt: Format, codes: NDArray[Any]) -> NDArray[np.float32] | None:
    """The numbers of codes as float32, every NaN the positive quiet one; None if there is no kernel for the format.

    Args:
        fmt: the format.
        codes: codes in its smallest unsigned dtype.
    """
    fields = _FIELDS.get(fmt, 32, lambda: _checked(fmt))
    return None if fields is None else _run(fields, codes)


def _grid(how: Cast) -> NDArray[np.int64] | None:
    found = grid_of(how, 32)
    if found is None:
        return None
    pairs = [int(pair[i]) for pair in (found.limit, found.over, found.infinity) for i in range(2)]
    first = [int(getattr(found, name)) for name in ("man_bits", "emin", "top", "flush_below", "offset")]
    last = [int(getattr(found, name)) for name in ("nan", "sign", "negative_zero", "complement")]
    mode = how.rounding
    rest = [mode is Rounding.TIES_TO_EVEN, mode is Rounding.TO_ODD, mode is Rounding.JAMMING, found.ignored]
    return np.array([*first, *pairs, *last, *_HALVES.get(mode, (0, 0, 0, 0)), *rest], np.int64)


def _encoder(how: Cast, grid: NDArray[np.int64]) -> Any:
    from emu.kernels.numbers import GRID, encoder

    g = dict(zip(GRID, grid.tolist(), strict=True))
    plain = g["sign"] and g["negative_zero"] and not (g["complement"] or g["flush_below"] or g["offset"])
    same = (g["infinity"], g["minus_infinity"], g["minus_limit"]) == (g["over"], g["minus_over"], g["limit"])
    plain = plain and same and g["over"] | g["sign"] == g["minus_over"]
    return encoder(how.rounding is Rounding.TIES_TO_EVEN, bool(plain), 8 * how.format.code_dtype.itemsize)


def _checked(fmt: Format) -> NDArray[np.int64] | None:
    """What the kernel needs, if it then gives what the table says for every code."""
    fields, table = fields_of(fmt), numbers(fmt, np.float32)
    if fields is None or table is None:
        return None
    from emu.kernels.numbers import FIELDS

    made = np.array([fields[name] for name in FIELDS], np.int64)
    nan = np.uint32(QUIET_NAN)
    right = np.where(np.isnan(table), nan, table.view(np.uint32))
    if fmt.signed and np.isnan(table[fields["minus"]]):
        made[-1] = nan
    found = _run(made, np.arange(1 << fmt.bits, dtype=fmt.code_dtype))
    return made if np.array_equal(found.view(np.uint32), right) else None


def _run(fields: NDArray[np.int64], codes: NDArray[Any]) -> NDArray[np.float32]:
    given = np.ascontiguousarray(codes).reshape(-1)
    out = np.empty(given.size, np.uint32)
    from emu.kernels.numbers import decoder

    kernel = decoder(8 * given.itemsize)
    in_chunks(given.size, lambda begin, end: kernel(given[begin:end], out[begin:end], fields))
    return out.view(np.float32).reshape(codes.shape)
