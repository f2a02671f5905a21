"""Runs plan "lanes": decoded planes, the kernel over rows in threads, marked elements again, the events of all.

Large problems are cut into parts, so that the planes of operands stay in bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.backend import Backend
from emu.formats.enums import EventKind
from emu.formats.native import pointer
from emu.units.backends import runner
from emu.units.c_backend import c_tables as as_c
from emu.units.form import UnitForm
from emu.units.plans.again import count_again
from emu.units.plans.plan import Isa, isa_code
from emu.units.problem import Codes, Problem
from emu.units.ranges import limbs_of
from emu.units.stages import KINDS, OPERAND
from emu.units.tables import tables_of
from emu.units.tiling import worker_count

ROWS = 64
"""of one call, where there are several threads"""
BLOCK = 32
"""Columns of d that the kernel computes at a time (CEMU_LANES_COLUMNS)."""
MOST_VALUES = 1 << 22
"""Decoded values of an operand that exist at once: 48 MB."""
Result = tuple[int, NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Plane:
    """What cemu_lanes_plane points into."""

    m: NDArray[np.uint32]
    q: NDArray[np.int32]
    e: NDArray[np.int32]
    marks: NDArray[np.uint8]
    events: NDArray[np.int64]

    @classmethod
    def of(cls, values: int, lines: int) -> _Plane:
        """So many values, in so many rows of a or columns of b."""
        return cls(
            m=np.zeros(values, np.uint32), q=np.zeros(values, np.int32), e=np.zeros(values, np.int32),
            marks=np.zeros(lines, np.uint8), events=np.zeros((lines, KINDS), np.int64),
        )  # fmt: skip

    @property
    def fields(self) -> dict[str, Any]:
        """As C takes them."""
        return {
            "m": pointer("uint32_t *", self.m), "q": pointer("int32_t *", self.q), "e": pointer("int32_t *", self.e),
            "marks": pointer("uint8_t *", self.marks), "events": pointer("int64_t *", self.events),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class _Computed:
    """What the kernel says of one part of a problem, whose d it has written."""

    marks: NDArray[np.bool_]
    """[m, n]: what it did not compute"""
    events: NDArray[np.int64]
    """[stage, kind]: of all other elements"""
    flushed: NDArray[np.int64]
    """elements of a, and of b, that daz takes for zero"""


def run(form: UnitForm, problem: Problem, isa: Isa | None) -> None:
    """Compute a problem in place, and count its events."""
    rows, columns = _sizes(form, problem)
    marks, events = np.zeros((problem.m, problem.n), bool), np.zeros_like(problem.events)
    for row in range(0, problem.m, rows):
        for column in range(0, problem.n, columns):
            part = _part(problem, slice(row, row + rows), slice(column, column + columns))
            done = _compute(form, part, column, isa)
            if done is None:
                runner(Backend.C)(problem)
                return
            if part is not problem:
                problem.d[row : row + rows, column : column + columns] = part.d
            marks[row : row + rows, column : column + columns] = done.marks
            events += done.events
            events[OPERAND, EventKind.FLUSHED_IN.code] += done.flushed @ np.array([column == 0, row == 0])
    if not count_again(problem, marks):  # else all of it was computed, and counted, by the general kernel
        problem.events[...] += events


def _sizes(form: UnitForm, problem: Problem) -> tuple[int, int]:
    """Rows and columns of a part: all of them, or as many as keep the planes of operands in bounds."""
    parts = form.product.parts
    in_a, in_b = (1, 1) if parts is None else (parts.a, parts.b)
    rows = max(1, MOST_VALUES // max(problem.k * in_a, 1))
    columns = max(1, MOST_VALUES // max(problem.k * in_b * BLOCK, 1)) * BLOCK
    return min(rows, max(problem.m, 1)), min(columns, max(problem.n, 1))


def _part(problem: Problem, rows: slice, columns: slice) -> Problem:
    """The product of some rows and columns, with a d of its own; the problem itself if that is all."""
    if rows.stop - rows.start >= problem.m and columns.stop - columns.start >= problem.n:
        return problem

    def some(array: Codes | None, row: slice, column: slice) -> Codes | None:
        return None if array is None else np.ascontiguousarray(array[row, column])

    every = slice(None)
    a, b = some(problem.a, rows, every), some(problem.b, every, columns)
    assert a is not None
    assert b is not None
    return replace(
        problem, a=a, b=b, c=some(problem.c, rows, columns), d=np.empty((a.shape[0], b.shape[1]), problem.d.dtype),
        a_scale=some(problem.a_scale, rows, every), b_scale=some(problem.b_scale, every, columns),
        a_zero=some(problem.a_zero, rows, every), b_zero=some(problem.b_zero, every, columns),
    )  # fmt: skip


def _compute(form: UnitForm, problem: Problem, first_column: int, isa: Isa | None) -> _Computed | None:
    """Run the kernel; None: significands of the operands are too wide for it."""
    from cemu import ffi, lib

    blocks = -(-problem.n // BLOCK)
    parts = form.product.parts
    in_a, in_b = (1, 1) if parts is None else (parts.a, parts.b)
    planes = {
        "plane_a": _Plane.of(problem.m * problem.k * in_a, problem.m),
        "plane_b": _Plane.of(blocks * BLOCK * problem.k * in_b, problem.n),
        "scales_a": _Plane.of(0 if problem.a_scale is None else problem.a_scale.size, 0),
        "scales_b": _Plane.of(0 if problem.b_scale is None else problem.b_scale.shape[0] * blocks * BLOCK, 0),
    }
    tables = tables_of(form)
    c_tables = as_c(tables)
    marks, flushed = np.zeros((problem.m, problem.n), np.uint8), np.zeros(2, np.int64)
    fields = {
        "tables": c_tables, "m": problem.m, "n": problem.n, "k": problem.k, "limbs": limbs_of(form, problem.k),
        "a_blocks": _length(problem.a_scale, 1), "b_blocks": _length(problem.b_scale, 0),
        "a_zero_blocks": _length(problem.a_zero, 1), "b_zero_blocks": _length(problem.b_zero, 0),
        **_codes(problem), **{name: plane.fields for name, plane in planes.items()},
        "first_column": first_column, "marks": pointer("uint8_t *", marks), "events": pointer("int64_t *", flushed),
    }  # fmt: skip
    whole = ffi.new("cemu_plan_lanes_t *", fields)

    def rows_of(first: int, end: int) -> tuple[int, NDArray[np.int64]]:
        counts = np.zeros_like(problem.events)
        one = ffi.new("cemu_plan_lanes_t *", whole[0])
        one.row, one.row_end, one.block, one.block_end = first, end, 0, blocks
        one.events = pointer("int64_t *", counts)
        return int(lib.cemu_plan_lanes(one, isa_code(isa))), counts

    assert lib.CEMU_LANES_COLUMNS == BLOCK
    status = int(lib.cemu_plan_lanes_decode(whole))
    events = np.zeros_like(problem.events)
    if status == lib.CEMU_OK:
        results = _in_threads(problem, rows_of)
        status = max(one for one, _ in results)
        events += sum(counts for _, counts in results)
    if status == lib.CEMU_LANES_WIDE:
        return None
    if status == lib.CEMU_NO_MEMORY:
        raise MemoryError(f"{form.name}: no memory for K = {problem.k}")
    assert status == lib.CEMU_OK, f"cemu_plan_lanes: status {status}"
    good = marks == 0
    events[OPERAND] += good.sum(axis=1) @ planes["plane_a"].events + good.sum(axis=0) @ planes["plane_b"].events
    return _Computed(marks=~good, events=events, flushed=flushed)


def _in_threads(problem: Problem, rows_of: Callable[[int, int], Result]) -> list[Result]:
    """All rows, in pieces over the cores."""
    workers = worker_count(problem)
    if workers == 1:
        return [rows_of(0, problem.m)]
    size = max(1, min(-(-problem.m // workers), ROWS))
    with ThreadPoolExecutor(workers) as pool:
        made = [pool.submit(rows_of, at, min(at + size, problem.m)) for at in range(0, problem.m, size)]
        return [one.result() for one in made]


def _length(array: Codes | None, axis: int) -> int:
    return 0 if array is None else int(array.shape[axis])


def _codes(problem: Problem) -> dict[str, Any]:
    names = ("a", "b", "c", "a_scale", "b_scale", "a_zero", "b_zero", "d")
    arrays = {name: getattr(problem, name) for name in names}
    out: dict[str, Any] = {name: pointer("void *", array) for name, array in arrays.items()}
    return out | {f"{name}_bytes": 0 if array is None else array.itemsize for name, array in arrays.items()}
