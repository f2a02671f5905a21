"""Operands as integers times one power of two: their bounds, and arrays of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.enums import Daz, FormatKind
from emu.formats.model import Format
from emu.units.form import Operand, PerBlock
from emu.units.plans.integers.casts import INT16, INT32, Span, twos_complement
from emu.units.plans.plan import UnprovedError
from emu.units.plans.planes import table_of

MAX_BITS = 32
Codes = NDArray[Any]
Integers = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Numbers:
    """What an operand can be."""

    operand: Operand
    unit: int
    """they count units of 2^unit"""
    span: Span
    """with zero points"""
    table: NDArray[np.int64] | None
    """by code; None: a code is the two's complement of its number"""
    halves: NDArray[np.int16] | None = None
    """the table in 16 bits, if there is one and it fits"""

    @property
    def direct(self) -> bool:
        """Whether kernels for 8 and 16 bits can read the codes, if no zero point is given."""
        return self.table is None or self.halves is not None

    @property
    def sign(self) -> int:
        """The weight of the sign bit of a code, 0 if there is none."""
        return sign_of(self.operand.format)

    def without_zero(self) -> Span:
        """The bounds of codes without zero points."""
        return _codes_span(self.operand.format) if self.table is None else _table_span(self.table)

    def array(self, codes: Codes, zeros: Codes | None, axis: int) -> Integers:
        """The numbers of codes [m, k] (axis 1: the axis of k) or [k, n] (axis 0), less their zero points."""
        out = signed(codes, self.operand.format) if self.table is None else self.table[codes]
        zero = self.operand.zero
        if zero is None or zeros is None:
            return out
        points = signed(zeros, zero.format)
        if zero.block is not None:
            points = np.repeat(points, zero.block, axis=axis)[(slice(None),) * axis + (slice(codes.shape[axis]),)]
        return out - points


def sign_of(fmt: Format) -> int:
    """The weight of the sign bit, 0 if there is none."""
    return 1 << (fmt.bits - 1) if fmt.signed else 0


def signed(codes: Codes, fmt: Format) -> NDArray[np.int64]:
    """Two's complement codes as integers."""
    sign = np.uint64(sign_of(fmt))
    return ((codes ^ sign) - sign).view(np.int64)


def numbers_of(operand: Operand, where: str) -> Numbers:
    """An operand as integers.

    Raises:
        UnprovedError: it is none.
    """
    fmt = operand.format
    table, unit = None, -fmt.frac_bits
    plain = twos_complement(fmt) and operand.daz is Daz.OFF and not operand.load
    if not plain:
        table, unit = _table(operand, where)
    elif fmt.bits > MAX_BITS:
        raise UnprovedError(f"{where}: {fmt.name} has more than {MAX_BITS} bits")
    span = _codes_span(fmt) if table is None else _table_span(table)
    if operand.zero is not None:
        zero = _zero_span(operand.zero, where)
        if operand.load or unit:
            raise UnprovedError(f"{where}: zero points are subtracted before `load`, or from fractions")
        span = span + Span(low=-zero.high, high=-zero.low)
    halves = table.astype(np.int16) if table is not None and span.within(INT16) else None
    return Numbers(operand=operand, unit=unit, span=span, table=table, halves=halves)


def _zero_span(zero: PerBlock, where: str) -> Span:
    if zero.format.kind is not FormatKind.INTEGER or not twos_complement(zero.format) or zero.format.bits > MAX_BITS:
        raise UnprovedError(f"{where}: zero points of {zero.format.name}")
    return _codes_span(zero.format)


def _codes_span(fmt: Format) -> Span:
    return Span(low=-fmt.min_sig, high=fmt.max_sig)


def _table_span(table: NDArray[np.int64]) -> Span:
    return Span(low=int(table.min()), high=int(table.max()))


def _table(operand: Operand, where: str) -> tuple[NDArray[np.int64], int]:
    fmt, name = operand.format, operand.format.name
    if fmt.has_nan or fmt.infinities or (not operand.load and fmt.msb - fmt.lsb > MAX_BITS):
        raise UnprovedError(f"{where}: {name} has infinities or NaN, or numbers of more than {MAX_BITS} bits")
    made = table_of(operand)
    if made is None or not made.exact or not np.isfinite(made.values).all():
        raise UnprovedError(f"{where}: {name} has too many codes to list, infinities, or NaN")
    unit = min((_last_bit(x) for x in made.values.tolist() if x), default=0)
    scaled = np.ldexp(made.values, -unit)
    if np.abs(scaled).max() > INT32.high:
        raise UnprovedError(f"{where}: the values of {name} are no integers of 32 bits times a power of two")
    return scaled.astype(np.int64), unit


def _last_bit(x: float) -> int:
    """The exponent of the last bit of a number that is not zero."""
    numerator, denominator = x.as_integer_ratio()
    return (numerator & -numerator).bit_length() - denominator.bit_length()
