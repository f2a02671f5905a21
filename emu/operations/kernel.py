"""Scalar operations on codes, element by element: cemu/src/operate.c, of it sums, products, fma and casts."""

from __future__ import annotations

import numpy as np

from emu.formats.enums import EventKind, FormatKind
from emu.kernels.cast import cast_value
from emu.kernels.codec import IEEE, decode, encode, is_integral
from emu.kernels.environment import (
    ERROR,
    FINITE,
    FIRST_SLOT,
    INFINITE,
    KIND,
    LIVE,
    NAN_VALUE,
    NEGATIVE,
    PAIR,
    STATUS,
    N,
)
from emu.kernels.jit import Env, Grid, Int, Ints, Word, WordRow, kernel
from emu.kernels.layout import (
    C_FORMAT,
    C_ROUNDING,
    F_EMIN,
    F_KIND,
    F_NAN,
    OP_CAST,
    OP_DAZ,
    OP_NAN_STYLE,
    OP_OPERANDS,
    OP_OPERATION,
    OP_X,
    format_at,
)
from emu.kernels.rounding import RTN
from emu.kernels.wide import (
    QUIET,
    ZERO,
    copy_value,
    is_zero,
    multiply_value,
    set_infinity,
    set_nan,
    set_zero,
    sum_values,
    top_of,
)
from emu.operations.enums import NanStyle, Operation

FLOAT, INVALID = FormatKind.FLOAT.code, EventKind.INVALID.bit
ADD, SUBTRACT, MULTIPLY, FMA = (
    one.code for one in (Operation.ADD, Operation.SUBTRACT, Operation.MULTIPLY, Operation.FMA)
)
RISCV, X86, ARM = NanStyle.RISCV.code, NanStyle.X86.code, NanStyle.ARM.code
X, Y, Z = FIRST_SLOT, FIRST_SLOT + 1, FIRST_SLOT + 2
SLOTS = FIRST_SLOT + 3


@kernel
def load(env: Env, at: Int, code: Word) -> Int:
    """Decode an operand, daz applied; returns 1 for a signalling NaN."""
    f, s, meta = format_at(env, env.t[OP_X + at]), X + at, env.meta
    decode(env, f, code, s)
    if meta[s, KIND] == NAN_VALUE:
        return 1 if env.t[f + F_NAN] == IEEE and env.limb[s, 0] & QUIET == ZERO else 0
    flushes = env.t[OP_DAZ] and env.t[f + F_KIND] == FLOAT and meta[s, KIND] == FINITE and meta[s, N] > 0
    if flushes and top_of(env, s) < env.t[f + F_EMIN]:
        set_zero(env, s, meta[s, NEGATIVE], 0, 0)
    return 0


@kernel
def nan_result(env: Env, count: Int, signalling: Int, bad_product: bool) -> Int:
    """The NaN among the operands that comes out, into the first; returns the mask, or -1 if there is none."""
    style, first, first_signalling = env.t[OP_NAN_STYLE], np.int64(-1), np.int64(-1)
    for i in range(count - 1, -1, -1):
        at = (i + 2) % 3 if style == ARM and count == 3 else i
        if env.meta[X + at, KIND] == NAN_VALUE:
            first = np.int64(at)
            if signalling >> at & 1:
                first_signalling = np.int64(at)
    if first < 0:
        return np.int64(-1)
    invalid = first_signalling >= 0 or (bad_product and style != X86)
    mask = np.int64(INVALID) if invalid else np.int64(0)
    if style == RISCV or (style == ARM and bad_product and first_signalling < 0):
        set_nan(env, X, 0, QUIET, 1)
        return mask
    if style == ARM and first_signalling >= 0:
        first = first_signalling
    if first:
        copy_value(env, X, X + first)
    env.limb[X, 0] |= QUIET
    return mask


@kernel
def add_value(env: Env, y: Int) -> Int:
    """X += y; returns the mask."""
    meta = env.meta
    if meta[X, KIND] == INFINITE and meta[y, KIND] == INFINITE and meta[X, NEGATIVE] != meta[y, NEGATIVE]:
        set_nan(env, X, 0, QUIET, 1)
        return np.int64(INVALID)
    if meta[X, KIND] == INFINITE:
        return np.int64(0)
    if meta[y, KIND] == INFINITE:
        set_infinity(env, X, meta[y, NEGATIVE])
        return np.int64(0)
    same = meta[X, N] == 0 and meta[y, N] == 0 and meta[X, NEGATIVE] == meta[y, NEGATIVE]
    negative = meta[X, NEGATIVE]
    env.addends[PAIR] = X
    env.addends[PAIR + 1] = y
    sum_values(env, X, PAIR, 2)
    meta[X, LIVE] = 1 if meta[X, N] else 0
    if meta[X, N] == 0:
        down = 1 if env.t[OP_CAST + C_ROUNDING] == RTN else 0
        meta[X, NEGATIVE] = negative if same else down
    return np.int64(0)


@kernel
def compute(env: Env, signalling: Int) -> Int:
    """The exact result, in X; returns the mask."""
    meta, operation = env.meta, env.t[OP_OPERATION]
    second = env.t[OP_OPERANDS] > 1 and is_integral(env, format_at(env, env.t[OP_X + 1]))
    both = second and is_integral(env, format_at(env, env.t[OP_X]))  # integers have no signed zero
    if operation == SUBTRACT and meta[Y, KIND] != NAN_VALUE and not (second and is_zero(env, Y)):
        meta[Y, NEGATIVE] = 1 - meta[Y, NEGATIVE]
    bad_product = operation == FMA and (
        (meta[X, KIND] == INFINITE and is_zero(env, Y)) or (meta[Y, KIND] == INFINITE and is_zero(env, X))
    )
    mask = nan_result(env, env.t[OP_OPERANDS], signalling, bad_product)
    if mask >= 0:
        return mask
    if operation in (ADD, SUBTRACT):
        return add_value(env, Y)
    if operation in (MULTIPLY, FMA):
        if multiply_value(env, X, Y):
            return np.int64(INVALID)
        if both and is_zero(env, X):
            meta[X, NEGATIVE] = 0
        return add_value(env, Z) if operation == FMA else np.int64(0)
    return np.int64(0)


@kernel
def operate(env: Env, codes: Grid, draws: WordRow, out: WordRow, masks: Ints) -> None:
    """Every element: codes [operands, n]; draws of length n, or empty."""
    target = format_at(env, env.t[OP_CAST + C_FORMAT])
    for i in range(out.size):
        signalling = np.int64(0)
        for at in range(env.t[OP_OPERANDS]):
            signalling |= load(env, at, codes[at, i]) << at
        mask = compute(env, signalling)
        mask |= cast_value(env, OP_CAST, draws[i] if draws.size else ZERO, X)
        if env.state[STATUS]:
            env.state[ERROR] = i
            return
        out[i] = encode(env, target, X)
        masks[i] = mask
