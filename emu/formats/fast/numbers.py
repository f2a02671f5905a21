"""Numbers of codes: by a kernel that moves the fields of a float, which is compared with the table first; else by the
table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.enums import FormatKind, NanEncoding
from emu.formats.fast.chunks import address, in_chunks
from emu.formats.fast.lookup import look_up, numbers
from emu.formats.fast.recent import Recent
from emu.formats.isa import Isa, isa_code
from emu.formats.model import Format

Fields = dict[str, int]
_FIELDS: Recent[Fields | None] = Recent()


def numbers_of(fmt: Format, codes: NDArray[Any], dtype: Any, isa: Isa | None = None) -> NDArray[Any] | None:
    """The numbers of codes as float64 or float32; None if float32 lacks one, or the format has more than 16 bits.

    Args:
        fmt: the format.
        codes: codes in its smallest unsigned dtype.
        dtype: np.float32 or np.float64.
        isa: the best of this machine unless one is forced.
    """
    table = numbers(fmt, dtype)
    if table is None:
        return None
    fields = _FIELDS.get(fmt, isa, lambda: _checked(fmt, isa))
    if fields is None:
        return look_up(table, codes)[0]
    return _run(fields, np.ascontiguousarray(codes), np.dtype(dtype), isa).reshape(codes.shape)


def fields_of(fmt: Format) -> Fields | None:
    """What a kernel that moves fields needs; None if this is no such format. To be compared with the table."""
    table = numbers(fmt, np.float32)
    if fmt.kind is not FormatKind.FLOAT or table is None or fmt.ignored_low_bits:
        return None
    same_bias, unit = fmt.bias == 127, fmt.emin - fmt.man_bits
    if not -126 <= unit <= 127 and not same_bias:
        return None
    minus = 1 << fmt.field_bits if fmt.signed else -1
    return {
        "field": (1 << fmt.field_bits) - 1, "shift": 23 - fmt.man_bits, "raise": (127 - fmt.bias) << 23,
        "normal": 0 if same_bias else 1 << fmt.man_bits, "unit": 0 if same_bias else unit,
        "most": fmt.max_magnitude, "infinity": fmt.infinity_magnitude if fmt.infinities else -1,
        "payload": 0x3FFFFF if fmt.nan is NanEncoding.IEEE else 0, "sign": max(minus, 0),
        "minus": minus, "minus_zero": int(table[minus].view(np.uint32)) if fmt.signed else 0,
    }  # fmt: skip


def _checked(fmt: Format, isa: Isa | None) -> Fields | None:
    """What the kernel needs, if it then gives what the table says for every code."""
    fields, table = fields_of(fmt), numbers(fmt, np.float32)
    if fields is None or table is None:
        return None
    codes = np.arange(1 << fmt.bits, dtype=fmt.code_dtype)
    made = _run(fields, codes, np.dtype(np.float32), isa)
    same = np.array_equal(made.view(np.uint32), table.view(np.uint32))
    return fields if same else None


def _run(fields: Fields, codes: NDArray[Any], dtype: np.dtype[Any], isa: Isa | None) -> NDArray[Any]:
    """The kernel."""
    from cemu import ffi, lib

    out = np.empty(codes.size, dtype)
    source, target = address(codes), address(out)

    def run(begin: int, end: int) -> None:
        job = ffi.new("cemu_plan_numbers_t *", fields)
        job.__setattr__("in", source + begin * codes.itemsize)
        job.in_bytes, job.out_bits, job.n = codes.itemsize, 8 * dtype.itemsize, end - begin
        job.out = target + begin * dtype.itemsize
        status = lib.cemu_plan_numbers(job, isa_code(isa))
        if status != lib.CEMU_OK:
            raise AssertionError(f"cemu_plan_numbers: status {status}")

    in_chunks(codes.size, run)
    return out
