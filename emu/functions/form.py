"""A function unit, resolved and validated: what is evaluated, and what is shown."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from emu.formats.cast import Cast
from emu.formats.model import Format
from emu.formats.value import Value
from emu.functions.enums import (
    Function,
    Interpolation,
    NanInput,
    Offset,
    PieceKind,
    ReduceRule,
    SegmentRule,
    Symmetry,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a pipe: multiply, then add, then cast with one rounding."""

    multiply: Value | None = None
    add: Value | None = None
    cast: Cast | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """How the inputs of a piece are divided."""

    rule: SegmentRule
    count: int
    low: Fraction = Fraction(0)
    width: Fraction = Fraction(1)
    """of uniform segments"""
    index: tuple[Step, ...] = ()
    """a pipe from the input to a number whose floor is the segment; empty: the exact (x - low) / width"""
    low_code: int = 0
    shift: int = 0
    """of segments of codes"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How the offset is computed; empty and None: exactly."""

    unit: Offset = Offset.VALUE
    explicit: bool = False
    """whether the next three say it all: scale(difference(x - node(segment)))"""
    node: tuple[Step, ...] = ()
    difference: Cast | None = None
    scale: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduce:
    """Range reduction: the pieces see m; n brings their result back: y 2^(scale n) + add n."""

    rule: ReduceRule
    low: Fraction
    step: Fraction
    """of `exponent`: an integer"""
    scale: int
    add: Fraction


NOTHING = Value()


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One interval of the input, from `start` up to the next piece's."""

    kind: PieceKind
    start: Value | None = None
    """None: from the least input on"""
    value: Value = NOTHING
    """of a constant"""
    segments: Segments | None = None
    clamp: tuple[Value, Value] | None = None
    tables: tuple[tuple[Value, ...], ...] = ()
    """lut: entries. linear: entries, and slopes. polynomial: one table for each coefficient, c0 first"""
    formats: tuple[Format, ...] = ()
    """of the entries of each table"""
    position: Position = Position()
    interpolation: Interpolation = Interpolation.SLOPE
    fused: bool = False
    multiply: tuple[Cast | None, ...] = ()
    add: tuple[Cast | None, ...] = ()
    """the cast after each multiplication and addition; one for `linear`, one for each Horner step of `polynomial`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One function unit."""

    function: Function
    input: Format
    output: Cast
    symmetry: Symmetry
    nan: NanInput
    pieces: tuple[Piece, ...]
    reduce: Reduce | None = None

    @property
    def folded(self) -> bool:
        """Whether the pieces see |x| only."""
        return self.symmetry is not Symmetry.NONE
