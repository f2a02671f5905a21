"""Operands on their way to the multiplier: cemu/src/operand.h."""

# ruff: noqa: D103  (the C source documents each function)
from __future__ import annotations

import numpy as np

from emu.formats.enums import Daz, EventKind
from emu.kernels.cast import cast_value
from emu.kernels.codec import decode
from emu.kernels.environment import (
    CODES_ZA,
    CODES_ZB,
    FINITE,
    FRESH,
    KIND,
    MOST_PARTS,
    NAN_VALUE,
    NEGATIVE,
    PARTS,
    SCALE_SLOT,
    STATUS,
    TERMS,
    N,
)
from emu.kernels.jit import Env, Int, Word, kernel
from emu.kernels.layout import (
    F_EMIN,
    O_DAZ,
    O_FORMAT,
    O_ZERO,
    S_CAST,
    S_CONSTANTS,
    S_FACTOR,
    S_FIRST_CONSTANT,
    U_FIRST_PART,
    U_INTEGRAL_PRODUCT,
    U_SPLIT_A,
    U_SPLIT_B,
    U_TERMS,
    Z_BLOCK,
    Z_FORMAT,
    format_at,
    step_at,
)
from emu.kernels.special import NAN_MADE
from emu.kernels.wide import (
    QUIET,
    copy_value,
    count_events,
    is_zero,
    multiply_value,
    set_infinity,
    set_nan,
    set_zero,
    top_of,
)
from emu.units.kernels.pipe import NO_FACTOR, add_aligned, chosen_constant, load_constant
from emu.units.stages import OPERAND, PRODUCT

DAZ_SIGNED, FLUSHED_IN = Daz.SIGNED.code, EventKind.FLUSHED_IN.bit


@kernel
def load_operand(env: Env, operand: Int, code: Word, s: Int, count: bool) -> None:
    """Decode a code, daz applied."""
    f = format_at(env, env.t[operand + O_FORMAT])
    decode(env, f, code, s)
    meta = env.meta
    if env.t[operand + O_DAZ] and meta[s, KIND] == FINITE and (meta[s, N] == 0 or top_of(env, s) < env.t[f + F_EMIN]):
        if meta[s, N] and count:
            count_events(env, OPERAND, FLUSHED_IN)
        negative = meta[s, NEGATIVE] if env.t[operand + O_DAZ] == DAZ_SIGNED else 0
        set_zero(env, s, negative, 0, 0)


@kernel
def subtract(env: Env, s: Int, part: Int) -> None:
    """s -= part, exact, both finite; part is used up. An exact zero is +0."""
    meta = env.meta
    meta[part, NEGATIVE] = 1 - meta[part, NEGATIVE]
    add_aligned(env, s, part, 0)
    if meta[s, N] == 0:
        meta[s, NEGATIVE] = 0


@kernel
def subtract_zero_point(env: Env, operand: Int, s: Int, of_a: bool, row: Int, k: Int, width: Int) -> None:
    """s -= the zero point: of a, row and blocks of a row; of b, column and columns."""
    first = env.state[CODES_ZA] if of_a else env.state[CODES_ZB]
    if first < 0:
        return
    zero = operand + O_ZERO
    block = k // env.t[zero + Z_BLOCK] if env.t[zero + Z_BLOCK] else 0
    at = row * width + block if of_a else block * width + row
    decode(env, format_at(env, env.t[zero + Z_FORMAT]), env.codes[first + at], SCALE_SLOT)
    subtract(env, s, SCALE_SLOT)


@kernel
def subtract_part(env: Env, rest: Int, part: Int) -> None:
    meta = env.meta
    if meta[rest, KIND] == NAN_VALUE:
        return
    if meta[part, KIND] == NAN_VALUE:
        copy_value(env, rest, part)
    elif meta[part, KIND] != FINITE:
        if meta[rest, KIND] == FINITE:
            set_infinity(env, rest, 1 - meta[part, NEGATIVE])
        else:
            count_events(env, OPERAND, NAN_MADE)
            set_nan(env, rest, 0, QUIET, 1)
    elif meta[rest, KIND] == FINITE:
        copy_value(env, SCALE_SLOT, part)
        subtract(env, rest, SCALE_SLOT)


@kernel
def split_operand(env: Env, rest: Int, first_step: Int, count: Int, parts: Int) -> None:
    if count == 0:
        copy_value(env, parts, rest)
    for i in range(count):
        if env.state[STATUS]:
            return
        step = step_at(env, first_step + i)
        if env.t[step + S_FACTOR] != NO_FACTOR:
            load_constant(env, chosen_constant(env, step + S_FIRST_CONSTANT, step + S_CONSTANTS), SCALE_SLOT)
            if multiply_value(env, rest, SCALE_SLOT):
                count_events(env, OPERAND, NAN_MADE)
        copy_value(env, parts + i, rest)
        count_events(env, OPERAND, cast_value(env, step + S_CAST, np.uint64(0), parts + i))
        if i + 1 < count:
            subtract_part(env, rest, parts + i)


@kernel
def multiply_operands(env: Env, s: Int, y: Int) -> None:
    """The product of two loaded operands, into s (which holds the first)."""
    if env.meta[s, KIND] == NAN_VALUE and env.meta[s, FRESH] and env.meta[y, KIND] == NAN_VALUE:
        copy_value(env, s, y)  # made by a load: it loses
    if multiply_value(env, s, y):
        count_events(env, PRODUCT, NAN_MADE)
    if env.t[U_INTEGRAL_PRODUCT] and is_zero(env, s):
        env.meta[s, NEGATIVE] = 0


@kernel
def multiply_parts(env: Env, s: Int, a: Int, b: Int) -> None:
    """The products of the parts of the operands in slots a and b, which are used up, from slot s on."""
    parts_a = env.state[PARTS]
    parts_b = parts_a + MOST_PARTS
    first = env.t[U_FIRST_PART]
    split_operand(env, a, first, env.t[U_SPLIT_A], parts_a)
    split_operand(env, b, first + env.t[U_SPLIT_A], env.t[U_SPLIT_B], parts_b)
    for i in range(env.t[U_TERMS]):
        if env.state[STATUS]:
            return
        pair = env.state[TERMS] + 2 * i
        copy_value(env, s + i, parts_a + env.t[pair])
        multiply_operands(env, s + i, parts_b + env.t[pair + 1])
