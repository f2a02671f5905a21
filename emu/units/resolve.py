"""From the keys of a unit to its form: base levels in place, repeats written out, names resolved, rules checked.

Every rule that a unit must keep is checked here, once, before any backend sees it; see unit-spec sections 1 and 4
and the resolutions in spec/README.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emu.arithmetic.pipe import Factor, Pipe
from emu.errors import SpecError
from emu.formats.cast import check_cast
from emu.formats.decode import decode_code
from emu.formats.enums import Daz, FormatKind, IntegerEncoding, Rounding
from emu.formats.model import MAX_STORED_BITS, Format
from emu.spec import convert
from emu.spec.about import FormatKeys
from emu.units.context import Context
from emu.units.enums import AlignTo, NanOrder, NanRule, Start
from emu.units.form import Level, Operand, PerBlock, UnitForm
from emu.units.pipes import PipeBuilder, Place
from emu.units.product import build_product
from emu.units.requantize import requantize_steps
from emu.units.spec import (
    LevelKeys,
    NanKeys,
    OperandKeys,
    OperandsKeys,
    ProductKeys,
    ScaleOperandKeys,
    UnitKeys,
    ZeroPointKeys,
)

_FORMAT_KEYS = {"kind", "bits", "exp_bits"}
MAX_LEVELS = 64
MAX_ALIASES = 64
MAX_BASE_DEPTH = 8
MAX_ZERO_BITS = 32


def resolve(keys: UnitKeys, context: Context) -> UnitForm:
    """The validated form of a unit.

    Raises:
        SpecError: naming the file and the key.
    """
    flat = _with_base(keys, context)
    if len(context.alias) > MAX_ALIASES:
        raise context.error("alias", f"a unit has at most {MAX_ALIASES} aliases", len(context.alias))
    for name in context.alias:
        context.format(name, f"alias.{name}")
    nan = flat.nan or NanKeys()
    codes = _nan_codes(nan, context)
    pipes = PipeBuilder(context=context, nan_codes=codes)
    operands = convert(_normalised(flat.operands), OperandsKeys, file=context.file, prefix="operands")
    a, b = _operand(operands.a, "a", pipes), _operand(operands.b, "b", pipes)
    c = None if operands.c is None else _operand(operands.c, "c", pipes)
    d = _operand(operands.d, "d", pipes)
    if d.load or d.daz is not Daz.OFF:
        raise context.error("operands.d", "d is only written: it has no daz and no load")
    form = UnitForm(
        name=flat.name or "unnamed",
        k=flat.k,
        a=a, b=b, c=c,
        d=check_cast(d.format, nan_code=codes.get(d.format.name), file=context.file, key="operands.d"),
        scale_a=_scale(flat.scale.a, "a", context),
        scale_b=_scale(flat.scale.b, "b", context),
        scale_product=pipes.pipe(flat.scale.product, "scale.product"),
        product=build_product(flat.product or ProductKeys(), a, b, pipes),
        levels=_levels(flat.level, c is not None, nan.rule, pipes),
        output=_output(flat, operands.d.format, d.format, pipes),
        nan_rule=nan.rule,
    )  # fmt: skip
    _check(form, context)
    return form


def _output(flat: UnitKeys, written: FormatKeys, d: Format, pipes: PipeBuilder) -> Pipe:
    """The output pipe, and after it the steps of `requantize`."""
    pipe = pipes.pipe(flat.output, "output", Place.OUTPUT)
    if flat.requantize is None:
        return pipe
    if d.kind is not FormatKind.INTEGER:
        raise pipes.context.error("requantize", f"makes integers, but operands.d is {d.name}")
    steps = requantize_steps(flat.requantize, written, pipes.context)
    points = flat.requantize.zero_point
    for point in points if isinstance(points, tuple) else (points,):
        if not (-(1 << 31) <= point < 1 << 31 or -d.min_sig <= point <= d.max_sig):
            reason = f"is a value neither of int32 nor of operands.d, {d.name}"
            raise pipes.context.error("requantize.zero_point", reason, point)
    return pipe + pipes.pipe(steps, "requantize", Place.OUTPUT)


def _nan_codes(keys: NanKeys, context: Context) -> dict[str, int]:
    """Default NaN by format name; each must be a NaN of its format."""
    out: dict[str, int] = {}
    for name, code in keys.code.items():
        fmt = context.format(name, f"nan.code.{name}")
        if not (0 <= code < 1 << fmt.bits <= 1 << MAX_STORED_BITS and decode_code(fmt, code).nan):
            raise context.error(f"nan.code.{name}", f"this code is no NaN of {fmt.name}", hex(code))
        out[fmt.name] = code
    return out


def _normalised(operands: Mapping[str, Any]) -> dict[str, Any]:
    """Operands with a bare format, by name or by its keys, written as `{format = …}`, so that all spellings are one.

    What can be neither is taken for a format, too: the error then says what a format is.
    """
    out: dict[str, Any] = {}
    for name, value in operands.items():
        table = isinstance(value, Mapping) and ("format" in value or not _FORMAT_KEYS & set(value))
        out[name] = value if table or value is None else {"format": value}
    return out


def _with_base(keys: UnitKeys, context: Context) -> UnitKeys:
    """The unit with the levels of its base in front and the base's operands, product and nan where it has none."""
    base = keys.base
    if base is None:
        return keys
    if context.depth >= MAX_BASE_DEPTH:
        raise context.error("base.unit", f"bases are at most {MAX_BASE_DEPTH} deep (is this one built on itself?)")
    if base.length is not None and base.parts is not None:
        raise context.error("base", "give length or parts, not both", allowed=("length", "parts"))
    try:
        inner_keys, inner_context = context.load(base.unit, context.folder, context.depth + 1)
    except SpecError as error:
        raise (error if error.file else error.within(context.file, "base.unit")) from None
    inner = _with_base(inner_keys, inner_context)
    if not inner.level:
        raise context.error("base.unit", "this unit has no level", base.unit)
    last = inner.level[-1]
    handed = _replace(
        last,
        start=Start.NONE if last.start is Start.NONE else Start.ZERO,
        length="all" if base.length is None else base.length,
        parts=base.parts,
        lanes=1,
    )
    context.alias = {**inner_context.alias, **context.alias}
    merged: UnitKeys = _replace(
        keys,
        base=None,
        operands={**inner.operands, **keys.operands},
        product=keys.product or inner.product,
        nan=keys.nan or inner.nan,
        level=(*inner.level[:-1], handed, *keys.level),
    )
    return merged


def _replace(struct: Any, **changes: Any) -> Any:
    """A copy of a frozen struct with some fields changed."""
    fields = {name: getattr(struct, name) for name in struct.__struct_fields__}
    return type(struct)(**{**fields, **changes})


def _operand(keys: OperandKeys, name: str, pipes: PipeBuilder) -> Operand:
    context, key = pipes.context, f"operands.{name}"
    fmt = context.format(keys.format, key)
    if fmt.bits > MAX_STORED_BITS:
        raise context.error(key, f"an operand has at most {MAX_STORED_BITS} bits", fmt.name)
    if keys.daz is not Daz.OFF and fmt.kind is not FormatKind.FLOAT:
        raise context.error(f"{key}.daz", "only float formats have subnormals", keys.daz.value, ("off",))
    zero = _zero(keys.zero, fmt, name, context)
    return Operand(format=fmt, daz=keys.daz, zero=zero, load=pipes.pipe(keys.load, f"{key}.load"))


def _zero(keys: str | ZeroPointKeys | None, fmt: Format, name: str, context: Context) -> PerBlock | None:
    """Zero points of an integer operand: integers whose difference a word holds."""
    if keys is None:
        return None
    key = f"operands.{name}.zero"
    if name not in ("a", "b"):
        raise context.error(
            key, "only a and b have run-time zero points", allowed=("operands.a.zero", "operands.b.zero")
        )
    given = keys if isinstance(keys, ZeroPointKeys) else ZeroPointKeys(format=keys)
    zero = context.format(given.format, key)
    for what, one in (("zero points of", fmt), ("a zero point of", zero)):
        integer = one.kind is FormatKind.INTEGER and one.encoding is IntegerEncoding.TWOS_COMPLEMENT
        if not integer or one.bits > MAX_ZERO_BITS:
            reason = f"operand and zero point are two's complement integers of at most {MAX_ZERO_BITS} bits"
            raise context.error(key, f"{reason}; there is no such thing as {what} {one.name}")
    return PerBlock(format=zero, block=given.block)


def _scale(keys: ScaleOperandKeys | None, name: str, context: Context) -> PerBlock | None:
    if keys is None:
        return None
    fmt = context.format(keys.format, f"scale.{name}.format")
    if fmt.bits > MAX_STORED_BITS:
        raise context.error(f"scale.{name}.format", f"a scale has at most {MAX_STORED_BITS} bits", fmt.name)
    return PerBlock(format=fmt, block=keys.block)


def _levels(keys: tuple[LevelKeys, ...], has_c: bool, rule: NanRule, pipes: PipeBuilder) -> tuple[Level, ...]:
    context = pipes.context
    if not keys:
        raise context.error("level", "a unit has at least one level (an empty [[level]] is an exact sum)")
    total = sum(level.repeat for level in keys)
    if total > MAX_LEVELS:
        raise context.error("level", f"a unit has at most {MAX_LEVELS} levels", total)
    out: list[Level] = []
    for index, level in enumerate(keys):
        for copy in range(level.repeat):
            outermost = index == len(keys) - 1 and copy == level.repeat - 1
            out.append(_level(level, f"level[{index}]", outermost, has_c, rule, pipes))
    return tuple(out)


def _level(keys: LevelKeys, key: str, outermost: bool, has_c: bool, rule: NanRule, pipes: PipeBuilder) -> Level:
    context = pipes.context
    if keys.parts is not None and keys.length != "all":
        raise context.error(key, "give length or parts, not both", allowed=("length", "parts"))
    if sorted(keys.order) != list(range(len(keys.order))):
        raise context.error(f"{key}.order", "must be a permutation of 0, 1, …", list(keys.order))
    if keys.align_rounding in (Rounding.EXACT, Rounding.STOCHASTIC):
        allowed = tuple(mode.value for mode in Rounding if mode not in (Rounding.EXACT, Rounding.STOCHASTIC))
        raise context.error(
            f"{key}.align_rounding", "an addend is cut deterministically", keys.align_rounding.value, allowed
        )
    if keys.nan_order is not NanOrder.TERMS_FIRST and rule is not NanRule.FIRST:
        raise context.error(f"{key}.nan_order", 'only with nan.rule = "first"', keys.nan_order.value, ("terms_first",))
    start = keys.start or (Start.C if outermost else Start.ZERO)
    if start is Start.C and not has_c:
        start = Start.NONE
    point = keys.align_to if isinstance(keys.align_to, int) else 0
    align_to = AlignTo.POINT if isinstance(keys.align_to, int) else AlignTo(keys.align_to)
    return Level(
        id=keys.id, group=keys.group, length=None if keys.length == "all" else keys.length, parts=keys.parts,
        lanes=keys.lanes, order=keys.order, start=start, input=pipes.pipe(keys.input, f"{key}.input", Place.TERMS),
        align_bits=None if keys.align_bits == "all" else keys.align_bits, align_rounding=keys.align_rounding,
        align_to=align_to, align_point=point, align_min_exp=keys.align_min_exp, align_max_shift=keys.align_max_shift,
        zero_sign=keys.zero_sign, nan_order=keys.nan_order,
        result=pipes.pipe(keys.result, f"{key}.result"),
    )  # fmt: skip


def _check(form: UnitForm, context: Context) -> None:
    """Rules between keys that stand far apart."""
    used = {step.factor for pipe in form.pipes().values() for step in pipe}
    for name, scale, factor in (("a", form.scale_a, Factor.A_SCALE), ("b", form.scale_b, Factor.B_SCALE)):
        if scale is not None and not used & {factor, Factor.SCALE}:
            raise context.error(f"scale.{name}", 'no pipe multiplies by it; use multiply = "scale" in an input')
        at_end = {step.factor for step in form.output}
        if scale is not None and scale.block is not None and at_end & {factor, Factor.SCALE}:
            raise context.error(
                f"scale.{name}.block", "output multiplies by this scale, so it is one for a row or column"
            )
        if scale is None and used & {factor, Factor.SCALE}:
            raise context.error(
                f"scale.{name}", f'a pipe multiplies by "{factor.value}" or "scale" but there is no such scale'
            )
    if form.scale_product and Factor.SCALE not in used:
        raise context.error("scale.product", 'no pipe multiplies by "scale"')
    parts = form.product.parts
    if Factor.DIGITS in used and (parts is None or not parts.width):
        raise context.error("product.digits", 'a pipe multiplies by "digits" but operands are not split')
    if len(form.columns) > 1:
        raise context.error(
            "output", "lists of different lengths; each has one entry for every output column", sorted(form.columns)
        )
    starts = [level.start for level in form.levels]
    if form.c is not None and Start.C not in starts:
        raise context.error("operands.c", 'no level starts at c; leave c out, or give a level start = "c"')
