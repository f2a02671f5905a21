"""The backends: one function each, from a problem to its codes. All give the same bits."""

from __future__ import annotations

from collections.abc import Callable

from emu.formats.backend import Backend
from emu.units.problem import Problem


def runner(backend: Backend) -> Callable[[Problem], None]:
    """The function that computes a problem in place, with codes in dtypes of any width."""
    kernel = _kernel(backend)

    def run(problem: Problem) -> None:
        wide = problem.wide()
        kernel(wide)
        if wide.d is not problem.d:
            problem.d[...] = wide.d

    return run


def _kernel(backend: Backend) -> Callable[[Problem], None]:
    """The function that computes a wide problem."""
    match backend:
        case Backend.REFERENCE:
            from emu.units import reference

            return reference.run
        case Backend.NUMBA:
            from emu.units import numba_backend

            return numba_backend.run
        case Backend.C:
            from emu.units import c_backend

            return c_backend.run
