"""What every kernel function is given: the tables, the problem and the buffers of one call.

A value is a slot: row s of `meta` (kind, sign, live, fresh, q, e, n) and row s of `limb` (n words). Slots 0 to 3 are
the scratch values of the C context; the banks of a level follow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from emu.formats.enums import EventKind

KIND, NEGATIVE, LIVE, FRESH, Q, E, N = range(7)
FIELDS = 7
FINITE, INFINITE, NAN_VALUE = range(3)
SCALE_SLOT, SCALE_B_SLOT, LOAD_A, LOAD_B, FIRST_SLOT = range(5)

STATUS, INDEX, DRAWS, ROW, COLUMN, ERROR = range(6)
STATE_SIZE = 6
"""Fields of `state`: status of the call; index, draws, row and column of the element; the failing element."""

EVENT_KINDS = len(EventKind)


class Environment(NamedTuple):
    """The arguments of the kernels, as arrays."""

    meta: Any
    limb: Any
    scratch: Any
    """uint64, 2 * limbs + 2"""
    state: Any
    """int64, STATE_SIZE"""
    unit: Any
    formats: Any
    steps: Any
    constants: Any
    levels: Any
    orders: Any
    table: Any
    a: Any
    b: Any
    c: Any
    a_scale: Any
    b_scale: Any
    d: Any
    events: Any
    """[stage, kind]"""
    addends: Any
    """int64: slots of the addends of a step"""
    position: Any
    """int64: where the value stands that a pipe works on: k, position"""
    seed: Any
    """uint64: [seed]"""
