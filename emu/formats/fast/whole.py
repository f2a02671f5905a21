"""Numbers of integers and fixed point of 17 to 32 bits: the word with its sign extended, times a power of two."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.enums import IntegerEncoding
from emu.formats.fast.chunks import address, in_chunks
from emu.formats.isa import Isa, isa_code
from emu.formats.model import Format

_HOLDS = {32: (24, 126), 64: (32, 900)}
"""For each width of floats: bits of integers that it holds, and exponents whose powers of two are far from its ends."""


def numbers_of(fmt: Format, codes: NDArray[Any], dtype: Any, isa: Isa | None = None) -> NDArray[Any] | None:
    """The numbers of codes as float64 or float32; None if that has not the bits, or these are no two's complements.

    Args:
        fmt: an integer or fixed format of 17 to 32 bits.
        codes: codes in uint32.
        dtype: np.float32 or np.float64.
        isa: the best of this machine unless one is forced.
    """
    from cemu import ffi, lib

    out = np.empty(codes.shape, dtype)
    bits, reach = _HOLDS[8 * out.itemsize]
    fits = fmt.bits - int(fmt.signed) <= bits and fmt.bits + abs(fmt.frac_bits) <= reach
    if not fits or fmt.symmetric or (fmt.signed and fmt.encoding is not IntegerEncoding.TWOS_COMPLEMENT):
        return None
    given = np.ascontiguousarray(codes)
    source, target = address(given), address(out)

    def run(begin: int, end: int) -> None:
        job = ffi.new("cemu_plan_whole_t *", {
            "in": ffi.cast("uint32_t *", source + begin * given.itemsize), "out": target + begin * out.itemsize,
            "out_bits": 8 * out.itemsize, "n": end - begin, "bits": fmt.bits, "with_sign": fmt.signed,
            "unit": -fmt.frac_bits,
        })  # fmt: skip
        status = lib.cemu_plan_whole(job, isa_code(isa))
        if status != lib.CEMU_OK:
            raise AssertionError(f"cemu_plan_whole: status {status}")

    in_chunks(given.size, run)
    return out
