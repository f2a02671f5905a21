"""Operands as arrays of numbers, which fast kernels read: every code decoded, flushed and loaded, exactly.

Operands of at most 16 bits go through a table of all codes: that of the format's decoder, flushed; with a `load`, what
the reference loads. So one rule says what an operand is. Wider ones are read only where that is a view: float32 and
float64 without `load`.
A NaN or an infinity is kept as it is, and its row of a, or column of b, is marked: the plan computes it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.pipe import Factor, Step, Term
from emu.errors import OverflowRaised
from emu.formats import native
from emu.formats.cast import Cast
from emu.formats.codes import native_dtype
from emu.formats.enums import Daz, FormatKind
from emu.formats.fast import lookup
from emu.formats.fast.numbers import numbers_of
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.formats.rounding import RandomBits
from emu.formats.value import Value
from emu.units.form import Operand
from emu.units.operands import load

TABLE_BITS = 16
MANY = 1024
"""Codes that are worth a call of the kernel that looks up."""
Plane = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """The number of every code of an operand."""

    values: NDArray[np.float64]
    """NaN and infinities as such; -0 keeps its sign"""
    exact: bool
    """whether every finite value is a float64"""


class Silent:
    """The surroundings that a load needs: no events, no factors but constants, no draws."""

    def factor(self, step: Step, term: Term) -> Value:
        """A constant of the step."""
        assert step.factor is Factor.CONSTANTS
        return step.constants[term.position % len(step.constants)]

    def draw(self, how: Cast) -> RandomBits:
        """There are none."""
        raise AssertionError(how)

    def count(self, stage: int, events: int) -> None:
        """Nothing is counted."""


@lru_cache(maxsize=256)
def table_of(operand: Operand) -> Table | None:
    """The numbers of all codes of an operand without its zero point; None if it has too many codes, or one raises."""
    bits = operand.format.bits
    if bits > TABLE_BITS:
        return None
    quick = _decoded(operand) if native.is_there() and not operand.load else None
    if quick is not None:
        return quick
    try:
        return _loaded(operand)
    except OverflowRaised:  # of a code that a product may never have
        return None


def _loaded(operand: Operand) -> Table:
    """The table by the reference, code by code."""
    bits = operand.format.bits
    values = np.empty(1 << bits, np.float64)
    exact = True
    for code in range(1 << bits):
        x = load(operand, code, (), Term(), Silent())
        values[code], held = float64_of(x)
        exact &= held
    return Table(values=values, exact=exact)


def _decoded(operand: Operand) -> Table | None:
    """The table of an operand without `load`, by the format's decoder; None if float64 lacks a value, or there is a
    flushing of numbers that are no floats.
    """
    fmt = operand.format
    if operand.daz is not Daz.OFF and fmt.kind is not FormatKind.FLOAT:
        return None
    made = lookup.numbers(fmt, np.float64)
    if made is None:
        return None
    values: NDArray[np.float64] = np.where(np.isnan(made), np.nan, made)
    if operand.daz is not Daz.OFF:
        zero = np.copysign(0.0, values) if operand.daz is Daz.SIGNED else 0.0
        values = np.where(np.abs(values) < np.ldexp(1.0, fmt.emin), zero, values)
    return Table(values=values, exact=True)


def float64_of(x: Value) -> tuple[float, bool]:
    """The float64 nearest to a value, and whether it is the value; NaN and infinities as such, -0 with its sign."""
    if x.nan:
        return float("nan"), True
    if x.inf:
        return float("-inf" if x.negative else "inf"), True
    if not x.sig:
        return (-0.0 if x.negative else 0.0), True
    number = x.fraction()
    try:
        out = float(number)
    except OverflowError:
        return 0.0, False
    return out, out == number


def plane(operand: Operand, codes: NDArray[np.uint64], dtype: Any) -> Plane | None:
    """The operand as numbers of a dtype; None if some code's value is no number of it, or there is no way to read it.

    Args:
        operand: a or b; zero points are not applied.
        codes: of any shape.
        dtype: float32, float64, or an integer type.
    """
    wanted = np.dtype(dtype)
    table = table_of(operand)
    if table is not None:
        numbers = _in_dtype(operand, wanted)
        return None if numbers is None else _entries(operand, numbers, codes)
    if operand.daz is not Daz.OFF or operand.load or wanted.kind != "f":
        return None
    fmt = operand.format
    if native_dtype(fmt) == np.float64 and wanted == np.float64:
        return codes.view(np.float64)
    if not _is_binary32(fmt):
        return None
    words = codes.astype(np.uint32) & np.uint32(0xFFFFFFFF << fmt.ignored_low_bits & 0xFFFFFFFF)
    with np.errstate(invalid="ignore"):  # signalling NaN
        return words.view(np.float32).astype(wanted, copy=False)


def _entries(operand: Operand, table: Plane, codes: NDArray[Any]) -> Plane:
    """The table's entries at codes of any unsigned dtype; many floats are decoded, which is faster."""
    fmt = operand.format
    if codes.size < MANY:
        found: Plane = table[codes]
        return found
    narrow = codes.astype(fmt.code_dtype, copy=False)
    if operand.daz is Daz.OFF and not operand.load and table.dtype in (np.float32, np.float64):
        made = numbers_of(fmt, narrow, table.dtype)
        if made is not None:
            return made
    return lookup.look_up(table, narrow)[0]


def _is_binary32(fmt: Format) -> bool:
    """Whether codes are those of float32, perhaps with low bits that are not looked at (tf32)."""
    whole = load_format("float32")
    like = replace(whole, name=fmt.name, man_bits=fmt.man_bits, ignored_low_bits=fmt.ignored_low_bits)
    return like == fmt and fmt.man_bits + fmt.ignored_low_bits == whole.man_bits


@lru_cache(maxsize=256)
def _in_dtype(operand: Operand, dtype: np.dtype[Any]) -> Plane | None:
    """The table in another dtype, if every finite value fits (an integer type takes no special value and no -0)."""
    table = table_of(operand)
    if table is None or not table.exact:
        return None
    with np.errstate(all="ignore"):
        numbers = table.values.astype(dtype)
    same = numbers.astype(np.float64) == table.values
    if dtype.kind != "f" and (not np.isfinite(table.values).all() or np.signbit(table.values[table.values == 0]).any()):
        return None
    found: Plane = numbers
    return found if bool((same | np.isnan(table.values)).all()) else None


def special_rows(values: Plane, axis: int) -> NDArray[np.bool_]:
    """Which rows (axis 1) or columns (axis 0) hold a NaN or an infinity."""
    if values.dtype.kind != "f":
        return np.zeros(values.shape[1 - axis], bool)
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=axis))
    return ~finite
