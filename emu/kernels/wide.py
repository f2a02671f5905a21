"""Values of any width: cemu/src/value.h."""

# ruff: noqa: D103  (the C source documents each function)
from __future__ import annotations

import numpy as np

from emu.kernels.environment import (
    EVENT_KINDS,
    EVENTS,
    FINITE,
    FRESH,
    INFINITE,
    KIND,
    LIVE,
    NAN_VALUE,
    NEGATIVE,
    NOW_K,
    NOW_M,
    NOW_N,
    POSITION_LIMIT,
    POSITIONS,
    STATUS,
    E,
    N,
    Q,
)
from emu.kernels.jit import Env, Int, Word, Words, kernel
from emu.kernels.status import Status

TOO_WIDE = Status.TOO_WIDE.code
ZERO, ONE, ALL = np.uint64(0), np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
QUIET = np.uint64(1 << 63)
HALF, LOW32 = np.uint64(32), np.uint64(0xFFFFFFFF)


@kernel
def low_bits(n: Int) -> Word:
    return ALL if n >= 64 else (ONE << np.uint64(n)) - ONE


@kernel
def word_length(word: Word) -> Int:
    length = np.int64(0)
    for step in (32, 16, 8, 4, 2, 1):
        if word >> np.uint64(step):
            word >>= np.uint64(step)
            length += step
    return length + np.int64(word)


@kernel
def fail(env: Env, status: Int) -> None:
    """Stop with this error; the first one counts."""
    if env.state[STATUS] == 0:
        env.state[STATUS] = status


@kernel
def count_events(env: Env, stage: Int, mask: Int) -> None:
    kind = 0
    while mask:
        if mask & 1:
            cell = EVENT_KINDS * stage + kind
            seen = env.state[EVENTS + cell]
            env.state[EVENTS + cell] += 1
            if seen < env.state[POSITION_LIMIT]:
                row = env.state[POSITIONS] + 3 * (cell * env.state[POSITION_LIMIT] + seen)
                env.state[row] = env.state[NOW_M]
                env.state[row + 1] = env.state[NOW_N]
                env.state[row + 2] = env.state[NOW_K]
        mask >>= 1
        kind += 1


@kernel
def set_zero(env: Env, s: Int, negative: Int, live: Int, e: Int) -> None:
    meta = env.meta
    meta[s, KIND] = FINITE
    meta[s, NEGATIVE] = negative
    meta[s, LIVE] = live
    meta[s, FRESH] = 0
    meta[s, Q] = 0
    meta[s, E] = e
    meta[s, N] = 0


@kernel
def set_infinity(env: Env, s: Int, negative: Int) -> None:
    set_zero(env, s, negative, 0, 0)
    env.meta[s, KIND] = INFINITE


@kernel
def set_nan(env: Env, s: Int, negative: Int, payload: Word, fresh: Int) -> None:
    set_zero(env, s, negative, 0, 0)
    env.meta[s, KIND] = NAN_VALUE
    env.meta[s, FRESH] = fresh
    env.limb[s, 0] = payload


@kernel
def set_small(env: Env, s: Int, negative: Int, sig: Word, q: Int, e: Int) -> None:
    set_zero(env, s, negative, 1, e)
    env.meta[s, Q] = q
    env.meta[s, N] = 1 if sig else 0
    env.limb[s, 0] = sig


@kernel
def is_zero(env: Env, s: Int) -> bool:
    return env.meta[s, KIND] == FINITE and env.meta[s, N] == 0


@kernel
def copy_value(env: Env, to: Int, source: Int) -> None:
    words = 1 if env.meta[source, KIND] == NAN_VALUE else env.meta[source, N]
    for i in range(7):
        env.meta[to, i] = env.meta[source, i]
    for i in range(words):
        env.limb[to, i] = env.limb[source, i]


@kernel
def trim(env: Env, s: Int) -> None:
    n = env.meta[s, N]
    while n > 0 and env.limb[s, n - 1] == ZERO:
        n -= 1
    env.meta[s, N] = n


@kernel
def bit_length(env: Env, s: Int) -> Int:
    n = env.meta[s, N]
    return 64 * (n - 1) + word_length(env.limb[s, n - 1]) if n > 0 else np.int64(0)


@kernel
def top_of(env: Env, s: Int) -> Int:
    return bit_length(env, s) - 1 + env.meta[s, Q]


@kernel
def get_bit(env: Env, s: Int, at: Int) -> Int:
    if at < 0 or at >= 64 * env.meta[s, N]:
        return np.int64(0)
    return np.int64(env.limb[s, at // 64] >> np.uint64(at % 64) & ONE)


@kernel
def any_below(env: Env, s: Int, at: Int) -> Int:
    if at <= 0:
        return np.int64(0)
    words, n = at // 64, env.meta[s, N]
    if words >= n:
        return np.int64(n > 0)
    for i in range(words):
        if env.limb[s, i]:
            return np.int64(1)
    rest = at % 64
    return np.int64(rest != 0 and (env.limb[s, words] << np.uint64(64 - rest)) != ZERO)


@kernel
def shift_left(env: Env, s: Int, by: Int) -> None:
    n_old = env.meta[s, N]
    if n_old == 0 or by <= 0:
        return
    words, bits = by // 64, by % 64
    n = (bit_length(env, s) + by + 63) // 64
    if n > env.limb.shape[1]:
        fail(env, TOO_WIDE)
        return
    for i in range(n - 1, -1, -1):
        at = i - words
        high = env.limb[s, at] << np.uint64(bits) if 0 <= at < n_old else ZERO
        low = env.limb[s, at - 1] >> np.uint64(64 - bits) if bits and 0 <= at - 1 < n_old else ZERO
        env.limb[s, i] = high | low
    env.meta[s, N] = n
    trim(env, s)


@kernel
def shift_right(env: Env, s: Int, by: Int) -> None:
    words, bits = by // 64, by % 64
    n = env.meta[s, N] - words
    if n <= 0:
        env.meta[s, N] = 0
        return
    for i in range(n):
        high = env.limb[s, i + words + 1] << np.uint64(64 - bits) if bits and i + 1 < n else ZERO
        env.limb[s, i] = env.limb[s, i + words] >> np.uint64(bits) | high
    env.meta[s, N] = n
    trim(env, s)


@kernel
def increment(env: Env, s: Int) -> None:
    n = env.meta[s, N]
    for i in range(n):
        env.limb[s, i] += ONE
        if env.limb[s, i]:
            return
    if n >= env.limb.shape[1]:
        fail(env, TOO_WIDE)
        return
    env.limb[s, n] = ONE
    env.meta[s, N] = n + 1


@kernel
def word_below(env: Env, s: Int, at: Int) -> Word:
    """Bits [at - 64, at) of the significand; bits below 0 are zero."""
    n = env.meta[s, N]
    low = at - 64
    i = low // 64
    bits = low - 64 * i
    word = env.limb[s, i] >> np.uint64(bits) if 0 <= i < n else ZERO
    if bits and 0 <= i + 1 < n:
        word |= env.limb[s, i + 1] << np.uint64(64 - bits)
    return word


@kernel
def multiply_words(x: Word, y: Word) -> Words:
    """The high and low word of a product."""
    x0, x1, y0, y1 = x & LOW32, x >> HALF, y & LOW32, y >> HALF
    low = x0 * y0
    middle = x1 * y0 + (low >> HALF)
    cross = x0 * y1 + (middle & LOW32)
    high = x1 * y1 + (middle >> HALF) + (cross >> HALF)
    return high, (cross << HALF) | (low & LOW32)


@kernel
def multiply_limbs(env: Env, x: Int, y: Int) -> None:
    nx, ny = env.meta[x, N], env.meta[y, N]
    if nx == 0 or ny == 0:
        env.meta[x, N] = 0
        return
    out, capacity = env.scratch, env.limb.shape[1]
    if nx + ny > 2 * capacity:
        fail(env, TOO_WIDE)
        return
    for i in range(nx + ny):
        out[i] = ZERO
    for i in range(nx):
        carry = ZERO
        for j in range(ny):
            high, low = multiply_words(env.limb[x, i], env.limb[y, j])
            low += out[i + j]
            if low < out[i + j]:
                high += ONE
            low += carry
            if low < carry:
                high += ONE
            out[i + j] = low
            carry = high
        out[i + ny] = carry
    n = nx + ny
    while n > 0 and out[n - 1] == ZERO:
        n -= 1
    if n > capacity:
        fail(env, TOO_WIDE)
        return
    for i in range(n):
        env.limb[x, i] = out[i]
    env.meta[x, N] = n


@kernel
def multiply_value(env: Env, x: Int, y: Int) -> Int:
    """x *= y in place. Returns 1 if this made a NaN."""
    meta = env.meta
    if meta[x, KIND] == NAN_VALUE:
        return 0
    if meta[y, KIND] == NAN_VALUE:
        copy_value(env, x, y)
        return 0
    negative = meta[x, NEGATIVE] ^ meta[y, NEGATIVE]
    if meta[x, KIND] == INFINITE or meta[y, KIND] == INFINITE:
        if is_zero(env, x) or is_zero(env, y):
            set_nan(env, x, 0, QUIET, 1)
            return 1
        set_infinity(env, x, negative)
        return 0
    multiply_limbs(env, x, y)
    meta[x, NEGATIVE] = negative
    meta[x, Q] += meta[y, Q]
    live = meta[x, LIVE] & meta[y, LIVE]
    meta[x, LIVE] = live
    meta[x, E] = meta[x, E] + meta[y, E] if live else 0
    return 0


@kernel
def sum_values(env: Env, out: Int, first: Int, count: Int) -> None:
    """out = exact sum of `count` addends from `first` on; the sign of a zero sum is left to the caller."""
    meta, limb = env.meta, env.limb
    q, top, nonzero = np.int64(1) << 62, -(np.int64(1) << 62), np.int64(0)
    for i in range(count):
        s = env.addends[first + i]
        if meta[s, N] == 0:
            continue
        top = max(top, bit_length(env, s) + meta[s, Q])
        q = min(q, meta[s, Q])
        nonzero += 1
    if nonzero == 0:
        meta[out, Q] = 0
        meta[out, N] = 0
        meta[out, NEGATIVE] = 0
        return
    width = top - q + word_length(np.uint64(nonzero)) + 1
    if width <= 64:
        total = np.int64(0)
        for i in range(count):
            s = env.addends[first + i]
            if meta[s, N]:
                word = np.int64(limb[s, 0] << np.uint64(meta[s, Q] - q))
                total += -word if meta[s, NEGATIVE] else word
        meta[out, NEGATIVE] = 1 if total < 0 else 0
        limb[out, 0] = np.uint64(-total if total < 0 else total)
        meta[out, Q] = q
        meta[out, N] = 1 if total else 0
        return
    words = (width + 63) // 64
    if words > limb.shape[1]:
        fail(env, TOO_WIDE)
        return
    total_words = env.scratch
    for j in range(words):
        total_words[j] = ZERO
    for i in range(count):
        s = env.addends[first + i]
        n = meta[s, N]
        if n == 0:
            continue
        by = meta[s, Q] - q
        at, bits = by // 64, by % 64
        flip = ALL if meta[s, NEGATIVE] else ZERO
        carry = np.uint64(meta[s, NEGATIVE])
        spill = ZERO
        for j in range(words):
            word = ZERO
            if j >= at and j - at < n:
                word = limb[s, j - at] << np.uint64(bits) | spill
                spill = limb[s, j - at] >> np.uint64(64 - bits) if bits else ZERO
            elif j >= at:
                word = spill
                spill = ZERO
            word ^= flip
            partial = total_words[j] + word
            more = ONE if partial < word else ZERO
            second = partial + carry
            if second < carry:
                more = ONE
            total_words[j] = second
            carry = more
    negative = total_words[words - 1] >> np.uint64(63)
    if negative:
        carry = ONE
        for j in range(words):
            flipped = ~total_words[j] + carry
            carry = ONE if carry and flipped == ZERO else ZERO
            total_words[j] = flipped
    for j in range(words):
        limb[out, j] = total_words[j]
    meta[out, NEGATIVE] = np.int64(negative)
    meta[out, Q] = q
    meta[out, N] = words
    trim(env, out)
