"""What every kernel function is given: a handful of plain arrays, because Numba's compile time grows with their number.

* A value is a slot: row s of `meta` (kind, sign, live, fresh, q, e, n) and row s of `limb` (n words). The first slots
  are the scratch values of the C context; the banks of a level follow.
* `t` holds all tables of the unit, one after the other, as int64: the unit itself at 0, the others from the offsets
  in `state` on. A row is named by its offset in `t`; emu/kernels/layout.py has the offsets of its fields.
* `codes` holds a, b, c, the scales and the zero points, one after the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from emu.formats.enums import EventKind

KIND, NEGATIVE, LIVE, FRESH, Q, E, N = range(7)
META_FIELDS = 7
FINITE, INFINITE, NAN_VALUE = range(3)
(
    SCALE_SLOT, SCALE_B_SLOT, LOAD_A, LOAD_B,
    POINT_SLOT, INNER_SLOT, OUTER_SLOT, BORDER_SLOT, WEIGHT_SLOT,  # of the cast to a listed format
    FIRST_SLOT,
) = range(10)  # fmt: skip

(
    STATUS, INDEX, DRAWS, ROW, COLUMN, ERROR,  # the call, and the element that it is at (or failed in)
    TERM_K, TERM_POSITION,  # where the value stands that a pipe works on
    SEED, TOTAL_K, TOTAL_N, A_BLOCKS, A_ZERO_BLOCKS,
    FORMATS, STEPS, CONSTANTS_AT, LEVELS, TABLE, POINTS, RANKS, TERMS,  # offsets in `t`
    CODES_A, CODES_B, CODES_C, CODES_SA, CODES_SB, CODES_ZA, CODES_ZB,  # offsets in `codes`; zero points: -1 without
    PARTS,  # the slots that operands are split in: the parts of a, the parts of b, what is left
    NOW_M, NOW_N, NOW_K,  # where events are counted now; -1: nowhere in particular
    POSITION_LIMIT, POSITIONS,  # how many positions of each stage and kind are kept, and from where in `state` on
    EVENTS,  # event counts, [stage][kind], from here on
) = range(35)  # fmt: skip
"""Fields of `state`."""

PAIR, TERMS_AT = 0, 2
"""Offsets in `addends`: the two operands of a pipe's addition, and the addends of a step."""

EVENT_KINDS = len(EventKind)
MOST_PARTS = 8
PART_SLOTS = 2 * MOST_PARTS + 1


class Environment(NamedTuple):
    """The arguments of the kernels."""

    meta: Any
    limb: Any
    scratch: Any
    """uint64, 2 * limbs + 2"""
    state: Any
    t: Any
    codes: Any
    addends: Any
    """int64: slots of the addends of a sum"""
