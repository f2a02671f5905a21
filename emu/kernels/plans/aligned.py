"""The kernel of plan "aligned": cemu/src/plans/aligned_kernel.c and its headers, for one shape of a unit.

LANES columns at once; rows by ROWS, so that the terms of a step stay in the nearest cache. A step is computed in
float32 and int32 (`quick`), with products in float32 and sums in float64 (`narrow`), or in float64.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

from numba import njit, types

from emu.kernels.cache import kernel_cache, plan_sources_hash
from emu.kernels.plans.lane_types import (
    any_set,
    as_double,
    as_int,
    as_long,
    as_single,
    cut_to_int,
    shift_up,
    to_double,
    to_int,
    to_long,
    to_single,
)
from emu.kernels.plans.lanes import (
    double_of,
    doubles_64,
    every,
    exponent_bits,
    if_equal,
    if_greater,
    if_less,
    load_like,
    magnitude_bits,
    pattern,
    sign_bit,
    singles_64,
    store,
    subtract_codes,
)
from emu.kernels.plans.machine import set_control

LANES, ROWS, DEAD = 64, 16, -8192
STEP = 5
"""Fields of cemu_aligned_step; the last one is of accumulators that join late."""
TOWARD_ZERO, TIES_TO_EVEN, OTHER = range(3)
INFINITY, SATURATE, MARK = range(3)
IEEE, POSITIVE, ALWAYS_POSITIVE = range(3)
PIECE, RUN, HAND_UP = 1, 2, 4
FAINT = 2.0**-600
"""Below every exponent that a plan admits."""
INFINITE = math.inf
ONE = 127 << 23


class Cast(NamedTuple):
    """What a cast does, as constants of the code: see cemu_aligned_cast."""

    rounding: int
    overflow: int
    flush: bool


class Shape(NamedTuple):
    """What shapes the code."""

    result: Cast
    outer: Cast | None
    floor: bool
    quick: bool
    narrow: bool
    powers: bool
    scales: bool
    zero_sign: int


CAST = ("per_ulp", "least", "largest", "flush_from", "flush_to")
"""Numbers of a cast, in order; then `up` and `down`, of positive and negative numbers."""

_inline = njit(forceinline=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


@_inline
def _larger(x: Any, y: Any) -> Any:
    return if_greater(x, y, x, y)


@_inline
def _reciprocal(p: Any) -> Any:
    """1 / p of powers of two."""
    return subtract_codes(pattern(p, 2046 << 52), p)


@_inline
def _power_of_two(e: Any) -> Any:
    """2^e of integers."""
    long = to_long(e)
    return as_double(shift_up(long + every(long, 1023), 52))


@_inline
def _whole(x: Any, floored: bool) -> Any:
    """x cut to an integer: toward zero, or toward negative. |x| < 2^51."""
    one, zero, big = every(x, 1.0), every(x, 0.0), every(x, 4503599627370496.0)
    size = x & magnitude_bits(x)
    t = (size + big) - big
    t = (t - if_greater(t, size, one, zero)) | (x & sign_bit(x))
    return t - if_greater(t, x, one, zero) if floored else t


@_inline
def _cast(x: Any, n: Any, rounding: int, overflow: int, flush: bool) -> Any:
    """A vector cast; where it overflowed to what is to be marked, NaN."""
    zero, size, largest = every(x, 0.0), x & magnitude_bits(x), every(x, n[2])
    q = _larger(x & exponent_bits(x), every(x, n[1])) * every(x, n[0])
    big = q * every(x, 4503599627370496.0)
    t = (size + big) - big
    r = size - t
    if rounding == TOWARD_ZERO:
        t = t - if_less(r, zero, q, zero)
    elif rounding == OTHER:
        up = if_less(x, zero, every(x, n[6]), every(x, n[5])) * q
        down = if_less(x, zero, every(x, n[8]), every(x, n[7])) * q
        t = (t + if_greater(r, up, q, zero)) - if_less(r, down, q, zero)
    if flush:
        t = if_less(size, every(x, n[3]), zero, t)
        t = if_less(t, every(x, n[4]), zero, t)
    if overflow == SATURATE:
        t = if_greater(t, largest, largest, t)
    elif overflow == INFINITY:
        t = if_greater(t, largest, every(x, INFINITE), t)
    else:
        t = if_greater(t, largest, every(x, math.nan), t)
    return t | (x & sign_bit(x))


@_inline
def _top(a_e: Any, at_a: int, b_e: Any, at_b: int, count: int, like: Any) -> Any:
    """The largest exponents of terms."""
    most = load_like(like, b_e, at_b) + every(load_like(like, b_e, at_b), a_e[at_a])
    for i in range(1, count):
        x = load_like(like, b_e, at_b + i * LANES)
        x = x + every(x, a_e[at_a + i])
        most = if_greater(x, most, x, most)
    return most


@_inline
def _outside(top: Any, low: int, high: int) -> bool:
    """Whether a live exponent lies outside low … high."""
    one, zero = every(top, 1), every(top, 0)
    dead = if_greater(top, every(top, DEAD // 2), one, zero)
    return any_set(if_greater(top, every(top, high), one, zero) | if_less(top, every(top, low), dead, zero))


@_inline
def _sum(a: Any, at_a: int, b: Any, at_b: int, count: int, scale: Any) -> Any:
    """The products times `scale`, cut to integers, added up in int32."""
    total = cut_to_int(every(scale, 0.0))
    for i in range(count):
        y = load_like(scale, b, at_b + i * LANES)
        total = total + cut_to_int(every(y, a[at_a + i]) * y * scale)
    return total


@_inline
def _wide_sum(
    a: Any, at_a: int, b: Any, at_b: int, count: int, like: Any, scale: Any, start: Any, floored: bool
) -> Any:
    """The same in float64, from `start` on."""
    for i in range(count):
        y = to_double(load_like(like, b, at_b + i * LANES))
        start = start + _whole(every(y, a[at_a + i]) * y * scale, floored)
    return start


@_inline
def _quick_power(acc: Any, top: Any, limits: Any) -> Any:
    """The alignment exponents as float32's fields, and whether all lie in the limits."""
    x = to_single(acc)
    zero, long = every(as_int(x), 0), to_int(top)
    power = shift_up(if_less(long, every(long, -127), zero, long + every(long, 127)), 23)
    own = as_int(x & exponent_bits(x))
    most = if_greater(own, power, own, power)
    empty = if_equal(x, every(x, 0.0), if_equal(most, zero, every(most, 1), zero), zero)
    one = every(most, 1)
    out = if_greater(most, every(most, limits[1]), one, zero) | if_less(most, every(most, limits[0]), one, zero)
    out = if_equal(empty, one, zero, out)
    return if_equal(empty, one, every(most, ONE), most), any_set(out)


@_inline
def _quick_step(acc: Any, power: Any, a: Any, at_a: int, b: Any, at_b: int, count: int, bits: int, keep: int) -> Any:
    """A whole step, where exponents lie in the limits: see aligned_quick.h."""
    x = to_single(acc)
    scale = as_single(every(power, 2 * ONE + bits) - power)
    total = _sum(a, at_a, b, at_b, count, scale) + cut_to_int(x * scale)
    zero = every(total, 0)
    negative = if_less(total, zero, every(total, -1), zero)
    size = if_less(total, zero, zero - total, total)
    near = to_single(size)
    if keep:
        over = if_greater(cut_to_int(near), size, every(size, -1), zero)
        near = as_single((as_int(near) + over) & every(size, keep))
    near = near * as_single(power - every(power, bits))
    return to_double(near | as_single(negative & every(negative, -(1 << 31))))


@_inline
def _no_minus(x: Any, zero_sign: int) -> Any:
    return x + every(x, 0.0) if zero_sign == ALWAYS_POSITIVE else x


@_inline
def _all_negative(a: Any, at_a: int, b: Any, at_b: int, count: int) -> bool:
    """Whether every term is negative, or -0."""
    for i in range(count):
        if (math.copysign(1.0, a[at_a + i]) < 0) == (math.copysign(1.0, b[at_b + i * LANES]) < 0):
            return False
    return True


@_inline
def _to_odd(x: Any, y: Any) -> Any:
    """x + y rounded to odd."""
    total = x + y
    part = total - x
    lost = (x - (total - part)) + (y - part)
    zero = every(x, 0.0)
    code = as_long(total)
    one, nothing = every(code, 1), every(code, 0)
    minus = nothing - one
    step = if_less(total, zero, if_less(lost, zero, one, minus), if_less(lost, zero, minus, one))
    step = if_equal(code & one, one, nothing, step)
    return as_double(code + if_equal(lost, zero, nothing, step))


@_inline
def _hand_up(acc: Any, factor: Any, outer: Any, n: Any, rounding: int, overflow: int, flush: bool) -> Any:
    """outer + acc * factor, rounded; NaN where one is infinite."""
    infinity, nan = every(acc, INFINITE), every(acc, math.nan)
    x = if_equal(acc & magnitude_bits(acc), infinity, nan, acc)
    x = if_equal(factor & magnitude_bits(factor), infinity, nan, x * factor)
    return _cast(_to_odd(x, outer), n, rounding, overflow, flush)


@lru_cache(maxsize=64)
def kernel(shape: Shape) -> Any:
    """The kernel of a shape."""
    rounding, overflow, flush = shape.result
    inner = shape.outer is not None
    o_rounding, o_overflow, o_flush = shape.outer or shape.result
    floor, quick, narrow, powers, scales, zero_sign = shape[2:]
    with kernel_cache(plan_sources_hash):

        @njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")
        def run(
            a: Any, a_e: Any, b: Any, b_e: Any, acc: Any, a_power: Any, b_power: Any, a_scale: Any, b_scale: Any,
            steps: Any, part: Any, sizes: Any, limits: Any, quick_limits: Any, least: Any, numbers: Any, spare: Any,
            control: int,
        ) -> None:  # fmt: skip
            """A part (from row, to row, from block, to block) of a product; acc holds the starts, then the results.

            What is to be computed again is NaN.

            Args:
                a, a_e, b, b_e, a_power, b_power, a_scale, b_scale, steps: as in cemu_plan_aligned_t, flat.
                acc: its c, flat.
                sizes: k, blocks of columns, blocks of scales.
                limits: align_bits, terms, low, high.
                quick_limits: quick_pieces, quick_low, quick_high, their fields in float32 (low, high), keep.
                least: min_exponent, least_c.
                numbers: CAST and what follows, of the result and of the outer result.
                spare: (ROWS + 1) * LANES elements.
            """
            before = set_control(control)
            k, blocks, scale_blocks = sizes
            align_bits, terms, low, high = limits
            quick_pieces, quick_low, quick_high, field_low, field_high, keep = quick_limits
            of_result, of_outer = numbers
            unit, per_unit = double_of((align_bits + 1023) << 52), double_of((1023 - align_bits) << 52)
            lowest = max(least[0], FAINT)
            like, none = singles_64(), doubles_64()
            for block in range(part[2], part[3]):
                for row_first in range(part[0], part[1], ROWS):
                    for step in range(0, len(steps), STEP):
                        first, count, flags, at_scale = steps[step], steps[step + 1], steps[step + 2], steps[step + 3]
                        at_b = (block * k + first) * LANES
                        for row in range(row_first, min(row_first + ROWS, part[1])):
                            at_a, at = row * k + first, (row * blocks + block) * LANES
                            value = none
                            if not inner:
                                value = load_like(like, acc, at)
                            elif not flags & RUN:
                                value = load_like(like, spare, (row - row_first) * LANES)
                            top = _top(a_e, at_a, b_e, at_b, count, like)
                            done = False
                            if (
                                quick
                                and (quick_pieces or not flags & PIECE)
                                and not _outside(top, quick_low, quick_high)
                            ):
                                power_bits, outside = _quick_power(value, top, (field_low, field_high))
                                if not outside:
                                    value = _quick_step(
                                        value, power_bits, a, at_a, b, at_b, count, align_bits << 23, keep
                                    )
                                    done = True
                            if not done:
                                zero, one = none, every(none, 1.0)
                                long = to_int(top)
                                power = _power_of_two(_larger(long, every(long, -1000)))
                                scale = one
                                if powers:
                                    e = to_int(load_like(like, b_power, (at_scale * blocks + block) * LANES))
                                    scale = _power_of_two(e + every(e, a_power[row * scale_blocks + at_scale]))
                                    power = power * if_greater(power, every(power, 2.0**-1000), scale, one)
                                infinite = value & magnitude_bits(value)
                                x = if_equal(infinite, every(value, INFINITE), zero, value)
                                own = _larger(
                                    x & exponent_bits(x), every(x, least[1] if flags & PIECE else of_result[1])
                                )
                                most = _larger(_larger(power, if_equal(x, zero, zero, own)), every(x, lowest))
                                to_grid = _reciprocal(most) * every(x, unit)
                                total = _whole(x * to_grid, floor)
                                scale = scale * to_grid
                                if narrow and not _outside(top, low, high):
                                    scale = if_less(scale, every(x, 2.0**127), scale, every(x, 2.0**127))
                                    scale = _larger(scale, every(x, 2.0**-126))
                                    single = to_single(if_equal(value, value, scale, zero))
                                    for start in range(0, count, terms):
                                        some = min(terms, count - start)
                                        total = total + to_double(
                                            _sum(a, at_a + start, b, at_b + start * LANES, some, single)
                                        )
                                else:
                                    total = _wide_sum(a, at_a, b, at_b, count, to_single(zero), scale, total, floor)
                                total = total + zero
                                if zero_sign == IEEE:
                                    store(spare, ROWS * LANES, total)
                                    for j in range(LANES):
                                        before_j = spare[(row - row_first) * LANES + j] if inner else acc[at + j]
                                        if inner and flags & RUN:
                                            before_j = 0.0
                                        minus = spare[ROWS * LANES + j] == 0 and math.copysign(1.0, before_j) < 0
                                        if minus and _all_negative(a, at_a, b, at_b + j, count):
                                            spare[ROWS * LANES + j] = -0.0
                                    total = load_like(like, spare, ROWS * LANES)
                                made = _cast(total * (most * every(x, per_unit)), of_result, rounding, overflow, flush)
                                made = _no_minus(made, zero_sign)
                                value = if_equal(infinite, every(value, INFINITE), value, made)
                            if not inner:
                                store(acc, at, value)
                            elif flags & HAND_UP:
                                factor = every(none, 1.0)
                                if scales:
                                    y = load_like(like, b_scale, (at_scale * blocks + block) * LANES)
                                    factor = to_double(every(y, a_scale[row * scale_blocks + at_scale]) * y)
                                made = _hand_up(
                                    value, factor, load_like(like, acc, at), of_outer, o_rounding, o_overflow, o_flush
                                )
                                store(acc, at, made)
                            if inner:
                                store(spare, (row - row_first) * LANES, value)
            set_control(before)

        single, double, short = (types.Array(one, 1, "C") for one in (types.float32, types.float64, types.int16))
        numbers = types.UniTuple(types.UniTuple(types.float64, len(CAST) + 4), 2)
        run.compile((
            single, short, single, short, double, short, short, single, single, types.Array(types.int64, 1, "C"),
            *(types.UniTuple(types.int64, size) for size in (4, 3, 4, 6)), types.UniTuple(types.float64, 2), numbers,
            double, types.int64,
        ))  # fmt: skip
    return run
