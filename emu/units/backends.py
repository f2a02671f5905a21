"""The backends: one function each, from a problem to its codes. All give the same bits."""

from __future__ import annotations

from collections.abc import Callable

from emu.errors import SpecError
from emu.formats.enums import Vocabulary
from emu.units.problem import Problem


class Backend(Vocabulary):
    """One implementation of the same arithmetic."""

    REFERENCE = "reference"
    """Python integers: the definition"""
    NUMBA = "numba"
    """Numba kernels over the same tables as C"""
    C = "c"
    """the C library cemu"""


def backend_of(name: str | Backend | None) -> Backend:
    """The backend of a name; None is the default, `c`.

    Raises:
        SpecError: no such backend.
    """
    if name is None:
        return Backend.C
    try:
        return Backend(name)
    except ValueError:
        raise SpecError("unknown backend", value=name, allowed=[member.value for member in Backend]) from None


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
