"""Scalar operations by the C library: one call for an array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emu.errors import OverflowRaised
from emu.formats.native import c_tables, pointer
from emu.formats.tables import FormatTable
from emu.operations.call import Call
from emu.operations.enums import Operation
from emu.operations.width import words_of

MAX_OPERANDS = 3


def run(call: Call) -> tuple[NDArray[np.uint64], NDArray[np.uint16]]:
    """The codes of a call's results, and masks of events, as emu/operations/reference.py.

    Raises:
        OverflowRaised: beyond the range with overflow = "raise"; names the element.
    """
    from cemu import ffi, lib

    formats = FormatTable()
    rows = [formats.index(fmt) for fmt in call.formats]
    cast_row = formats.cast_row(call.cast)
    tables = c_tables(formats.rows())
    absent = MAX_OPERANDS - len(rows)
    operation = ffi.new(
        "cemu_operation *",
        [
            call.operation.code, len(rows), *rows, *[-1] * absent, int(call.daz), call.nan.code, int(call.exact),
            list(cast_row),
        ],
    )  # fmt: skip
    out = np.empty(call.shape, np.uint64)
    masks = np.zeros(call.shape, np.uint16)
    failed = ffi.new("int64_t *")
    codes = [pointer("uint64_t *", array) for array in call.codes] + [ffi.NULL] * absent
    status = lib.cemu_operate(
        tables.struct, operation, *codes, out.size, words_of(call), pointer("uint64_t *", call.draws),
        pointer("uint64_t *", out), pointer("uint16_t *", masks), failed,
    )  # fmt: skip
    if status == lib.CEMU_OVERFLOW_RAISED:
        where = tuple(int(i) for i in np.unravel_index(failed[0], call.shape))
        raise OverflowRaised(f"the value at index {where} exceeds the range of {call.cast.format.name}")
    if status != lib.CEMU_OK:
        raise AssertionError(f"cemu_operate: status {status}")
    return out, masks


def supports(call: Call) -> bool:
    """Whether the C library has this: its roots are cut at 192 bits, too early for integers and for random bits."""
    if call.operation is Operation.SQRT:
        return not call.cast.format.is_integral and call.draws is None
    return True
