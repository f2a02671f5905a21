"""From codes to values and back: cemu/src/codec.h."""

# ruff: noqa: D103, ANN001, ANN201  (the C source documents each function; Numba infers the types)
from __future__ import annotations

import numpy as np

from emu.formats.enums import FormatKind, IntegerEncoding, NanEncoding, Subnormals
from emu.units.kernels.environment import INFINITE, KIND, NAN_VALUE, NEGATIVE, N, Q
from emu.units.kernels.jit import kernel
from emu.units.kernels.wide import (
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
def is_integral(f):
    return f.kind == INTEGER or f.kind == FIXED


@kernel
def decode_integral(env, f, code, s):
    top = ONE << np.uint64(f.bits - 1)
    negative = 1 if f.is_signed and (code & top) else 0
    magnitude = code
    if negative:
        magnitude = code ^ top if f.encoding == SIGN_MAGNITUDE else (~code + ONE) & low_bits(f.bits)
    if magnitude == ZERO:
        set_zero(env, s, 0, 0, 0)
    else:
        set_small(env, s, negative, magnitude, -f.frac_bits, 0)


@kernel
def decode(env, f, code, s):
    if is_integral(f):
        decode_integral(env, f, code, s)
        return
    field_bits = f.exp_bits + f.man_bits
    seen = (code >> np.uint64(f.ignored_low_bits)) & low_bits(field_bits + (1 if f.is_signed else 0))
    magnitude = seen & low_bits(field_bits)
    negative = np.int64(seen >> np.uint64(field_bits) & ONE) if field_bits < 64 else np.int64(0)
    if f.kind == LOG:
        if f.nan == TOP_CODE and magnitude > np.uint64(f.max_magnitude):
            set_nan(env, s, negative, QUIET, 0)
        elif f.has_zero and magnitude == ZERO:
            set_zero(env, s, negative, 0, 0)
        else:
            e = f.radix_log2 * (np.int64(magnitude) - f.bias)
            set_small(env, s, negative, ONE, e, e)
        return
    mantissa = magnitude & low_bits(f.man_bits)
    exponent = np.int64(magnitude >> np.uint64(f.man_bits))
    if magnitude == ZERO:
        if negative and f.nan == NEGATIVE_ZERO:
            set_nan(env, s, 0, QUIET, 0)
        else:
            set_zero(env, s, 1 if negative and f.negative_zero else 0, 0, 0)
        return
    if magnitude > np.uint64(f.max_magnitude):
        if f.infinities and magnitude == np.uint64(f.max_magnitude) + ONE:
            set_infinity(env, s, negative)
        else:
            set_nan(env, s, negative, mantissa << np.uint64(64 - f.man_bits) if f.nan == IEEE else QUIET, 0)
        return
    if exponent == 0 and f.subnormals == NO_SUBNORMALS:
        set_zero(env, s, 1 if negative and f.negative_zero else 0, 0, 0)
        return
    hidden = ONE if exponent > 0 or f.subnormals == NORMAL else ZERO
    e = max(exponent - f.bias, f.emin)
    set_small(env, s, negative, mantissa + (hidden << np.uint64(f.man_bits)), e - f.man_bits, e)


@kernel
def encode(env, f, s):
    meta = env.meta
    if is_integral(f):
        sig = ZERO
        shift = meta[s, Q] + f.frac_bits
        if meta[s, N]:
            word = env.limb[s, 0]
            sig = word << np.uint64(shift) if shift >= 0 else word >> np.uint64(-shift)
        if f.encoding == SIGN_MAGNITUDE:
            return sig | (ONE << np.uint64(f.bits - 1) if meta[s, NEGATIVE] and sig else ZERO)
        return (~sig + ONE if meta[s, NEGATIVE] else sig) & low_bits(f.bits)
    field_bits = f.exp_bits + f.man_bits
    sign = ONE << np.uint64(field_bits) if meta[s, NEGATIVE] and f.is_signed else ZERO
    if meta[s, KIND] == NAN_VALUE:
        if f.nan == NEGATIVE_ZERO:
            word = ONE << np.uint64(field_bits)
        elif f.nan == IEEE:
            payload = (env.limb[s, 0] | QUIET) >> np.uint64(64 - f.man_bits)
            word = sign | low_bits(f.exp_bits) << np.uint64(f.man_bits) | payload
        else:
            word = sign | low_bits(field_bits)
    elif meta[s, KIND] == INFINITE:
        word = sign | (np.uint64(f.max_magnitude) + ONE)
    elif meta[s, N] == 0:
        word = sign if f.negative_zero else ZERO
    else:
        e = max(top_of(env, s), f.emin)
        shift = meta[s, Q] - (e - f.man_bits)
        sig = env.limb[s, 0] << np.uint64(shift) if shift >= 0 else word_below(env, s, 64 - shift)
        normal = sig >> np.uint64(f.man_bits) or f.subnormals == NORMAL
        field = np.uint64(e + f.bias) if normal else ZERO
        word = sign | field << np.uint64(f.man_bits) | (sig & low_bits(f.man_bits))
    return word << np.uint64(f.ignored_low_bits)
