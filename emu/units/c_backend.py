"""The C backend: tiles of the result over the cores, each one call of cemu_matmul.

cffi releases the interpreter lock during a call, so plain threads do. Bits do not depend on tiles or threads: an
output element is computed whole by one call, and its random stream depends on its index alone.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import OverflowRaised
from emu.units.problem import Problem
from emu.units.ranges import limbs_of
from emu.units.tables import UnitTables, tables_of

TILE_ROWS, TILE_COLUMNS = 64, 128
SERIAL_MACS = 20_000
"""Products below this many multiply-accumulates are not worth a second thread."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A rectangle of the result."""

    row: int
    row_end: int
    column: int
    column_end: int


def tiles(problem: Problem, workers: int) -> list[Tile]:
    """The result cut into tiles: small enough to balance the threads, large enough to reuse decoded operands."""
    rows = min(TILE_ROWS, max(1, -(-problem.m // workers)))
    columns = min(TILE_COLUMNS, problem.n if problem.m >= workers else max(1, -(-problem.n // workers)))
    return [
        Tile(row=m, row_end=min(m + rows, problem.m), column=n, column_end=min(n + columns, problem.n))
        for m in range(0, problem.m, rows)
        for n in range(0, problem.n, columns)
    ]


def worker_count(problem: Problem) -> int:
    """Threads for a problem."""
    small = problem.m * problem.n * max(problem.k, 1) < SERIAL_MACS
    return 1 if small else len(os.sched_getaffinity(0))


def run(problem: Problem) -> None:
    """Compute a problem, in place.

    Raises:
        OverflowRaised: a cast with overflow = "raise" left its range; names the first such element.
    """
    tables = tables_of(problem.form)
    limbs = limbs_of(problem.form, problem.k)
    workers = worker_count(problem)
    cut = tiles(problem, workers)

    def one(tile: Tile) -> tuple[int, int, NDArray[np.int64]]:
        return _run_tile(problem, tables, limbs, tile)

    if workers == 1 or len(cut) == 1:
        done = [one(tile) for tile in cut]
    else:
        with ThreadPoolExecutor(workers) as pool:
            done = list(pool.map(one, cut))
    for _, _, events in done:
        problem.events[...] += events
    failed = [(index, status) for status, index, _ in done if status]
    if failed:
        raise _error(problem, *min(failed))


def _error(problem: Problem, index: int, status: int) -> Exception:
    from cemu import lib

    m, n = divmod(index, problem.n)
    if status == lib.CEMU_OVERFLOW_RAISED:
        return OverflowRaised(f"{problem.form.name}: output element ({m}, {n}): a value exceeds the range of its format")
    if status == lib.CEMU_RUNS:
        return ValueError(
            f"{problem.form.name}: the outermost level must hand up one result, but K = {problem.k} makes several runs"
        )
    if status == lib.CEMU_NO_MEMORY:
        return MemoryError(f"{problem.form.name}: no memory for a tile with K = {problem.k}")
    return AssertionError(f"cemu_matmul: status {status} at ({m}, {n}) of {problem.form.name}")


def _run_tile(problem: Problem, tables: UnitTables, limbs: int, tile: Tile) -> tuple[int, int, NDArray[np.int64]]:
    from cemu import ffi, lib

    def pointer(kind: str, array: NDArray[Any] | None) -> Any:
        return ffi.NULL if array is None else ffi.cast(kind, array.ctypes.data)

    events = np.zeros_like(problem.events)
    c_tables = ffi.new(
        "cemu_tables *",
        {
            "unit": pointer("cemu_unit *", tables.unit),
            "formats": pointer("cemu_format *", tables.formats),
            "steps": pointer("cemu_step *", tables.steps),
            "constants": pointer("cemu_constant *", tables.constants),
            "levels": pointer("cemu_level *", tables.levels),
            "orders": pointer("int64_t *", tables.orders),
            "table": pointer("int64_t *", tables.table),
        },
    )
    c_problem = ffi.new(
        "cemu_problem *",
        {
            "m": problem.m, "n": problem.n, "k": problem.k,
            "a_blocks": 0 if problem.a_scale is None else problem.a_scale.shape[1],
            "b_blocks": 0 if problem.b_scale is None else problem.b_scale.shape[0],
            "a": pointer("uint64_t *", problem.a), "b": pointer("uint64_t *", problem.b),
            "c": pointer("uint64_t *", problem.c),
            "a_scale": pointer("uint64_t *", problem.a_scale), "b_scale": pointer("uint64_t *", problem.b_scale),
            "d": pointer("uint64_t *", problem.d),
            "first_index": problem.first_index, "seed": problem.seed,
            "row": tile.row, "row_end": tile.row_end, "column": tile.column, "column_end": tile.column_end,
            "limbs": limbs, "events": pointer("int64_t *", events),
            "count_a": int(tile.column == 0), "count_b": int(tile.row == 0), "error_index": 0,
        },
    )  # fmt: skip
    status = lib.cemu_matmul(c_tables, c_problem)
    return int(status), int(c_problem.error_index), events
