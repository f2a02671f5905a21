"""From codes to values and back: cemu/src/codec.h."""

# ruff: noqa: D103  (the C source documents each function)
from __future__ import annotations

import numpy as np

from emu.formats.enums import FormatKind, IntegerEncoding, NanEncoding, Subnormals
from emu.kernels.environment import INFINITE, KIND, NAN_VALUE, NEGATIVE, N, Q
from emu.kernels.jit import Env, Int, Word, kernel
from emu.kernels.layout import (
    F_BIAS,
    F_BITS,
    F_EMIN,
    F_ENCODING,
    F_EXP_BITS,
    F_FIRST_RANK,
    F_FRAC_BITS,
    F_HAS_ZERO,
    F_IGNORED_LOW_BITS,
    F_INFINITIES,
    F_IS_SIGNED,
    F_KIND,
    F_MAN_BITS,
    F_MAX_MAGNITUDE,
    F_NAN,
    F_NEGATIVE_ZERO,
    F_ODD_PHASE,
    F_POINTS,
    F_RADIX_LOG2,
    F_SUBNORMALS,
)
from emu.kernels.listed import decode_listed, encode_listed
from emu.kernels.wide import (
    ONE,
    QUIET,
    ZERO,
    low_bits,
    set_infinity,
    set_nan,
    set_small,
    set_zero,
    top_of,
    word_below,
)

INTEGER, FIXED, LOG = FormatKind.INTEGER.code, FormatKind.FIXED.code, FormatKind.LOG.code
SIGN_MAGNITUDE = IntegerEncoding.SIGN_MAGNITUDE.code
IEEE, NEGATIVE_ZERO, TOP_CODE = NanEncoding.IEEE.code, NanEncoding.NEGATIVE_ZERO.code, NanEncoding.TOP_CODE.code
NO_SUBNORMALS, NORMAL = Subnormals.NONE.code, Subnormals.NORMAL.code


@kernel
def is_integral(env: Env, f: Int) -> bool:
    return env.t[f + F_KIND] == INTEGER or env.t[f + F_KIND] == FIXED


@kernel
def decode_integral(env: Env, f: Int, code: Word, s: Int) -> None:
    top = ONE << np.uint64(env.t[f + F_BITS] - 1)
    negative = 1 if env.t[f + F_IS_SIGNED] and (code & top) else 0
    magnitude = code
    if negative:
        magnitude = (
            code ^ top if env.t[f + F_ENCODING] == SIGN_MAGNITUDE else (~code + ONE) & low_bits(env.t[f + F_BITS])
        )
    if magnitude == ZERO:
        set_zero(env, s, 0, 0, 0)
    else:
        set_small(env, s, negative, magnitude, -env.t[f + F_FRAC_BITS], 0)


@kernel
def decode(env: Env, f: Int, code: Word, s: Int) -> None:
    if env.t[f + F_POINTS] and env.t[f + F_FIRST_RANK] >= 0:
        decode_listed(env, f, code, s)
        return
    if is_integral(env, f):
        decode_integral(env, f, code, s)
        return
    field_bits = env.t[f + F_EXP_BITS] + env.t[f + F_MAN_BITS]
    seen = (code >> np.uint64(env.t[f + F_IGNORED_LOW_BITS])) & low_bits(
        field_bits + (1 if env.t[f + F_IS_SIGNED] else 0)
    )
    magnitude = seen & low_bits(field_bits)
    negative = np.int64(seen >> np.uint64(field_bits) & ONE) if field_bits < 64 else np.int64(0)
    if env.t[f + F_KIND] == LOG:
        if env.t[f + F_NAN] == TOP_CODE and magnitude > np.uint64(env.t[f + F_MAX_MAGNITUDE]):
            set_nan(env, s, negative, QUIET, 0)
        elif env.t[f + F_HAS_ZERO] and magnitude == ZERO:
            set_zero(env, s, negative, 0, 0)
        else:
            e = env.t[f + F_RADIX_LOG2] * (np.int64(magnitude) - env.t[f + F_BIAS]) - env.t[f + F_ODD_PHASE]
            set_small(env, s, negative, ONE, e, e)
        return
    mantissa = magnitude & low_bits(env.t[f + F_MAN_BITS])
    exponent = np.int64(magnitude >> np.uint64(env.t[f + F_MAN_BITS]))
    if magnitude == ZERO:
        if negative and env.t[f + F_NAN] == NEGATIVE_ZERO:
            set_nan(env, s, 0, QUIET, 0)
        else:
            set_zero(env, s, 1 if negative and env.t[f + F_NEGATIVE_ZERO] else 0, 0, 0)
        return
    if magnitude > np.uint64(env.t[f + F_MAX_MAGNITUDE]):
        if env.t[f + F_INFINITIES] and magnitude == np.uint64(env.t[f + F_MAX_MAGNITUDE]) + ONE:
            set_infinity(env, s, negative)
        else:
            set_nan(
                env,
                s,
                negative,
                mantissa << np.uint64(64 - env.t[f + F_MAN_BITS]) if env.t[f + F_NAN] == IEEE else QUIET,
                0,
            )
        return
    if exponent == 0 and env.t[f + F_SUBNORMALS] == NO_SUBNORMALS:
        set_zero(env, s, 1 if negative and env.t[f + F_NEGATIVE_ZERO] else 0, 0, 0)
        return
    hidden = ONE if exponent > 0 or env.t[f + F_SUBNORMALS] == NORMAL else ZERO
    e = max(exponent - env.t[f + F_BIAS], env.t[f + F_EMIN])
    set_small(env, s, negative, mantissa + (hidden << np.uint64(env.t[f + F_MAN_BITS])), e - env.t[f + F_MAN_BITS], e)


@kernel
def encode(env: Env, f: Int, s: Int) -> Word:
    if env.t[f + F_POINTS]:
        return encode_listed(env, f, s)
    meta = env.meta
    if is_integral(env, f):
        sig = ZERO
        shift = meta[s, Q] + env.t[f + F_FRAC_BITS]
        if meta[s, N]:
            word = env.limb[s, 0]
            sig = word << np.uint64(shift) if shift >= 0 else word >> np.uint64(-shift)
        if env.t[f + F_ENCODING] == SIGN_MAGNITUDE:
            return sig | (ONE << np.uint64(env.t[f + F_BITS] - 1) if meta[s, NEGATIVE] and sig else ZERO)
        return (~sig + ONE if meta[s, NEGATIVE] else sig) & low_bits(env.t[f + F_BITS])
    field_bits = env.t[f + F_EXP_BITS] + env.t[f + F_MAN_BITS]
    sign = ONE << np.uint64(field_bits) if meta[s, NEGATIVE] and env.t[f + F_IS_SIGNED] else ZERO
    if meta[s, KIND] == NAN_VALUE:
        if env.t[f + F_NAN] == NEGATIVE_ZERO:
            word = ONE << np.uint64(field_bits)
        elif env.t[f + F_NAN] == IEEE:
            payload = (env.limb[s, 0] | QUIET) >> np.uint64(64 - env.t[f + F_MAN_BITS])
            word = sign | low_bits(env.t[f + F_EXP_BITS]) << np.uint64(env.t[f + F_MAN_BITS]) | payload
        else:
            word = sign | low_bits(field_bits)
    elif meta[s, KIND] == INFINITE:
        word = sign | (np.uint64(env.t[f + F_MAX_MAGNITUDE]) + ONE)
    elif meta[s, N] == 0:
        word = sign if env.t[f + F_NEGATIVE_ZERO] else ZERO
    else:
        e = max(top_of(env, s), env.t[f + F_EMIN])
        shift = meta[s, Q] - (e - env.t[f + F_MAN_BITS])
        sig = env.limb[s, 0] << np.uint64(shift) if shift >= 0 else word_below(env, s, 64 - shift)
        normal = sig >> np.uint64(env.t[f + F_MAN_BITS]) or env.t[f + F_SUBNORMALS] == NORMAL
        field = np.uint64(e + env.t[f + F_BIAS]) if normal else ZERO
        word = sign | field << np.uint64(env.t[f + F_MAN_BITS]) | (sig & low_bits(env.t[f + F_MAN_BITS]))
    return word << np.uint64(env.t[f + F_IGNORED_LOW_BITS])
