"""Casts of whole arrays of codes, by the C library."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.cast import Cast, overflow_at
from emu.formats.enums import NanEncoding
from emu.formats.model import Format
from emu.formats.tables import CAST, FormatRows, FormatTable


@dataclass(frozen=True)
class CTables:
    """A cemu_tables of formats alone, and what it points into."""

    struct: Any
    rows: FormatRows


@cache
def is_there() -> bool:
    """Whether the C library can be loaded; the reference and Numba do without."""
    try:
        import cemu  # noqa: F401
    except ImportError:
        return False
    return True


def pointer(kind: str, array: NDArray[Any] | None) -> Any:
    """An array's data as a C pointer; the array must outlive it."""
    from cemu import ffi

    # not array.ctypes.data, which takes several times as long
    return ffi.NULL if array is None else ffi.cast(kind, array.__array_interface__["data"][0])


def c_tables(rows: FormatRows) -> CTables:
    """The tables of formats, as C takes them."""
    from cemu import ffi

    fields = {
        "formats": pointer("cemu_format *", rows.formats),
        "points": pointer("cemu_point *", rows.points),
        "ranks": pointer("int64_t *", rows.ranks),
    }
    return CTables(struct=ffi.new("cemu_tables *", fields), rows=rows)


def cast_codes(
    codes: NDArray[np.uint64],
    source: Format,
    how: Cast,
    *,
    draws: NDArray[np.uint64] | None = None,
    want_masks: bool = False,
    default_nan: bool = False,
) -> tuple[NDArray[np.uint64], NDArray[np.uint16] | None]:
    """Cast codes of one format to another; arguments and errors as in `general_cast`.

    Where there are more elements than codes, all codes are cast once and then looked up.
    """
    from emu.formats.fast.lookup import MAX_BITS, codes_of

    if source.bits <= MAX_BITS and codes.size >> source.bits and draws is None and not want_masks:
        table = codes_of(source, how, default_nan)
        if table is not None:
            return table[codes].astype(np.uint64), None
    return general_cast(codes, source, how, draws=draws, want_masks=want_masks, default_nan=default_nan)


def general_cast(
    codes: NDArray[np.uint64],
    source: Format,
    how: Cast,
    *,
    draws: NDArray[np.uint64] | None = None,
    want_masks: bool = False,
    default_nan: bool = False,
) -> tuple[NDArray[np.uint64], NDArray[np.uint16] | None]:
    """Cast codes of one format to another, by the kernel that casts one by one.

    Args:
        codes: uint64, C-contiguous, any shape.
        source: their format.
        how: the cast.
        draws: random bits for a stochastic cast, of the shape of `codes`.
        want_masks: also return the events of each element, as masks of `EventKind.bit`.
        default_nan: give every NaN the cast's default code instead of keeping sign and payload.

    Raises:
        OverflowRaised: beyond the range with overflow = "raise"; names the element.
    """
    from cemu import ffi, lib

    tables, source_index, row = _prepared(source, how)
    out = np.empty(codes.shape, dtype=np.uint64)
    masks = np.zeros(codes.shape, dtype=np.uint16) if want_masks else None
    failed = ffi.new("int64_t *")

    status = lib.cemu_cast_codes(
        tables.struct, source_index, pointer("cemu_cast *", row),
        pointer("uint64_t *", codes), codes.size, pointer("uint64_t *", draws),
        pointer("uint64_t *", out), pointer("uint16_t *", masks), failed,
    )  # fmt: skip
    if status == lib.CEMU_OVERFLOW_RAISED:
        raise overflow_at(how.format, np.unravel_index(failed[0], codes.shape))
    if status != lib.CEMU_OK:
        raise AssertionError(f"cemu_cast_codes: status {status}")
    if default_nan and how.format.has_nan:
        out[is_nan(out, how.format)] = how.nan_code
    return out, masks


@lru_cache(maxsize=1024)
def _prepared(source: Format, how: Cast) -> tuple[CTables, int, NDArray[Any]]:
    """The tables of a cast, the source's row in them, and the cast's own row; all only ever read."""
    formats = FormatTable()
    source_index = formats.index(source)
    row = np.array([formats.cast_row(how)], dtype=CAST)
    return c_tables(formats.rows()), source_index, row


def is_nan(codes: NDArray[np.uint64], fmt: Format) -> NDArray[np.bool_]:
    """Which codes of a format that has NaN are NaN."""
    if fmt.listing is not None:
        return np.isin(codes, [code for code, value in enumerate(fmt.listing.values) if value.nan])
    word = codes >> np.uint64(fmt.ignored_low_bits)
    magnitude = word & np.uint64((1 << fmt.field_bits) - 1)
    if fmt.nan is NanEncoding.NEGATIVE_ZERO:
        return np.asarray(word == np.uint64(1 << fmt.field_bits))
    return np.asarray(magnitude > np.uint64(fmt.max_magnitude + int(fmt.infinities)))
