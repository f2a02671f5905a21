"""Rounding and the cast, in place: cemu/src/cast.h."""

# ruff: noqa: D103  (the C source documents each function)
from __future__ import annotations

import numpy as np

from emu.formats.enums import EventKind, Ftz, IntegerEncoding, Overflow, Tininess
from emu.kernels.codec import LOG, NO_SUBNORMALS, NORMAL, is_integral
from emu.kernels.environment import (
    BORDER_SLOT,
    INFINITE,
    KIND,
    LIVE,
    NAN_VALUE,
    NEGATIVE,
    SCALE_B_SLOT,
    STATUS,
    E,
    N,
    Q,
)
from emu.kernels.jit import Env, Int, Word, kernel
from emu.kernels.layout import (
    C_FORMAT,
    C_FTZ,
    C_OVERFLOW,
    C_ROUNDING,
    C_TININESS,
    F_BIAS,
    F_BITS,
    F_EMIN,
    F_ENCODING,
    F_FRAC_BITS,
    F_HAS_ZERO,
    F_INFINITIES,
    F_IS_SIGNED,
    F_KIND,
    F_MAN_BITS,
    F_MAX_MAGNITUDE,
    F_NAN,
    F_NEGATIVE_ZERO,
    F_POINTS,
    F_SUBNORMALS,
    F_SYMMETRIC,
    format_at,
)
from emu.kernels.listed import compare_values, round_listed, set_end, set_smallest
from emu.kernels.rounding import EXACT, JAM, RTN, RTO, RTP, RTZ, round_shift
from emu.kernels.special import (
    INVALID,
    NO_NAN,
    PROPAGATE,
    RAISE,
    RAISED,
    SATURATE,
    SATURATED,
    cast_infinity,
    cast_nan,
    made_nan,
    set_largest,
)
from emu.kernels.wide import (
    ALL,
    ONE,
    TOO_WIDE,
    ZERO,
    any_below,
    bit_length,
    copy_value,
    fail,
    low_bits,
    set_infinity,
    set_zero,
    top_of,
    trim,
    word_below,
)

TWOS = IntegerEncoding.TWOS_COMPLEMENT.code
TO_INFINITY = Overflow.INFINITY.code
BEFORE_ROUNDING = Tininess.BEFORE_ROUNDING.code
TO_NAN, WRAP = Overflow.NAN.code, Overflow.WRAP.code
FTZ_BEFORE, FTZ_AFTER, FTZ_RESULT = Ftz.BEFORE_ROUNDING.code, Ftz.AFTER_ROUNDING.code, Ftz.RESULT.code
INEXACT, UNDERFLOW, OVERFLOW = EventKind.INEXACT.bit, EventKind.UNDERFLOW.bit, EventKind.OVERFLOW.bit
WRAPPED, FLUSHED_OUT = EventKind.WRAPPED.bit, EventKind.FLUSHED_OUT.bit


@kernel
def exceeds(env: Env, f: Int, s: Int) -> bool:
    if env.meta[s, NEGATIVE] and not env.t[f + F_IS_SIGNED]:
        return True
    top, max_top = (
        top_of(env, s),
        max(
            np.int64(np.uint64(env.t[f + F_MAX_MAGNITUDE]) >> np.uint64(env.t[f + F_MAN_BITS])) - env.t[f + F_BIAS],
            env.t[f + F_EMIN],
        ),
    )
    if top != max_top:
        return top > max_top
    at = bit_length(env, s) - 1
    head = word_below(env, s, at) if at else ZERO
    mantissa = head >> np.uint64(64 - env.t[f + F_MAN_BITS]) if env.t[f + F_MAN_BITS] else ZERO
    limit = np.uint64(env.t[f + F_MAX_MAGNITUDE]) & low_bits(env.t[f + F_MAN_BITS])
    if mantissa != limit:
        return mantissa > limit
    return any_below(env, s, at - env.t[f + F_MAN_BITS]) == 1


@kernel
def overflow_float(env: Env, f: Int, how: Int, directed: bool, s: Int) -> Int:
    negative = env.meta[s, NEGATIVE]
    representable = env.t[f + F_IS_SIGNED] or not negative
    events = OVERFLOW | INEXACT
    saturates = env.t[how + C_OVERFLOW] == SATURATE or env.t[how + C_OVERFLOW] == PROPAGATE
    if env.t[how + C_OVERFLOW] == RAISE:
        fail(env, RAISED)
        return 0
    if env.t[how + C_OVERFLOW] == TO_INFINITY and directed and representable:
        mode = env.t[how + C_ROUNDING]
        if mode in (RTZ, RTO, JAM) or (mode == RTP and negative) or (mode == RTN and not negative):
            saturates = True
    if saturates:
        set_largest(env, f, negative, s)
        return events | SATURATED
    if env.t[how + C_OVERFLOW] != TO_NAN and env.t[f + F_INFINITIES] and representable:
        set_infinity(env, s, negative)
        return events
    return events | made_nan(env, f, how, s)


@kernel
def below_normal(env: Env, f: Int, s: Int) -> bool:
    top, leading = top_of(env, s), bit_length(env, s) - 1
    if env.t[f + F_SUBNORMALS] != NORMAL or top != env.t[f + F_EMIN]:
        return top < env.t[f + F_EMIN]
    return (
        env.t[f + F_MAN_BITS] == 0
        or leading == 0
        or word_below(env, s, leading) >> np.uint64(64 - env.t[f + F_MAN_BITS]) == ZERO
    )


@kernel
def is_flushed(env: Env, f: Int, how: Int, s: Int, tiny_before: bool, tiny_full: bool) -> bool:
    top = top_of(env, s)
    if env.t[how + C_FTZ] == FTZ_BEFORE and tiny_before:
        return True
    if env.t[how + C_FTZ] == FTZ_AFTER and tiny_full:
        return True
    if env.t[how + C_FTZ] == FTZ_RESULT and top < env.t[f + F_EMIN]:
        return True
    if env.t[f + F_SUBNORMALS] == NO_SUBNORMALS:
        return top < env.t[f + F_EMIN]
    if env.t[f + F_SUBNORMALS] == NORMAL:
        return top < env.t[f + F_EMIN] or (top == env.t[f + F_EMIN] and any_below(env, s, bit_length(env, s) - 1) == 0)
    return False


@kernel
def round_float(env: Env, f: Int, s: Int, lsb: Int, how: Int, draw: Word) -> Int:
    one_is_even = env.t[f + F_MAN_BITS] == 0 and (lsb + env.t[f + F_BIAS]) & 1 == 0
    return round_shift(env, s, lsb - env.meta[s, Q], env.t[how + C_ROUNDING], how, draw, one_is_even)


@kernel
def cast_float(env: Env, f: Int, how: Int, draw: Word, s: Int) -> Int:
    meta = env.meta
    negative = meta[s, NEGATIVE]
    zero_sign = 1 if negative and env.t[f + F_NEGATIVE_ZERO] else 0
    if meta[s, N] == 0:
        set_zero(env, s, zero_sign, 0, 0)
        return 0
    top = top_of(env, s)
    tiny_before, tiny_full = below_normal(env, f, s), top < env.t[f + F_EMIN]
    if top == env.t[f + F_EMIN] - 1:  # rounded to full precision, still tiny unless it is carried up to 2^emin
        full = SCALE_B_SLOT  # free while a cast runs: scales are loaded anew at every use
        copy_value(env, full, s)
        round_float(env, f, full, top - env.t[f + F_MAN_BITS], how, draw)
        tiny_full = bit_length(env, full) + top - env.t[f + F_MAN_BITS] - 1 < env.t[f + F_EMIN]
    lsb = max(top, env.t[f + F_EMIN]) - env.t[f + F_MAN_BITS]
    events = INEXACT if round_float(env, f, s, lsb, how, draw) else 0
    if env.state[STATUS]:
        return 0
    meta[s, Q] = lsb
    if meta[s, N] and is_flushed(env, f, how, s, tiny_before, tiny_full):
        set_zero(env, s, zero_sign, 0, 0)
        return FLUSHED_OUT | INEXACT | UNDERFLOW
    if meta[s, N] == 0:
        set_zero(env, s, zero_sign, 0, 0)
        return events | UNDERFLOW if events else events
    top = top_of(env, s)
    tiny = tiny_before if env.t[how + C_TININESS] == BEFORE_ROUNDING else tiny_full
    if events and tiny:
        events |= UNDERFLOW
    if exceeds(env, f, s):
        return overflow_float(env, f, how, True, s)
    meta[s, LIVE] = 1
    meta[s, E] = max(top, env.t[f + F_EMIN])
    return events


@kernel
def wrap_integer(env: Env, f: Int, s: Int) -> None:
    words, high = (env.t[f + F_BITS] + 63) // 64, env.t[f + F_BITS] % 64
    if words > env.limb.shape[1]:
        fail(env, TOO_WIDE)
        return
    for i in range(env.meta[s, N], words):
        env.limb[s, i] = ZERO
    mask = low_bits(high) if high else ALL
    negate, negative = env.meta[s, NEGATIVE] == 1, False
    for attempt in range(2):
        if negate:
            carry = ONE
            for i in range(words):
                flipped = ~env.limb[s, i] + carry
                carry = ONE if carry and flipped == ZERO else ZERO
                env.limb[s, i] = flipped
        env.limb[s, words - 1] &= mask
        if attempt == 0:
            sign = env.limb[s, words - 1] >> np.uint64((env.t[f + F_BITS] - 1) % 64) & ONE
            negative = env.t[f + F_IS_SIGNED] == 1 and sign == ONE
            negate = negative
    env.meta[s, N] = words
    env.meta[s, NEGATIVE] = 1 if negative else 0
    trim(env, s)


@kernel
def cast_integral(env: Env, f: Int, how: Int, draw: Word, s: Int) -> Int:
    meta = env.meta
    live = meta[s, LIVE]
    if meta[s, N] == 0:
        set_zero(env, s, 0, live, 0)
        return 0
    shift = -env.t[f + F_FRAC_BITS] - meta[s, Q]
    events = INEXACT if round_shift(env, s, shift, env.t[how + C_ROUNDING], how, draw, False) else 0
    if env.state[STATUS]:
        return 0
    meta[s, Q] = -env.t[f + F_FRAC_BITS]
    meta[s, E] = 0
    bits = env.t[f + F_BITS] - (1 if env.t[f + F_IS_SIGNED] else 0)
    wide = env.t[f + F_IS_SIGNED] and not env.t[f + F_SYMMETRIC] and env.t[f + F_ENCODING] == TWOS
    length = bit_length(env, s)
    fits = length <= bits
    if meta[s, NEGATIVE] and not env.t[f + F_IS_SIGNED]:
        fits = length == 0
    elif meta[s, NEGATIVE] and wide and length == bits + 1:
        fits = any_below(env, s, bits) == 0
    if fits:
        if meta[s, N] == 0:
            meta[s, NEGATIVE] = 0
        return events
    events |= OVERFLOW | INEXACT
    if env.t[how + C_OVERFLOW] == RAISE:
        fail(env, RAISED)
        return 0
    if env.t[how + C_OVERFLOW] == WRAP:
        wrap_integer(env, f, s)
        return events | WRAPPED
    set_largest(env, f, meta[s, NEGATIVE], s)
    meta[s, LIVE] = live
    return events | SATURATED


@kernel
def instead_of_zero(env: Env, f: Int, how: Int, s: Int) -> Int:
    negative = 1 if env.meta[s, NEGATIVE] and env.t[f + F_IS_SIGNED] else 0
    if env.t[how + C_OVERFLOW] == RAISE:
        fail(env, RAISED)
        return 0
    if env.t[f + F_NAN] != NO_NAN and env.t[how + C_OVERFLOW] not in (SATURATE, PROPAGATE):
        return made_nan(env, f, how, s) | INVALID
    set_smallest(env, f, negative, s)
    return INEXACT | UNDERFLOW


@kernel
def cast_listed(env: Env, f: Int, how: Int, draw: Word, s: Int) -> Int:
    if env.meta[s, N] == 0 and not env.t[f + F_HAS_ZERO] and env.t[f + F_KIND] == LOG:
        return instead_of_zero(env, f, how, s)
    events = round_listed(env, f, how, draw, s)
    if events >= 0:
        return events
    set_end(env, f, 1, BORDER_SLOT)  # the end that is exceeded; not the sign, in a one-sided codebook
    env.meta[s, NEGATIVE] = 1 if compare_values(env, s, BORDER_SLOT) <= 0 else 0
    return overflow_float(env, f, how, True, s)


@kernel
def cast_value(env: Env, how: Int, draw: Word, s: Int) -> Int:
    """Cast a value in place; returns the mask of events."""
    f = format_at(env, env.t[how + C_FORMAT])
    if env.meta[s, KIND] == NAN_VALUE:
        return cast_nan(env, f, how, s)
    if env.meta[s, KIND] == INFINITE:
        return cast_infinity(env, f, how, s)
    if env.t[how + C_ROUNDING] == EXACT:
        return overflow_float(env, f, how, False, s) if env.meta[s, N] and exceeds(env, f, s) else 0
    if is_integral(env, f):
        return cast_integral(env, f, how, draw, s)
    if env.t[f + F_POINTS]:
        return cast_listed(env, f, how, draw, s)
    return cast_float(env, f, how, draw, s)
