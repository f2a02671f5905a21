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
from emu.units.form import Level, Operand, PerBlock, UnitForm

_I8 = np.int64
PIPE = np.dtype([("first", _I8), ("count", _I8)])
CONSTANT = np.dtype([(name, _I8) for name in ("negative", "sig", "q", "e", "live")])
STEP = np.dtype(
    [(name, _I8) for name in ("factor", "first_constant", "constants", "first_addend", "addends")] + [("cast", CAST)]
)
LEVEL = np.dtype(
    [(name, _I8) for name in (
        "group", "length", "parts", "lanes", "first_order", "order_length", "start",
        "align", "align_bits", "align_rounding", "align_to", "align_point",
        "has_min_exp", "align_min_exp", "has_max_shift", "align_max_shift",
        "zero_sign", "nan_order", "toward_negative",
    )] + [("input", PIPE), ("accumulator", PIPE), ("result", PIPE)]
)  # fmt: skip
PER_BLOCK = np.dtype([("format", _I8), ("block", _I8)])
OPERAND = np.dtype([("format", _I8), ("daz", _I8), ("zero", PER_BLOCK), ("load", PIPE)])
UNIT = np.dtype(
    [("k", _I8), ("a", OPERAND), ("b", OPERAND), ("c", OPERAND), ("d", CAST), ("scale_a", PER_BLOCK),
     ("scale_b", PER_BLOCK), ("scale_product", PIPE), ("product_result", PIPE), ("output", PIPE)]
    + [(name, _I8) for name in (
        "product_exponent", "integral_product", "nan_rule", "table_columns",
        "digit_width", "parts_a", "parts_b", "first_part", "split_a", "split_b", "terms", "levels",
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
    terms: NDArray[np.int64]
    """(part of a, part of b) of the products of one k"""


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
        first_addend = len(self.constants)
        for value in step.addends:
            self._constant(value)
        cast = self.formats.cast_row(step.cast)
        return step.factor.code, first, len(step.constants), first_addend, len(step.addends), cast

    def _constant(self, x: Value) -> None:
        self.constants.append((int(x.negative), as_int64(x.sig), x.q, x.e or 0, int(x.e is not None)))

    def operand(self, operand: Operand | None) -> tuple[Any, ...]:
        if operand is None:
            return -1, 0, (-1, 0), (0, 0)
        zero = self.per_block(operand.zero)
        return self.formats.index(operand.format), operand.daz.code, zero, self.pipe(operand.load)

    def per_block(self, operand: PerBlock | None) -> tuple[int, int]:
        return (-1, 0) if operand is None else (self.formats.index(operand.format), operand.block or 0)

    def level(self, level: Level) -> tuple[Any, ...]:
        first_order = len(self.orders)
        self.orders.extend(level.order)
        min_exp, max_shift = level.align_min_exp, level.align_max_shift
        return (
            level.group, level.length or 0, level.parts or 0, level.lanes, first_order, len(level.order),
            level.start.code, int(level.align_bits is not None), level.align_bits or 0, level.align_rounding.code,
            level.align_to.code, level.align_point, int(min_exp is not None), min_exp or 0,
            int(max_shift is not None), max_shift or 0, level.zero_sign.code, level.nan_order.code,
            int(level.toward_negative), self.pipe(level.input), self.pipe(level.accumulator), self.pipe(level.result),
        )  # fmt: skip


@lru_cache(maxsize=1024)
def tables_of(form: UnitForm) -> UnitTables:
    """The tables of a form."""
    build = _Builder()
    parts, table = form.product.parts, form.product.table
    levels = [build.level(level) for level in form.levels]
    first_part, _ = build.pipe(() if parts is None else parts.split_a + parts.split_b)
    unit = (
        form.k or 0, build.operand(form.a), build.operand(form.b), build.operand(form.c),
        build.formats.cast_row(form.d), build.per_block(form.scale_a), build.per_block(form.scale_b),
        build.pipe(form.scale_product), build.pipe(form.product.result), build.pipe(form.output),
        form.product.exponent.code, int(form.integral_product), form.nan_rule.code,
        0 if table is None else len(table[0]),
        *((0, 1, 1, 0, 0, 0, 0) if parts is None else
          (parts.width, parts.a, parts.b, first_part, len(parts.split_a), len(parts.split_b), len(parts.terms))),
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
        terms=np.array([] if parts is None else parts.terms, dtype=np.int64).reshape(-1),
    )
