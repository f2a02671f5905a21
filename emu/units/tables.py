"""The form of a unit as flat tables of int64, which the Numba and C kernels interpret.

The dtypes mirror the structs of cemu.h field by field (a test compares them).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.pipe import Pipe, Step
from emu.formats.tables import CAST, FormatRows, FormatTable, as_int64
from emu.formats.value import Value
from emu.units.form import Level, Operand, ScaleOperand, UnitForm

_I8 = np.int64
PIPE = np.dtype([("first", _I8), ("count", _I8)])
CONSTANT = np.dtype([(name, _I8) for name in ("negative", "sig", "q", "e", "live")])
STEP = np.dtype([(name, _I8) for name in ("factor", "first_constant", "constants", "addend")] + [("cast", CAST)])
LEVEL = np.dtype(
    [(name, _I8) for name in (
        "group", "length", "parts", "lanes", "first_order", "order_length", "start",
        "align", "align_bits", "align_rounding", "align_to", "align_point",
        "has_min_exp", "align_min_exp", "has_max_shift", "align_max_shift",
        "zero_sign", "nan_order", "toward_negative",
    )] + [("input", PIPE), ("result", PIPE)]
)  # fmt: skip
OPERAND = np.dtype([("format", _I8), ("daz", _I8), ("load", PIPE)])
SCALE = np.dtype([("format", _I8), ("block", _I8)])
UNIT = np.dtype(
    [("k", _I8), ("a", OPERAND), ("b", OPERAND), ("c", OPERAND), ("d", CAST), ("scale_a", SCALE), ("scale_b", SCALE),
     ("scale_product", PIPE), ("product_result", PIPE), ("output", PIPE)]
    + [(name, _I8) for name in (
        "product_exponent", "integral_product", "nan_rule", "table_columns",
        "digit_width", "digits_a", "digits_b", "levels",
    )]
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitTables:
    """The tables of one unit."""

    unit: NDArray[Any]
    formats: FormatRows
    steps: NDArray[Any]
    constants: NDArray[Any]
    levels: NDArray[Any]
    orders: NDArray[np.int64]
    table: NDArray[np.int64]


class _Builder:
    """Collects rows while the form is walked."""

    def __init__(self) -> None:
        self.formats = FormatTable()
        self.steps: list[tuple[Any, ...]] = []
        self.constants: list[tuple[int, ...]] = []
        self.orders: list[int] = []

    def pipe(self, pipe: Pipe) -> tuple[int, int]:
        first = len(self.steps)
        self.steps.extend(self._step(step) for step in pipe)
        return first, len(pipe)

    def _step(self, step: Step) -> tuple[Any, ...]:
        first = len(self.constants)
        for value in step.constants:
            self._constant(value)
        addend = -1 if step.addend is None else self._constant(step.addend)
        return step.factor.code, first, len(step.constants), addend, self.formats.cast_row(step.cast)

    def _constant(self, x: Value) -> int:
        self.constants.append((int(x.negative), as_int64(x.sig), x.q, x.e or 0, int(x.e is not None)))
        return len(self.constants) - 1

    def operand(self, operand: Operand | None) -> tuple[Any, ...]:
        if operand is None:
            return -1, 0, (0, 0)
        return self.formats.index(operand.format), operand.daz.code, self.pipe(operand.load)

    def scale(self, scale: ScaleOperand | None) -> tuple[int, int]:
        return (-1, 0) if scale is None else (self.formats.index(scale.format), scale.block or 0)

    def level(self, level: Level) -> tuple[Any, ...]:
        first_order = len(self.orders)
        self.orders.extend(level.order)
        min_exp, max_shift = level.align_min_exp, level.align_max_shift
        return (
            level.group, level.length or 0, level.parts or 0, level.lanes, first_order, len(level.order),
            level.start.code, int(level.align_bits is not None), level.align_bits or 0, level.align_rounding.code,
            level.align_to.code, level.align_point, int(min_exp is not None), min_exp or 0,
            int(max_shift is not None), max_shift or 0, level.zero_sign.code, level.nan_order.code,
            int(level.toward_negative), self.pipe(level.input), self.pipe(level.result),
        )  # fmt: skip


@lru_cache(maxsize=1024)
def tables_of(form: UnitForm) -> UnitTables:
    """The tables of a form."""
    build = _Builder()
    digits, table = form.product.digits, form.product.table
    levels = [build.level(level) for level in form.levels]
    unit = (
        form.k or 0, build.operand(form.a), build.operand(form.b), build.operand(form.c),
        build.formats.cast_row(form.d), build.scale(form.scale_a), build.scale(form.scale_b),
        build.pipe(form.scale_product), build.pipe(form.product.result), build.pipe(form.output),
        form.product.exponent.code, int(form.integral_product), form.nan_rule.code,
        0 if table is None else len(table[0]),
        0 if digits is None else digits.width, 0 if digits is None else digits.a, 0 if digits is None else digits.b,
        len(levels),
    )  # fmt: skip
    return UnitTables(
        unit=np.array([unit], dtype=UNIT),
        formats=build.formats.rows(),
        steps=np.array(build.steps, dtype=STEP),
        constants=np.array(build.constants, dtype=CONSTANT),
        levels=np.array(levels, dtype=LEVEL),
        orders=np.array(build.orders, dtype=np.int64),
        table=np.array(table or [], dtype=np.int64).reshape(-1),
    )
