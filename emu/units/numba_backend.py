"""The Numba backend: the general kernel over the same tables as C, one call for every tile of the result.

It is compiled once per machine (a minute on first use), then read from the cache; see emu/kernels/cache.py. Plans
(emu/units/plans) have faster kernels, emu/kernels/plans, each compiled in a second or two for the shape of a unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.kernels.cache import kernel_cache
from emu.units.form import UnitForm
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
        from emu.units.kernels.matmul import run_tile

        return run_tile


def run(problem: Problem) -> None:
    """Compute a problem, in place.

    Raises:
        OverflowRaised: a cast with overflow = "raise" left its range; names the first such element.
        ValueError: the outermost level would hand up more than one result.
    """
    kernel, inputs = _kernel(), _inputs(problem)
    run_tiles(problem, lambda tile: _run_tile(kernel, problem, inputs, tile))


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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Inputs:
    """What all tiles of a problem read."""

    tables: NDArray[np.int64]
    codes: NDArray[np.uint64]
    state: NDArray[np.int64]
    """the offsets and sizes; every tile has a copy of its own"""
    limbs: int
    piece: int
    slots: int
    whole: Schedule
    tail: Schedule


def _inputs(problem: Problem) -> _Inputs:
    from emu.kernels import environment as at

    form, tables = problem.form, tables_of(problem.form)
    parts = [
        tables.unit, tables.formats.formats, tables.steps, tables.constants, tables.levels, tables.table,
        tables.formats.points, tables.formats.ranks, tables.terms,
    ]  # fmt: skip
    words = [np.ascontiguousarray(part).view(np.int64).ravel() for part in parts]
    arrays = [problem.a, problem.b, problem.c, problem.a_scale, problem.b_scale, problem.a_zero, problem.b_zero]
    codes = [np.zeros(0, np.uint64) if array is None else array.ravel() for array in arrays]
    state = np.zeros(at.EVENTS + problem.events.size + problem.positions.size, np.int64)
    state[at.POSITION_LIMIT] = problem.positions.shape[2]
    state[at.POSITIONS] = at.EVENTS + problem.events.size
    offsets = [
        at.FORMATS, at.STEPS, at.CONSTANTS_AT, at.LEVELS, at.TABLE, at.POINTS, at.RANKS, at.TERMS,
    ]  # fmt: skip
    state[offsets] = np.cumsum([part.size for part in words])[:-1]
    ends = np.cumsum([array.size for array in codes])
    state[[at.CODES_A, at.CODES_B, at.CODES_C, at.CODES_SA, at.CODES_SB, at.CODES_ZA, at.CODES_ZB]] = [0, *ends[:-1]]
    for where, zeros in ((at.CODES_ZA, problem.a_zero), (at.CODES_ZB, problem.b_zero)):
        state[where] = state[where] if zeros is not None else -1
    state[at.A_ZERO_BLOCKS] = 0 if problem.a_zero is None else problem.a_zero.shape[1]
    state[at.TOTAL_K], state[at.TOTAL_N] = problem.k, problem.n
    state[at.A_BLOCKS] = 0 if problem.a_scale is None else problem.a_scale.shape[1]
    state[at.SEED] = np.array([problem.seed], np.uint64).view(np.int64)[0]
    piece = min(form.k or problem.k, problem.k) or 1
    return _Inputs(
        tables=np.concatenate(words), codes=np.concatenate(codes), state=state, limbs=limbs_of(form, problem.k),
        piece=piece, slots=max(piece * form.terms_per_k, 1),
        whole=_schedule(form, piece * form.terms_per_k if problem.k else 0),
        tail=_schedule(form, problem.k % piece * form.terms_per_k),
    )  # fmt: skip


def _run_tile(kernel: Any, problem: Problem, inputs: _Inputs, tile: Tile) -> TileResult:
    from emu.kernels import environment as at

    slots, limbs, state = inputs.slots, inputs.limbs, inputs.state.copy()
    total = at.FIRST_SLOT + 2 * slots + at.PART_SLOTS
    state[at.PARTS] = at.FIRST_SLOT + 2 * slots
    environment = at.Environment(
        meta=np.zeros((total, at.META_FIELDS), np.int64),
        limb=np.zeros((total, limbs), np.uint64),
        scratch=np.zeros(2 * limbs + 2, np.uint64),
        state=state,
        t=inputs.tables,
        codes=inputs.codes,
        addends=np.zeros(at.TERMS_AT + slots + 1, np.int64),
    )
    kernel(
        environment, problem.d, (tile.row, tile.row_end), (tile.column, tile.column_end), problem.first_index,
        inputs.piece, inputs.whole, inputs.tail, np.zeros(slots, np.int64), np.zeros(slots, np.int64), slots,
        tile.column == 0, tile.row == 0,
    )  # fmt: skip
    counted = at.EVENTS + problem.events.size
    return TileResult(
        status=int(state[at.STATUS]), error_index=int(state[at.ERROR]),
        events=state[at.EVENTS : counted].reshape(problem.events.shape),
        positions=state[counted:].reshape(problem.positions.shape),
    )  # fmt: skip
