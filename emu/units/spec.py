"""The keys of a unit file, as typed structs: unit-spec section 1, key by key. spec/README.md explains them.

Nothing is resolved here: format names are strings, pipes are steps as written, `base` and `repeat` are still there.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from emu.formats.enums import Daz, Ftz, Overflow, Rounding, StochasticVariant
from emu.spec.about import AboutKeys, Keys
from emu.units.enums import NanOrder, NanRule, ProductExponent, RequantizeRule, Start, ZeroSign

MAX_COUNT = 1 << 20
Positive = Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)]
Bits = Annotated[int, msgspec.Meta(ge=0, le=4096)]
Exponent = Annotated[int, msgspec.Meta(ge=-40000, le=40000)]
PartIndex = Annotated[int, msgspec.Meta(ge=0, le=63)]
Number = int | float
FormatKeys = str | dict[str, Any]
"""A format's name, or its keys as a table."""


class StepKeys(Keys, frozen=True, kw_only=True):
    """One step of a pipe: multiply, add, cast."""

    multiply: Number | tuple[Number, ...] | Literal["a_scale", "b_scale", "scale", "digits"] | None = None
    add: Number | tuple[Number, ...] | None = None
    format: FormatKeys | None = None
    rounding: Rounding | None = None
    overflow: Overflow | None = None
    ftz: Ftz | None = None
    sr_bits: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None
    sr_variant: StochasticVariant | None = None


PipeKeys = StepKeys | tuple[StepKeys, ...]


class ZeroPointKeys(Keys, frozen=True, kw_only=True):
    """Run-time zero points of one operand: their format, and how many k share one."""

    format: FormatKeys
    block: Positive | None = None


class OperandKeys(Keys, frozen=True, kw_only=True):
    """One operand: its format, what becomes of subnormals, its zero points, and the pipe on entry."""

    format: FormatKeys
    daz: Daz = Daz.OFF
    zero: str | ZeroPointKeys | None = None
    load: PipeKeys = ()


class OperandsKeys(Keys, frozen=True, kw_only=True):
    """The four operands, once a bare format is written as `{format = …}`; c may be left out."""

    a: OperandKeys
    b: OperandKeys
    d: OperandKeys
    c: OperandKeys | None = None


class ScaleOperandKeys(Keys, frozen=True, kw_only=True):
    """Scales of one operand: their format, and how many k share one."""

    format: FormatKeys
    block: Positive | None = None


class ScaleKeys(Keys, frozen=True, kw_only=True):
    """Block scales."""

    a: ScaleOperandKeys | None = None
    b: ScaleOperandKeys | None = None
    product: PipeKeys = ()


class SplitKeys(Keys, frozen=True, kw_only=True):
    """The casts that split each operand into parts; an operand without any is its own only part."""

    a: tuple[StepKeys, ...] = ()
    b: tuple[StepKeys, ...] = ()


class ProductKeys(Keys, frozen=True, kw_only=True):
    """The multiplier."""

    result: PipeKeys = ()
    exponent: ProductExponent = ProductExponent.SUM
    table: str | tuple[tuple[int, ...], ...] | None = None
    digits: Annotated[int, msgspec.Meta(ge=1, le=31)] | None = None
    split: tuple[StepKeys, ...] | SplitKeys | None = None
    terms: Annotated[tuple[tuple[PartIndex, PartIndex], ...], msgspec.Meta(min_length=1, max_length=64)] | None = None


class LevelKeys(Keys, frozen=True, kw_only=True):
    """One reduction level."""

    id: str | None = None
    group: Positive = 1
    length: Positive | Literal["all"] = "all"
    parts: Positive | None = None
    lanes: Positive = 1
    order: Annotated[tuple[int, ...], msgspec.Meta(max_length=4096)] = ()
    repeat: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    start: Start | None = None
    input: PipeKeys = ()
    align_bits: Bits | Literal["all"] = "all"
    align_rounding: Rounding = Rounding.TOWARD_ZERO
    align_to: Exponent | Literal["all", "terms"] = "all"
    align_min_exp: Exponent | None = None
    align_max_shift: Bits | None = None
    zero_sign: ZeroSign = ZeroSign.IEEE
    nan_order: NanOrder = NanOrder.TERMS_FIRST
    result: PipeKeys = ()


class NanKeys(Keys, frozen=True, kw_only=True):
    """Which NaN comes out."""

    rule: NanRule = NanRule.DEFAULT
    code: dict[str, int] = msgspec.field(default_factory=dict)


class RequantizeKeys(Keys, frozen=True, kw_only=True):
    """An integer output stage by name; lists have one entry for each output column."""

    rule: RequantizeRule
    multiplier: Number | tuple[Number, ...]
    zero_point: int | tuple[int, ...] = 0
    rounding: Rounding | None = None


class BaseKeys(Keys, frozen=True, kw_only=True):
    """The unit that this one is built on."""

    unit: str | dict[str, Any]
    length: Positive | Literal["all"] | None = None
    parts: Positive | None = None


class UnitKeys(AboutKeys, frozen=True, kw_only=True):
    """A whole unit."""

    k: Positive | None = None
    base: BaseKeys | None = None
    operands: dict[str, Any] = msgspec.field(default_factory=dict)
    scale: ScaleKeys = ScaleKeys()
    product: ProductKeys | None = None
    level: tuple[LevelKeys, ...] = ()
    output: PipeKeys = ()
    requantize: RequantizeKeys | None = None
    nan: NanKeys | None = None
