"""Operands as the kernel reads them: codes and the carrier number of each, or carrier numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.enums import FormatKind
from emu.formats.native import pointer
from emu.units.form import Operand
from emu.units.plans.planes import table_of

ALL = slice(None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Numbers:
    """One operand."""

    codes: NDArray[Any]
    """codes of one or two bytes, if there is a table; else carrier numbers. Rows may be apart, columns not"""
    table: NDArray[Any] | None = None
    scale: float = 1.0
    """a power of two for carrier numbers; a table has it already"""

    def part(self, rows: slice = ALL, columns: slice = ALL) -> Numbers:
        """Some rows and columns."""
        return replace(self, codes=self.codes[rows, columns])

    def fields(self) -> dict[str, Any]:
        """Of cemu_plan_chain_operand."""
        codes = self.codes
        return {
            "codes": pointer("void *", codes),
            "bytes": codes.itemsize,
            "stride": codes.strides[0] // codes.itemsize,
            "table": pointer("void *", self.table),
            "scale": self.scale,
        }

    def special(self) -> NDArray[np.bool_]:
        """Where a NaN or an infinity stands."""
        values = self.codes if self.table is None else self.table
        special = ~np.isfinite(values)
        return special if self.table is None else np.asarray(special[self.codes])

    def negative_zero(self) -> bool:
        """Whether -0 occurs."""
        values = self.codes if self.table is None else self.table
        found = (values == 0) & np.signbit(values)
        if self.table is None:
            return bool(found.any())
        codes = np.flatnonzero(found)
        if codes.size <= 1:
            return bool((self.codes == codes[0]).any()) if codes.size else False
        return bool(found[self.codes].any())


@lru_cache(maxsize=256)
def table_in(operand: Operand, dtype: np.dtype[Any], move: int) -> NDArray[Any] | None:
    """The numbers of all codes times 2^move, which are numbers of the carrier; None if there are too many."""
    table = table_of(operand)
    if table is None:
        return None
    with np.errstate(all="ignore"):
        return np.ldexp(table.values, move).astype(dtype)


def starts_at_zero(c: Operand, codes: NDArray[Any]) -> bool:
    """Whether c is +0 everywhere: what an accumulator starts at without it."""
    fmt = c.format
    return fmt.kind is FormatKind.FLOAT and fmt.has_zero and not c.load and not codes.any()


def narrow_enough(a: Numbers, b: Numbers, group: int, bits: int) -> bool:
    """Whether all sums of a group's products surely have no more than so many bits."""
    (top_a, least_a), (top_b, least_b) = _edges(a), _edges(b)
    return top_a - least_a + top_b - least_b + (group - 1).bit_length() <= bits


def _edges(x: Numbers) -> tuple[int, int]:
    """Of all nonzero finite numbers: all are below 2^top, and multiples of 2^least."""
    if x.table is None:
        values = x.codes.astype(np.float64)
    else:
        values = x.table[np.flatnonzero(np.bincount(x.codes.reshape(-1), minlength=x.table.size))].astype(np.float64)
    values = values[np.isfinite(values) & (values != 0)]
    if not values.size:
        return 0, 0
    mantissa, top = np.frexp(values)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    least = top + np.frexp((whole & -whole).astype(np.float64))[1] - 54
    return int(top.max()), int(least.min())
