"""One step of a level: cemu/src/step.h."""

# ruff: noqa: D103  (the C source documents each function)
from __future__ import annotations

import numpy as np

from emu.formats.enums import EventKind
from emu.kernels.environment import FINITE, FRESH, KIND, LIVE, NAN_VALUE, NEGATIVE, SCALE_SLOT, TERMS_AT, E, N, Q
from emu.kernels.jit import Env, Int, kernel
from emu.kernels.layout import (
    L_ALIGN,
    L_ALIGN_BITS,
    L_ALIGN_MAX_SHIFT,
    L_ALIGN_MIN_EXP,
    L_ALIGN_POINT,
    L_ALIGN_ROUNDING,
    L_ALIGN_TO,
    L_HAS_MAX_SHIFT,
    L_HAS_MIN_EXP,
    L_NAN_ORDER,
    L_RESULT,
    L_TOWARD_NEGATIVE,
    L_ZERO_SIGN,
    U_D,
    U_NAN_RULE,
)
from emu.kernels.rounding import JAM, round_shift
from emu.kernels.special import NAN_MADE
from emu.kernels.wide import QUIET, copy_value, count_events, is_zero, set_infinity, set_nan, sum_values
from emu.units.enums import AlignTo, NanOrder, NanRule, ZeroSign
from emu.units.kernels.pipe import run_plain_pipe

TRUNCATED = EventKind.TRUNCATED.bit
FIRST, ACCUMULATOR_FIRST = NanRule.FIRST.code, NanOrder.ACCUMULATOR_FIRST.code
TERMS, POINT = AlignTo.TERMS.code, AlignTo.POINT.code
IEEE_SIGN, ALWAYS_POSITIVE = ZeroSign.IEEE.code, ZeroSign.ALWAYS_POSITIVE.code


@kernel
def special_step(env: Env, level: Int, count: Int, acc: Int, stage: Int, out: Int) -> bool:
    """NaN and infinities decide a step before anything is aligned. acc < 0: absent."""
    meta = env.meta
    nan, infinity, known, clash = -1, -1, False, False
    acc_first = env.t[level + L_NAN_ORDER] == ACCUMULATOR_FIRST
    for i in range(count + 1):
        if acc_first:
            s = acc if i == 0 else env.addends[TERMS_AT + i - 1]
        else:
            s = acc if i == count else env.addends[TERMS_AT + i]
        if s < 0 or meta[s, KIND] == FINITE:
            continue
        if meta[s, KIND] == NAN_VALUE:
            if nan < 0 or (not known and not meta[s, FRESH]):
                nan = s
            known |= meta[s, FRESH] == 0
        elif infinity >= 0:
            clash |= meta[infinity, NEGATIVE] != meta[s, NEGATIVE]
        else:
            infinity = s
    if nan >= 0:
        if known and env.t[U_NAN_RULE] == FIRST:
            if out != nan:
                copy_value(env, out, nan)
        else:
            set_nan(env, out, 0, QUIET, 1)
        return True
    if infinity < 0:
        return False
    if clash:
        count_events(env, stage, NAN_MADE)
        set_nan(env, out, 0, QUIET, 1)
    else:
        set_infinity(env, out, meta[infinity, NEGATIVE])
    return True


@kernel
def cut(env: Env, level: Int, s: Int, em: Int, stage: Int) -> None:
    meta = env.meta
    if meta[s, N] == 0:
        return
    if meta[s, LIVE] and env.t[level + L_HAS_MAX_SHIFT] and meta[s, E] < em - env.t[level + L_ALIGN_MAX_SHIFT]:
        meta[s, N] = 0
        count_events(env, stage, TRUNCATED)
        return
    lsb = em - env.t[level + L_ALIGN_BITS]
    if meta[s, Q] >= lsb and env.t[level + L_ALIGN_ROUNDING] != JAM:
        return
    # a cut is deterministic: the cast is only there for the signature
    inexact = round_shift(env, s, lsb - meta[s, Q], env.t[level + L_ALIGN_ROUNDING], U_D, np.uint64(0), False)
    meta[s, Q] = lsb
    if inexact:
        count_events(env, stage, TRUNCATED)


@kernel
def zero_sign(env: Env, level: Int, count: Int) -> Int:
    if env.t[level + L_ZERO_SIGN] != IEEE_SIGN:
        return 0
    all_zero, negatives = True, 0
    for i in range(count):
        s = env.addends[TERMS_AT + i]
        all_zero &= env.meta[s, N] == 0
        negatives += env.meta[s, NEGATIVE]
    if env.t[level + L_TOWARD_NEGATIVE]:
        return 0 if all_zero and negatives == 0 else 1
    return 1 if all_zero and negatives == count else 0


@kernel
def run_step(env: Env, level: Int, stage: Int, count: Int, acc: Int, out: Int) -> None:
    """out = the step of the first `count` addends and the accumulator (acc < 0: absent). out may be acc."""
    meta = env.meta
    if not special_step(env, level, count, acc, stage, out):
        terms, lowest = count, -(np.int64(1) << 40)
        candidate, e, has_candidate, live = lowest, lowest, False, 0
        if acc >= 0:
            env.addends[TERMS_AT + count] = acc
            count += 1
        for i in range(count):
            s = env.addends[TERMS_AT + i]
            if not meta[s, LIVE]:
                continue
            live = 1
            e = max(e, meta[s, E])
            if env.t[level + L_ALIGN_TO] == TERMS and i >= terms:
                continue
            has_candidate = True
            candidate = max(candidate, meta[s, E])
        if env.t[level + L_HAS_MIN_EXP]:
            has_candidate = True
            candidate = max(candidate, env.t[level + L_ALIGN_MIN_EXP])
        if has_candidate:
            e = candidate
        if env.t[level + L_ALIGN] and has_candidate:
            if env.t[level + L_ALIGN_TO] == POINT:
                e = env.t[level + L_ALIGN_POINT]
            for i in range(count):
                cut(env, level, env.addends[TERMS_AT + i], e, stage)
        negative_zero = zero_sign(env, level, count)
        sum_values(env, out, TERMS_AT, count)
        meta[out, KIND] = FINITE
        meta[out, FRESH] = 0
        if meta[out, N] == 0:
            meta[out, NEGATIVE] = negative_zero
        meta[out, LIVE] = live
        meta[out, E] = e if live else 0
    run_plain_pipe(env, level + L_RESULT, out, stage, SCALE_SLOT)
    if env.t[level + L_ZERO_SIGN] == ALWAYS_POSITIVE and is_zero(env, out):
        meta[out, NEGATIVE] = 0
