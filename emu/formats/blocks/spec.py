"""The keys of a block format's file, and the rules between them.

A key that the rule does not use is refused where it is given, so that no file says what has no effect.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from emu.errors import SpecError
from emu.formats.blocks.enums import BlockRule, FourOverSix, Quotient, Special, TensorScale
from emu.formats.blocks.extent import extent_of
from emu.formats.blocks.model import BlockFormat
from emu.formats.blocks.power import exponent_range
from emu.formats.cast import check_cast
from emu.formats.enums import FormatKind, Overflow, Rounding, StochasticVariant
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.spec.about import AboutKeys, FormatKeys, means

MAX_ELEMENT_BITS = 16
MAX_BITS = 24
"""Significant bits of elements and scales: a float32's."""
ELEMENT_REACH, SCALE_REACH = 500, 800
"""Elements and scales lie within 2^-reach and 2^reach: see emu/formats/blocks/divide.py."""
DEFAULT_QUOTIENT = {BlockRule.RCEIL: Quotient.DIVIDE, BlockRule.ABSMAX: Quotient.DIVIDE}


class BlockKeys(AboutKeys, frozen=True, kw_only=True):
    """Keys of a block format."""

    kind: Annotated[Literal["block"], means("what map it is", default="")] = "block"
    alias: Annotated[tuple[str, ...], means("other names, compared without case")] = ()
    element: Annotated[FormatKeys, means("of the elements: at most 16 bits")]
    block: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] | Literal["all"],
        means("how many values share a scale; `all` of the axis"),
    ]
    scale: Annotated[FormatKeys, means("of the scales: `float`, or `log` with radix 2; at most 32 bits")]
    rule: Annotated[BlockRule, means("how X is chosen", values="see below")]
    rounding: Annotated[Rounding, means("of the elements", without=("exact",))] = Rounding.TIES_TO_EVEN
    overflow: Annotated[
        Overflow | None, means("of the elements", default='`saturate`; `saturate_propagate` if `inf = "element"`')
    ] = None
    sr_bits: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=32)] | None,
        means('of `rounding = "stochastic"`, which needs it: how many random bits', default=""),
    ] = None
    sr_variant: Annotated[StochasticVariant, means("of `stochastic`, as in a pipe", values="`A`, `B`, `C`")] = (
        StochasticVariant.B
    )
    quotient: Annotated[
        Quotient | None,
        means("of `rceil` and `absmax`: how A / M is formed, and under `absmax` value / X", default="`divide`"),
    ] = None
    scale_rounding: Annotated[
        Rounding | None,
        means("of `absmax` and `max_abs_finite`", default="`ties_to_even`", without=("exact", "stochastic")),
    ] = None
    scale_overflow: Annotated[
        Overflow | None,
        means(
            "a scale beyond the largest one is the largest one; or NaN, with elements +0. Not of `nvfp4`",
            values="`saturate`, `nan`",
            default="`saturate`",
            without=("infinity", "infinity_always", "saturate_propagate", "wrap", "raise"),
        ),
    ] = None
    scale_max: Annotated[
        Annotated[float, msgspec.Meta(gt=0)] | None,
        means(
            "of `nvfp4`: the block scale that the tensor's absmax gets (448; 256 leaves room for 4over6)",
            default="largest scale",
        ),
    ] = None
    bump: Annotated[
        bool,
        means(
            "rules that give powers of two: where the rounding of an element overflows, the block's scale is doubled "
            "and its elements are rounded again"
        ),
    ] = False
    tensor_scale: Annotated[TensorScale, means("of `nvfp4`: whether the whole tensor has a scale besides")] = (
        TensorScale.NONE
    )
    four_over_six: Annotated[FourOverSix, means("of `nvfp4`: whether a block may map A to two thirds of M")] = (
        FourOverSix.NONE
    )
    nan: Annotated[
        Special | None,
        means(
            "what a NaN among the values does",
            default="the first that the formats can hold; `max_abs_finite`: `element` before `scale`",
            without=("saturate",),
        ),
    ] = None
    inf: Annotated[Special | None, means("the same of an infinity", default="as `nan`; `rceil`: `saturate`")] = None


class Refusal:
    """Makes the errors of one file."""

    def __init__(self, file: str, prefix: str) -> None:
        self.file, self.prefix = file, prefix

    def key(self, name: str) -> str:
        """The full path of a key."""
        return f"{self.prefix}.{name}".lstrip(".")

    def __call__(self, name: str, reason: str, value: object, allowed: Iterable[str] = ()) -> SpecError:
        """The error for one key."""
        return SpecError(reason, file=self.file, key=self.key(name), value=value, allowed=allowed)


def build_block(keys: BlockKeys, name: str, file: str, prefix: str = "") -> BlockFormat:
    """The block format that the keys describe.

    Args:
        keys: converted by msgspec.
        name: of the format.
        file: that errors name.
        prefix: of the keys in errors, where the table stands inside another.

    Raises:
        SpecError: an unknown element or scale format, or keys that contradict each other.
    """
    refuse = Refusal(file, prefix)
    element = load_format(keys.element, file=file, key=refuse.key("element"))
    scale = load_format(keys.scale, file=file, key=refuse.key("scale"))
    _check_element(element, refuse)
    _check_scale(scale, keys, refuse)
    _check_rule(element, keys, refuse)
    nan, inf = _specials(element, scale, keys, refuse)
    default = Overflow.SATURATE_PROPAGATE if inf is Special.ELEMENT else Overflow.SATURATE
    overflow = default if keys.overflow is None else keys.overflow
    _check_casts(element, scale, keys, overflow, refuse)
    return BlockFormat(
        name=name, element=element, block=None if keys.block == "all" else keys.block, scale=scale, rule=keys.rule,
        rounding=keys.rounding, overflow=overflow, sr_bits=keys.sr_bits, sr_variant=keys.sr_variant,
        quotient=keys.quotient or DEFAULT_QUOTIENT.get(keys.rule, Quotient.EXACT),
        scale_rounding=keys.scale_rounding or Rounding.TIES_TO_EVEN,
        scale_overflow=keys.scale_overflow or Overflow.SATURATE,
        scale_max=_scale_max(scale, keys), bump=keys.bump,
        tensor_scale=keys.tensor_scale, four_over_six=keys.four_over_six, nan=nan, inf=inf,
        alias=keys.alias, doc=keys.doc, source=keys.source, maturity=keys.maturity, scope=keys.scope,
    )  # fmt: skip


def _check_element(element: Format, refuse: Refusal) -> None:
    if element.bits > MAX_ELEMENT_BITS:
        raise refuse(
            "element", f"an element has at most {MAX_ELEMENT_BITS} bits, {element} has {element.bits}", element.name
        )
    extent = extent_of(element)
    if extent.bits > MAX_BITS or extent.low < -ELEMENT_REACH or extent.high >= ELEMENT_REACH:
        reach = f"at most {MAX_BITS} significant bits, between 2^-{ELEMENT_REACH} and 2^{ELEMENT_REACH}"
        raise refuse("element", f"the values of an element have {reach}", element.name)
    if element.max_sig == 0:
        raise refuse("element", "an element needs a positive value", element.name)


def _check_scale(scale: Format, keys: BlockKeys, refuse: Refusal) -> None:
    if scale.kind not in (FormatKind.FLOAT, FormatKind.LOG):
        raise refuse("scale", f"a scale is a float or log format, {scale} is {scale.kind.value}", scale.name)
    if scale.bits > 32:
        raise refuse("scale", f"a scale has at most 32 bits, {scale} has {scale.bits}", scale.name)
    if scale.kind is FormatKind.LOG:
        low, high = exponent_range(scale)
        if high - low != scale.max_magnitude - int(scale.has_zero):
            raise refuse("scale", "a log format of scales has radix 2: every power of two", scale.name)
    extent = extent_of(scale)
    if extent.bits > MAX_BITS or extent.low < -SCALE_REACH or extent.high >= SCALE_REACH:
        reach = f"at most {MAX_BITS} significant bits, between 2^-{SCALE_REACH} and 2^{SCALE_REACH}"
        raise refuse("scale", f"the values of a scale have {reach}", scale.name)
    in_float32 = keys.rule is BlockRule.NVFP4 or (keys.rule is BlockRule.ABSMAX and keys.quotient is not Quotient.EXACT)
    if in_float32 and (extent.low < -149 or extent.high > 127):
        raise refuse(
            "scale", f'the rule "{keys.rule.value}" computes in float32, which does not hold {scale}', scale.name
        )


def _check_rule(element: Format, keys: BlockKeys, refuse: Refusal) -> None:
    rule = keys.rule
    quotients = (BlockRule.ABSMAX, BlockRule.MAX_ABS_FINITE)
    uses: tuple[tuple[str, object, object, tuple[BlockRule, ...]], ...] = (
        ("quotient", keys.quotient, None, (BlockRule.RCEIL, BlockRule.ABSMAX)),
        ("scale_rounding", keys.scale_rounding, None, quotients),
        ("scale_overflow", keys.scale_overflow, None, tuple(r for r in BlockRule if r is not BlockRule.NVFP4)),
        ("scale_max", keys.scale_max, None, (BlockRule.NVFP4,)),
        ("bump", keys.bump, False, tuple(r for r in BlockRule if r.is_power)),
        ("tensor_scale", keys.tensor_scale, TensorScale.NONE, (BlockRule.NVFP4,)),
        ("four_over_six", keys.four_over_six, FourOverSix.NONE, (BlockRule.NVFP4,)),
    )
    for name, value, neutral, rules in uses:
        if value != neutral and rule not in rules:
            allowed = ", ".join(f'"{r.value}"' for r in rules)
            shown = getattr(value, "value", value)
            raise refuse(name, f'is of the rules {allowed}; this one has rule = "{rule.value}"', shown)
    exact = rule is BlockRule.MAX_ABS_FINITE or (rule is BlockRule.ABSMAX and keys.quotient is Quotient.EXACT)
    if element.is_listed and (exact or rule in (BlockRule.EVEN, BlockRule.TOSA)):
        reason = "an exact quotient" if exact else f'rule = "{rule.value}"'
        raise refuse("element", f"{reason} needs a float, integer or fixed element", element.name)
    if keys.four_over_six is not FourOverSix.NONE and keys.tensor_scale is not TensorScale.NVFP4:
        reason = 'needs tensor_scale = "nvfp4": its error is measured with the tensor\'s absmax'
        raise refuse("four_over_six", reason, keys.four_over_six.value)


def _specials(element: Format, scale: Format, keys: BlockKeys, refuse: Refusal) -> tuple[Special, Special]:
    """`nan` and `inf`: what was given, or what the formats can hold."""
    default = Special.SCALE if scale.has_nan else Special.ELEMENT if element.has_nan else Special.ERROR
    if keys.rule is BlockRule.MAX_ABS_FINITE and element.has_nan:
        default = Special.ELEMENT
    nan = default if keys.nan is None else keys.nan
    inf = (Special.SATURATE if keys.rule is BlockRule.RCEIL else nan) if keys.inf is None else keys.inf
    if nan is Special.SATURATE:
        raise refuse("nan", "only infinities saturate", nan.value, ("scale", "element", "error"))
    if nan is Special.ELEMENT and not element.has_nan:
        raise refuse("nan", f"the element format {element} has no NaN", nan.value, ("scale", "error"))
    if inf is Special.SATURATE and keys.rule is BlockRule.MAX_ABS_FINITE:
        raise refuse("inf", "max_abs_finite looks at finite values only", inf.value, ("scale", "element", "error"))
    for name, policy in (("nan", nan), ("inf", inf)):
        if policy is Special.SCALE and not scale.has_nan:
            allowed = ("element", "error") if name == "nan" else ("element", "saturate", "error")
            raise refuse(name, f"the scale format {scale} has no NaN", policy.value, allowed)
    return nan, inf


def _check_casts(element: Format, scale: Format, keys: BlockKeys, overflow: Overflow, refuse: Refusal) -> None:
    if keys.rounding is Rounding.EXACT:
        allowed = [mode.value for mode in Rounding if mode is not Rounding.EXACT]
        raise refuse("rounding", "elements are rounded to their values", keys.rounding.value, allowed)
    check_cast(
        element, rounding=keys.rounding, overflow=overflow, sr_bits=keys.sr_bits, sr_variant=keys.sr_variant,
        file=refuse.file, key=refuse.prefix or None,
    )  # fmt: skip
    stochastic = keys.rounding is Rounding.STOCHASTIC
    if stochastic and keys.four_over_six is not FourOverSix.NONE:
        raise refuse(
            "rounding", "4over6 compares the errors of two roundings, which this one does not repeat", "stochastic"
        )
    if keys.bump and overflow not in (Overflow.SATURATE, Overflow.SATURATE_PROPAGATE):
        reason = "a bumped exponent takes overflows back: only saturating ones can be"
        raise refuse("overflow", reason, overflow.value, ("saturate", "saturate_propagate"))
    if keys.scale_rounding in (Rounding.EXACT, Rounding.STOCHASTIC):
        allowed = [mode.value for mode in Rounding if mode not in (Rounding.EXACT, Rounding.STOCHASTIC)]
        raise refuse("scale_rounding", "is no rounding of a scale", keys.scale_rounding.value, allowed)
    if keys.scale_overflow not in (None, Overflow.SATURATE, Overflow.NAN):
        raise refuse("scale_overflow", "is no overflow of a scale", keys.scale_overflow.value, ("saturate", "nan"))
    if keys.scale_overflow is Overflow.NAN and not scale.has_nan:
        raise refuse("scale_overflow", f"the scale format {scale} has no NaN", "nan", ("saturate",))


def _scale_max(scale: Format, keys: BlockKeys) -> float:
    if keys.rule is not BlockRule.NVFP4:
        return 0.0
    return scale.max_finite if keys.scale_max is None else keys.scale_max
