"""What the Numba kernels of all plans are given: panels of columns, and parts of the result for every thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.backend import Backend
from emu.units.plans.again import again
from emu.units.problem import Problem
from emu.units.tiling import quick_worker_count

Part = tuple[int, int, int, int]
"""from row, to row, from panel, to panel"""


def without_floats(problem: Problem) -> bool:
    """Compute everything in the general kernel where this processor's control word is not known; whether it was."""
    from emu.kernels.plans import machine

    if machine.has_control():
        return False
    again(problem, np.ones(problem.m, bool), np.zeros(problem.n, bool), None, Backend.NUMBA)
    return True


def panels_of(numbers: NDArray[Any], count: int) -> NDArray[Any]:
    """[row, column] as [panel, row, lane], with zeros to the right."""
    rows, columns = numbers.shape
    panels = -(-columns // count)
    if columns != panels * count:
        whole = np.zeros((rows, panels * count), numbers.dtype)
        whole[:, :columns] = numbers
        numbers = whole
    return np.ascontiguousarray(numbers.reshape(rows, panels, count).transpose(1, 0, 2))


def parts_of(problem: Problem, panels: int) -> list[Part]:
    """Rows for each thread, or panels where there are few rows."""
    workers, m = quick_worker_count(problem), problem.m
    if m >= workers or panels < workers:
        each = max(-(-m // workers), 1)
        each += each % 2
        return [(first, min(first + each, m), 0, panels) for first in range(0, m, each)]
    each = -(-panels // workers)
    return [(0, m, first, min(first + each, panels)) for first in range(0, panels, each)]


def run_parts(parts: list[Part], run: Callable[[Part], None]) -> None:
    """Run every part in a thread of its own."""
    if len(parts) <= 1:
        for part in parts:
            run(part)
        return
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(run, parts))


def signed(code: int) -> int:
    """64 bits as an int64, which Numba takes."""
    return code - (1 << 64) if code >> 63 else code


def columns_of(panels: NDArray[Any], columns: int) -> NDArray[Any]:
    """[panel, row, lane] as [row, column]."""
    rows = panels.shape[1]
    return np.ascontiguousarray(panels.transpose(1, 0, 2).reshape(rows, -1)[:, :columns])
