"""The pipe: cemu/src/pipe.h."""

# ruff: noqa: D103, ANN001, ANN201  (the C source documents each function; Numba infers the types)
from __future__ import annotations

import numpy as np

from emu.arithmetic.pipe import Factor
from emu.units.events import SCALE as SCALE_STAGE
from emu.units.kernels.cast import NAN_MADE, RTN, STOCHASTIC, cast_value
from emu.units.kernels.codec import decode
from emu.units.kernels.environment import (
    COLUMN,
    DRAWS,
    FINITE,
    INDEX,
    KIND,
    LIVE,
    NEGATIVE,
    ROW,
    SCALE_B_SLOT,
    SCALE_SLOT,
    STATUS,
    E,
    N,
)
from emu.units.kernels.jit import kernel
from emu.units.kernels.philox import philox_bits
from emu.units.kernels.wide import ONE, count_events, multiply_value, set_small, sum_values

NO_FACTOR, CONSTANTS = Factor.NONE.code, Factor.CONSTANTS.code
A_SCALE, B_SCALE, BOTH_SCALES = Factor.A_SCALE.code, Factor.B_SCALE.code, Factor.SCALE.code


@kernel
def load_constant(env, constant, s):
    set_small(env, s, constant.negative, np.uint64(constant.sig), constant.q, constant.e)
    env.meta[s, LIVE] = constant.live


@kernel
def load_scale(env, which_b, s):
    u = env.unit[0]
    scale = u.scale_b if which_b else u.scale_a
    block = env.position[0] // scale.block if scale.block else 0
    code = env.b_scale[block, env.state[COLUMN]] if which_b else env.a_scale[env.state[ROW], block]
    decode(env, env.formats[scale.format], code, s)


@kernel
def add_constant(env, s, constant, toward_negative, spare):
    meta = env.meta
    if meta[s, KIND] != FINITE:
        return
    load_constant(env, constant, spare)
    both_zero = meta[s, N] == 0 and meta[spare, N] == 0
    same, negative = both_zero and meta[s, NEGATIVE] == meta[spare, NEGATIVE], meta[s, NEGATIVE]
    live = meta[s, LIVE] | meta[spare, LIVE]
    e = meta[spare, E]
    if meta[s, LIVE] and (not meta[spare, LIVE] or meta[s, E] > e):
        e = meta[s, E]
    sum_values(env, s, (s, spare), 2)
    if meta[s, N] == 0:
        meta[s, NEGATIVE] = negative if same else toward_negative
    meta[s, LIVE] = live
    meta[s, E] = e if live else 0


@kernel
def draw_and_cast(env, how, s):
    draw = ONE - ONE
    if how.rounding == STOCHASTIC and env.meta[s, KIND] == FINITE:
        seed, index = env.seed[0], np.uint64(env.state[INDEX])
        draw = philox_bits(seed, index, np.uint64(env.state[DRAWS]), how.sr_bits)
        env.state[DRAWS] += 1
    return cast_value(env, how, draw, s)


@kernel
def add_and_cast(env, step, s, stage, spare):
    """What a step does after it has multiplied."""
    if step.addend >= 0:
        down = 1 if step.cast.format >= 0 and step.cast.rounding == RTN else 0
        add_constant(env, s, env.constants[step.addend], down, spare)
    if step.cast.format >= 0:
        count_events(env, stage, draw_and_cast(env, step.cast, s))


@kernel
def run_plain_pipe(env, pipe, s, stage, spare):
    """A pipe whose factors are constants: every pipe but a level's input."""
    for i in range(pipe.first, pipe.first + pipe.count):
        if env.state[STATUS]:
            return
        step = env.steps[i]
        if step.factor != NO_FACTOR:
            constant = env.constants[step.first_constant + env.position[1] % step.constants]
            load_constant(env, constant, spare)
            if multiply_value(env, s, spare):
                count_events(env, stage, NAN_MADE)
        add_and_cast(env, step, s, stage, spare)


@kernel
def load_factor(env, step):
    u = env.unit[0]
    if step.factor == CONSTANTS:
        load_constant(env, env.constants[step.first_constant + env.position[1] % step.constants], SCALE_SLOT)
    elif step.factor == A_SCALE:
        load_scale(env, False, SCALE_SLOT)
    elif step.factor == B_SCALE:
        load_scale(env, True, SCALE_SLOT)
    elif step.factor == BOTH_SCALES:
        load_scale(env, False, SCALE_SLOT)
        load_scale(env, True, SCALE_B_SLOT)
        if multiply_value(env, SCALE_SLOT, SCALE_B_SLOT):
            count_events(env, SCALE_STAGE, NAN_MADE)
        run_plain_pipe(env, u.scale_product, SCALE_SLOT, SCALE_STAGE, SCALE_B_SLOT)
    else:
        digit = env.position[1] % (u.digits_a * u.digits_b)
        weight = u.digit_width * (digit // u.digits_b + digit % u.digits_b)
        set_small(env, SCALE_SLOT, 0, ONE, weight, weight)


@kernel
def run_pipe(env, pipe, s, stage):
    """The input pipe of a level: scales and digit weights too."""
    for i in range(pipe.first, pipe.first + pipe.count):
        if env.state[STATUS]:
            return
        step = env.steps[i]
        if step.factor != NO_FACTOR:
            load_factor(env, step)
            if multiply_value(env, s, SCALE_SLOT):
                count_events(env, stage, NAN_MADE)
        add_and_cast(env, step, s, stage, SCALE_SLOT)
