"""Codes of float32 and float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.cast import Cast
from emu.formats.fast.chunks import address, in_chunks
from emu.formats.fast.grid import grid_of
from emu.formats.isa import Isa, isa_code


def encode(values: NDArray[Any], how: Cast, isa: Isa | None = None) -> tuple[NDArray[Any], bool] | None:
    """Codes of values in the smallest unsigned dtype, and whether there was a NaN; None if this cannot cast them.

    Args:
        values: of any dtype and shape.
        how: the cast; every NaN gets its default code, or what `nan_to` says.
        isa: the best of this machine unless one is forced.
    """
    from cemu import ffi, lib

    if values.dtype not in (np.float32, np.float64):
        return None
    grid = grid_of(how, 8 * values.itemsize)
    widen = grid is None and values.dtype == np.float32
    if widen:
        grid = grid_of(how, 64)
    if grid is None:
        return None
    given = np.ascontiguousarray(values)
    out = np.empty(values.shape, how.format.code_dtype)
    source, target = address(given), address(out)
    nan: list[bool] = []

    def run(begin: int, end: int) -> None:
        job = ffi.new("cemu_plan_encode_t *", {
            "grid": grid, "in": source + begin * given.itemsize, "in_bits": 8 * given.itemsize,
            "out": target + begin * out.itemsize, "out_bits": 8 * out.itemsize, "n": end - begin, "widen": widen,
        })  # fmt: skip
        status = lib.cemu_plan_encode(job, isa_code(isa))
        if status != lib.CEMU_OK:
            raise AssertionError(f"cemu_plan_encode: status {status}")
        nan.append(bool(job.nan_seen))

    in_chunks(given.size, run)
    return out, any(nan)
