"""The keys of a function unit's file, as typed structs; spec/README.md explains them. Nothing is resolved here."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from emu.formats.enums import Ftz, Overflow, Rounding
from emu.functions.enums import (
    Function,
    Interpolation,
    NanInput,
    Offset,
    PieceKind,
    Place,
    SegmentRule,
    SlopeRule,
    Symmetry,
)
from emu.spec.about import AboutKeys, Keys

MAX_SEGMENTS = 1 << 16
MAX_DEGREE = 16
Count = Annotated[int, msgspec.Meta(ge=1, le=MAX_SEGMENTS)]
Code = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEGMENTS - 1)]
Number = int | float
FormatKeys = str | dict[str, Any]
"""A format's name, or its keys as a table."""


class CastKeys(Keys, frozen=True, kw_only=True):
    """One cast: a format, and how it is rounded to."""

    format: FormatKeys
    rounding: Rounding = Rounding.TIES_TO_EVEN
    overflow: Overflow | None = None
    ftz: Ftz = Ftz.OFF


Cast = CastKeys | str
"""A cast, or just the name of its format."""


class StepKeys(Keys, frozen=True, kw_only=True):
    """One step of a pipe: multiply, then add, then cast with one rounding."""

    multiply: Number | None = None
    add: Number | None = None
    format: FormatKeys | None = None
    rounding: Rounding | None = None
    overflow: Overflow | None = None
    ftz: Ftz | None = None


class SegmentKeys(Keys, frozen=True, kw_only=True):
    """How the inputs of a piece are divided into segments."""

    count: Count
    rule: SegmentRule = SegmentRule.UNIFORM
    low: Number | None = None
    width: Number | None = None
    index: tuple[StepKeys, ...] = ()
    low_code: Code | None = None
    shift: Annotated[int, msgspec.Meta(ge=0, le=16)] | None = None


class EntryKeys(Keys, frozen=True, kw_only=True):
    """The entries of a table: their format, and their values if they are not the function's."""

    format: FormatKeys
    rounding: Rounding = Rounding.TIES_TO_EVEN
    values: tuple[Number, ...] | None = None
    codes: tuple[Annotated[int, msgspec.Meta(ge=0)], ...] | None = None


class PositionKeys(Keys, frozen=True, kw_only=True):
    """How the offset is computed where it is not simply the low bits."""

    node: tuple[StepKeys, ...] = ()
    difference: Cast | None = None
    scale: tuple[StepKeys, ...] = ()


class PieceKeys(Keys, frozen=True, kw_only=True):
    """What all pieces have."""

    kind: PieceKind
    start: Number | None = msgspec.field(default=None, name="from")


class ConstantKeys(PieceKeys, frozen=True, kw_only=True):
    """A constant."""

    value: Number


class IdentityKeys(PieceKeys, frozen=True, kw_only=True):
    """The input itself."""


class TableKeys(PieceKeys, frozen=True, kw_only=True):
    """A piece with segments."""

    segments: SegmentKeys
    clamp: tuple[Number, Number] | None = None


class LutKeys(TableKeys, frozen=True, kw_only=True):
    """A table that is looked up."""

    entries: EntryKeys
    place: Place = Place.START


class LinearKeys(TableKeys, frozen=True, kw_only=True):
    """A table that is interpolated in."""

    entries: EntryKeys
    slopes: EntryKeys | None = None
    slope_rule: SlopeRule = SlopeRule.FUNCTION
    interpolation: Interpolation = Interpolation.SLOPE
    offset: Offset = Offset.VALUE
    position: PositionKeys | None = None
    multiply: Cast | None = None
    add: Cast | None = None
    fused: bool = False


class PolynomialKeys(TableKeys, frozen=True, kw_only=True):
    """A polynomial for each segment."""

    coefficients: Annotated[tuple[EntryKeys, ...], msgspec.Meta(min_length=2, max_length=MAX_DEGREE + 1)]
    offset: Offset = Offset.VALUE
    position: PositionKeys | None = None
    multiply: Cast | tuple[CastKeys, ...] | None = None
    add: Cast | tuple[CastKeys, ...] | None = None
    fused: bool = False


KEYS_OF_KIND: dict[PieceKind, type[PieceKeys]] = {
    PieceKind.CONSTANT: ConstantKeys,
    PieceKind.IDENTITY: IdentityKeys,
    PieceKind.LUT: LutKeys,
    PieceKind.LINEAR: LinearKeys,
    PieceKind.POLYNOMIAL: PolynomialKeys,
}


class FunctionKeys(AboutKeys, frozen=True, kw_only=True):
    """A whole function unit."""

    function: Function
    input: FormatKeys
    output: Cast
    symmetry: Symmetry = Symmetry.NONE
    nan: NanInput = NanInput.NAN
    piece: Annotated[tuple[dict[str, Any], ...], msgspec.Meta(min_length=1, max_length=256)]
