"""What a plan cannot prove, the general kernel computes again.

`again`: whole rows, or whole columns, of a product, for plans that count no events. `count_again`: exactly the marked
elements, with their events, for plans that count those of all others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emu.formats.backend import Backend
from emu.units.backends import runner
from emu.units.c_backend import run_some
from emu.units.plans.raising import raises
from emu.units.problem import Problem
from emu.units.tiling import TILE_COLUMNS, TILE_ROWS, Tile

Mask = NDArray[np.bool_]


def again(
    problem: Problem, rows: Mask, columns: Mask, elements: Mask | None = None, backend: Backend = Backend.C
) -> None:
    """Compute marked rows, columns and elements of `problem.d` in the general kernel of a backend.

    Args:
        problem: with d computed by a plan.
        rows: [m].
        columns: [n].
        elements: [m, n].
    """
    if elements is not None and elements.any():
        by_rows, by_columns = rows | elements.any(axis=1), columns | elements.any(axis=0)
        if np.count_nonzero(by_rows & ~rows) * problem.n <= np.count_nonzero(by_columns & ~columns) * problem.m:
            rows = by_rows
        else:
            columns = by_columns
    if problem.form.columns and columns.any():  # lists in `output` go by the column's number
        rows = np.ones_like(rows)
    run = runner(backend)
    if raises(problem.form) and (rows.any() or columns.any()):  # an error names the first element of the whole
        run(problem)
        return
    if rows.any():
        part = _part(problem, rows, np.ones(problem.n, bool))
        run(part)
        problem.d[rows] = part.d
    left = columns if not rows.all() else np.zeros_like(columns)
    if left.any():
        part = _part(problem, ~rows, left)
        run(part)
        problem.d[np.ix_(~rows, left)] = part.d


def count_again(problem: Problem, elements: Mask) -> bool:
    """Compute the marked elements of `problem.d` in the general kernel, and add their events to the problem's.

    The events of a and b that are counted once per element (what daz takes for zero) are left out: they are the plan's.

    Args:
        problem: with d computed by a plan, and no event counted yet.
        elements: [m, n].

    Returns:
        Whether the whole problem was computed, with all its events, and the plan is to add none: where most is marked,
        and where a cast may raise, whose error names the first element of the whole.
    """
    if not elements.any():
        return False
    rectangles = _rectangles(elements)
    work = sum((x.row_end - x.row + 1) * (x.column_end - x.column + 1) for x in rectangles)
    if raises(problem.form) or work >= problem.m * problem.n:
        runner(Backend.C)(problem)
        return True
    wide = problem.wide()
    if wide.d is problem.d:
        wide = replace(wide, d=np.empty_like(problem.d))
    run_some(wide, rectangles)
    problem.d[elements] = wide.d[elements]
    return False


def _rectangles(elements: Mask) -> list[Tile]:
    """The marked elements as rectangles: runs within a row, and what stands below them in the same columns."""
    out: list[Tile] = []
    open_: dict[tuple[int, int], int] = {}
    padded = np.zeros((elements.shape[0], elements.shape[1] + 2), np.int8)
    padded[:, 1:-1] = elements
    steps = np.diff(padded, axis=1)
    for row in range(elements.shape[0] + 1):
        runs: set[tuple[int, int]] = set()
        if row < elements.shape[0] and elements[row].any():
            starts, ends = np.flatnonzero(steps[row] == 1), np.flatnonzero(steps[row] == -1)
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
                runs.update((at, min(at + TILE_COLUMNS, end)) for at in range(start, end, TILE_COLUMNS))
        for run, first in list(open_.items()):
            if run not in runs or row - first >= TILE_ROWS:
                out.append(Tile(row=first, row_end=row, column=run[0], column_end=run[1]))
                del open_[run]
        for run in runs:
            open_.setdefault(run, row)
    return out


def _part(problem: Problem, rows: Mask, columns: Mask) -> Problem:
    """The product of some rows and columns. Its linear indices are its own: no random bits, no named errors."""

    def some(array: NDArray[np.uint64] | None, keep: Mask, axis: int) -> NDArray[np.uint64] | None:
        return None if array is None else np.ascontiguousarray(np.compress(keep, array, axis=axis))

    a, b = some(problem.a, rows, 0), some(problem.b, columns, 1)
    assert a is not None
    assert b is not None
    c = None if problem.c is None else np.ascontiguousarray(problem.c[np.ix_(rows, columns)])
    return replace(
        problem, a=a, b=b, c=c, a_scale=some(problem.a_scale, rows, 0), b_scale=some(problem.b_scale, columns, 1),
        a_zero=some(problem.a_zero, rows, 0), b_zero=some(problem.b_zero, columns, 1),
        d=np.empty((a.shape[0], b.shape[1]), np.uint64), events=np.zeros_like(problem.events),
    )  # fmt: skip
