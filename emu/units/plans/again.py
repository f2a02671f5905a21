"""What a plan cannot prove, the general kernel computes again: whole rows, or whole columns, of a product."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emu.formats.backend import Backend
from emu.units.backends import runner
from emu.units.plans.raising import raises
from emu.units.problem import Problem

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
