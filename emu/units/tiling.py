"""Tiles of a result over the cores, for the backends that compute a tile without the interpreter lock.

Bits do not depend on tiles or threads: an output element is computed whole by one call, and its random stream depends
on its index alone. If several elements raise, the first one in order is reported, whichever thread found it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from emu.errors import OverflowRaised
from emu.kernels.status import Status
from emu.units.positions import NOWHERE, Table, merge
from emu.units.problem import Problem

Part = TypeVar("Part")
TILE_ROWS, TILE_COLUMNS = 64, 128
SERIAL_MACS = 20_000
"""Products below this many multiply-accumulates are not worth a second thread."""
QUICK_SERIAL_MACS = 2_000_000
"""The same for plans, whose kernels do that many in less than a thread takes to start."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A rectangle of the result."""

    row: int
    row_end: int
    column: int
    column_end: int


@dataclass(frozen=True, kw_only=True, eq=False)
class TileResult:
    """What one tile reports."""

    status: int
    error_index: int
    """linear index of the element that failed"""
    events: NDArray[np.int64]
    positions: Table


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
    """Threads for a problem in a kernel that takes some ns for a multiply-accumulate."""
    return workers_of(problem.macs)


def quick_worker_count(problem: Problem) -> int:
    """Threads for a problem in a kernel that takes a fraction of a ns for a multiply-accumulate."""
    return workers_of(problem.macs, QUICK_SERIAL_MACS)


def workers_of(macs: int, least: int = SERIAL_MACS) -> int:
    """Threads for so many multiply-accumulates: one for fewer than `least`."""
    return 1 if macs < least else len(os.sched_getaffinity(0))


def run_tiles(problem: Problem, run_tile: Callable[[Tile], TileResult], chosen: list[Tile] | None = None) -> None:
    """Run every tile, or the chosen ones, put their events together, and raise what the first failing element says."""
    workers = worker_count(problem)
    run_parts(problem, run_tile, tiles(problem, workers) if chosen is None else chosen, workers)


def run_parts(problem: Problem, run_part: Callable[[Part], TileResult], parts: list[Part], workers: int) -> None:
    """Run parts of a result in so many threads, put their events together, and raise what the first failing element
    says, whose index counts from the problem's first.
    """
    if workers == 1 or len(parts) == 1:
        failed = _put_together(problem, map(run_part, parts))
    else:
        with ThreadPoolExecutor(workers) as pool:
            failed = _put_together(problem, pool.map(run_part, parts))
    if failed:
        raise _error(problem, *min(failed))


def _put_together(problem: Problem, results: Iterable[TileResult]) -> list[tuple[int, int]]:
    """Add up the events of the tiles as they come, so that few position tables exist at once; what failed."""
    failed, limit = [], problem.positions.shape[2]
    if limit:
        problem.positions[...] = NOWHERE
    for result in results:
        if limit:
            both = [problem.positions, result.positions], [problem.events, result.events]
            problem.positions[...] = merge(*both)
        problem.events[...] += result.events
        if result.status:
            failed.append((result.error_index, result.status))
    return failed


def _error(problem: Problem, index: int, status: int) -> Exception:
    m, n = divmod(index, problem.n)
    if status == Status.OVERFLOW_RAISED.code:
        where = problem.element(m, n)
        return OverflowRaised(f"{problem.form.name}: output element {where}: a value exceeds the range of its format")
    if status == Status.NO_MEMORY.code:
        return MemoryError(f"{problem.form.name}: no memory for a tile with K = {problem.k}")
    return AssertionError(f"kernel status {status} at ({m}, {n}) of {problem.form.name}")
