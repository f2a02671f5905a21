"""Large arrays in chunks over the cores; bits do not depend on them."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray

CHUNK = 1 << 19
"""Elements that are worth a thread."""


def address(array: NDArray[Any]) -> Any:
    """A C-contiguous array's data as a char pointer, which keeps it alive. (`array.ctypes` takes a microsecond.)"""
    from cemu import ffi

    return ffi.from_buffer("char *", array) if array.size else ffi.NULL


def in_chunks(n: int, run: Callable[[int, int], None], unit: int = 1) -> None:
    """Call run(begin, end) for all of 0 to n, on as many threads as there are cores to run on.

    Args:
        n: elements.
        run: works without the interpreter's lock.
        unit: chunks begin at multiples of it.
    """
    workers = min(len(os.sched_getaffinity(0)), n // CHUNK)
    if workers < 2:
        run(0, n)
        return
    step = -(-n // (2 * workers) // unit) * unit
    begins = range(0, n, step)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda begin: run(begin, min(begin + step, n)), begins))
