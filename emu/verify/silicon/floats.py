"""Codes of floats where arithmetic goes wrong: borders of the range, ties, cancellation, NaN payloads, signed zeros.

A theme is about a pair of operands: with `LOW` their products lie at the border of the subnormals. A third operand is
planted on what the first two make (`accumulators`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.model import Format

Codes = NDArray[np.uint64]
DTYPES = {16: (np.float16, np.uint16), 32: (np.float32, np.uint32), 64: (np.float64, np.uint64)}
STRANGERS = 0.12
"""The share of elements from other themes"""


class Theme(IntEnum):
    """What operands of one call have in common."""

    UNIFORM = 0
    """any bits"""
    SUBNORMAL = 1
    """operands at the border of the subnormals"""
    OVERFLOW = 2
    """operands at the largest numbers"""
    NEAR = 3
    """nearly equal exponents"""
    NARROW = 4
    """few bits: products and sums that are exact, or ties"""
    LOW = 5
    """products at the border of the result's subnormals"""
    HIGH = 6
    """products at the result's largest numbers"""
    CANCEL = 7
    """few magnitudes and both signs: products that cancel"""
    ZEROS = 8
    """signed zeros, subnormals, and what makes such products"""
    SPECIAL = 9
    """infinities, NaN with payloads, ends of the range"""
    BORDER = 10
    """products that are the smallest normal number, far smaller, or zero: sums that round up to it, or do not"""


def draw(rng: np.random.Generator, fmt: Format, result: Format, shape: tuple[int, ...], theme: Theme) -> Codes:
    """Operand codes of a theme, some strangers among them."""
    codes = _draw(rng, fmt, result, shape, theme).ravel()
    strangers = np.flatnonzero(rng.random(codes.size) < STRANGERS)
    for at in np.array_split(strangers, 3):
        codes[at] = _draw(rng, fmt, result, at.shape, Theme(int(rng.integers(len(Theme)))))
    return codes.reshape(shape)


def _draw(rng: np.random.Generator, fmt: Format, result: Format, shape: tuple[int, ...], theme: Theme) -> Codes:
    top = (1 << fmt.exp_bits) - 2  # exponent field of the largest numbers
    spread = rng.integers(-2, 3, shape)
    match theme:
        case Theme.SUBNORMAL:
            return assemble(rng, fmt, spread + 1, shape)
        case Theme.OVERFLOW:
            return assemble(rng, fmt, top - np.abs(spread), shape)
        case Theme.NEAR:
            return assemble(rng, fmt, fmt.bias + spread, shape)
        case Theme.NARROW:
            dropped = np.uint64((1 << max(fmt.man_bits - 2, 0)) - 1)
            return assemble(rng, fmt, fmt.bias + spread, shape) & ~dropped
        case Theme.LOW:
            return assemble(rng, fmt, fmt.bias + result.emin // 2 + spread, shape)
        case Theme.HIGH:
            return assemble(rng, fmt, fmt.bias + ((1 << result.exp_bits) - 2 - result.bias) // 2 + spread, shape)
        case Theme.CANCEL:
            pool = assemble(rng, fmt, fmt.bias + rng.integers(-1, 2, 3), (3,))
            return rng.choice(pool, shape) ^ _signs(rng, fmt, shape)
        case Theme.ZEROS:
            small = np.where(rng.random(shape) < 0.5, 0, rng.integers(0, 1 << fmt.man_bits, shape, np.uint64))
            any_number = assemble(rng, fmt, rng.integers(0, top + 1, shape), shape)
            return np.where(rng.random(shape) < 0.6, small ^ _signs(rng, fmt, shape), any_number)
        case Theme.SPECIAL:
            return specials(rng, fmt, shape)
        case Theme.BORDER:
            below = rng.integers(result.man_bits // 2, result.man_bits + 6, shape)
            chance = rng.random(shape)
            field = fmt.bias + result.emin // 2 - np.where(chance < 0.2, 0, below)
            power = np.clip(field, 0, top).astype(np.uint64) << np.uint64(fmt.man_bits)
            return np.where(chance < 0.45, power, 0) ^ _signs(rng, fmt, shape)
    return rng.integers(0, 1 << fmt.bits, shape, np.uint64)


def assemble(rng: np.random.Generator, fmt: Format, exponent: NDArray[Any], shape: tuple[int, ...]) -> Codes:
    """Random signs and mantissas with these exponent fields, brought into the finite range."""
    field = np.clip(exponent, 0, (1 << fmt.exp_bits) - 2).astype(np.uint64)
    mantissa = rng.integers(0, 1 << fmt.man_bits, shape, np.uint64)
    out: Codes = _signs(rng, fmt, shape) | field << np.uint64(fmt.man_bits) | mantissa
    return out


def _signs(rng: np.random.Generator, fmt: Format, shape: tuple[int, ...]) -> Codes:
    return rng.integers(0, 2, shape, np.uint64) << np.uint64(fmt.bits - 1)


def specials(rng: np.random.Generator, fmt: Format, shape: tuple[int, ...]) -> Codes:
    """Zeros, ends of the subnormals and normals, one and its neighbours, infinities, quiet and signalling NaN."""
    one, unit = fmt.bias << fmt.man_bits, 1 << fmt.man_bits
    infinity = ((1 << fmt.exp_bits) - 1) << fmt.man_bits
    quiet = infinity | unit >> 1
    payloads = rng.integers(1, unit >> 1, 4).tolist()
    numbers = [0, 1, unit >> 1, unit - 1, unit, unit + 1, one - 1, one, one + 1, one + (unit >> 1), infinity - 1]
    pool = np.array([
        *numbers, infinity, infinity, infinity + 1, infinity + (unit >> 1) - 1, quiet, quiet + (unit >> 1) - 1,
        *(infinity + payload for payload in payloads[:2]), *(quiet + payload for payload in payloads[2:]),
    ], np.uint64)  # fmt: skip
    return rng.choice(pool, shape) ^ _signs(rng, fmt, shape)


def values(codes: Codes, fmt: Format) -> NDArray[np.float64]:
    """The numbers of float16, bfloat16, float32 or float64 codes."""
    if fmt.bits == 64:
        return codes.astype(np.uint64).view(np.float64)
    if fmt.bits == 16 and fmt.exp_bits == 5:
        return codes.astype(np.uint16).view(np.float16).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return (codes << np.uint64(32 - fmt.bits)).astype(np.uint32).view(np.float32).astype(np.float64)


def codes_of(numbers: NDArray[np.float64], fmt: Format) -> Codes:
    """Codes of float16, float32 or float64 near these numbers."""
    dtype, code = DTYPES[fmt.bits]
    with np.errstate(all="ignore"):
        return numbers.astype(dtype).view(code).astype(np.uint64)


class _Plan(IntEnum):
    """How an accumulator relates to what it is added to."""

    ALIGNED = 0
    CANCELLED = 1
    HALF_ULP = 2
    THEME = 3
    SPECIAL = 4
    ZERO = 5


SHARES = (0.22, 0.28, 0.2, 0.15, 0.1, 0.05)


def accumulators(rng: np.random.Generator, fmt: Format, sums: NDArray[np.float64], theme: Theme) -> Codes:
    """What is added to numbers: aligned with them, cancelling them, or so that they make about half an ulp of it."""
    flat = sums.ravel()
    kind = np.searchsorted(np.cumsum(SHARES[:-1]), rng.random(flat.size), side="right")
    out = np.empty(flat.shape, np.uint64)
    for one in _Plan:
        at = np.flatnonzero(kind == one)
        out[at] = _accumulator(rng, fmt, flat[at], theme, one)
    return out.reshape(sums.shape)


def _accumulator(
    rng: np.random.Generator, fmt: Format, sums: NDArray[np.float64], theme: Theme, plan: _Plan
) -> Codes:  # fmt: skip
    shape = sums.shape
    match plan:
        case _Plan.CANCELLED:
            cancelled = codes_of(-sums, fmt) + rng.integers(-3, 4, shape).astype(np.uint64)
            return cancelled & np.uint64((1 << fmt.bits) - 1)
        case _Plan.THEME:
            return draw(rng, fmt, fmt, shape, theme)
        case _Plan.SPECIAL:
            return specials(rng, fmt, shape)
        case _Plan.ZERO:
            return _signs(rng, fmt, shape)
    exponent = np.frexp(np.where(np.isfinite(sums), sums, 0.0))[1] - 1 + fmt.bias
    if plan is _Plan.ALIGNED:
        reach = fmt.man_bits + 3
        return assemble(rng, fmt, exponent + rng.integers(-reach, reach + 1, shape), shape)
    return assemble(rng, fmt, exponent + fmt.man_bits + rng.integers(0, 3, shape), shape)


def to_integer(rng: np.random.Generator, fmt: Format, bits: int, shape: tuple[int, ...], theme: Theme) -> Codes:
    """Codes to be rounded to integers of so many bits: halves, their neighbours, the ends of the range and beyond."""
    if theme in (Theme.UNIFORM, Theme.SPECIAL, Theme.SUBNORMAL):
        return draw(rng, fmt, fmt, shape, theme)
    top = np.where(rng.random(shape) < 0.3, bits - 1 + rng.integers(-1, 2, shape), rng.integers(-3, bits + 2, shape))
    codes = assemble(rng, fmt, fmt.bias + top, shape)
    if theme in (Theme.NARROW, Theme.CANCEL):  # a whole number, or a half more, and its neighbours
        halves = np.clip(fmt.man_bits - 1 - top, 0, fmt.man_bits).astype(np.uint64)
        codes = codes >> halves << halves
    return codes + rng.integers(-1, 2, shape).astype(np.uint64) * (rng.random(shape) < 0.3).astype(np.uint64)


def to_narrow(rng: np.random.Generator, fmt: Format, result: Format, shape: tuple[int, ...], theme: Theme) -> Codes:
    """Codes to be rounded to a narrower format: over its whole range and beyond, with ties and their neighbours."""
    if theme in (Theme.UNIFORM, Theme.SPECIAL, Theme.SUBNORMAL):
        return draw(rng, fmt, result, shape, theme)
    lowest, highest = result.emin - result.man_bits - 3, (1 << result.exp_bits) - result.bias + 1
    codes = assemble(rng, fmt, fmt.bias + rng.integers(lowest, highest + 1, shape), shape)
    cut = rng.integers(1, fmt.man_bits + 1, shape).astype(np.uint64)  # bits below the cut: at, or next to, a tie
    unit = np.uint64(1) << cut
    half = unit >> np.uint64(1)
    none, one = np.zeros_like(unit), np.ones_like(unit)
    tails = np.stack([none, one, half - one, half, half + one, unit - one])
    tail = np.take_along_axis(tails, rng.integers(0, len(tails), (1, *shape)), axis=0)[0] & (unit - one)
    out: Codes = codes & ~(unit - one) | tail
    return out
