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
    ReduceRule,
    SegmentRule,
    SlopeRule,
    Symmetry,
)
from emu.spec.about import AboutKeys, Keys, means, word
from emu.spec.about import FormatKeys as FormatKeys

MAX_SEGMENTS = 1 << 16
MAX_DEGREE = 16
Count = Annotated[int, msgspec.Meta(ge=1, le=MAX_SEGMENTS)]
Code = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEGMENTS - 1)]
Number = int | float
PLAIN = ("stochastic", "exact")
"""Roundings that are not for function units."""
ROUND = means("of the cast", without=PLAIN)
ROUND_STEP = means("of the cast", default="`ties_to_even`", without=PLAIN)
OVERFLOW = means("of the cast", default="the format's")
FLUSH = "when a subnormal result becomes a zero of its sign"


class CastKeys(Keys, frozen=True, kw_only=True):
    """One cast: a format, and how it is rounded to."""

    format: Annotated[FormatKeys, means("round to this format")]
    rounding: Annotated[Rounding, ROUND] = Rounding.TIES_TO_EVEN
    overflow: Annotated[Overflow | None, OVERFLOW] = None
    ftz: Annotated[Ftz, means(FLUSH)] = Ftz.OFF


Cast = Annotated[CastKeys | str, word("cast")]
"""A cast, or just the name of its format."""


class StepKeys(Keys, frozen=True, kw_only=True):
    """One step of a pipe: multiply, then add, then cast with one rounding."""

    multiply: Annotated[Number | None, means("exact product")] = None
    add: Annotated[Number | None, means("exact sum")] = None
    format: Annotated[FormatKeys | None, means("round to this format", default="no cast")] = None
    rounding: Annotated[Rounding | None, ROUND_STEP] = None
    overflow: Annotated[Overflow | None, OVERFLOW] = None
    ftz: Annotated[Ftz | None, means(FLUSH, default="`off`")] = None


Pipe = Annotated[tuple[StepKeys, ...], word("pipe")]


class SegmentKeys(Keys, frozen=True, kw_only=True):
    """How the inputs of a piece are divided into segments."""

    count: Annotated[Count, means("how many")]
    rule: Annotated[SegmentRule, means("how an input finds its segment. With a symmetry the code is that of |x|")] = (
        SegmentRule.UNIFORM
    )
    low: Annotated[Number | None, means("of `uniform`: the first node", default="")] = None
    width: Annotated[Number | None, means("of `uniform`: the distance to the next node", default="")] = None
    index: Annotated[
        Pipe, means("of `uniform`: from x to a number whose floor is the segment", default="none: exact")
    ] = ()
    low_code: Annotated[Code | None, means("of `code`: the first code", values="code", default="")] = None
    shift: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=16)] | None,
        means(
            "of `code`: how many low bits do not count. Node i is the value of code low_code + (i << shift)", default=""
        ),
    ] = None


class ReduceKeys(Keys, frozen=True, kw_only=True):
    """How inputs are brought into the range of the pieces, and results back."""

    by: Annotated[ReduceRule, means("how x is split into m, which the pieces see, and an integer n. Both are exact")]
    step: Annotated[Number, means("of `exponent`: an integer from 1 to 64; of `multiple`: above 0")] = 1
    low: Annotated[
        Number | None,
        means("where m starts; of `exponent`: above 0", default="1 of `exponent`, 0 of `multiple`"),
    ] = None
    scale: Annotated[
        Annotated[int, msgspec.Meta(ge=-64, le=64)],
        means("the result of the pieces times 2^(scale · n), exact", values="−64 to 64"),
    ] = 0
    add: Annotated[Number, means("plus add · n, exact")] = 0


class EntryKeys(Keys, frozen=True, kw_only=True):
    """The entries of a table: their format, and their values if they are not the function's."""

    format: Annotated[FormatKeys, means("of the stored words")]
    rounding: Annotated[
        Rounding, means("of values and derived entries. What does not fit the format is an error", without=PLAIN)
    ] = Rounding.TIES_TO_EVEN
    values: Annotated[tuple[Number, ...] | None, means("the entries", default="none: derived")] = None
    codes: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=0)], ...] | None,
        means("the entries, as codes of the format", values="list of codes", default="none: derived"),
    ] = None


class PositionKeys(Keys, frozen=True, kw_only=True):
    """How the offset is computed where it is not simply the low bits."""

    node: Annotated[Pipe, means("from the segment's number to its node", default="none: exact")] = ()
    difference: Annotated[Cast | None, means("after the subtraction", default="none: exact")] = None
    scale: Annotated[Pipe, means("to the unit that `offset` names")] = ()


class PieceKeys(Keys, frozen=True, kw_only=True):
    """What all pieces have."""

    kind: Annotated[PieceKind, means("how the piece computes")]
    start: Annotated[
        Number | None,
        means("where the piece starts. The first piece has none; with a symmetry all others are above 0"),
    ] = msgspec.field(default=None, name="from")


class ConstantKeys(PieceKeys, frozen=True, kw_only=True):
    """A constant."""

    value: Annotated[Number, means("the result")]


class IdentityKeys(PieceKeys, frozen=True, kw_only=True):
    """The input itself."""


class TableKeys(PieceKeys, frozen=True, kw_only=True):
    """A piece with segments."""

    segments: Annotated[SegmentKeys, means("how inputs find their segment", values="table")]
    clamp: Annotated[
        tuple[Number, Number] | None,
        means(
            "x is first clamped to this; uniform segments only. An outer piece with segments needs it if the input "
            "format has infinities",
            values="[low, high]",
        ),
    ] = None


Entries = Annotated[EntryKeys, word("entries")]
Offsets = Annotated[Offset, means("what t, the position of x in its segment, is measured in; `blend` needs `unit`")]
Position = Annotated[
    PositionKeys | None, means("how t is computed, step by step", values="table", default="none: exact")
]
Fused = Annotated[
    bool, means("a product that feeds an addition is not rounded (in a blend: the one inside the brackets)")
]
HORNER = ". A list has one cast for each Horner step, the highest power's first"


class LutKeys(TableKeys, frozen=True, kw_only=True):
    """A table that is looked up."""

    entries: Annotated[Entries, means("the table")]
    place: Annotated[Place, means("where in its segment the function is taken for a derived entry")] = Place.START


class LinearKeys(TableKeys, frozen=True, kw_only=True):
    """A table that is interpolated in."""

    entries: Annotated[Entries, means("the table")]
    slopes: Annotated[Entries | None, means("per unit of the offset; not with `blend`", default="none: derived")] = None
    slope_rule: Annotated[SlopeRule, means("what a derived slope is the difference of")] = SlopeRule.FUNCTION
    interpolation: Annotated[Interpolation, means("the formula; `blend` has one entry more than segments")] = (
        Interpolation.SLOPE
    )
    offset: Offsets = Offset.VALUE
    position: Position = None
    multiply: Annotated[Cast | None, means("after every multiplication", default="none: exact")] = None
    add: Annotated[Cast | None, means("after every addition", default="none: exact")] = None
    fused: Fused = False


class PolynomialKeys(TableKeys, frozen=True, kw_only=True):
    """A polynomial for each segment."""

    coefficients: Annotated[
        Annotated[tuple[Entries, ...], msgspec.Meta(min_length=2, max_length=MAX_DEGREE + 1)],
        means(
            "one table for each power of the offset; derived up to degree 3",
            values="list of entries, c0 first, 2 to 17",
        ),
    ]
    offset: Offsets = Offset.VALUE
    position: Position = None
    multiply: Annotated[
        Cast | tuple[CastKeys, ...] | None,
        means("after every multiplication" + HORNER, values="cast, list of casts", default="none: exact"),
    ] = None
    add: Annotated[
        Cast | tuple[CastKeys, ...] | None,
        means("after every addition" + HORNER, values="cast, list of casts", default="none: exact"),
    ] = None
    fused: Fused = False


KEYS_OF_KIND: dict[PieceKind, type[PieceKeys]] = {
    PieceKind.CONSTANT: ConstantKeys,
    PieceKind.IDENTITY: IdentityKeys,
    PieceKind.LUT: LutKeys,
    PieceKind.LINEAR: LinearKeys,
    PieceKind.POLYNOMIAL: PolynomialKeys,
}


class FunctionKeys(AboutKeys, frozen=True, kw_only=True):
    """A whole function unit."""

    function: Annotated[Function, means("what is approximated: derived entries and the error profile refer to it")]
    input: Annotated[FormatKeys, means("of the operands: at most 16 bits")]
    output: Annotated[Cast, means("of the results: the last rounding")]
    symmetry: Annotated[Symmetry, means("how negative inputs use the pieces")] = Symmetry.NONE
    nan: Annotated[NanInput, means("what a NaN gives")] = NanInput.NAN
    reduce: Annotated[
        ReduceKeys | None,
        means("range reduction: the pieces cover a part of the range only", values="table", default="none: all of it"),
    ] = None
    piece: Annotated[
        Annotated[tuple[Annotated[dict[str, Any], word("piece")], ...], msgspec.Meta(min_length=1, max_length=256)],
        means("intervals of the input, ascending", values="list, at least one"),
    ]
