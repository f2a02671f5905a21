"""How many bits numbers have, how fine they are and how large they get: what says that a double holds them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from emu.formats.enums import FormatKind
from emu.formats.model import Format
from emu.formats.value import Value
from emu.units.form import Operand
from emu.units.plans.aligned import operands

LEAST, MOST = -900, 900
"""Exponents of doubles that no error term of a sum leaves."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What holds for numbers that are not zero."""

    bits: int
    """significand bits"""
    lsb: int
    """they are multiples of 2^lsb"""
    largest: Fraction
    """of their magnitudes"""

    def __mul__(self, other: Reach) -> Reach:
        return Reach(bits=self.bits + other.bits, lsb=self.lsb + other.lsb, largest=self.largest * other.largest)

    def summed(self, count: int) -> Reach:
        """Sums of so many of them, and partial sums: as many bits as there are from lsb to the largest."""
        largest = self.largest * count
        return Reach(
            bits=max((largest / Fraction(2) ** self.lsb).__ceil__().bit_length(), 1), lsb=self.lsb, largest=largest
        )

    @property
    def in_doubles(self) -> bool:
        """Whether no exponent is beyond those of doubles."""
        return self.lsb >= LEAST and self.largest <= Fraction(2) ** MOST


def of_format(fmt: Format) -> Reach:
    """The numbers of a float format."""
    return Reach(bits=fmt.man_bits + 1, lsb=fmt.lsb, largest=fmt.largest(negative=False).fraction())


def of_constant(x: Value) -> Reach:
    """One number."""
    odd = x.sig >> ((x.sig & -x.sig).bit_length() - 1)
    return Reach(bits=odd.bit_length(), lsb=x.q, largest=abs(x.fraction()))


def of_operand(operand: Operand) -> Reach | None:
    """The numbers of an operand, or of a scale; None: it is not read."""
    found = operands.bounds(operand)
    if found is None:
        return None
    numbers = values_of(operand)
    if numbers is None:
        fmt = operand.format
        return of_format(fmt) if fmt.kind is FormatKind.FLOAT else None
    live = np.abs(numbers[np.isfinite(numbers) & (numbers != 0)])
    if not live.size:
        return Reach(bits=1, lsb=0, largest=Fraction(1))
    fraction, exponent = np.frexp(live)
    whole = (fraction * 2.0**53).astype(np.int64)
    lowest = exponent - 53 + np.log2((whole & -whole).astype(np.float64)).astype(np.int64)
    return Reach(bits=found.bits, lsb=int(lowest.min()), largest=Fraction(float(live.max())))


@lru_cache(maxsize=256)
def values_of(operand: Operand) -> NDArray[np.float64] | None:
    """The numbers of all codes, if there are at most 2^16."""
    made = operands.table(operand)
    return None if made is None else np.ascontiguousarray(made[0])


def holds_all(fmt: Format, x: Reach) -> bool:
    """Whether an integer, fixed-point or signed float format holds every such number and its negative."""
    if fmt.is_integral:
        low, high = fmt.largest(negative=True).fraction(), fmt.largest(negative=False).fraction()
        return fmt.lsb <= x.lsb and x.largest <= high and -x.largest >= low
    return (
        fmt.kind is FormatKind.FLOAT
        and fmt.signed
        and fmt.lsb <= x.lsb
        and x.bits <= fmt.man_bits + 1
        and (x.largest <= fmt.largest(negative=False).fraction())
    )
