"""The backends of scalar operations. All give the same bits; the fastest that has an operation is the default."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emu.errors import SpecError
from emu.formats.backend import Backend, backend_of
from emu.operations import c_backend, numba_backend, reference
from emu.operations.call import Call

Results = tuple[NDArray[np.uint64], NDArray[np.uint16]]


def run(call: Call, backend: str | Backend | None) -> Results:
    """Run a call on a backend; None: on `c`, or on `reference` what C does not have.

    Raises:
        SpecError: a backend that does not exist, or does not have this operation.
    """
    if backend is None:
        return c_backend.run(call) if c_backend.supports(call) else reference.run(call)
    match backend_of(backend):
        case Backend.REFERENCE:
            return reference.run(call)
        case Backend.NUMBA if numba_backend.supports(call):
            return numba_backend.run(call)
        case Backend.C if c_backend.supports(call):
            return c_backend.run(call)
    able = [name for name, module in (("numba", numba_backend), ("c", c_backend)) if module.supports(call)]
    what = f"{call.operation.value} of this kind is not in this backend"
    raise SpecError(what, key="backend", value=str(backend), allowed=["reference", *able])
