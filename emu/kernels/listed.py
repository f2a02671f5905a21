"""Log and codebook formats: cemu/src/listed.h."""

# ruff: noqa: D103  (the C source documents each function)
from __future__ import annotations

import numpy as np

from emu.formats.enums import EventKind, StochasticVariant, Tininess
from emu.formats.grid import VIRTUAL_ABOVE, VIRTUAL_BELOW
from emu.formats.tables import RANK_INFINITY, RANK_NAN, RANK_NEGATIVE_INFINITY, RANK_NEGATIVE_ZERO
from emu.kernels.environment import (
    BORDER_SLOT,
    INFINITE,
    INNER_SLOT,
    KIND,
    NAN_VALUE,
    NEGATIVE,
    OUTER_SLOT,
    PAIR,
    POINT_SLOT,
    RANKS,
    WEIGHT_SLOT,
    N,
    Q,
)
from emu.kernels.jit import Env, Int, Word, kernel
from emu.kernels.layout import (
    C_ROUNDING,
    C_SR_BITS,
    C_SR_VARIANT,
    C_TININESS,
    F_BELOW_SMALLEST,
    F_FIRST_POINT,
    F_FIRST_RANK,
    F_HAS_ZERO,
    F_INFINITY_CODE,
    F_NAN_CODE,
    F_NEGATIVE_INFINITY_CODE,
    F_NEGATIVE_ZERO,
    F_NEGATIVE_ZERO_CODE,
    F_POINTS,
    POINT_SIZE,
    R_BOUNDARY_NEGATIVE,
    R_BOUNDARY_Q,
    R_BOUNDARY_ROOT,
    R_BOUNDARY_SIG,
    R_CODE,
    R_NEGATIVE,
    R_ODD,
    R_Q,
    R_SIG,
    point_at,
)
from emu.kernels.rounding import JAM, RAZ, RNA, RNE, RNN, RNP, RNZ, RTN, RTP, RTZ, STOCHASTIC
from emu.kernels.wide import (
    ONE,
    QUIET,
    ZERO,
    bit_length,
    copy_value,
    multiply_limbs,
    set_infinity,
    set_nan,
    set_small,
    set_zero,
    sum_values,
    top_of,
    trim,
    word_below,
    word_length,
)

INEXACT, UNDERFLOW = EventKind.INEXACT.bit, EventKind.UNDERFLOW.bit
AFTER_ROUNDING = Tininess.AFTER_ROUNDING.code
VARIANT_A, VARIANT_C = StochasticVariant.A.code, StochasticVariant.C.code
ROOT_OF_TWO = np.uint64(0xB504F333F9DE6484)
"""floor(2^63.5)"""
NOWHERE = -1


@kernel
def set_word(env: Env, s: Int, negative: Int, sig: Word, q: Int) -> None:
    """A value of one word, with the alignment exponent of its leading bit."""
    if sig:
        set_small(env, s, negative, sig, q, q + word_length(sig) - 1)
    else:
        set_zero(env, s, 0, 0, 0)


@kernel
def set_point(env: Env, p: Int, s: Int) -> None:
    set_word(env, s, env.t[p + R_NEGATIVE], np.uint64(env.t[p + R_SIG]), env.t[p + R_Q])


@kernel
def sign_of(env: Env, s: Int) -> Int:
    if env.meta[s, N] == 0:
        return np.int64(0)
    return np.int64(-1) if env.meta[s, NEGATIVE] else np.int64(1)


@kernel
def compare_values(env: Env, x: Int, y: Int) -> Int:
    sx, sy = sign_of(env, x), sign_of(env, y)
    if sx != sy:
        return np.int64(1) if sx > sy else np.int64(-1)
    if sx == 0:
        return np.int64(0)
    tx, ty = top_of(env, x), top_of(env, y)
    if tx != ty:
        return sx if tx > ty else -sx
    lx, ly = bit_length(env, x), bit_length(env, y)
    done = np.int64(0)
    while done < lx or done < ly:
        a = word_below(env, x, lx - done) if done < lx else ZERO
        b = word_below(env, y, ly - done) if done < ly else ZERO
        if a != b:
            return sx if a > b else -sx
        done += 64
    return np.int64(0)


@kernel
def compare_point(env: Env, s: Int, p: Int) -> Int:
    set_point(env, p, POINT_SLOT)
    return compare_values(env, s, POINT_SLOT)


@kernel
def above_root(env: Env, s: Int, q: Int) -> bool:
    """Whether |x| > 2^(q/2) for an odd q."""
    top, half = top_of(env, s), (q - 1) // 2
    if top != half:
        return top > half
    head = word_below(env, s, bit_length(env, s))
    if head != ROOT_OF_TWO:
        return head > ROOT_OF_TWO
    copy_value(env, BORDER_SLOT, s)
    multiply_limbs(env, BORDER_SLOT, s)
    return bit_length(env, BORDER_SLOT) - 1 + 2 * env.meta[s, Q] >= q


@kernel
def side_of(env: Env, s: Int, p: Int) -> Int:
    negative = env.t[p + R_BOUNDARY_NEGATIVE]
    if not env.t[p + R_BOUNDARY_ROOT]:
        set_word(env, POINT_SLOT, negative, np.uint64(env.t[p + R_BOUNDARY_SIG]), env.t[p + R_BOUNDARY_Q])
        return compare_values(env, s, POINT_SLOT)
    if env.meta[s, N] == 0 or env.meta[s, NEGATIVE] != negative:
        return np.int64(1) if negative else np.int64(-1)
    above = np.int64(1) if above_root(env, s, env.t[p + R_BOUNDARY_Q]) else np.int64(-1)
    return -above if negative else above


@kernel
def point_below(env: Env, f: Int, s: Int) -> Int:
    """The number of the largest point that is not above x; -1: none."""
    low, high = np.int64(-1), env.t[f + F_POINTS]
    first = point_at(env, env.t[f + F_FIRST_POINT])
    while high - low > 1:
        middle = low + (high - low) // 2
        if compare_point(env, s, first + POINT_SIZE * middle) >= 0:
            low = middle
        else:
            high = middle
    return low


@kernel
def set_weight(env: Env, low: Word, high: Word) -> None:
    set_zero(env, WEIGHT_SLOT, 0, 0, 0)
    env.limb[WEIGHT_SLOT, 0] = low
    env.limb[WEIGHT_SLOT, 1] = high
    env.meta[WEIGHT_SLOT, N] = 2
    trim(env, WEIGHT_SLOT)


@kernel
def goes_to_outer(env: Env, how: Int, draw: Word, s: Int, inner: Int, outer: Int) -> bool:
    bits, variant = env.t[how + C_SR_BITS], env.t[how + C_SR_VARIANT]
    odd = ZERO if variant == VARIANT_A else ONE
    low, high = (draw << ONE) | odd, draw >> np.uint64(63)
    whole_low = ONE << np.uint64(bits + 1) if bits + 1 < 64 else ZERO
    whole_high = ZERO if bits + 1 < 64 else ONE << np.uint64(bits + 1 - 64)
    rest_high = whole_high - high - (ONE if whole_low < low else ZERO)
    set_point(env, inner, INNER_SLOT)
    set_weight(env, low, high)
    multiply_limbs(env, INNER_SLOT, WEIGHT_SLOT)
    set_point(env, outer, OUTER_SLOT)
    set_weight(env, whole_low - low, rest_high)
    multiply_limbs(env, OUTER_SLOT, WEIGHT_SLOT)
    env.addends[PAIR] = INNER_SLOT
    env.addends[PAIR + 1] = OUTER_SLOT
    sum_values(env, BORDER_SLOT, PAIR, 2)
    env.meta[BORDER_SLOT, Q] -= bits + 1
    side = compare_values(env, s, BORDER_SLOT)
    if side:
        return side == (1 if outer > inner else -1)
    return variant != VARIANT_C or draw & ONE == ZERO


@kernel
def goes_to_higher(env: Env, how: Int, draw: Word, s: Int, low: Int) -> bool:
    high, rounding, negative = low + POINT_SIZE, env.t[how + C_ROUNDING], env.meta[s, NEGATIVE] == 1
    inner, outer = (high, low) if negative else (low, high)
    if rounding in (RNE, RNA, RNZ, RNP, RNN):
        side = side_of(env, s, low)
        if side:
            return side > 0
        if rounding == RNE:
            return env.t[high + R_ODD] == 0
        if rounding == RNA:
            return not negative
        if rounding == RNZ:
            return negative
        return rounding == RNP
    if rounding == RTZ:
        return inner == high
    if rounding == RAZ:
        return outer == high
    if rounding == RTP:
        return True
    if rounding == RTN:
        return False
    if rounding == STOCHASTIC:
        return goes_to_outer(env, how, draw, s, inner, outer) == (outer == high)
    return (inner == high) == (env.t[inner + R_ODD] == 1)


@kernel
def neighbour(env: Env, f: Int, how: Int, draw: Word, s: Int) -> Int:
    """The row of the point that x rounds to; -1: beyond the grid."""
    first = point_at(env, env.t[f + F_FIRST_POINT])
    last = first + POINT_SIZE * (env.t[f + F_POINTS] - 1)
    at = point_below(env, f, s)
    if at < 0:
        return first if env.t[first + R_CODE] == VIRTUAL_BELOW and not env.meta[s, NEGATIVE] else np.int64(NOWHERE)
    low = first + POINT_SIZE * at
    if compare_point(env, s, low) == 0:
        if env.t[how + C_ROUNDING] != JAM or env.t[low + R_ODD] or env.meta[s, N] == 0:
            return low
        if env.meta[s, NEGATIVE]:
            return low - POINT_SIZE if at else np.int64(NOWHERE)
        return low + POINT_SIZE if low < last else np.int64(NOWHERE)
    if low == last:
        return np.int64(NOWHERE)
    if env.t[low + R_CODE] == VIRTUAL_BELOW and env.t[low + POINT_SIZE + R_CODE] == VIRTUAL_BELOW:
        return low if env.meta[s, NEGATIVE] else low + POINT_SIZE
    return low + POINT_SIZE if goes_to_higher(env, how, draw, s, low) else low


@kernel
def set_smallest(env: Env, f: Int, negative: Int, s: Int) -> None:
    first, count = point_at(env, env.t[f + F_FIRST_POINT]), env.t[f + F_POINTS]
    set_zero(env, BORDER_SLOT, 0, 0, 0)
    at = point_below(env, f, BORDER_SLOT) + 1
    while at < count and env.t[first + POINT_SIZE * at + R_CODE] < 0:
        at += 1
    if at == count:
        at -= 1
        while env.t[first + POINT_SIZE * at + R_SIG] == 0 or env.t[first + POINT_SIZE * at + R_CODE] < 0:
            at -= 1
    set_point(env, first + POINT_SIZE * at, s)
    if negative >= 0:  # -1: its own
        env.meta[s, NEGATIVE] = negative


@kernel
def set_end(env: Env, f: Int, negative: Int, s: Int) -> None:
    """The largest finite value of a sign."""
    at = point_at(env, env.t[f + F_FIRST_POINT])
    step = np.int64(POINT_SIZE)
    if not negative:
        at += POINT_SIZE * (env.t[f + F_POINTS] - 1)
        step = -step
    while env.t[at + R_CODE] < 0:
        at += step
    set_point(env, at, s)


@kernel
def rounds_below(env: Env, f: Int, how: Int, draw: Word, s: Int, p: Int) -> bool:
    if env.t[p + R_CODE] == VIRTUAL_BELOW:
        return True
    if not env.t[f + F_BELOW_SMALLEST]:
        return env.t[p + R_SIG] == 0
    negative = env.meta[s, NEGATIVE] == 1
    first = point_at(env, env.t[f + F_FIRST_POINT] + env.t[f + F_POINTS] + (0 if negative else 2))
    outside = compare_point(env, s, first + POINT_SIZE if negative else first)
    if outside == 0:
        return env.t[how + C_ROUNDING] != JAM
    if (negative and outside > 0) or (not negative and outside < 0):
        return True
    return goes_to_higher(env, how, draw, s, first) == negative


@kernel
def decode_listed(env: Env, f: Int, code: Word, s: Int) -> None:
    rank = env.t[env.state[RANKS] + env.t[f + F_FIRST_RANK] + np.int64(code)]
    if rank == RANK_NAN:
        set_nan(env, s, 0, QUIET, 0)
    elif rank == RANK_INFINITY:
        set_infinity(env, s, 0)
    elif rank == RANK_NEGATIVE_INFINITY:
        set_infinity(env, s, 1)
    elif rank == RANK_NEGATIVE_ZERO:
        set_zero(env, s, 1, 0, 0)
    else:
        set_point(env, point_at(env, env.t[f + F_FIRST_POINT] + rank), s)


@kernel
def encode_listed(env: Env, f: Int, s: Int) -> Word:
    meta = env.meta
    if meta[s, KIND] == NAN_VALUE:
        return np.uint64(env.t[f + F_NAN_CODE])
    if meta[s, KIND] == INFINITE:
        return np.uint64(env.t[f + (F_NEGATIVE_INFINITY_CODE if meta[s, NEGATIVE] else F_INFINITY_CODE)])
    if meta[s, N] == 0 and meta[s, NEGATIVE] and env.t[f + F_NEGATIVE_ZERO]:
        return np.uint64(env.t[f + F_NEGATIVE_ZERO_CODE])
    return np.uint64(env.t[point_at(env, env.t[f + F_FIRST_POINT] + point_below(env, f, s)) + R_CODE])


@kernel
def round_listed(env: Env, f: Int, how: Int, draw: Word, s: Int) -> Int:
    """Round a finite x; the mask of events, or -1: it overflows (and is left as it was)."""
    meta = env.meta
    negative = meta[s, NEGATIVE]
    zero_sign = 1 if negative and env.t[f + F_NEGATIVE_ZERO] else 0
    if meta[s, N] == 0 and env.t[f + F_HAS_ZERO]:
        set_zero(env, s, zero_sign, 0, 0)
        return np.int64(0)
    p = neighbour(env, f, how, draw, s)
    if p == NOWHERE or env.t[p + R_CODE] == VIRTUAL_ABOVE:
        return np.int64(-1)
    below = env.t[p + R_CODE] == VIRTUAL_BELOW
    events = np.int64(INEXACT) if below or compare_point(env, s, p) else np.int64(0)
    if events and meta[s, N]:
        copy_value(env, INNER_SLOT, s)
        meta[INNER_SLOT, NEGATIVE] = 0
        set_smallest(env, f, 0, OUTER_SLOT)
        tiny = compare_values(env, INNER_SLOT, OUTER_SLOT) < 0
        if env.t[how + C_TININESS] == AFTER_ROUNDING:
            tiny = tiny and rounds_below(env, f, how, draw, s, p)
        if tiny:
            events |= UNDERFLOW
    if below:
        set_smallest(env, f, env.t[p + R_NEGATIVE], s)
    elif env.t[p + R_SIG] == 0:
        set_zero(env, s, zero_sign, 0, 0)
    else:
        set_point(env, p, s)
    return events
