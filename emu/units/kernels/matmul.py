"""The general kernel: cemu/src/matmul.c. Operands are decoded by the caller into slots' worth of plain arrays."""

# ruff: noqa: D103, ANN001, ANN201  (the C source documents each function; Numba infers the types)
from __future__ import annotations

import numpy as np

from emu.formats.enums import Daz, EventKind
from emu.units.enums import NanRule, ProductExponent, Start
from emu.units.events import FIRST_LEVEL, OPERAND, PRODUCT
from emu.units.kernels.cast import NAN_MADE
from emu.units.kernels.codec import decode, encode
from emu.units.kernels.environment import (
    COLUMN,
    DRAWS,
    ERROR,
    FINITE,
    FIRST_SLOT,
    FRESH,
    INDEX,
    KIND,
    LOAD_A,
    LOAD_B,
    NAN_VALUE,
    NEGATIVE,
    ROW,
    SCALE_SLOT,
    STATUS,
    E,
    N,
)
from emu.units.kernels.jit import kernel
from emu.units.kernels.pipe import draw_and_cast, run_pipe, run_plain_pipe
from emu.units.kernels.step import run_step
from emu.units.kernels.wide import (
    ZERO,
    copy_value,
    count_events,
    is_zero,
    low_bits,
    multiply_value,
    set_small,
    set_zero,
    top_of,
)

DAZ_SIGNED, FLUSHED_IN = Daz.SIGNED.code, EventKind.FLUSHED_IN.bit
LEADING_BIT, DEFAULT_NAN = ProductExponent.LEADING_BIT.code, NanRule.DEFAULT.code
START_C, START_NONE = Start.C.code, Start.NONE.code


@kernel
def load_operand(env, operand, code, s, count):
    """Decode a code, daz applied."""
    f = env.formats[operand.format]
    decode(env, f, code, s)
    meta = env.meta
    if operand.daz and meta[s, KIND] == FINITE and (meta[s, N] == 0 or top_of(env, s) < f.emin):
        if meta[s, N] and count:
            count_events(env, OPERAND, FLUSHED_IN)
        negative = meta[s, NEGATIVE] if operand.daz == DAZ_SIGNED else 0
        set_zero(env, s, negative, 0, 0)


@kernel
def set_integer(env, s, number):
    if number:
        set_small(env, s, 1 if number < 0 else 0, np.uint64(abs(number)), 0, 0)
    else:
        set_zero(env, s, 0, 0, 0)


@kernel
def digit_of(f, code, width, digits, at):
    digit = (code >> np.uint64(at * width) if at * width < 64 else ZERO) & low_bits(width)
    top = f.bits - width * (digits - 1)
    if at == digits - 1 and f.is_signed and digit >> np.uint64(top - 1):
        return np.int64(digit) - (np.int64(1) << top)
    return np.int64(digit)


@kernel
def make_products(env, k, s):
    """The terms of one k, from slot s on."""
    u = env.unit[0]
    row, column = env.state[ROW], env.state[COLUMN]
    a, b = env.a[row, k], env.b[k, column]
    if u.table_columns:
        set_integer(env, s, env.table[np.int64(a) * u.table_columns + np.int64(b)])
    elif u.digit_width:
        fa, fb = env.formats[u.a.format], env.formats[u.b.format]
        for i in range(u.digits_a):
            x = digit_of(fa, a, u.digit_width, u.digits_a, i)
            for j in range(u.digits_b):
                y = digit_of(fb, b, u.digit_width, u.digits_b, j)
                set_integer(env, s + i * u.digits_b + j, x * y)
    else:
        load_operand(env, u.a, a, s, False)
        run_plain_pipe(env, u.a.load, s, OPERAND, SCALE_SLOT)
        load_operand(env, u.b, b, LOAD_B, False)
        run_plain_pipe(env, u.b.load, LOAD_B, OPERAND, SCALE_SLOT)
        if env.meta[s, KIND] == NAN_VALUE and env.meta[s, FRESH] and env.meta[LOAD_B, KIND] == NAN_VALUE:
            copy_value(env, s, LOAD_B)  # made by a load: it loses
        if multiply_value(env, s, LOAD_B):
            count_events(env, PRODUCT, NAN_MADE)
        if u.integral_product and is_zero(env, s):
            env.meta[s, NEGATIVE] = 0
    for i in range(max(u.digits_a * u.digits_b, 1)):
        if u.product_exponent == LEADING_BIT and env.meta[s + i, KIND] == FINITE and env.meta[s + i, N]:
            env.meta[s + i, E] = top_of(env, s + i)
        run_plain_pipe(env, u.product_result, s + i, PRODUCT, SCALE_SLOT)


@kernel
def run_level(env, number, index, first, runs, source, target, ks, target_ks):
    """One level: inputs in the slots from `source` on, results from `target` on."""
    level = env.levels[number]
    stage = FIRST_LEVEL + number
    for r in range(runs):
        start, stop = first[r], first[r + 1]
        result = target + r
        acc = np.int64(result)
        if level.start == START_NONE:
            acc = np.int64(-1)
        elif level.start == START_C and r == 0:
            copy_value(env, result, LOAD_A)
        else:
            set_zero(env, result, 0, 0, 0)
        if start == stop and acc < 0:
            set_zero(env, result, 0, 0, 0)
        at = start
        while at < stop and not env.state[STATUS]:
            count = min(stop - at, level.group)
            for j in range(count):
                position = index[at + j]
                env.addends[j] = source + position
                if level.input.count:
                    env.position[0] = ks[position]
                    env.position[1] = position
                    run_pipe(env, level.input, source + position, stage)
            env.position[0] = 0
            env.position[1] = 0
            run_step(env, level, stage, count, acc, result)
            acc = np.int64(result)
            at += level.group
        target_ks[r] = ks[index[start]] if start < stop else 0


@kernel
def run_element(env, piece, whole, tail, ks, other_ks, slots):
    """One output element. `whole` and `tail` are the schedules (index, first, bounds) of a piece of K."""
    u = env.unit[0]
    row, column = env.state[ROW], env.state[COLUMN]
    per_k, total = max(u.digits_a * u.digits_b, 1), env.a.shape[1]
    has_c = u.c.format >= 0
    d = env.c[row, column] if has_c else ZERO
    env.state[DRAWS] = 0
    env.position[0] = 0
    env.position[1] = 0
    begin = 0
    while True:
        stop = min(begin + piece, total)
        index, first, bounds = whole if stop - begin == piece else tail
        if has_c:
            load_operand(env, u.c, d, LOAD_A, begin == 0)
            run_plain_pipe(env, u.c.load, LOAD_A, OPERAND, SCALE_SLOT)
        for k in range(begin, stop):
            slot = FIRST_SLOT + (k - begin) * per_k
            make_products(env, k, slot)
            for i in range(per_k):
                ks[(k - begin) * per_k + i] = k
        source, target = np.int64(FIRST_SLOT), np.int64(FIRST_SLOT + slots)
        for number in range(u.levels):
            i0, f0, runs = bounds[number, 0], bounds[number, 1], bounds[number, 2]
            run_level(env, number, index[i0:], first[f0:], runs, source, target, ks, other_ks)
            source, target = target, source
            ks, other_ks = other_ks, ks
        stage = FIRST_LEVEL + u.levels
        run_plain_pipe(env, u.output, source, stage, SCALE_SLOT)
        count_events(env, stage, draw_and_cast(env, u.d, source))
        if env.meta[source, KIND] == NAN_VALUE and u.nan_rule == DEFAULT_NAN:
            d = np.uint64(u.d.nan_code)
        else:
            d = encode(env, env.formats[u.d.format], source)
        begin = stop
        if begin >= total or env.state[STATUS]:
            return d


@kernel
def count_flushed(env, operand, codes):
    """Count the elements that daz takes for zero."""
    for code in codes.flat:
        load_operand(env, operand, code, LOAD_A, True)


@kernel
def run_tile(env, rows, columns, first_index, piece, whole, tail, ks, other_ks, slots, count_a, count_b):
    """One tile of the result: rows [rows[0], rows[1]) and columns [columns[0], columns[1])."""
    u = env.unit[0]
    if count_a and u.a.daz:
        count_flushed(env, u.a, env.a[rows[0] : rows[1]])
    if count_b and u.b.daz:
        count_flushed(env, u.b, env.b[:, columns[0] : columns[1]])
    for m in range(rows[0], rows[1]):
        for n in range(columns[0], columns[1]):
            linear = m * env.b.shape[1] + n
            env.state[ROW] = m
            env.state[COLUMN] = n
            env.state[INDEX] = first_index + linear
            env.state[ERROR] = linear
            env.d[m, n] = run_element(env, piece, whole, tail, ks, other_ks, slots)
            if env.state[STATUS]:
                return
