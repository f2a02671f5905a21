"""The backends: implementations of the same arithmetic. All give the same bits."""

from __future__ import annotations

from emu.errors import SpecError
from emu.formats.enums import Vocabulary


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
