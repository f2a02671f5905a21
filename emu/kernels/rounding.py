"""Rounding to a grid, in place: the first part of cemu/src/cast.h."""

# ruff: noqa: D103  (the C source documents each function)
from __future__ import annotations

import numpy as np

from emu.formats.enums import Rounding, StochasticVariant
from emu.kernels.environment import NEGATIVE, N
from emu.kernels.jit import Env, Int, Word, kernel
from emu.kernels.layout import C_SR_BITS, C_SR_VARIANT
from emu.kernels.wide import ONE, any_below, get_bit, increment, low_bits, shift_left, shift_right, word_below

RNE, RNA, RNZ, RNP, RNN = (mode.code for mode in list(Rounding)[:5])
RTZ, RTP, RTN = Rounding.TOWARD_ZERO.code, Rounding.TOWARD_POSITIVE.code, Rounding.TOWARD_NEGATIVE.code
RAZ, RTO, JAM = Rounding.AWAY_FROM_ZERO.code, Rounding.TO_ODD.code, Rounding.JAMMING.code
STOCHASTIC, EXACT = Rounding.STOCHASTIC.code, Rounding.EXACT.code
VARIANT_A, VARIANT_B = StochasticVariant.A.code, StochasticVariant.B.code


@kernel
def stochastic_up(env: Env, s: Int, shift: Int, how: Int, draw: Word) -> bool:
    """P3109's variants; sums of up to 65 bits are compared by their carry out of N bits."""
    bits = env.t[how + C_SR_BITS]
    head, after = word_below(env, s, shift), np.uint64(get_bit(env, s, shift - 65))
    mask = low_bits(bits)
    whole = head >> np.uint64(64 - bits)
    if env.t[how + C_SR_VARIANT] == VARIANT_A:
        return whole > mask - draw
    half = head >> np.uint64(63 - bits) & ONE if bits < 64 else after
    if env.t[how + C_SR_VARIANT] == VARIANT_B:  # 2 (whole + R) + half + 1 >= 2 * 2^N
        return whole > mask - draw or (whole == mask - draw and half == ONE)
    if half and (any_below(env, s, shift - bits - 1) or whole & ONE):
        if whole == mask:
            return True
        whole += ONE
    return whole > mask - draw


@kernel
def round_shift(env: Env, s: Int, shift: Int, rounding: Int, how: Int, draw: Word, one_is_even: bool) -> Int:
    meta = env.meta
    if meta[s, N] == 0:
        return 0
    if shift <= 0:
        shift_left(env, s, -shift)
        if rounding == JAM and (one_is_even or not env.limb[s, 0] & ONE):
            increment(env, s)
            return 1
        return 0
    half, below = get_bit(env, s, shift - 1), any_below(env, s, shift - 1)
    odd = 0 if one_is_even else get_bit(env, s, shift)
    negative, up = meta[s, NEGATIVE], False
    inexact = half | below
    if rounding == RNE:
        up = half and (below or odd)
    elif rounding == RNA:
        up = half == 1
    elif rounding == RNZ:
        up = half and below
    elif rounding == RNP:
        up = half and (below or not negative)
    elif rounding == RNN:
        up = half and (below or negative)
    elif rounding == RTP:
        up = inexact and not negative
    elif rounding == RTN:
        up = inexact and negative
    elif rounding == RAZ:
        up = inexact == 1
    elif rounding == RTO:
        up = inexact and not odd
    elif rounding == JAM:
        inexact |= 1 - odd
        up = odd == 0
    elif rounding == STOCHASTIC:
        up = inexact and stochastic_up(env, s, shift, how, draw)
    shift_right(env, s, shift)
    if up:
        increment(env, s)
    return inexact
