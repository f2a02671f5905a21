"""The C backend: every tile of the result is one call of cemu_matmul. cffi releases the interpreter lock meanwhile."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from emu.formats.native import pointer
from emu.units.problem import Problem
from emu.units.ranges import limbs_of
from emu.units.stack import Stack
from emu.units.tables import UnitTables, tables_of
from emu.units.tiling import Tile, TileResult, run_parts, run_tiles, workers_of


def run(problem: Problem) -> None:
    """Compute a problem, in place.

    Raises:
        OverflowRaised: a cast with overflow = "raise" left its range; names the first such element.
    """
    tables = tables_of(problem.form)
    limbs = limbs_of(problem.form, problem.k)
    run_tiles(problem, lambda tile: _run_tile(problem, tables, limbs, tile))


def run_some(problem: Problem, tiles: list[Tile]) -> None:
    """Compute some tiles of a wide problem, and add their events, but for the operands that daz takes for zero."""
    tables = tables_of(problem.form)
    limbs = limbs_of(problem.form, problem.k)
    run_tiles(problem, lambda tile: _run_tile(problem, tables, limbs, tile, flushes=False), tiles)


@lru_cache(maxsize=1024)
def c_tables(tables: UnitTables) -> Any:
    """The tables as C takes them: made once, because a small product takes less time than they do."""
    from cemu import ffi

    return ffi.new(
        "cemu_tables *",
        {
            "unit": pointer("cemu_unit *", tables.unit),
            "formats": pointer("cemu_format *", tables.formats.formats),
            "points": pointer("cemu_point *", tables.formats.points),
            "ranks": pointer("int64_t *", tables.formats.ranks),
            "steps": pointer("cemu_step *", tables.steps),
            "constants": pointer("cemu_constant *", tables.constants),
            "levels": pointer("cemu_level *", tables.levels),
            "orders": pointer("int64_t *", tables.orders),
            "table": pointer("int64_t *", tables.table),
            "casts": pointer("cemu_cast *", tables.casts),
            "terms": pointer("int64_t *", tables.terms),
        },
    )


def run_many(stack: Stack) -> Problem:
    """Compute all products of a stack, in place, with a call for each thread: a call for each product takes longer than
    a small product does.

    Returns:
        The first product, with the events of all.

    Raises:
        OverflowRaised: a cast with overflow = "raise" left its range; names the first such element.
    """
    tables, limbs, wide = tables_of(stack.form), limbs_of(stack.form, stack.k), stack.wide()
    whole = Tile(row=0, row_end=stack.m, column=0, column_end=stack.n)
    workers = min(stack.count, workers_of(stack.count * stack.macs))
    cuts = [stack.count * i // workers for i in range(workers + 1)]

    def run_some(products: tuple[int, int]) -> TileResult:
        first, stop = products
        found = _run_tile(wide.problem(first), tables, limbs, whole, count=stop - first)
        return replace(found, error_index=found.error_index + first * stack.m * stack.n)

    one = wide.problem(0)
    run_parts(one, run_some, list(pairwise(cuts)), workers)
    if wide.d is not stack.d:
        stack.d[...] = wide.d
    return one


def _run_tile(
    problem: Problem, tables: UnitTables, limbs: int, tile: Tile, *, flushes: bool = True, count: int | None = None
) -> TileResult:
    """One tile; or, with `count`, so many whole products that follow one another in memory."""
    from cemu import ffi, lib

    events, positions = np.zeros_like(problem.events), np.empty_like(problem.positions)
    c_unit = c_tables(tables)
    c_problem = ffi.new(
        "cemu_problem *",
        {
            "m": problem.m, "n": problem.n, "k": problem.k,
            "a_blocks": 0 if problem.a_scale is None else problem.a_scale.shape[1],
            "b_blocks": 0 if problem.b_scale is None else problem.b_scale.shape[0],
            "a_zero_blocks": 0 if problem.a_zero is None else problem.a_zero.shape[1],
            "b_zero_blocks": 0 if problem.b_zero is None else problem.b_zero.shape[0],
            "a": pointer("uint64_t *", problem.a), "b": pointer("uint64_t *", problem.b),
            "c": pointer("uint64_t *", problem.c),
            "a_scale": pointer("uint64_t *", problem.a_scale), "b_scale": pointer("uint64_t *", problem.b_scale),
            "a_zero": pointer("uint64_t *", problem.a_zero), "b_zero": pointer("uint64_t *", problem.b_zero),
            "d": pointer("uint64_t *", problem.d),
            "first_index": problem.first_index, "seed": problem.seed,
            "row": tile.row, "row_end": tile.row_end, "column": tile.column, "column_end": tile.column_end,
            "limbs": limbs, "events": pointer("int64_t *", events),
            "positions": pointer("int64_t *", positions), "position_limit": positions.shape[2],
            "count_a": int(flushes and tile.column == 0), "count_b": int(flushes and tile.row == 0), "error_index": 0,
        },
    )  # fmt: skip
    status = lib.cemu_matmul(c_unit, c_problem) if count is None else lib.cemu_matmul_many(c_unit, c_problem, count)
    return TileResult(status=int(status), error_index=int(c_problem.error_index), events=events, positions=positions)
