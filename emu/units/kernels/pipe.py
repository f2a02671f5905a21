"""The pipe: cemu/src/pipe.h."""

# ruff: noqa: D103  (the C source documents each function)
from __future__ import annotations

import numpy as np

from emu.arithmetic.pipe import Factor
from emu.kernels.cast import cast_value
from emu.kernels.codec import decode
from emu.kernels.environment import (
    A_BLOCKS,
    CODES_SA,
    CODES_SB,
    COLUMN,
    DRAWS,
    FINITE,
    INDEX,
    KIND,
    LIVE,
    NEGATIVE,
    PAIR,
    ROW,
    SCALE_B_SLOT,
    SCALE_SLOT,
    SEED,
    STATUS,
    TERM_K,
    TERM_POSITION,
    TERMS,
    TOTAL_N,
    E,
    N,
)
from emu.kernels.jit import Env, Int, kernel
from emu.kernels.layout import (
    C_FORMAT,
    C_ROUNDING,
    C_SR_BITS,
    K_E,
    K_LIVE,
    K_NEGATIVE,
    K_Q,
    K_SIG,
    P_COUNT,
    P_FIRST,
    S_ADDENDS,
    S_CAST,
    S_CONSTANTS,
    S_FACTOR,
    S_FIRST_ADDEND,
    S_FIRST_CONSTANT,
    U_DIGIT_WIDTH,
    U_SCALE_A,
    U_SCALE_B,
    U_SCALE_PRODUCT,
    U_TERMS,
    Z_BLOCK,
    Z_FORMAT,
    constant_at,
    format_at,
    step_at,
)
from emu.kernels.philox import philox_bits
from emu.kernels.rounding import RTN, STOCHASTIC
from emu.kernels.special import NAN_MADE
from emu.kernels.wide import ONE, count_events, multiply_value, set_small, sum_values
from emu.units.stages import SCALE as SCALE_STAGE

NO_FACTOR, CONSTANTS = Factor.NONE.code, Factor.CONSTANTS.code
A_SCALE, B_SCALE, BOTH_SCALES = Factor.A_SCALE.code, Factor.B_SCALE.code, Factor.SCALE.code


@kernel
def load_constant(env: Env, constant: Int, s: Int) -> None:
    set_small(
        env,
        s,
        env.t[constant + K_NEGATIVE],
        np.uint64(env.t[constant + K_SIG]),
        env.t[constant + K_Q],
        env.t[constant + K_E],
    )
    env.meta[s, LIVE] = env.t[constant + K_LIVE]


@kernel
def chosen_constant(env: Env, first: Int, count: Int) -> Int:
    """The constant or addend of a step: a list is indexed by the term's position."""
    return constant_at(env, env.t[first] + env.state[TERM_POSITION] % env.t[count])


@kernel
def load_scale(env: Env, which_b: bool, s: Int) -> None:
    scale = U_SCALE_B if which_b else U_SCALE_A
    block = env.state[TERM_K] // env.t[scale + Z_BLOCK] if env.t[scale + Z_BLOCK] else 0
    at = env.state[CODES_SA] + env.state[ROW] * env.state[A_BLOCKS] + block
    if which_b:
        at = env.state[CODES_SB] + block * env.state[TOTAL_N] + env.state[COLUMN]
    code = env.codes[at]
    decode(env, format_at(env, env.t[scale + Z_FORMAT]), code, s)


@kernel
def add_aligned(env: Env, s: Int, other: Int, toward_negative: Int) -> None:
    """s += other, exact, both finite, with the alignment exponent of the sum."""
    meta = env.meta
    both_zero = meta[s, N] == 0 and meta[other, N] == 0
    same, negative = both_zero and meta[s, NEGATIVE] == meta[other, NEGATIVE], meta[s, NEGATIVE]
    live = meta[s, LIVE] | meta[other, LIVE]
    e = meta[other, E]
    if meta[s, LIVE] and (not meta[other, LIVE] or meta[s, E] > e):
        e = meta[s, E]
    env.addends[PAIR] = s
    env.addends[PAIR + 1] = other
    sum_values(env, s, PAIR, 2)
    if meta[s, N] == 0:
        meta[s, NEGATIVE] = negative if same else toward_negative
    meta[s, LIVE] = live
    meta[s, E] = e if live else 0


@kernel
def add_constant(env: Env, s: Int, constant: Int, toward_negative: Int, spare: Int) -> None:
    if env.meta[s, KIND] == FINITE:
        load_constant(env, constant, spare)
        add_aligned(env, s, spare, toward_negative)


@kernel
def draw_and_cast(env: Env, how: Int, s: Int) -> Int:
    draw = ONE - ONE
    if env.t[how + C_ROUNDING] == STOCHASTIC and env.meta[s, KIND] == FINITE:
        seed, index = np.uint64(env.state[SEED]), np.uint64(env.state[INDEX])
        draw = philox_bits(seed, index, np.uint64(env.state[DRAWS]), env.t[how + C_SR_BITS])
        env.state[DRAWS] += 1
    return cast_value(env, how, draw, s)


@kernel
def add_and_cast(env: Env, step: Int, s: Int, stage: Int, spare: Int) -> None:
    """What a step does after it has multiplied."""
    if env.t[step + S_ADDENDS]:
        down = 1 if env.t[step + S_CAST + C_FORMAT] >= 0 and env.t[step + S_CAST + C_ROUNDING] == RTN else 0
        add_constant(env, s, chosen_constant(env, step + S_FIRST_ADDEND, step + S_ADDENDS), down, spare)
    if env.t[step + S_CAST + C_FORMAT] >= 0:
        count_events(env, stage, draw_and_cast(env, step + S_CAST, s))


@kernel
def run_plain_pipe(env: Env, pipe: Int, s: Int, stage: Int, spare: Int) -> None:
    """A pipe whose factors are constants: every pipe but a level's input and `output`."""
    for i in range(env.t[pipe + P_FIRST], env.t[pipe + P_FIRST] + env.t[pipe + P_COUNT]):
        if env.state[STATUS]:
            return
        step = step_at(env, i)
        if env.t[step + S_FACTOR] != NO_FACTOR:
            load_constant(env, chosen_constant(env, step + S_FIRST_CONSTANT, step + S_CONSTANTS), spare)
            if multiply_value(env, s, spare):
                count_events(env, stage, NAN_MADE)
        add_and_cast(env, step, s, stage, spare)


@kernel
def load_factor(env: Env, step: Int) -> None:
    if env.t[step + S_FACTOR] == CONSTANTS:
        load_constant(env, chosen_constant(env, step + S_FIRST_CONSTANT, step + S_CONSTANTS), SCALE_SLOT)
    elif env.t[step + S_FACTOR] == A_SCALE:
        load_scale(env, False, SCALE_SLOT)
    elif env.t[step + S_FACTOR] == B_SCALE:
        load_scale(env, True, SCALE_SLOT)
    elif env.t[step + S_FACTOR] == BOTH_SCALES:
        load_scale(env, False, SCALE_SLOT)
        load_scale(env, True, SCALE_B_SLOT)
        if multiply_value(env, SCALE_SLOT, SCALE_B_SLOT):
            count_events(env, SCALE_STAGE, NAN_MADE)
        run_plain_pipe(env, U_SCALE_PRODUCT, SCALE_SLOT, SCALE_STAGE, SCALE_B_SLOT)
    else:
        pair = env.state[TERMS] + 2 * (env.state[TERM_POSITION] % env.t[U_TERMS])
        weight = env.t[U_DIGIT_WIDTH] * (env.t[pair] + env.t[pair + 1])
        set_small(env, SCALE_SLOT, 0, ONE, weight, weight)


@kernel
def run_pipe(env: Env, pipe: Int, s: Int, stage: Int) -> None:
    """The input pipe of a level, or `output`: scales and digit weights too."""
    for i in range(env.t[pipe + P_FIRST], env.t[pipe + P_FIRST] + env.t[pipe + P_COUNT]):
        if env.state[STATUS]:
            return
        step = step_at(env, i)
        if env.t[step + S_FACTOR] != NO_FACTOR:
            load_factor(env, step)
            if multiply_value(env, s, SCALE_SLOT):
                count_events(env, stage, NAN_MADE)
        add_and_cast(env, step, s, stage, SCALE_SLOT)
