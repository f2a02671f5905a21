"""The kernel of plan "chain": cemu/src/plans/chain_body.h and chain_round.h, for one shape of a unit.

Columns go by panels of one vector (of several registers), rows by ROWS; accumulators stay in registers over all of k.
What shapes the code (how to round, what to do beyond the range) is constant; numbers are arguments.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from numba import njit, types

from emu.kernels.cache import kernel_cache, plan_sources_hash
from emu.kernels.plans.lanes import (
    add_codes,
    every,
    exact_fma,
    exponent_bits,
    half_bit,
    if_equal,
    if_greater,
    if_less,
    largest,
    last_bit,
    load,
    magnitude_bits,
    minus_tiny_part,
    pattern,
    shift_codes,
    sign_bit,
    store,
    through_half,
)
from emu.kernels.plans.machine import set_control, width

ROWS = 2
KEEP, DIRECTION, TRUNCATE, TIES_AWAY, TIES_ZERO, TIES_POSITIVE, TIES_NEGATIVE, AWAY, ODD, JAM, HALF, EVEN, CUT = range(
    13
)
CLAMP, REPLACE, REPLACE_SIGNED, IN_RANGE = range(4)
NUMBERS = ("scale", "lowest", "max", "over_positive", "over_negative", "below", "least")
"""Of a cast, in the order in which the kernel takes them."""


class Shape(NamedTuple):
    """What a cast does, as constants of the code: see cemu_plan_chain_cast."""

    how: int = KEEP
    over: int = IN_RANGE
    signs: int = 0
    flush: int = 0
    shift: int = 0


_inline = njit(forceinline=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


@_inline
def _magic(x: Any, lowest: Any) -> Any:
    """1.5 * 2^e of the last bit; `lowest` for NaN and infinity."""
    found = (x & exponent_bits(x)) | half_bit(x)
    least = every(x, lowest)
    return if_greater(found, least, found, least)


@_inline
def _less(x: Any) -> Any:
    """The next smaller number, with direction = toward zero; NaN for infinity."""
    return exact_fma(x, minus_tiny_part(x), x)


@_inline
def _cut(x: Any, m: Any, scale: Any) -> Any:
    """x + m * scale: x, rounded, in the last bits of the sum."""
    return exact_fma(m, every(x, scale), x)


@_inline
def _back(t: Any, m: Any, scale: Any) -> Any:
    """t - m * scale."""
    return exact_fma(m, every(t, -scale), t)


@_inline
def _round_magnitude(s: Any, n: Any, how: int) -> Any:
    """|s| rounded, with direction = toward zero."""
    x = s & magnitude_bits(s)
    m, one, zero = _magic(x, n[1]), last_bit(x), every(x, 0.0)
    if how == TRUNCATE:
        return _back(_cut(x, m, n[0]), m, n[0])
    if how == AWAY:  # the last bit of what is just below, and one more, but zero stays
        t = add_codes(_cut(_less(x), m, n[0]), if_greater(x, zero, one, zero))
        return if_greater(x, largest(x), x, _back(t, m, n[0]))
    if how == JAM:
        t = _cut(x, m, n[0]) | if_greater(x, zero, one, zero)
        return if_greater(x, largest(x), x, _back(t, m, n[0]))
    if how == ODD:
        t = _cut(x, m, n[0])
        return if_equal(_back(t, m, n[0]), x, x, _back(t | one, m, n[0]))
    y = x  # to nearest: one more bit, rounded up by it; a tie that goes to zero is made less than one before
    if how == TIES_ZERO:
        y = _less(x)
    elif how == TIES_POSITIVE:
        y = if_greater(zero, s, _less(x), x)
    elif how == TIES_NEGATIVE:
        y = if_greater(s, zero, _less(x), x)
    m = _magic(y, n[1])
    t = add_codes(_cut(y, m, n[0]), one) & pattern(x, ~1)
    out = _back(t, m, n[0])
    return out if how == TIES_AWAY else if_greater(x, largest(x), x, out)


@_inline
def _clamp(x: Any, n: Any) -> Any:
    top, bottom = every(x, n[2]), every(x, -n[2])
    below = if_less(x, top, x, top)
    return if_greater(below, bottom, below, bottom)


@_inline
def round_to(s: Any, n: Any, how: int, over: int, signs: int, flush: int, shift: int) -> Any:
    """A vector rounded, in the control word's direction. `n`: the cast's NUMBERS."""
    if how == KEEP:
        return s
    sign = s & sign_bit(s)
    if how == DIRECTION:
        m = _magic(s, n[1])
        r = _back(_cut(s, m, n[0]), m, n[0])
    elif how == EVEN:
        odd = shift_codes(s, shift) & last_bit(s)
        r = add_codes(add_codes(s, pattern(s, (1 << shift >> 1) - 1)), odd) & pattern(s, ~((1 << shift) - 1))
    elif how == CUT:
        r = s & pattern(s, ~((1 << shift) - 1))
    elif how == HALF:
        r = through_half(_clamp(s, n)) if over == CLAMP else through_half(s)
    else:
        r = _round_magnitude(s, n, how) | sign
    if over == CLAMP and how != HALF:
        r = _clamp(r, n)
    if over == REPLACE and how != HALF:
        r = if_greater(r & magnitude_bits(r), every(r, n[2]), every(r, n[3]) | (r & sign_bit(r)), r)
    if over == REPLACE_SIGNED and how != HALF:
        r = if_greater(r, every(r, n[2]), every(r, n[3]), r)
        r = if_less(r, every(r, -n[2]), every(r, n[4]), r)
    zero = every(r, 0.0)
    if flush & 2:
        r = if_less(r & magnitude_bits(r), every(r, n[6]), zero, r)
    if flush & 1:
        r = if_less(s & magnitude_bits(s), every(s, n[5]), zero, r)
    if signs == 2:
        r = r & magnitude_bits(r)
    return r | sign if signs else r


def _kept_signs(shape: Shape) -> Shape:
    """Ways that always give a zero the sum's sign do so by themselves; after a flush they need it said."""
    if shape.how in (HALF, EVEN, CUT):
        return shape._replace(signs=int(shape.flush != 0))
    return shape if shape.how in (KEEP, DIRECTION) else shape._replace(signs=1)


@lru_cache(maxsize=256)
def kernel(
    dtype: str, product: Shape, inner: Shape, outer: Shape, last: Shape, grouped: bool, chunked: bool, positive: bool
) -> Any:
    """The kernel of a shape.

    Args:
        dtype: of the carrier.
        product, inner, outer, last: the casts.
        grouped: whether a step is more than one exact product.
        chunked: whether there are chunks.
        positive: whether an exact zero sum is +0.
    """
    scalar = types.float32 if dtype == "float32" else types.float64
    count = width(dtype)
    p_how, p_over, p_signs, p_flush, p_shift = _kept_signs(product)
    i_how, i_over, i_signs, i_flush, i_shift = _kept_signs(inner)
    o_how, o_over, o_signs, o_flush, o_shift = _kept_signs(outer)
    l_how, l_over, l_signs, l_flush, l_shift = _kept_signs(last)
    with kernel_cache(plan_sources_hash):
        make = njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")

        @make
        def run(a: Any, b: Any, d: Any, part: Any, sizes: Any, casts: Any, starts: Any, control: int) -> None:
            """A part of d = a b (from row, to row, from panel, to panel). d, [panel, row, lane], holds the starts.

            Args:
                a: [row, k], flat.
                b: [panel, k, lane], flat.
                sizes: rows, k, products of a group, of a chunk.
                casts: the NUMBERS of product, inner, outer, last.
                starts: of a chunk; what changes no addend.
            """
            before = set_control(control)
            m, k, group, length = sizes
            of_product, of_inner, of_outer, of_last = casts
            chunk = length if chunked else k
            for panel in range(part[2], part[3]):
                for row in range(part[0], part[1], ROWS):
                    row_1 = row if row + 1 == part[1] else row + 1
                    at_0, at_1 = (panel * m + row) * count, (panel * m + row_1) * count
                    total_0, total_1 = load(d, at_0), load(d, at_1)
                    for chunk_first in range(0, k, chunk):
                        end = min(chunk_first + chunk, k)
                        s_0, s_1 = total_0, total_1
                        if chunked:
                            s_0, s_1 = every(s_0, starts[0]), every(s_1, starts[0])
                        if grouped:
                            for first in range(chunk_first, end, group):
                                sum_0, sum_1 = every(s_0, starts[1]), every(s_1, starts[1])
                                for i in range(first, min(first + group, end)):
                                    y = load(b, (panel * k + i) * count)
                                    x_0, x_1 = every(y, a[row * k + i]), every(y, a[row_1 * k + i])
                                    if p_how == KEEP:
                                        sum_0, sum_1 = exact_fma(x_0, y, sum_0), exact_fma(x_1, y, sum_1)
                                    else:
                                        x_0 = round_to(x_0 * y, of_product, p_how, p_over, p_signs, p_flush, p_shift)
                                        x_1 = round_to(x_1 * y, of_product, p_how, p_over, p_signs, p_flush, p_shift)
                                        sum_0, sum_1 = sum_0 + x_0, sum_1 + x_1
                                s_0, s_1 = s_0 + sum_0, s_1 + sum_1
                                if positive:
                                    s_0, s_1 = s_0 + every(s_0, 0.0), s_1 + every(s_1, 0.0)
                                s_0 = round_to(s_0, of_inner, i_how, i_over, i_signs, i_flush, i_shift)
                                s_1 = round_to(s_1, of_inner, i_how, i_over, i_signs, i_flush, i_shift)
                        else:
                            for i in range(chunk_first, end):
                                y = load(b, (panel * k + i) * count)
                                s_0 = exact_fma(every(y, a[row * k + i]), y, s_0)
                                s_1 = exact_fma(every(y, a[row_1 * k + i]), y, s_1)
                                s_0 = round_to(s_0, of_inner, i_how, i_over, i_signs, i_flush, i_shift)
                                s_1 = round_to(s_1, of_inner, i_how, i_over, i_signs, i_flush, i_shift)
                        if chunked:
                            s_0, s_1 = total_0 + s_0, total_1 + s_1
                            if positive:
                                s_0, s_1 = s_0 + every(s_0, 0.0), s_1 + every(s_1, 0.0)
                            s_0 = round_to(s_0, of_outer, o_how, o_over, o_signs, o_flush, o_shift)
                            s_1 = round_to(s_1, of_outer, o_how, o_over, o_signs, o_flush, o_shift)
                        total_0, total_1 = s_0, s_1
                    total_0 = round_to(total_0, of_last, l_how, l_over, l_signs, l_flush, l_shift)
                    total_1 = round_to(total_1, of_last, l_how, l_over, l_signs, l_flush, l_shift)
                    store(d, at_0, total_0)
                    store(d, at_1, total_1)
            set_control(before)

        numbers, flat = types.UniTuple(scalar, len(NUMBERS)), types.Array(scalar, 1, "C")
        run.compile((
            flat, flat, flat, types.UniTuple(types.int64, 4), types.UniTuple(types.int64, 4),
            types.UniTuple(numbers, 4), types.UniTuple(scalar, 2), types.int64,
        ))  # fmt: skip
        run.disable_compile()
    return run
