"""What a cast makes of NaN and infinity, and the largest value, in place: cemu/src/cast.h."""

# ruff: noqa: D103  (the C source documents each function)
from __future__ import annotations

import numpy as np

from emu.formats.enums import EventKind, IntegerEncoding, NanEncoding, NanTo, Overflow
from emu.kernels.codec import IEEE, NEGATIVE_ZERO, decode, is_integral
from emu.kernels.environment import FRESH, NEGATIVE, N
from emu.kernels.jit import Env, Int, kernel
from emu.kernels.layout import (
    C_NAN_CODE,
    C_NAN_TO,
    C_OVERFLOW,
    F_BIAS,
    F_BITS,
    F_ENCODING,
    F_FRAC_BITS,
    F_HAS_ZERO,
    F_INFINITIES,
    F_IS_SIGNED,
    F_MAN_BITS,
    F_MAX_MAGNITUDE,
    F_NAN,
    F_NAN_TO,
    F_NEGATIVE_ZERO,
    F_POINTS,
    F_SYMMETRIC,
)
from emu.kernels.listed import set_end, set_smallest
from emu.kernels.status import Status
from emu.kernels.wide import ALL, ONE, QUIET, TOO_WIDE, fail, low_bits, set_small, set_zero, shift_left, trim

RAISED = Status.OVERFLOW_RAISED.code
TWOS = IntegerEncoding.TWOS_COMPLEMENT.code
NO_NAN = NanEncoding.NONE.code
TO_MAX, TO_NEGATIVE_ZERO = NanTo.MAX.code, NanTo.NEGATIVE_ZERO.code
SATURATE, PROPAGATE, RAISE = Overflow.SATURATE.code, Overflow.SATURATE_PROPAGATE.code, Overflow.RAISE.code
INVALID, SATURATED, NAN_MADE = EventKind.INVALID.bit, EventKind.SATURATED.bit, EventKind.NAN_MADE.bit


@kernel
def set_largest(env: Env, f: Int, negative: Int, s: Int) -> None:
    if is_integral(env, f):
        wide = env.t[f + F_IS_SIGNED] and not env.t[f + F_SYMMETRIC] and env.t[f + F_ENCODING] == TWOS
        bits = env.t[f + F_BITS] - (1 if env.t[f + F_IS_SIGNED] else 0)
        if negative and not env.t[f + F_IS_SIGNED]:
            set_zero(env, s, 0, 1, 0)
            return
        if bits // 64 + 1 > env.limb.shape[1]:
            fail(env, TOO_WIDE)
            return
        set_small(env, s, negative, ONE, -env.t[f + F_FRAC_BITS], 0)
        shift_left(env, s, bits)
        if not (negative and wide):
            n = env.meta[s, N]
            for i in range(n - 1):
                env.limb[s, i] = ALL
            env.limb[s, n - 1] -= ONE
            trim(env, s)
        return
    if env.t[f + F_POINTS]:
        set_end(env, f, negative, s)
        return
    if negative and not env.t[f + F_IS_SIGNED]:
        set_zero(env, s, 0, 0, 0)
        return
    e = np.int64(np.uint64(env.t[f + F_MAX_MAGNITUDE]) >> np.uint64(env.t[f + F_MAN_BITS])) - env.t[f + F_BIAS]
    sig = (np.uint64(env.t[f + F_MAX_MAGNITUDE]) & low_bits(env.t[f + F_MAN_BITS])) + (
        ONE << np.uint64(env.t[f + F_MAN_BITS])
    )
    set_small(env, s, negative, sig, e - env.t[f + F_MAN_BITS], e)


@kernel
def keeps_nan(env: Env, f: Int, how: Int) -> bool:
    return env.t[f + F_NAN] != NO_NAN and env.t[how + C_NAN_TO] == 0


@kernel
def instead_of_nan(env: Env, f: Int, how: Int, s: Int) -> Int:
    to = env.t[how + C_NAN_TO] - 1 if env.t[how + C_NAN_TO] else env.t[f + F_NAN_TO]
    if to == TO_MAX:
        set_largest(env, f, 0, s)
    elif env.t[f + F_POINTS] and not env.t[f + F_HAS_ZERO]:
        set_smallest(env, f, -1, s)
    else:
        negative = 1 if to == TO_NEGATIVE_ZERO and env.t[f + F_NEGATIVE_ZERO] else 0
        set_zero(env, s, negative, 1 if is_integral(env, f) else 0, 0)
    return INVALID


@kernel
def set_default_nan(env: Env, f: Int, how: Int, s: Int) -> None:
    decode(env, f, np.uint64(env.t[how + C_NAN_CODE]), s)
    env.limb[s, 0] |= QUIET


@kernel
def made_nan(env: Env, f: Int, how: Int, s: Int) -> Int:
    if not keeps_nan(env, f, how):
        return instead_of_nan(env, f, how, s)
    set_default_nan(env, f, how, s)
    return NAN_MADE


@kernel
def cast_nan(env: Env, f: Int, how: Int, s: Int) -> Int:
    if not keeps_nan(env, f, how):
        return instead_of_nan(env, f, how, s)
    if env.meta[s, FRESH]:
        set_default_nan(env, f, how, s)
        return 0
    payload = QUIET
    if env.t[f + F_NAN] == IEEE:
        payload |= env.limb[s, 0] & ~low_bits(64 - env.t[f + F_MAN_BITS])
    env.limb[s, 0] = payload
    if not env.t[f + F_IS_SIGNED] or env.t[f + F_NAN] == NEGATIVE_ZERO:
        env.meta[s, NEGATIVE] = 0
    return 0


@kernel
def cast_infinity(env: Env, f: Int, how: Int, s: Int) -> Int:
    negative = env.meta[s, NEGATIVE]
    if env.t[how + C_OVERFLOW] == RAISE:
        fail(env, RAISED)
        return 0
    representable = env.t[f + F_INFINITIES] and (env.t[f + F_IS_SIGNED] or not negative)
    if env.t[how + C_OVERFLOW] == SATURATE or (env.t[how + C_OVERFLOW] == PROPAGATE and not representable):
        set_largest(env, f, negative, s)
        return SATURATED
    if representable:
        return 0
    return made_nan(env, f, how, s)
