"""The kernels of plan "integers": cemu/src/plans/integers_*_kernel.c.

Operands are words of two 16-bit integers (`pairs`), or integers of 16 bits (saturating chains) or 64. Columns go by
panels of one vector (of several registers), rows two by two. All sums are modulo the size of a lane.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit, types

from emu.formats.enums import Rounding
from emu.kernels.cache import kernel_cache, plan_sources_hash
from emu.kernels.plans.lane_types import add_pairs, add_saturating, shift_down, shift_up, to_long
from emu.kernels.plans.lanes import every, if_greater, if_less, load, load_like, store
from emu.kernels.plans.machine import width

ROWS = 2
KEEP, CLAMP, WRAP, MASK = range(4)
CAST_INNER, HAND_UP, CAST_OUTER = 1, 2, 4
_EVEN, _AWAY, _TO_ZERO = (x.code for x in (Rounding.TIES_TO_EVEN, Rounding.TIES_TO_AWAY, Rounding.TIES_TO_ZERO))
_POSITIVE, _NEGATIVE = Rounding.TIES_TO_POSITIVE.code, Rounding.TIES_TO_NEGATIVE.code
_ZERO, _UP, _OUT, _ODD = (
    x.code for x in (Rounding.TOWARD_ZERO, Rounding.TOWARD_POSITIVE, Rounding.AWAY_FROM_ZERO, Rounding.TO_ODD)
)
_inline = njit(forceinline=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
_made = njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")
_WORDS, _LONGS, _SHORTS = (types.Array(one, 1, "C") for one in (types.int32, types.int64, types.int16))
_FOUR, _THREE = types.UniTuple(types.int64, 4), types.UniTuple(types.int64, 3)


@_inline
def _cast(x: Any, kind: int, numbers: Any) -> Any:
    """A cast of integers: numbers are low, high, shift."""
    if kind == CLAMP:
        low, high = every(x, numbers[0]), every(x, numbers[1])
        x = if_less(x, low, low, x)
        return if_greater(x, high, high, x)
    if kind == WRAP:
        return shift_down(shift_up(x, numbers[2]), numbers[2])
    if kind == MASK:
        return x & every(x, numbers[1])
    return x


@lru_cache(maxsize=1)
def whole() -> Any:
    """The kernel of one matrix product of pairs."""
    count = width("int32")
    with kernel_cache(plan_sources_hash):

        @_made
        def run(a: Any, b: Any, d: Any, part: Any, sizes: Any) -> None:
            """A part (from row, to row, from panel, to panel) of d += a b 2^shift.

            Args:
                a: words, [row, word], flat.
                b: words, [panel, word, lane], flat.
                d: [panel, row, lane], 64 bits, flat.
                sizes: rows, words, words whose sum is exact in 32 bits (or of which 32 bits matter), shift.
            """
            m, words, block, shift = sizes
            for panel in range(part[2], part[3]):
                for row in range(part[0], part[1], ROWS):
                    row_1 = row if row + 1 == part[1] else row + 1
                    for first in range(0, words, block):
                        y = load(b, (panel * words + first) * count)
                        s_0, s_1 = every(y, 0), every(y, 0)
                        for i in range(first, min(first + block, words)):
                            y = load(b, (panel * words + i) * count)
                            s_0 = add_pairs(s_0, every(y, a[row * words + i]), y)
                            s_1 = add_pairs(s_1, every(y, a[row_1 * words + i]), y)
                        at_0, at_1 = (panel * m + row) * count, (panel * m + row_1) * count
                        total_0 = load_like(y, d, at_0) + shift_up(to_long(s_0), shift)
                        total_1 = load_like(y, d, at_1) + shift_up(to_long(s_1), shift)
                        store(d, at_0, total_0)
                        store(d, at_1, total_1)

        run.compile((_WORDS, _WORDS, _LONGS, _FOUR, _FOUR))
    return run


@lru_cache(maxsize=16)
def steps(pairs: bool, inner: int, outer: int) -> Any:
    """The kernel of accumulators that are cast on the way, in lanes of 32 bits (pairs) or 64; casts by their kinds."""
    count = width("int32" if pairs else "int64")
    with kernel_cache(plan_sources_hash):

        @_made
        def run(a: Any, b: Any, d: Any, flags: Any, part: Any, sizes: Any, of_inner: Any, of_outer: Any) -> None:
            """A part of d: it holds the starts, [panel, row, lane]; sizes: rows, words."""
            m, words = sizes
            for panel in range(part[2], part[3]):
                for row in range(part[0], part[1], ROWS):
                    row_1 = row if row + 1 == part[1] else row + 1
                    at_0, at_1 = (panel * m + row) * count, (panel * m + row_1) * count
                    total_0, total_1 = load(d, at_0), load(d, at_1)
                    s_0, s_1 = every(total_0, 0), every(total_0, 0)
                    for i in range(words):
                        y = load(b, (panel * words + i) * count)
                        x_0, x_1 = every(y, a[row * words + i]), every(y, a[row_1 * words + i])
                        if pairs:
                            s_0, s_1 = add_pairs(s_0, x_0, y), add_pairs(s_1, x_1, y)
                        else:
                            s_0, s_1 = s_0 + x_0 * y, s_1 + x_1 * y
                        flag = flags[i]
                        if flag & CAST_INNER:
                            s_0, s_1 = _cast(s_0, inner, of_inner), _cast(s_1, inner, of_inner)
                        if flag & HAND_UP:
                            total_0, total_1 = total_0 + s_0, total_1 + s_1
                            s_0, s_1 = every(s_0, 0), every(s_1, 0)
                        if flag & CAST_OUTER:
                            total_0, total_1 = _cast(total_0, outer, of_outer), _cast(total_1, outer, of_outer)
                    store(d, at_0, total_0)
                    if row_1 != row:
                        store(d, at_1, total_1)

        kind = _WORDS if pairs else _LONGS
        flags = types.Array(types.uint8, 1, "C")
        run.compile((kind, kind, kind, flags, _FOUR, types.UniTuple(types.int64, 2), _THREE, _THREE))
    return run


@lru_cache(maxsize=2)
def chain(narrow: bool) -> Any:
    """The kernel of an accumulator of 16 bits (narrow: clamped to fewer) that saturates after every product."""
    count = width("int16")
    with kernel_cache(plan_sources_hash):

        @_made
        def run(a: Any, b: Any, d: Any, part: Any, sizes: Any, limits: Any) -> None:
            """A part of d: it holds the starts, [panel, row, lane]; sizes: rows, k; limits: low, high, 0."""
            m, k = sizes
            for panel in range(part[2], part[3]):
                for row in range(part[0], part[1], ROWS):
                    row_1 = row if row + 1 == part[1] else row + 1
                    at_0, at_1 = (panel * m + row) * count, (panel * m + row_1) * count
                    s_0, s_1 = load(d, at_0), load(d, at_1)
                    for i in range(k):
                        y = load(b, (panel * k + i) * count)
                        s_0 = add_saturating(s_0, every(y, a[row * k + i]) * y)
                        s_1 = add_saturating(s_1, every(y, a[row_1 * k + i]) * y)
                        if narrow:
                            s_0, s_1 = _cast(s_0, CLAMP, limits), _cast(s_1, CLAMP, limits)
                    store(d, at_0, s_0)
                    if row_1 != row:
                        store(d, at_1, s_1)

        run.compile((_SHORTS, _SHORTS, _SHORTS, _FOUR, types.UniTuple(types.int64, 2), _THREE))
    return run


@lru_cache(maxsize=1)
def finish() -> Any:
    """What casts sums for the last time."""
    with kernel_cache(plan_sources_hash):

        @_made
        def run(d: Any, part: Any, kind: int, numbers: Any, mask: int) -> None:
            """Rows part[0] … part[1] of d, [row, column]; numbers: low, high, shift."""
            low, high, shift = numbers
            for row in range(part[0], part[1]):
                for j in range(d.shape[1]):
                    x = d[row, j]
                    if kind == CLAMP:
                        x = min(max(x, low), high)
                    elif kind == WRAP:
                        x = (x << shift) >> shift
                    elif kind == MASK:
                        x = x & high
                    d[row, j] = x & mask

        run.compile((types.Array(types.int64, 2, "C"), _FOUR, types.int64, _THREE, types.int64))
    return run


@lru_cache(maxsize=1)
def output_step() -> Any:
    """One step of `output`: see integers_output_kernel.c."""
    with kernel_cache(plan_sources_hash):

        @_made
        def run(d: Any, part: Any, factor: Any, addend: Any, shifts: Any, rounding: int) -> None:
            """Rows part[0] … part[1] of d, [row, column]; lists by column."""
            for row in range(part[0], part[1]):
                for j in range(d.shape[1]):
                    shift, x = shifts[j], d[row, j] * factor[j] + addend[j]
                    full = (np.int64(1) << shift) - 1
                    one = np.int64(1) if shift > 0 else np.int64(0)
                    half = (full + 1) >> 1 if shift > 0 else np.int64(0)
                    negative = x < 0
                    odd = (x >> shift) & 1
                    add = np.int64(0)
                    if rounding == _EVEN:
                        add = half - one + (odd & one)
                    elif rounding == _AWAY:
                        add = half - (one if negative else 0)
                    elif rounding == _TO_ZERO:
                        add = half - (0 if negative else one)
                    elif rounding == _POSITIVE:
                        add = half
                    elif rounding == _NEGATIVE:
                        add = half - one
                    elif rounding == _ZERO:
                        add = full if negative else 0
                    elif rounding == _UP:
                        add = full
                    elif rounding == _OUT:
                        add = 0 if negative else full
                    elif rounding == _ODD:
                        add = 0 if odd else full
                    d[row, j] = (x + add) >> shift

        run.compile((types.Array(types.int64, 2, "C"), _FOUR, _LONGS, _LONGS, _LONGS, types.int64))
    return run
