"""The keys of a unit file, as typed structs with what each key means. spec/README.md shows them as tables.

Nothing is resolved here: format names are strings, pipes are steps as written, `base` and `repeat` are still there.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from emu.formats.enums import Daz, Ftz, NanTo, Overflow, Rounding, StochasticVariant
from emu.spec.about import AboutKeys, FormatKeys, Keys, means, word
from emu.units.enums import NanOrder, NanRule, ProductExponent, RequantizeRule, Start, ZeroSign

MAX_COUNT = 1 << 20
Positive = Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)]
Bits = Annotated[int, msgspec.Meta(ge=0, le=4096)]
Exponent = Annotated[int, msgspec.Meta(ge=-40000, le=40000)]
Length = Positive | Literal["all"]
PartIndex = Annotated[int, msgspec.Meta(ge=0, le=63)]
Number = int | float


class StepKeys(Keys, frozen=True, kw_only=True):
    """One step of a pipe: multiply, add, cast."""

    multiply: Annotated[
        Number | tuple[Number, ...] | Literal["a_scale", "b_scale", "scale", "digits"] | None, means("exact product")
    ] = None
    add: Annotated[Number | tuple[Number, ...] | None, means("exact sum")] = None
    format: Annotated[FormatKeys | None, means("round to this format", default="no cast")] = None
    rounding: Annotated[Rounding | None, means("of the cast", default="`ties_to_even`")] = None
    overflow: Annotated[Overflow | None, means("of the cast", default="the format's")] = None
    ftz: Annotated[Ftz | None, means("when a subnormal result becomes a zero of its sign", default="`off`")] = None
    nan_to: Annotated[
        NanTo | None,
        means(
            "what every NaN becomes, also one that the cast's own overflow makes",
            default="NaN; the format's `nan_to` where it has none",
        ),
    ] = None
    sr_bits: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=64)] | None,
        means("N, of `stochastic`, which needs it: how many random bits", default=""),
    ] = None
    sr_variant: Annotated[
        StochasticVariant | None, means("of `stochastic`, as in P3109 v4.0", values="`A`, `B`, `C`", default="`B`")
    ] = None


PipeKeys = Annotated[StepKeys | tuple[StepKeys, ...], word("pipe")]


class ZeroPointKeys(Keys, frozen=True, kw_only=True):
    """Run-time zero points of one operand: their format, and how many k share one."""

    format: Annotated[FormatKeys, means("of the zero points' codes: two's complement or unsigned, at most 32 bits")]
    block: Annotated[Positive | None, means("how many k share one zero point", default="one block")] = None


class OperandKeys(Keys, frozen=True, kw_only=True):
    """One operand: its format, what becomes of subnormals, its zero points, and the pipe on entry."""

    format: Annotated[FormatKeys, means("of the codes")]
    daz: Annotated[Daz, means("what a subnormal input is taken for; float formats only")] = Daz.OFF
    zero: Annotated[
        str | ZeroPointKeys | None,
        means(
            "of a and b: zero points given at run time; a code then means code − zero point. Integer formats of at "
            "most 32 bits, two's complement or unsigned",
            values="format, `{ format, block }`",
        ),
    ] = None
    load: Annotated[
        PipeKeys, means("on entry: FP32 to TF32, c into a fixed-point register, a constant zero point")
    ] = ()


class OperandsKeys(Keys, frozen=True, kw_only=True):
    """The four operands, once a bare format is written as `{format = …}`; c may be left out."""

    a: Annotated[OperandKeys, means("the left matrix, M × K", values="format, operand")]
    b: Annotated[OperandKeys, means("the right matrix, K × N", values="format, operand")]
    d: Annotated[
        OperandKeys, means("the result, M × N: only written, so without `daz`, `zero`, `load`", values="format")
    ]
    c: Annotated[
        OperandKeys | None, means("the accumulator's input, M × N; without `zero`", values="format, operand")
    ] = None


class ScaleOperandKeys(Keys, frozen=True, kw_only=True):
    """Scales of one operand: their format, and how many k share one."""

    format: Annotated[FormatKeys, means("of the scale codes")]
    block: Annotated[
        Positive | None, means("how many k share one scale", default="all: one per row of a, column of b")
    ] = None


class ScaleKeys(Keys, frozen=True, kw_only=True):
    """Block scales."""

    a: Annotated[ScaleOperandKeys | None, means("scales of the operand")] = None
    b: Annotated[ScaleOperandKeys | None, means("scales of the operand")] = None
    product: Annotated[PipeKeys, means("how a_scale · b_scale is rounded before use", default="none: exact")] = ()


class SplitKeys(Keys, frozen=True, kw_only=True):
    """The casts that split each operand into parts; an operand without any is its own only part."""

    a: Annotated[tuple[StepKeys, ...], means("1 to 8 casts", values="list of casts", default="one part: itself")] = ()
    b: Annotated[tuple[StepKeys, ...], means("1 to 8 casts", values="list of casts", default="one part: itself")] = ()


class ProductKeys(Keys, frozen=True, kw_only=True):
    """The multiplier."""

    result: Annotated[PipeKeys, means("the multiplier's output", default="none: exact")] = ()
    exponent: Annotated[ProductExponent, means("alignment exponent of a product")] = ProductExponent.SUM
    table: Annotated[
        str | tuple[tuple[int, ...], ...] | None,
        means(
            "integer product of two codes, looked up [a][b]: approximate multipliers. Operands of at most 12 bits, "
            "without `daz`, `zero` and `load`",
            values="nested list, or a `.npy` file beside the spec",
        ),
    ] = None
    digits: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=31)] | None,
        means(
            "w: operands are split into base-2^w digits; every k gives all digit products. Two's complement operands "
            "without `load` and `zero`"
        ),
    ] = None
    split: Annotated[
        tuple[StepKeys, ...] | SplitKeys | None,
        means(
            "operands are split into floats of fewer bits, as TF32x3 and BF16x9 do; every k gives all products of a "
            "part of a and a part of b. Not with `table` or `digits`",
            values="list of casts for both operands, `{ a, b }`",
        ),
    ] = None
    terms: Annotated[
        Annotated[tuple[tuple[PartIndex, PartIndex], ...], msgspec.Meta(min_length=1, max_length=64)] | None,
        means(
            "of `split` and `digits`: only these products, part i of a times part j of b, in this order; none twice",
            values="list of 1 to 64 pairs `[i, j]`",
            default="all pairs, a's part outermost",
        ),
    ] = None


class LevelKeys(Keys, frozen=True, kw_only=True):
    """One reduction level."""

    id: Annotated[str | None, means("a name to address the level by")] = None
    group: Annotated[Positive, means("terms that enter the adder in one step, besides the accumulator")] = 1
    length: Annotated[Length, means("inputs of one run; a run hands up one result")] = "all"
    parts: Annotated[
        Positive | None,
        means("instead of `length`: the inputs are cut into this many runs, each a multiple of `group` (split-K)"),
    ] = None
    lanes: Annotated[
        Positive, means("every lanes · length inputs are dealt in turn to this many runs; results go up in lane order")
    ] = 1
    order: Annotated[
        Annotated[tuple[int, ...], msgspec.Meta(max_length=4096)],
        means("order within each block of its own length, applied first", values="permutation of 0, 1, …"),
    ] = ()
    repeat: Annotated[Annotated[int, msgspec.Meta(ge=1, le=64)], means("the level, written so many times")] = 1
    start: Annotated[
        Start | None, means("accumulator before the first step", default="outermost level `c`, others `zero`")
    ] = None
    input: Annotated[PipeKeys, means("applied to each term, never to the accumulator")] = ()
    align_bits: Annotated[
        Bits | Literal["all"], means("fraction bits kept below the alignment exponent; `all` is an exact adder")
    ] = "all"
    align_rounding: Annotated[
        Rounding,
        means(
            "of each addend by itself: `toward_zero` is sign-magnitude hardware, `toward_negative` two's complement, "
            "`to_odd` a sticky bit",
            without=("exact", "stochastic"),
        ),
    ] = Rounding.TOWARD_ZERO
    align_to: Annotated[
        Exponent | Literal["all", "terms"],
        means(
            "the alignment exponent: the largest one of terms and accumulator; of the terms alone; a fixed one "
            "(`point` in listings)",
            values="`all`, `terms`, −40000 to 40000",
        ),
    ] = "all"
    align_min_exp: Annotated[Exponent | None, means("the alignment exponent is never below this")] = None
    align_max_shift: Annotated[Bits | None, means("an addend further than this below the alignment exponent is 0")] = (
        None
    )
    zero_sign: Annotated[ZeroSign, means("sign of an exact zero sum")] = ZeroSign.IEEE
    nan_order: Annotated[NanOrder, means('who comes first in a step under `nan.rule = "first"`')] = NanOrder.TERMS_FIRST
    result: Annotated[
        PipeKeys, means("the feedback loop's casts. None: the sum goes on exact, with its alignment exponent")
    ] = ()


class NanKeys(Keys, frozen=True, kw_only=True):
    """Which NaN comes out."""

    rule: Annotated[NanRule, means("which NaN a result is")] = NanRule.DEFAULT
    code: Annotated[
        dict[str, int],
        means(
            "default NaN by format. Formats that nothing is cast to are not looked at",
            values="`{ format = code }`",
            default="the format's own",
        ),
    ] = msgspec.field(default_factory=dict)


class RequantizeKeys(Keys, frozen=True, kw_only=True):
    """An integer output stage by name; lists have one entry for each output column."""

    rule: Annotated[RequantizeRule, means("whose arithmetic")]
    multiplier: Annotated[
        Number | tuple[Number, ...], means("M > 0: what a sum is multiplied by, s_a · s_b / s_d. A list: by column")
    ]
    zero_point: Annotated[int | tuple[int, ...], means("of d, added last. A list: by column")] = 0
    rounding: Annotated[
        Rounding | None,
        means("of the rule `shift` alone", default="`ties_to_positive`", without=("exact", "stochastic")),
    ] = None


class BaseKeys(Keys, frozen=True, kw_only=True):
    """The unit that this one is built on."""

    unit: Annotated[str | dict[str, Any], word("unit"), means("the unit to build on", values="name, path or table")]
    length: Annotated[Length | None, means("inputs after which the base hands up", default="`all`")] = None
    parts: Annotated[Positive | None, means("instead of `length`")] = None


class UnitKeys(AboutKeys, frozen=True, kw_only=True):
    """A whole unit."""

    k: Annotated[
        Positive | None,
        means(
            "products of one instruction. K is cut into pieces of `k`; d of a piece is c of the next",
            default="none: all of K",
        ),
    ] = None
    alias: Annotated[
        dict[str, FormatKeys], means("format names that mean something else in this unit", values="`{ name = format }`")
    ] = msgspec.field(default_factory=dict)
    base: Annotated[BaseKeys | None, means("another unit's levels inside this one")] = None
    operands: Annotated[
        dict[str, Any], word("operands"), means("codes in and out", values="`{ a, b, c, d }`", default="the `base`'s")
    ] = msgspec.field(default_factory=dict)
    scale: Annotated[ScaleKeys, means("block scales")] = ScaleKeys()
    product: Annotated[ProductKeys | None, means("the multiplier", default="exact")] = None
    level: Annotated[
        tuple[LevelKeys, ...],
        means("the reduction levels, innermost first", values="list, at least one", default="the `base`'s"),
    ] = ()
    output: Annotated[PipeKeys, means("after the last level. Then always a cast to d, `ties_to_even`")] = ()
    requantize: Annotated[
        RequantizeKeys | None, means("a known integer output stage: steps that are appended to `output`")
    ] = None
    nan: Annotated[NanKeys | None, means("which NaN comes out", default="default codes")] = None
