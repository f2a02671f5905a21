"""The backends: one function each, from a problem to its codes. All give the same bits."""

from __future__ import annotations

from collections.abc import Callable

from emu.formats.backend import Backend
from emu.units.problem import Problem


def runner(backend: Backend) -> Callable[[Problem], None]:
    """The function that computes a problem in place."""
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
