"""The Numba backend: the general kernel over the same tables as C, one call for every tile of the result.

It is compiled once per machine (a minute on first use), then read from the cache; see emu/units/numba_cache.py.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.units.form import UnitForm
from emu.units.numba_cache import kernel_cache
from emu.units.problem import Problem
from emu.units.ranges import limbs_of
from emu.units.schedule import level_runs
from emu.units.tables import tables_of
from emu.units.tiling import Tile, TileResult, run_tiles

Schedule = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Inputs of all runs, first input of each run, and per level: where its inputs and runs begin, and how many runs."""


@cache
def _kernel() -> Any:
    """The compiled kernel."""
    with kernel_cache():
        from numba import njit

        from emu.units.kernels.matmul import run_tile

        return njit(nogil=True, cache=True, _nrt=False)(run_tile.py_func)


def run(problem: Problem) -> None:
    """Compute a problem, in place.

    Raises:
        OverflowRaised: a cast with overflow = "raise" left its range; names the first such element.
        ValueError: the outermost level would hand up more than one result.
    """
    kernel = _kernel()
    limbs = limbs_of(problem.form, problem.k)
    piece = min(problem.form.k or problem.k, problem.k) or 1
    per_k = problem.form.terms_per_k
    tail_k = problem.k % piece
    whole = _schedule(problem.form, piece * per_k) if problem.k else _schedule(problem.form, 0)
    tail = _schedule(problem.form, tail_k * per_k)
    run_tiles(problem, lambda tile: _run_tile(kernel, problem, limbs, piece, whole, tail, tile))


def _schedule(form: UnitForm, terms: int) -> Schedule:
    index: list[int] = []
    first: list[int] = []
    bounds: list[tuple[int, int, int]] = []
    for runs in level_runs(form.levels, terms):
        begin = len(index)
        bounds.append((begin, len(first), len(runs)))
        for inputs in runs:
            first.append(len(index) - begin)
            index.extend(inputs)
        first.append(len(index) - begin)
    return np.array(index or [0], np.int64), np.array(first, np.int64), np.array(bounds, np.int64)


def _run_tile(
    kernel: Any, problem: Problem, limbs: int, piece: int, whole: Schedule, tail: Schedule, tile: Tile
) -> TileResult:
    from emu.units.kernels.environment import FIELDS, FIRST_SLOT, STATE_SIZE, ERROR, STATUS, Environment

    tables = tables_of(problem.form)
    slots = max(piece * problem.form.terms_per_k, 1)
    total = FIRST_SLOT + 2 * slots
    events = np.zeros_like(problem.events)
    state = np.zeros(STATE_SIZE, np.int64)
    nothing = np.zeros((1, 1), np.uint64)
    environment = Environment(
        meta=np.zeros((total, FIELDS), np.int64),
        limb=np.zeros((total, limbs), np.uint64),
        scratch=np.zeros(2 * limbs + 2, np.uint64),
        state=state,
        unit=tables.unit, formats=tables.formats, steps=tables.steps, constants=tables.constants,
        levels=tables.levels, orders=tables.orders, table=tables.table,
        a=problem.a, b=problem.b,
        c=nothing if problem.c is None else problem.c,
        a_scale=nothing if problem.a_scale is None else problem.a_scale,
        b_scale=nothing if problem.b_scale is None else problem.b_scale,
        d=problem.d, events=events,
        addends=np.zeros(slots + 2, np.int64),
        position=np.zeros(2, np.int64),
        seed=np.array([problem.seed], np.uint64),
    )  # fmt: skip
    kernel(
        environment, (tile.row, tile.row_end), (tile.column, tile.column_end), problem.first_index, piece, whole, tail,
        np.zeros(slots, np.int64), np.zeros(slots, np.int64), slots, tile.column == 0, tile.row == 0,
    )  # fmt: skip
    return TileResult(status=int(state[STATUS]), error_index=int(state[ERROR]), events=events)
