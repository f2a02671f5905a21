"""The threads of BLAS, which NumPy's matrix products run in: no more than emu would use itself.

BLAS takes as many threads as the machine has cores, however few of them this process may use or a caller's own threads
leave it, and its threads wait by spinning: two on one core take three times as long as one. Bits do not depend on it.
A BLAS on OpenMP is left alone: it has limits of its own for each thread, and counts the cores that it may use.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController


class _Limits:
    """The limits that are asked for at the moment. A library has one number for all threads of the process: the least
    of them holds, and what was before comes back with the last one's end.
    """

    def __init__(self) -> None:
        np.ones((2, 2)) @ np.ones((2, 2))  # loads it
        found = ThreadpoolController().select(user_api="blas")  # looks at every library of the process: kept
        layers = [getattr(library, "threading_layer", None) for library in found.lib_controllers]
        self.libraries: list[Any] = [
            library for library, layer in zip(found.lib_controllers, layers, strict=True) if layer != "openmp"
        ]
        self.lock = threading.Lock()
        self.asked: list[int] = []
        self.before: list[int] = []

    def begin(self, count: int) -> None:
        with self.lock:
            if not self.asked:
                self.before = [library.num_threads for library in self.libraries]
            self.asked.append(count)
            self._set([min(self.asked)] * len(self.libraries))

    def end(self, count: int) -> None:
        with self.lock:
            self.asked.remove(count)
            self._set([min(self.asked)] * len(self.libraries) if self.asked else self.before)

    def _set(self, counts: list[int]) -> None:
        wrong = [
            (library, count)
            for library, count in zip(self.libraries, counts, strict=True)
            if library.num_threads != count
        ]
        if not wrong:
            return

        def correct() -> None:
            for library, count in wrong:
                library.set_num_threads(count)

        # threadpoolctl lets one thread alone set this for as long as it lives, and another may have to set it back.
        thread = threading.Thread(target=correct)
        thread.start()
        thread.join()


_limits = cache(_Limits)


@contextlib.contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """BLAS on at most so many threads, in the whole process, until this ends."""
    limits = _limits()
    limits.begin(count)
    try:
        yield
    finally:
        limits.end(count)
