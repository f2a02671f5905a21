"""A call as plain numbers, for the Numba and C kernels: cemu_operation of cemu.h, and the tables of the formats."""

from __future__ import annotations

import numpy as np

from emu.formats.tables import CAST, FormatRows, FormatTable
from emu.operations.call import Call

MAX_OPERANDS = 3
OPERATION = np.dtype(
    [(name, np.int64) for name in ("operation", "operands", "x", "y", "z", "daz", "nan_style", "exact", "rounding")]
    + [("cast", CAST)]
)


def call_tables(call: Call) -> tuple[list[int], FormatRows]:
    """The fields of `OPERATION`, and the tables of the formats that they name by row."""
    formats = FormatTable()
    rows = [formats.index(fmt) for fmt in call.formats]
    absent = [-1] * (MAX_OPERANDS - len(rows))
    cast_row = formats.cast_row(call.cast)
    fields = [
        call.operation.code, len(rows), *rows, *absent, int(call.daz), call.nan.code, int(call.exact),
        call.rounding.code, *cast_row,
    ]  # fmt: skip
    return fields, formats.rows()
