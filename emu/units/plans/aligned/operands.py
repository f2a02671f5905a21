"""Codes as numbers and alignment exponents, and the bounds of both over all codes of an operand.

A zero is dead: its exponent is DEAD, so low that no sum with another exponent comes near a live one. NaN and infinities
are kept as numbers; their exponents mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.pipe import Term
from emu.errors import OverflowRaised
from emu.formats.enums import Daz, FormatKind, NanEncoding, Subnormals
from emu.formats.model import Format
from emu.units.form import Operand
from emu.units.operands import load
from emu.units.plans.planes import TABLE_BITS, Silent, float64_of

DEAD = -8192
WIDEST = 32
"""Bits of the widest operand that is read."""
Numbers = NDArray[np.float64]
Exponents = NDArray[np.int16]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bounds:
    """What holds for every finite code of an operand."""

    bits: int
    """significand bits"""
    reach: float
    """|x| <= reach * 2^e"""
    low: int
    high: int
    """low <= e <= high of what is not zero"""


def decode(fmt: Format, codes: NDArray[Any]) -> tuple[Numbers, Exponents]:
    """Numbers and exponents of codes of a float format of at most WIDEST bits."""
    word = codes.astype(np.int64) >> fmt.ignored_low_bits
    size = word & ((1 << fmt.field_bits) - 1)
    negative = (word >> fmt.field_bits & int(fmt.signed)).astype(bool)
    field, mantissa = size >> fmt.man_bits, size & ((1 << fmt.man_bits) - 1)
    hidden = (field > 0) | (fmt.subnormals is Subnormals.NORMAL)
    e = np.maximum(field - fmt.bias, fmt.emin)
    sig = mantissa + (hidden.astype(np.int64) << fmt.man_bits)
    zero = (size == 0) | ((field == 0) & (fmt.subnormals is Subnormals.NONE))
    numbers = np.where(zero, 0.0, np.ldexp(sig.astype(np.float64), (e - fmt.man_bits).astype(np.int32)))
    special = size > fmt.max_magnitude
    if special.any():
        infinite = size == fmt.infinity_magnitude if fmt.infinities else np.zeros_like(special)
        numbers = np.where(special, np.where(infinite, np.inf, np.nan), numbers)
    numbers = np.where(negative & (~zero | fmt.negative_zero), -numbers, numbers)
    if fmt.nan is NanEncoding.NEGATIVE_ZERO:
        numbers = np.where((size == 0) & negative, np.nan, numbers)
    return numbers, np.where(zero, DEAD, e).astype(np.int16)


def read(operand: Operand, codes: NDArray[Any]) -> tuple[NDArray[np.float32], Exponents]:
    """Numbers and exponents of an operand's codes, flushed and loaded; `bounds` must have accepted it."""
    made = _narrow_table(operand)
    if made is not None:
        return made[0].take(codes), made[1].take(codes)
    numbers, e = _flushed(operand, *_wide(operand.format, codes))
    return numbers.astype(np.float32), e


@lru_cache(maxsize=256)
def _narrow_table(operand: Operand) -> tuple[NDArray[np.float32], Exponents] | None:
    made = table(operand)
    return None if made is None else (made[0].astype(np.float32), made[1])


def _wide(fmt: Format, codes: NDArray[Any]) -> tuple[Numbers, Exponents]:
    """As `decode`; a float32 whose low bits are ignored or not is a view, and its exponent is a field."""
    layout = (fmt.exp_bits, fmt.bias, fmt.man_bits + fmt.ignored_low_bits, fmt.nan, fmt.subnormals)
    if layout != (8, 127, 23, NanEncoding.IEEE, Subnormals.GRADUAL) or not (fmt.infinities and fmt.negative_zero):
        return decode(fmt, codes)
    words = codes.astype(np.uint32)
    if fmt.ignored_low_bits:
        words &= np.uint32((1 << 32) - (1 << fmt.ignored_low_bits))
    field = (words >> np.uint32(23)).astype(np.int16) & np.int16(255)
    e = np.maximum(field, np.int16(1)) - np.int16(fmt.bias)
    with np.errstate(invalid="ignore"):
        numbers = words.view(np.float32).astype(np.float64)
    return numbers, np.where(words << np.uint32(1) == 0, np.int16(DEAD), e)


def numbers_of(operand: Operand, codes: NDArray[Any]) -> Numbers:
    """The numbers alone, as float64."""
    if operand.format.name == "float32" and operand.daz is Daz.OFF:
        with np.errstate(invalid="ignore"):
            return codes.astype(np.uint32, copy=False).view(np.float32).astype(np.float64)
    made = table(operand)
    if made is not None:
        return made[0].take(codes)
    return _flushed(operand, *_wide(operand.format, codes))[0]


@lru_cache(maxsize=256)
def bounds(operand: Operand) -> Bounds | None:
    """The bounds of an operand; None if it cannot be read."""
    fmt = operand.format
    made = table(operand)
    if made is None:
        plain = fmt.kind is FormatKind.FLOAT and fmt.bits <= WIDEST and not operand.load
        if not plain or fmt.subnormals is Subnormals.NORMAL:
            return None
        high = max(fmt.msb - 1, fmt.emin)
        return Bounds(bits=fmt.man_bits + 1, reach=2.0 - 2.0**-fmt.man_bits, low=fmt.emin, high=high)
    numbers, e = made
    live = np.isfinite(numbers) & (numbers != 0)
    if not live.any():
        return Bounds(bits=1, reach=1.0, low=0, high=0)
    numbers, exponents = numbers[live], e[live].astype(np.int64)
    odd = np.abs(np.frexp(numbers)[0] * 2.0**53).astype(np.int64)
    bits = 54 - int(np.log2((odd & -odd).min())) - 1
    reach = float((np.abs(numbers) * np.exp2(-exponents.astype(np.float64))).max())
    return Bounds(bits=bits, reach=reach, low=int(exponents.min()), high=int(exponents.max()))


@lru_cache(maxsize=256)
def table(operand: Operand) -> tuple[Numbers, Exponents] | None:
    """The numbers of all codes; None: too many, or too large for a float64."""
    fmt = operand.format
    if fmt.bits > TABLE_BITS:
        return None
    if fmt.kind is FormatKind.FLOAT and not operand.load and max(abs(fmt.lsb), abs(fmt.msb)) < 1000:
        return _flushed(operand, *decode(fmt, np.arange(1 << fmt.bits)))
    numbers, e = np.empty(1 << fmt.bits), np.empty(1 << fmt.bits, np.int16)
    for code in range(1 << fmt.bits):
        try:
            x = load(operand, code, (), Term(), Silent())
        except OverflowRaised:  # of a code that a product may never have
            return None
        numbers[code], exact = float64_of(x)
        if not exact or abs(x.e or 0) > 1000:
            return None
        e[code] = DEAD if x.e is None else x.e
    return numbers, e


def dead_zeros(operand: Operand, *, whole: bool) -> bool:
    """Whether every zero of an operand is dead, and, if `whole`, all else has the exponent 0; False: not known."""
    made = table(operand)
    if made is None:
        return False
    numbers, e = made
    return bool((e[numbers == 0] == DEAD).all() and (not whole or (e[numbers != 0] == 0).all()))


def _flushed(operand: Operand, numbers: Numbers, e: Exponents) -> tuple[Numbers, Exponents]:
    if operand.daz is Daz.OFF:
        return numbers, e
    small = np.abs(numbers) < 2.0**operand.format.emin
    kept = np.copysign(0.0, numbers) if operand.daz is Daz.SIGNED else np.zeros_like(numbers)
    return np.where(small, kept, numbers), np.where(small, DEAD, e).astype(np.int16)
