"""Scalar operations by the Numba kernels: sums, products, fma and casts."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.cast import overflow_at
from emu.operations.call import Call
from emu.operations.enums import Operation
from emu.operations.tables import call_tables
from emu.operations.width import words_of

_HAS = (Operation.ADD, Operation.SUBTRACT, Operation.MULTIPLY, Operation.FMA, Operation.CONVERT)


@cache
def _kernel() -> Any:
    """The compiled kernel."""
    from emu.kernels.cache import kernel_cache

    with kernel_cache():
        from emu.operations.kernel import operate

        return operate


def supports(call: Call) -> bool:
    """Whether there is a kernel."""
    return call.operation in _HAS


def run(call: Call) -> tuple[NDArray[np.uint64], NDArray[np.uint16]]:
    """The codes of a call's results, and masks of events, as emu/operations/reference.py.

    Raises:
        OverflowRaised: beyond the range with overflow = "raise"; names the element.
    """
    kernel = _kernel()
    from emu.kernels import environment as at
    from emu.kernels.status import Status
    from emu.operations.kernel import SLOTS

    env = _environment(call, SLOTS)
    codes = np.stack([array.ravel() for array in call.codes])
    draws = np.zeros(0, np.uint64) if call.draws is None else call.draws.ravel()
    out, masks = np.zeros(codes.shape[1], np.uint64), np.zeros(codes.shape[1], np.int64)
    kernel(env, codes, draws, out, masks)
    status = int(env.state[at.STATUS])
    if status == Status.OVERFLOW_RAISED.code:
        raise overflow_at(call.cast.format, np.unravel_index(int(env.state[at.ERROR]), call.shape))
    if status:
        raise AssertionError(f"operate: status {status}")
    return out.reshape(call.shape), masks.astype(np.uint16).reshape(call.shape)


def _environment(call: Call, slots: int) -> Any:
    from emu.kernels import environment as at

    (operation, tables), limbs = call_tables(call), words_of(call)
    words = [
        np.array(operation, np.int64), tables.formats.view(np.int64), tables.points.view(np.int64), tables.ranks,
    ]  # fmt: skip
    state = np.zeros(at.EVENTS, np.int64)
    state[[at.FORMATS, at.POINTS, at.RANKS]] = np.cumsum([part.size for part in words])[:-1]
    return at.Environment(
        meta=np.zeros((slots, at.META_FIELDS), np.int64),
        limb=np.zeros((slots, limbs), np.uint64),
        scratch=np.zeros(2 * limbs + 2, np.uint64),
        state=state,
        t=np.concatenate(words),
        codes=np.zeros(0, np.uint64),
        addends=np.zeros(2, np.int64),
    )
