"""Parts of d for the threads of a kernel, and the calls that compute them.

Bits do not depend on the parts: an element of d is computed whole by one call.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from emu.kernels.status import Status
from emu.units.problem import Problem
from emu.units.tiling import quick_worker_count

Part = dict[str, Any]


def rectangles(problem: Problem, rows: int, columns: int) -> list[Part]:
    """Columns of d for every thread, which lays out its own of b; rows, if there are too few columns.

    Args:
        problem: the product.
        rows: a thread's rows are a multiple of these, if there are several.
        columns: likewise.
    """
    m, n, workers = problem.m, problem.n, quick_worker_count(problem)
    if n > columns * (workers - 1):
        return [{"row": 0, "row_end": m, "column": x, "column_end": y} for x, y in _cut(n, workers, columns)]
    return [{**part, "column": 0, "column_end": n} for part in all_rows(problem, rows)]


def all_rows(problem: Problem, rows: int) -> list[Part]:
    """The rows of every thread."""
    return [{"row": x, "row_end": y} for x, y in _cut(problem.m, quick_worker_count(problem), rows)]


def _cut(count: int, workers: int, multiple: int) -> list[tuple[int, int]]:
    each = max(-(-count // (workers * multiple)), 1) * multiple
    return [(x, min(x + each, count)) for x in range(0, count, each)]


def every_call(function: Callable[..., int], calls: list[Any], isa: int) -> None:
    """Run calls of a kernel, each in a thread.

    Raises:
        MemoryError: a kernel found none.
    """
    if len(calls) == 1:
        states = [function(calls[0], isa)]
    else:
        with ThreadPoolExecutor(len(calls)) as pool:
            states = list(pool.map(lambda call: function(call, isa), calls))
    if Status.NO_MEMORY.code in states:
        raise MemoryError("no memory for the operands of a product")
    assert not any(states), states
