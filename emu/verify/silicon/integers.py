"""Codes of integers at the ends of their range, and accumulators from which a sum just overflows, or just does not."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.model import Format

Codes = NDArray[np.uint64]
THEMES = 4
"""any bits; extremes; powers of two; small numbers"""


def corners(fmt: Format) -> list[int]:
    """Codes of the extremes, of zero and of one."""
    top, sign = (1 << fmt.bits) - 1, 1 << (fmt.bits - 1)
    return [0, 1, sign - 1, sign, sign + 1, top - 1, top]


def corner_rows(fmt: Format, k: int) -> Codes:
    """All rows of k extremes: [rows, k]; of four and more, of five extremes, the first elements running through all."""
    chosen = corners(fmt) if k <= 2 else [0, 1, (1 << (fmt.bits - 1)) - 1, 1 << (fmt.bits - 1), (1 << fmt.bits) - 1]
    return np.array(list(product(chosen, repeat=k)), np.uint64)


def draw(rng: np.random.Generator, fmt: Format, shape: tuple[int, ...], theme: int) -> Codes:
    """Operand codes."""
    anything = rng.integers(0, 1 << fmt.bits, shape, np.uint64)
    mask = np.uint64((1 << fmt.bits) - 1)
    match theme:
        case 1:
            extreme = rng.choice(np.array(corners(fmt), np.uint64), shape)
            return np.where(rng.random(shape) < 0.9, extreme, anything)
        case 2:
            power = np.uint64(1) << rng.integers(0, fmt.bits, shape, np.uint64)
            return (power + rng.integers(-1, 2, shape).astype(np.uint64)) & mask
        case 3:
            return rng.integers(-3, 4, shape).astype(np.uint64) & mask
    return anything


def values(codes: Codes, fmt: Format) -> NDArray[np.int64]:
    """The numbers of codes."""
    numbers = codes.astype(np.int64)
    sign = np.int64(1 << (fmt.bits - 1))
    return np.where(numbers >= sign, numbers - 2 * sign, numbers) if fmt.signed else numbers


def accumulators(rng: np.random.Generator, fmt: Format, sums: NDArray[Any]) -> Codes:
    """Accumulator codes: any, extreme, cancelling a sum, or bringing it to within a few of either end."""
    shape = sums.shape
    top, bottom = (1 << (fmt.bits - 1)) - 1, -(1 << (fmt.bits - 1))
    near = rng.integers(-2, 3, shape)
    kinds = np.array([
        rng.integers(bottom, top + 1, shape), near - sums, top - sums + near, bottom - sums + near,
        values(rng.choice(np.array(corners(fmt), np.uint64), shape), fmt),
    ])  # fmt: skip
    chosen = np.take_along_axis(kinds, rng.integers(0, len(kinds), (1, *shape)), axis=0)[0]
    out: Codes = np.clip(chosen, bottom, top).astype(np.uint64) & np.uint64((1 << fmt.bits) - 1)
    return out
