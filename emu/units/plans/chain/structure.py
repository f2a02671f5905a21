"""The parts of a unit that plan "chain" runs: a chain, or chunks and a chain of them, each step with one cast."""

from __future__ import annotations

from dataclasses import dataclass

from emu.arithmetic.pipe import Factor, Pipe, Step
from emu.formats.cast import Cast
from emu.formats.enums import Daz, FormatKind, Ftz, Overflow, Rounding, Subnormals
from emu.formats.model import Format
from emu.units.enums import NanRule, Start, ZeroSign
from emu.units.form import Level, Operand, UnitForm
from emu.units.plans.plan import UnprovedError
from emu.units.schedule import run_length


@dataclass(frozen=True, kw_only=True)
class Structure:
    """A unit as this plan sees it."""

    k: int
    """products of one piece"""
    product: Cast | None
    """what each product is rounded to"""
    shift: int
    """terms are multiplied by 2^shift"""
    group: int
    length: int
    """of a chunk; 0: one chain"""
    inner: Cast
    """of a chunk's steps, or of the only chain's"""
    outer: Cast | None
    """of the steps of the chain of chunks"""
    start_inner: Start
    start_outer: Start
    """of the level that hands up the result"""
    zero_sign: ZeroSign
    factor: int
    """the result is multiplied by 2^factor"""


def structure(form: UnitForm, k: int) -> Structure:
    """The parts of a unit.

    Raises:
        UnprovedError: it has others.
    """
    _plain(form, k)
    piece = k if _one_chain(form) else min(form.k or k, k)
    first, *others = form.levels
    if len(others) > 1:
        raise UnprovedError(f"{len(form.levels)} levels")
    last = others[0] if others else first
    length = run_length(first, piece) if others else 0
    if length % first.group:
        raise UnprovedError(f"chunks of {length} are no multiple of the group of {first.group}")
    for level in form.levels:
        _level(level)
    if others and (last.group != 1 or last.input or first.start is Start.C):
        raise UnprovedError("the chunks do not join one by one")
    if others and last.zero_sign is not first.zero_sign:
        raise UnprovedError("levels differ in zero_sign")
    product = _one_cast(form.product.result, "product.result") if form.product.result else None
    shift = _power(first.input, "the input of a level")
    if product is not None and shift:
        raise UnprovedError("terms that are multiplied after they are rounded")
    return Structure(
        k=piece,
        product=product,
        shift=shift,
        group=first.group,
        length=length,
        inner=_one_cast(first.result, "the result of a level"),
        outer=_one_cast(last.result, "the result of a level") if others else None,
        start_inner=first.start,
        start_outer=last.start,
        zero_sign=first.zero_sign,
        factor=_power(form.output, "output"),
    )


def _one_chain(form: UnitForm) -> bool:
    """Whether the pieces of K are one chain: d of one is the accumulator of the next as it is, infinities and all."""
    level, pipe = form.levels[0], form.levels[0].result
    if form.k is None or len(form.levels) > 1 or level.length is not None or level.start is not Start.C or form.output:
        return False
    if form.c is None or form.c.load or form.c.daz is not Daz.OFF or form.k % level.group or not pipe:
        return False
    own, d = pipe[-1].cast, form.d
    same = own is not None and form.c.format == own.format == d.format and d.ftz is Ftz.OFF
    kept = d.rounding not in (Rounding.STOCHASTIC, Rounding.JAMMING) and form.nan_rule is NanRule.DEFAULT
    return same and kept and d.overflow in (Overflow.INFINITY, Overflow.INFINITY_ALWAYS)


def _plain(form: UnitForm, k: int) -> None:
    parts = form.product.parts is not None or form.product.table is not None
    scales = form.scale_a is not None or form.scale_b is not None
    if k == 0:
        raise UnprovedError("K = 0 has no step")
    if parts or scales or form.a.zero is not None or form.b.zero is not None:
        raise UnprovedError("zero points, scales, split operands and tables are not read")
    if (
        form.k is not None
        and form.k < k
        and not _one_chain(form)
        and (form.k < LEAST_PIECE or form.nan_rule is not NanRule.DEFAULT)
    ):
        raise UnprovedError(f"pieces of {form.k}")
    for name, given in (("a", form.a), ("b", form.b), ("c", form.c)):
        if given is not None:
            precision(given, name)


LEAST_PIECE = 16


def _level(level: Level) -> None:
    if level.align_bits is not None:
        raise UnprovedError("an adder that cuts its addends")
    if level.lanes != 1 or level.order or level.parts is not None:
        raise UnprovedError("lanes, an order or parts")


def _one_cast(pipe: Pipe, key: str) -> Cast:
    """The only cast of a pipe that has no other step."""
    if len(pipe) != 1 or pipe[0].factor is not Factor.NONE or pipe[0].addends or pipe[0].cast is None:
        raise UnprovedError(f"{key} is not one cast")
    how = pipe[0].cast
    if how.format.kind is not FormatKind.FLOAT or how.rounding in (Rounding.EXACT, Rounding.STOCHASTIC):
        raise UnprovedError(f"{key} does not round to a float format")
    fmt = how.format
    if fmt.man_bits == 0 or not fmt.signed or fmt.subnormals is Subnormals.LOWERED:
        raise UnprovedError(f"{key}: {fmt.name} has no significand, no sign, or a gap below its normal numbers")
    if how.overflow is Overflow.RAISE:
        raise UnprovedError("an overflow that is raised")
    return how


def _power(pipe: Pipe, key: str) -> int:
    """The exponent of the one power of two by which a pipe multiplies; casts that follow are no concern of this."""
    total = 0
    for step in pipe:
        if step.cast is not None:
            if key != "output":
                raise UnprovedError(f"{key} casts")
            if step.factor is not Factor.NONE or step.addends:
                raise UnprovedError(f"{key} computes in a step that casts")
            continue
        total += _exponent(step, key)
    return total


def _exponent(step: Step, key: str) -> int:
    constants = step.constants
    if step.factor is not Factor.CONSTANTS or step.addends or len(constants) != 1:
        raise UnprovedError(f"{key} is more than a constant")
    if constants[0].sig != 1 or constants[0].negative:
        raise UnprovedError(f"{key} multiplies by no power of two")
    return constants[0].q


def precision(operand: Operand, name: str) -> int:
    """Significant bits of an operand's values, as they are loaded."""
    fmt: Format = operand.format
    for step in operand.load:
        if step.cast is None or step.factor is not Factor.NONE or step.addends:
            raise UnprovedError(f"the load of {name} computes")
        fmt = step.cast.format
    if fmt.kind is FormatKind.FLOAT:
        return fmt.precision
    return fmt.msb - fmt.lsb + 1
