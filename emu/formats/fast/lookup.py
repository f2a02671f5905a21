"""Tables of what all codes of a format become: numbers, or codes of another format."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.cast import Cast, check_cast
from emu.formats.enums import Overflow, Rounding
from emu.formats.fast.chunks import address, in_chunks
from emu.formats.fast.recent import Recent
from emu.formats.isa import Isa, isa_code
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.formats.native import general_cast

MAX_BITS = 16


_NUMBERS: Recent[NDArray[Any] | None] = Recent()


def numbers(fmt: Format, dtype: Any) -> NDArray[Any] | None:
    """The number of every code as float64 or float32; None if there are too many codes, or numbers that do not fit."""
    return _NUMBERS.get(fmt, dtype, lambda: _numbers(fmt, dtype))


@lru_cache(maxsize=64)
def _numbers(fmt: Format, dtype: Any) -> NDArray[Any] | None:
    if fmt.bits > MAX_BITS:
        return None
    codes = np.arange(1 << fmt.bits, dtype=np.uint64)
    words, masks = general_cast(codes, fmt, check_cast(load_format(np.dtype(dtype).name)), want_masks=True)
    assert masks is not None
    found: NDArray[Any] = words.astype(f"u{np.dtype(dtype).itemsize}").view(dtype)
    return None if masks.any() else _read_only(found)


@lru_cache(maxsize=64)
def codes_of(source: Format, how: Cast, default_nan: bool) -> NDArray[Any] | None:
    """The code that every code of a format becomes; None if that cannot be listed."""
    if source.bits > MAX_BITS or how.rounding is Rounding.STOCHASTIC or how.overflow is Overflow.RAISE:
        return None
    codes = np.arange(1 << source.bits, dtype=np.uint64)
    made, _ = general_cast(codes, source, how, default_nan=default_nan)
    return _read_only(made.astype(how.format.code_dtype))


def _read_only(table: NDArray[Any]) -> NDArray[Any]:
    table.flags.writeable = False
    return table


def look_up(table: NDArray[Any], codes: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """The entries of codes, and the OR of all codes; a code beyond the table is cut to it.

    Args:
        table: of 2^n entries.
        codes: uint8 or uint16, of any shape.
    """
    from cemu import ffi, lib

    given = np.ascontiguousarray(codes)
    if given.itemsize == 1 and table.itemsize <= 2 and given.size >= _MANY:
        return _of_bytes(table, given)
    out = np.empty(codes.shape, table.dtype)
    source, target = int(given.ctypes.data), int(out.ctypes.data)
    entries = ffi.cast("void *", table.ctypes.data)
    every: list[int] = []

    def run(begin: int, end: int) -> None:
        seen = ffi.new("uint64_t *")
        lib.cemu_plan_lookup(
            ffi.cast("void *", source + begin * given.itemsize), given.itemsize, entries,
            ffi.cast("void *", target + begin * out.itemsize), out.itemsize, end - begin, table.size - 1, seen,
        )  # fmt: skip
        every.append(int(seen[0]))

    in_chunks(given.size, run)
    return out, int(np.bitwise_or.reduce(np.array(every, np.uint64)))


_MANY = 1024
"""Codes that are worth to lay a table out for the kernel that keeps it in registers."""


def _of_bytes(table: NDArray[Any], codes: NDArray[Any], isa: Isa | None = None) -> tuple[NDArray[Any], int]:
    """`look_up` of uint8 in a table of numbers of 8 or 16 bits."""
    from cemu import ffi, lib

    words = np.resize(table.view(f"u{table.itemsize}").astype(np.uint16), 256)
    out = np.empty(codes.shape, table.dtype)
    source, target, entries = address(codes), address(out), address(words)
    every: list[int] = []

    def run(begin: int, end: int) -> None:
        job = ffi.new("cemu_plan_bytes_t *", {
            "in": ffi.cast("uint8_t *", source + begin), "entries": ffi.cast("uint16_t *", entries),
            "out": target + begin * out.itemsize, "out_bits": 8 * out.itemsize, "n": end - begin,
        })  # fmt: skip
        status = lib.cemu_plan_bytes(job, isa_code(isa))
        if status != lib.CEMU_OK:
            raise AssertionError(f"cemu_plan_bytes: status {status}")
        every.append(int(job.seen))

    in_chunks(codes.size, run)
    return out, int(np.bitwise_or.reduce(np.array(every, np.uint64)))
