"""A unit with some of its stages exact: "put this key back to its default", on the validated form.

* A cast that is off is left out; what the pipe multiplies by and adds stays.
* PRECISION without RANGE: a float keeps its mantissa and gets an exponent field of WIDE_EXP_BITS, an integer or fixed
  format keeps its fraction bits and gets WIDE_BITS more above. RANGE without PRECISION: the fields the other way round.
  What a cast makes of NaN (`nan_to`) belongs to RANGE. Log and codebook casts have no grid that could be widened: they
  belong to PRECISION whole.
* Casts of terms on their way into a level (`level.input`) and of sums (`level.result`) are one stage.
* Where operands are not split, what the innermost level multiplies by to weigh scaled parts is left out with them.
* Where one instruction is chained over K, its d is an accumulator: `output` and d then belong to PRECISION too.
* d is a float64 with OUTPUT off, and wherever the accumulators are not whole: it could not take an exact sum.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from emu.arithmetic.pipe import Factor, Pipe, Step
from emu.attribution.stages import Stage
from emu.formats.cast import Cast, check_cast
from emu.formats.enums import FormatKind, NanTo, Overflow, Rounding
from emu.formats.load import load_format
from emu.formats.model import MAX_STORED_BITS
from emu.units.form import Level, Operand, Product, UnitForm
from emu.units.schedule import check_runs

WIDE_EXP_BITS = 10
"""Holds every product of two float32, and is narrow enough for fast kernels (a float64 has 11)."""
WIDE_BITS = 256


def variant(form: UnitForm, on: Collection[Stage], k: int) -> UnitForm:
    """The unit with these stages real and all others exact.

    Args:
        form: the unit.
        on: stages; those that are none of the unit's are not looked at. With OPERAND_A or OPERAND_B off, that operand
            takes float64 codes.
        k: the length of the dot products.
    """
    pieces = form.k is not None and k > form.k
    accumulates = Stage.PRECISION in on or Stage.RANGE in on
    chained = pieces and accumulates
    levels = tuple(_level(level, on) for level in form.levels)
    product = _product(form, on)
    if form.product.parts is not None and form.product.parts.scaled and product.parts is None:
        # it takes back what the split multiplied by
        levels = (replace(levels[0], input=(), accumulator=()), *levels[1:])
    if form.k is not None and not chained:  # one piece: the last level takes all that the instructions would
        levels = (*levels[:-1], replace(levels[-1], length=None, parts=None))
    made = replace(
        form,
        name=f"{form.name}, {', '.join(stage.value for stage in Stage if stage in on) or 'exact'}",
        k=form.k if chained else None,
        a=form.a if Stage.OPERAND_A in on else _double(),
        b=form.b if Stage.OPERAND_B in on else _double(),
        scale_product=form.scale_product if Stage.SCALE in on else _without_casts(form.scale_product),
        product=product,
        levels=levels,
    )
    accumulated = all(stage in on or not is_active(form, stage) for stage in (Stage.PRECISION, Stage.RANGE))
    if not chained and not (Stage.OUTPUT in on and accumulated):
        made = replace(made, output=_without_casts(form.output), d=check_cast(load_format("float64")))
    if Stage.ORDER not in on:
        made = _in_order(made, k)
    return made


def is_active(form: UnitForm, stage: Stage) -> bool:
    """Whether a stage can change anything: its keys are not all at their defaults."""
    match stage:
        case Stage.PRODUCT:
            split = form.product.parts is not None and form.product.parts.width == 0
            return bool(form.product.result) or form.product.table is not None or split
        case Stage.ALIGNMENT:
            return any(level.align_bits is not None for level in form.levels)
        case Stage.PRECISION | Stage.RANGE:
            pipes = [pipe for level in form.levels for pipe in (level.input, level.accumulator, level.result)]
            return form.k is not None or any(step.cast is not None for pipe in pipes for step in pipe)
        case Stage.ORDER:
            return any(level.lanes > 1 or level.order for level in form.levels)
        case _:
            return True


def _double() -> Operand:
    return Operand(format=load_format("float64"))


def _product(form: UnitForm, on: Collection[Stage]) -> Product:
    product = form.product
    both = Stage.OPERAND_A in on and Stage.OPERAND_B in on
    if Stage.PRODUCT in on and both:
        return product
    parts = product.parts if product.parts is not None and product.parts.width and both else None
    result = product.result if Stage.PRODUCT in on else _without_casts(product.result)
    return replace(product, result=result, table=None, parts=parts)


def _level(level: Level, on: Collection[Stage]) -> Level:
    aligned = level.align_bits if Stage.ALIGNMENT in on else None
    return replace(
        level, align_bits=aligned, input=_casts(level.input, on), accumulator=_casts(level.accumulator, on),
        result=_casts(level.result, on),
    )  # fmt: skip


def _in_order(form: UnitForm, k: int) -> UnitForm:
    """Inputs as they come; where the levels then no longer end in one sum, the lanes stay."""
    plain = replace(form, levels=tuple(replace(level, lanes=1, order=()) for level in form.levels))
    try:
        check_runs(plain, k)
    except ValueError:
        return replace(form, levels=tuple(replace(level, order=()) for level in form.levels))
    return plain


def _casts(pipe: Pipe, on: Collection[Stage]) -> Pipe:
    precise, ranged = Stage.PRECISION in on, Stage.RANGE in on
    if precise and ranged:
        return pipe
    if not precise and not ranged:
        return _without_casts(pipe)
    widened = _without_range if precise else _without_precision
    steps = (step if step.cast is None else replace(step, cast=widened(step.cast)) for step in pipe)
    return tuple(step for step in steps if not _idle(step))


def _without_casts(pipe: Pipe) -> Pipe:
    steps = (replace(step, cast=None) for step in pipe)
    return tuple(step for step in steps if not _idle(step))


def _idle(step: Step) -> bool:
    return step.factor is Factor.NONE and not step.addends and step.cast is None


def _without_range(how: Cast) -> Cast | None:
    """The same grid, as far as it goes."""
    fmt = how.format
    if how.rounding is Rounding.EXACT:
        return None
    if fmt.kind is FormatKind.FLOAT:
        exp_bits = max(min(WIDE_EXP_BITS, MAX_STORED_BITS - 1 - fmt.man_bits), fmt.exp_bits)
        keys = {"kind": "float", "exp_bits": exp_bits, "man_bits": max(fmt.man_bits, 1)}
        return _like(how, keys, Overflow.INFINITY_ALWAYS)
    if fmt.is_integral:
        keys = {"kind": "fixed", "bits": fmt.bits + WIDE_BITS, "frac_bits": fmt.frac_bits}
        return _like(how, keys, Overflow.SATURATE)
    return how


def _without_precision(how: Cast) -> Cast | None:
    """The same range, on a finer grid."""
    fmt = how.format
    if how.rounding is Rounding.EXACT:
        return how
    if fmt.kind is FormatKind.FLOAT:
        keys = {
            "kind": "float", "exp_bits": fmt.exp_bits, "bias": fmt.bias, "man_bits": MAX_STORED_BITS - 1 - fmt.exp_bits,
            "infinities": fmt.infinities, "nan": "ieee" if fmt.infinities else "none",
        }  # fmt: skip
        infinite = how.overflow in (Overflow.INFINITY, Overflow.INFINITY_ALWAYS, Overflow.NAN) and fmt.infinities
        return _like(how, keys, how.overflow if infinite else Overflow.SATURATE, how.nan_to)
    if fmt.is_integral:
        keys = {"kind": "fixed", "bits": fmt.bits + WIDE_BITS, "frac_bits": fmt.frac_bits + WIDE_BITS}
        return _like(how, keys, how.overflow, how.nan_to)
    return None


def _like(how: Cast, keys: dict[str, object], overflow: Overflow, nan_to: NanTo | None = None) -> Cast:
    """A cast to another format with the same rounding."""
    return check_cast(
        load_format(keys), rounding=how.rounding, overflow=overflow, sr_bits=how.sr_bits or None,
        sr_variant=how.sr_variant, nan_to=nan_to,
    )  # fmt: skip
