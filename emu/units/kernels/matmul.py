"""The general kernel: cemu/src/matmul.c. Operands are decoded by the caller into slots' worth of plain arrays."""

# ruff: noqa: D103  (the C source documents each function)
from __future__ import annotations

import numpy as np

from emu.kernels.codec import encode
from emu.kernels.environment import (
    A_ZERO_BLOCKS,
    CODES_A,
    CODES_B,
    CODES_C,
    COLUMN,
    DRAWS,
    ERROR,
    FINITE,
    FIRST_SLOT,
    INDEX,
    KIND,
    LOAD_A,
    LOAD_B,
    MOST_PARTS,
    NAN_VALUE,
    NOW_K,
    NOW_M,
    NOW_N,
    PARTS,
    ROW,
    SCALE_SLOT,
    STATUS,
    TABLE,
    TERM_K,
    TERM_POSITION,
    TERMS,
    TERMS_AT,
    TOTAL_K,
    TOTAL_N,
    E,
    N,
)
from emu.kernels.jit import Env, Grid, Int, Ints, Pair, Schedule, Word, kernel
from emu.kernels.layout import (
    C_FORMAT,
    C_NAN_CODE,
    F_BITS,
    F_IS_SIGNED,
    L_ACCUMULATOR,
    L_GROUP,
    L_INPUT,
    L_START,
    O_DAZ,
    O_FORMAT,
    O_LOAD,
    P_COUNT,
    U_A,
    U_B,
    U_C,
    U_D,
    U_DIGIT_WIDTH,
    U_LEVELS,
    U_NAN_RULE,
    U_OUTPUT,
    U_PARTS_A,
    U_PARTS_B,
    U_PRODUCT_EXPONENT,
    U_PRODUCT_RESULT,
    U_TABLE_COLUMNS,
    U_TERMS,
    format_at,
    level_at,
)
from emu.kernels.wide import (
    ZERO,
    copy_value,
    count_events,
    low_bits,
    set_small,
    set_zero,
    top_of,
)
from emu.units.enums import NanRule, ProductExponent, Start
from emu.units.kernels.operand import load_operand, multiply_operands, multiply_parts, subtract_zero_point
from emu.units.kernels.pipe import draw_and_cast, run_pipe, run_plain_pipe
from emu.units.kernels.step import run_step
from emu.units.stages import FIRST_LEVEL, OPERAND, PRODUCT

LEADING_BIT, DEFAULT_NAN = ProductExponent.LEADING_BIT.code, NanRule.DEFAULT.code
START_C, START_NONE = Start.C.code, Start.NONE.code


@kernel
def set_integer(env: Env, s: Int, number: Int) -> None:
    if number:
        set_small(env, s, 1 if number < 0 else 0, np.uint64(abs(number)), 0, 0)
    else:
        set_zero(env, s, 0, 0, 0)


@kernel
def digit_of(env: Env, f: Int, code: Word, width: Int, digits: Int, at: Int) -> Int:
    digit = (code >> np.uint64(at * width) if at * width < 64 else ZERO) & low_bits(width)
    top = env.t[f + F_BITS] - width * (digits - 1)
    if at == digits - 1 and env.t[f + F_IS_SIGNED] and digit >> np.uint64(top - 1):
        return np.int64(digit) - (np.int64(1) << top)
    return np.int64(digit)


@kernel
def make_products(env: Env, k: Int, s: Int) -> None:
    """The terms of one k, from slot s on."""
    row, column = env.state[ROW], env.state[COLUMN]
    env.state[NOW_K] = k
    a = env.codes[env.state[CODES_A] + row * env.state[TOTAL_K] + k]
    b = env.codes[env.state[CODES_B] + k * env.state[TOTAL_N] + column]
    if env.t[U_TABLE_COLUMNS]:
        set_integer(env, s, env.t[env.state[TABLE] + np.int64(a) * env.t[U_TABLE_COLUMNS] + np.int64(b)])
    elif env.t[U_DIGIT_WIDTH]:
        fa, fb = format_at(env, env.t[U_A + O_FORMAT]), format_at(env, env.t[U_B + O_FORMAT])
        for i in range(env.t[U_TERMS]):
            pair = env.state[TERMS] + 2 * i
            x = digit_of(env, fa, a, env.t[U_DIGIT_WIDTH], env.t[U_PARTS_A], env.t[pair])
            y = digit_of(env, fb, b, env.t[U_DIGIT_WIDTH], env.t[U_PARTS_B], env.t[pair + 1])
            set_integer(env, s + i, x * y)
    else:
        rest = env.state[PARTS] + 2 * MOST_PARTS
        first = rest if env.t[U_TERMS] else s
        load_operand(env, U_A, a, first, False)
        subtract_zero_point(env, U_A, first, True, row, k, env.state[A_ZERO_BLOCKS])
        run_plain_pipe(env, U_A + O_LOAD, first, OPERAND, SCALE_SLOT)
        load_operand(env, U_B, b, LOAD_B, False)
        subtract_zero_point(env, U_B, LOAD_B, False, column, k, env.state[TOTAL_N])
        run_plain_pipe(env, U_B + O_LOAD, LOAD_B, OPERAND, SCALE_SLOT)
        if env.t[U_TERMS]:
            multiply_parts(env, s, first, LOAD_B)
        else:
            multiply_operands(env, s, LOAD_B)
    for i in range(max(env.t[U_TERMS], 1)):
        if env.t[U_PRODUCT_EXPONENT] == LEADING_BIT and env.meta[s + i, KIND] == FINITE and env.meta[s + i, N]:
            env.meta[s + i, E] = top_of(env, s + i)
        run_plain_pipe(env, U_PRODUCT_RESULT, s + i, PRODUCT, SCALE_SLOT)


@kernel
def run_level(
    env: Env, number: Int, index: Ints, first: Ints, runs: Int, source: Int, target: Int, ks: Ints, target_ks: Ints
) -> None:
    """One level: inputs in the slots from `source` on, results from `target` on."""
    level = level_at(env, number)
    stage = FIRST_LEVEL + number
    for r in range(runs):
        start, stop = first[r], first[r + 1]
        result = target + r
        acc = np.int64(result)
        if env.t[level + L_START] == START_NONE:
            acc = np.int64(-1)
        elif env.t[level + L_START] == START_C and r == 0:
            copy_value(env, result, LOAD_A)
        else:
            set_zero(env, result, 0, 0, 0)
        if start == stop and acc < 0:
            set_zero(env, result, 0, 0, 0)
        at = start
        while at < stop and not env.state[STATUS]:
            count = min(stop - at, env.t[level + L_GROUP])
            for j in range(count):
                position = index[at + j]
                env.addends[TERMS_AT + j] = source + position
                if env.t[level + L_INPUT + P_COUNT]:
                    env.state[TERM_K] = ks[position]
                    env.state[NOW_K] = ks[position]
                    env.state[TERM_POSITION] = position
                    run_pipe(env, level + L_INPUT, source + position, stage)
            env.state[TERM_K] = 0
            env.state[NOW_K] = ks[index[at]]
            if acc >= 0 and env.t[level + L_ACCUMULATOR + P_COUNT]:
                env.state[TERM_POSITION] = (at - start) // env.t[level + L_GROUP]
                run_plain_pipe(env, level + L_ACCUMULATOR, acc, stage, SCALE_SLOT)
            env.state[TERM_POSITION] = 0
            run_step(env, level, stage, count, acc, result)
            acc = np.int64(result)
            at += env.t[level + L_GROUP]
        target_ks[r] = ks[index[start]] if start < stop else 0


@kernel
def run_element(env: Env, piece: Int, whole: Schedule, tail: Schedule, ks: Ints, other_ks: Ints, slots: Int) -> Word:
    """One output element. `whole` and `tail` are the schedules (index, first, bounds) of a piece of K."""
    row, column = env.state[ROW], env.state[COLUMN]
    per_k, total = max(env.t[U_TERMS], 1), env.state[TOTAL_K]
    has_c = env.t[U_C + O_FORMAT] >= 0
    d = env.codes[env.state[CODES_C] + row * env.state[TOTAL_N] + column] if has_c else ZERO
    env.state[DRAWS] = 0
    env.state[NOW_M] = row
    env.state[NOW_N] = column
    env.state[TERM_K] = 0
    env.state[TERM_POSITION] = 0
    begin = 0
    while True:
        stop = min(begin + piece, total)
        index, first, bounds = whole if stop - begin == piece else tail
        env.state[NOW_K] = -1
        if has_c:
            load_operand(env, U_C, d, LOAD_A, begin == 0)
            run_plain_pipe(env, U_C + O_LOAD, LOAD_A, OPERAND, SCALE_SLOT)
        for k in range(begin, stop):
            slot = FIRST_SLOT + (k - begin) * per_k
            make_products(env, k, slot)
            for i in range(per_k):
                ks[(k - begin) * per_k + i] = k
        source, target = np.int64(FIRST_SLOT), np.int64(FIRST_SLOT + slots)
        for number in range(env.t[U_LEVELS]):
            i0, f0, runs = bounds[number, 0], bounds[number, 1], bounds[number, 2]
            run_level(env, number, index[i0:], first[f0:], runs, source, target, ks, other_ks)
            source, target = target, source
            ks, other_ks = other_ks, ks
        stage = FIRST_LEVEL + env.t[U_LEVELS]
        env.state[NOW_K] = -1
        env.state[TERM_POSITION] = column
        run_pipe(env, U_OUTPUT, source, stage)
        env.state[TERM_POSITION] = 0
        if env.state[STATUS]:  # what raised left values of the later levels unset
            return ZERO
        count_events(env, stage, draw_and_cast(env, U_D, source))
        if env.state[STATUS]:
            return ZERO
        if env.meta[source, KIND] == NAN_VALUE and env.t[U_NAN_RULE] == DEFAULT_NAN:
            d = np.uint64(env.t[U_D + C_NAN_CODE])
        else:
            d = encode(env, format_at(env, env.t[U_D + C_FORMAT]), source)
        begin = stop
        if begin >= total or env.state[STATUS]:
            return d


@kernel
def count_flushed(env: Env, operand: Int, first: Int, stride: Int, rows: Pair, columns: Pair) -> None:
    """Count the elements of a matrix of codes, a [m, k] or b [k, n], that daz takes for zero."""
    for i in range(rows[0], rows[1]):
        for j in range(columns[0], columns[1]):
            env.state[NOW_M] = i if operand == U_A else -1
            env.state[NOW_N] = -1 if operand == U_A else j
            env.state[NOW_K] = j if operand == U_A else i
            load_operand(env, operand, env.codes[first + i * stride + j], LOAD_A, True)


@kernel
def run_tile(
    env: Env,
    d: Grid,
    rows: Pair,
    columns: Pair,
    first_index: Int,
    piece: Int,
    whole: Schedule,
    tail: Schedule,
    ks: Ints,
    other_ks: Ints,
    slots: Int,
    count_a: bool,
    count_b: bool,
) -> None:
    """One tile of the result: rows [rows[0], rows[1]) and columns [columns[0], columns[1])."""
    total_k, total_n = env.state[TOTAL_K], env.state[TOTAL_N]
    if count_a and env.t[U_A + O_DAZ]:
        count_flushed(env, U_A, env.state[CODES_A], total_k, rows, (0, total_k))
    if count_b and env.t[U_B + O_DAZ]:
        count_flushed(env, U_B, env.state[CODES_B], total_n, (0, total_k), columns)
    for m in range(rows[0], rows[1]):
        for n in range(columns[0], columns[1]):
            linear = m * total_n + n
            env.state[ROW] = m
            env.state[COLUMN] = n
            env.state[INDEX] = first_index + linear
            env.state[ERROR] = linear
            d[m, n] = run_element(env, piece, whole, tail, ks, other_ks, slots)
            if env.state[STATUS]:
                return
