"""Scalar operations by the C library: one call for an array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emu.formats.cast import overflow_at
from emu.formats.native import c_tables, pointer
from emu.operations.call import Call
from emu.operations.enums import Operation
from emu.operations.tables import MAX_OPERANDS, call_tables
from emu.operations.width import words_of


def run(call: Call) -> tuple[NDArray[np.uint64], NDArray[np.uint16]]:
    """The codes of a call's results, and masks of events, as emu/operations/reference.py.

    Raises:
        OverflowRaised: beyond the range with overflow = "raise"; names the element.
    """
    from cemu import ffi, lib

    rows, formats = call_tables(call)
    tables, words = c_tables(formats), np.array(rows, np.int64)
    absent = MAX_OPERANDS - len(call.codes)
    out = np.empty(call.shape, np.uint64)
    masks = np.zeros(call.shape, np.uint16)
    failed = ffi.new("int64_t *")
    codes = [pointer("uint64_t *", array) for array in call.codes] + [ffi.NULL] * absent
    status = lib.cemu_operate(
        tables.struct, pointer("cemu_operation *", words), *codes, out.size, words_of(call),
        pointer("uint64_t *", call.draws), pointer("uint64_t *", out), pointer("uint16_t *", masks), failed,
    )  # fmt: skip
    if status == lib.CEMU_OVERFLOW_RAISED:
        raise overflow_at(call.cast.format, np.unravel_index(failed[0], call.shape))
    if status != lib.CEMU_OK:
        raise AssertionError(f"cemu_operate: status {status}")
    return out, masks


def supports(call: Call) -> bool:
    """Whether the C library has this: its roots are cut at 192 bits, too early for integers and for random bits."""
    if call.operation is Operation.SQRT:
        return not call.cast.format.is_integral and call.draws is None
    return True
