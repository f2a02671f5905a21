"""One call of a scalar operation: its options, parsed and validated once, before any backend runs."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emu.errors import FormatError, SpecError
from emu.formats.cast import Cast, check_cast, default_nan_code
from emu.formats.codes import as_codes
from emu.formats.draws import draws_of, sr_bits_of
from emu.formats.enums import Ftz, LogBoundary, NanEncoding, NanTo, Overflow, Rounding, StochasticVariant, Tininess
from emu.formats.load import load_format
from emu.formats.model import MAX_STORED_BITS, Format
from emu.formats.modes import member
from emu.operations.enums import NanStyle, Operation

FormatLike = Any
"""A `Format`, or what `emu.load_format` takes"""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The keywords of every operation, as the user gave them."""

    to: FormatLike = None
    rounding: str | Rounding = "ties_to_even"
    overflow: str | Overflow | None = None
    tininess: str | Tininess = "after_rounding"
    nan: str | NanStyle = "riscv"
    daz: bool = False
    ftz: str | Ftz = "off"
    exact: bool = True
    sr_bits: int | None = None
    sr_variant: str | StochasticVariant = "B"
    random: Any = None
    nan_to: str | NanTo | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a validated call does, whatever its operands."""

    operation: Operation
    formats: tuple[Format, ...]
    cast: Cast
    daz: bool
    nan: NanStyle
    exact: bool
    rounding: Rounding
    """as it was asked for: the result's format may have another rule for ties"""

    @property
    def deterministic(self) -> bool:
        """Whether the operands' codes alone say what comes out: no random bits, and no error for some of them."""
        return self.cast.rounding is not Rounding.STOCHASTIC and self.cast.overflow is not Overflow.RAISE


@dataclass(frozen=True, kw_only=True)
class Call(Rule):
    """One validated call: what a backend runs."""

    codes: tuple[NDArray[np.uint64], ...]
    """one array for each operand, of one shape, C-contiguous"""
    draws: NDArray[np.uint64] | None
    # Two calls of one rule are not equal: their operands differ.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the operands and the result."""
        return self.codes[0].shape


def formats_of(fmt: FormatLike, operands: int, to: FormatLike = None) -> tuple[tuple[Format, ...], Format]:
    """The operands' formats and the result's.

    Raises:
        FormatError: formats of several operands without `to`, too many or too few of them, or one without codes.
    """
    if isinstance(fmt, tuple | list):
        if len(fmt) != operands:
            raise FormatError(f"fmt: {len(fmt)} formats for {operands} operands")
        formats = tuple(load_format(one) for one in fmt)
        if to is None and any(one != formats[0] for one in formats):
            raise FormatError("operands of several formats need to=, the format of the result")
    else:
        formats = (load_format(fmt),) * operands
    target = formats[0] if to is None else load_format(to)
    for one in (*formats, target):
        if not isinstance(one, Format):
            raise FormatError(f"{one} is a block format: operations are on its elements")
        if one.bits > MAX_STORED_BITS:
            raise FormatError(f"{one} has {one.bits} bits: codes have at most {MAX_STORED_BITS}")
    return formats, target


def broadcast(operands: tuple[ArrayLike, ...], formats: tuple[Format, ...]) -> tuple[NDArray[np.uint64], ...]:
    """The operands' codes, broadcast to one shape."""
    names = ("x", "y", "z")
    codes = [as_codes(array, fmt, name) for array, fmt, name in zip(operands, formats, names, strict=False)]
    try:
        return tuple(np.array(array, order="C") for array in np.broadcast_arrays(*codes))
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in codes)
        raise ValueError(f"operands of shapes {shapes} do not broadcast") from None


def nan_code(fmt: Format, style: NanStyle) -> int:
    """The code of a NaN that an operation makes."""
    negative = style is NanStyle.X86 and fmt.signed and fmt.nan in (NanEncoding.IEEE, NanEncoding.ALL_ONES)
    return default_nan_code(fmt) | (int(negative) << fmt.field_bits << fmt.ignored_low_bits)


def prepare(operation: Operation, operands: tuple[ArrayLike, ...], fmt: FormatLike, options: Options) -> Call:
    """Validate a call.

    Raises:
        FormatError, SpecError: formats or keywords that have no exact meaning.
        ValueError: operands that are no codes, or do not broadcast.
    """
    return call_of(rule_of(operation, fmt, options), operands, options.random)


def call_of(rule: Rule, operands: tuple[ArrayLike, ...], random: Any = None) -> Call:
    """A rule for these operands.

    Raises:
        ValueError: operands that are no codes, or do not broadcast.
    """
    codes = broadcast(operands, rule.formats)
    shared = {field.name: getattr(rule, field.name) for field in fields(Rule)}
    return Call(**shared, codes=codes, draws=draws_of(random, rule.cast, codes[0].shape))


def rule_of(operation: Operation, fmt: FormatLike, options: Options) -> Rule:
    """Validate all of a call but its operands.

    Raises:
        FormatError, SpecError: formats or keywords that have no exact meaning.
    """
    formats, target = formats_of(fmt, operation.operands, options.to)
    if operation is Operation.SQRT and target.boundary is LogBoundary.GEOMETRIC and target.radix_log2 % 2:
        reason = (
            "the boundaries of this format are square roots, and a root may lie on one: sqrt goes to log formats with "
            'boundary = "arithmetic", or a radix of 4, 16, ...'
        )
        raise SpecError(reason, key="to", value=target.name)
    rounding = member(Rounding, options.rounding)
    if rounding is Rounding.EXACT:
        raise SpecError("exact is a range check inside units, no rounding", key="rounding", value=rounding.value)
    stochastic = rounding is Rounding.STOCHASTIC
    style = member(NanStyle, options.nan)
    for key, given in (("daz", options.daz), ("exact", options.exact)):
        if not isinstance(given, bool | np.bool_):
            raise FormatError(f"{key} is True or False, not {given!r}")
    if options.nan_to is not None:
        target = replace(target, nan_to=member(NanTo, options.nan_to))
    how = check_cast(
        target,
        rounding=rounding,
        overflow=None if options.overflow is None else member(Overflow, options.overflow),
        ftz=member(Ftz, options.ftz),
        sr_bits=sr_bits_of(options.random, options.sr_bits) if stochastic else options.sr_bits,
        sr_variant=member(StochasticVariant, options.sr_variant),
        nan_code=nan_code(target, style),
        tininess=member(Tininess, options.tininess),
    )
    return Rule(
        operation=operation,
        formats=formats,
        cast=how,
        daz=bool(options.daz),
        nan=style,
        exact=bool(options.exact),
        rounding=rounding,
    )
