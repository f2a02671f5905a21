"""What a group's sum is multiplied by and cast to before it joins the accumulator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from emu.arithmetic.pipe import Factor, Pipe, Step
from emu.formats.cast import Cast
from emu.formats.enums import Ftz, Rounding
from emu.units.form import Operand, PerBlock, UnitForm
from emu.units.plans.aligned.casts import INFINITY, SATURATE, TIES_TO_EVEN, TOWARD_ZERO, KernelCast, kernel_cast
from emu.units.plans.aligned.proof import need
from emu.units.plans.plan import UnprovedError

from .reach import Reach, holds_all, of_constant, of_format, of_operand

DOUBLE = 53
NO_CAST, SINGLE, TRUNCATE, NEAREST, ANY = range(5)
NONE, CONSTANT, A_SCALE, B_SCALE, SCALE = range(5)
_FACTORS = {Factor.A_SCALE: A_SCALE, Factor.B_SCALE: B_SCALE, Factor.SCALE: SCALE}


@dataclass(frozen=True, kw_only=True)
class GroupCast:
    """The fields of cemu_groups_cast."""

    kind: int = NO_CAST
    how: KernelCast | None = None


@dataclass(frozen=True, kw_only=True)
class Operation:
    """The fields of cemu_groups_op."""

    factor: int = NONE
    constant: float = 1.0
    cast: GroupCast = GroupCast()


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The operations, in order, and what comes out of them."""

    operations: tuple[Operation, ...]
    scale: GroupCast
    out: Reach
    exponent: int
    """of the constants"""
    odd: bool
    """whether the numbers are exact up to rounding to odd in a double: only a cast may follow"""

    @property
    def scales(self) -> bool:
        """Whether there are scales."""
        return any(op.factor in _FACTORS.values() for op in self.operations)


def group_cast(how: Cast) -> GroupCast:
    """A cast that the kernel does."""
    made = kernel_cast(how)
    if isinstance(made, str):
        raise UnprovedError(f"a cast: {made}")
    need(how.format.man_bits + 4 <= DOUBLE, f"{how.format.name} is too wide for sums rounded to odd in float64")
    plain = made.overflow == INFINITY and made.flush_from == 0 and made.flush_to == 0
    kind = ANY
    if plain and made.rounding in (TOWARD_ZERO, TIES_TO_EVEN):
        kind = TRUNCATE if made.rounding == TOWARD_ZERO else NEAREST
    whole = how.format.name == "float32" and how.rounding is Rounding.TIES_TO_EVEN
    if whole and made.flush_from == made.flush_to == 0 and made.overflow != SATURATE:
        kind = SINGLE  # what is beyond it becomes an infinity, which is marked
    return GroupCast(kind=kind, how=made)


def started(out: Reach) -> Terms:
    """Nothing yet is done to group sums; those that a double does not hold are rounded to odd."""
    return Terms(operations=(), scale=GroupCast(), out=out, exponent=0, odd=out.bits > DOUBLE)


def cast_to(terms: Terms, how: Cast, once: bool, where: str) -> Terms:
    """Terms cast once more; the cast must change nothing if it is applied to partial sums, too."""
    held = not terms.odd and how.ftz is Ftz.OFF and holds_all(how.format, terms.out)
    held = held and how.rounding is not Rounding.JAMMING
    if held and (how.format.negative_zero or not terms.operations):  # a group's sum is never -0
        return terms
    need(not how.format.is_integral, f"{where}: a sum may lie beyond {how.format.name}")
    need(how.format.negative_zero, f"{where}: {how.format.name} has no -0")
    need(once, f"{where} rounds partial sums to {how.format.name}")
    made = group_cast(how)
    out = of_format(how.format)
    operations = (*terms.operations, Operation(cast=made))
    if terms.operations and terms.operations[-1].cast.kind == NO_CAST:
        operations = (*terms.operations[:-1], replace(terms.operations[-1], cast=made))
    return replace(terms, operations=operations, out=out, odd=False)


def through(form: UnitForm, terms: Terms, pipe: Pipe) -> Terms:
    """Terms as the outer level adds them."""
    for step in pipe:
        need(not step.addends, "the outer level's input adds constants")
        if step.factor is not Factor.NONE:
            terms = _multiplied(form, terms, step)
        if step.cast is not None:
            terms = cast_to(terms, step.cast, True, "the outer level's input")
    return terms


def _multiplied(form: UnitForm, terms: Terms, step: Step) -> Terms:
    need(not terms.odd, "group sums that no float64 holds are multiplied")
    exponent = terms.exponent
    scale = terms.scale
    if step.factor is Factor.CONSTANTS:
        need(len(step.constants) == 1 and step.constants[0].finite and step.constants[0].sig != 0, "a list of factors")
        x = step.constants[0]
        factor = of_constant(x)
        need(factor.bits <= DOUBLE and factor.in_doubles, "a constant that no float64 holds")
        operation = Operation(factor=CONSTANT, constant=float(x.fraction()))
        exponent += 0 if x.e is None else x.e
    else:
        need(step.factor in _FACTORS, "terms are multiplied by weights of digits")
        factor, scale = _scale(form, step.factor)
        operation = Operation(factor=_FACTORS[step.factor])
    out = terms.out * factor
    need(out.bits <= DOUBLE and out.in_doubles, f"a scaled sum has {out.bits} bits, or leaves float64")
    operations = (*terms.operations, operation)
    return replace(terms, operations=operations, out=out, exponent=exponent, scale=scale)


def _scale(form: UnitForm, factor: Factor) -> tuple[Reach, GroupCast]:
    if factor is Factor.A_SCALE:
        return _numbers(form.scale_a, "a"), GroupCast()
    if factor is Factor.B_SCALE:
        return _numbers(form.scale_b, "b"), GroupCast()
    both = _numbers(form.scale_a, "a") * _numbers(form.scale_b, "b")
    need(both.bits <= DOUBLE and both.in_doubles, "a product of scales is too wide for a float64")
    if not form.scale_product:
        return both, GroupCast()
    step = form.scale_product[0]
    single = len(form.scale_product) == 1 and step.factor is Factor.NONE and not step.addends
    need(single and step.cast is not None, "scale.product is not one cast")
    assert step.cast is not None
    return of_format(step.cast.format), group_cast(step.cast)


def _numbers(scale: PerBlock | None, name: str) -> Reach:
    found = None if scale is None else of_operand(Operand(format=scale.format))
    if found is None:
        raise UnprovedError(f"scales of {name} are not read as numbers")
    need(found.in_doubles, f"scales of {name} leave float64")
    return found


def unit_of(terms: Terms) -> Fraction:
    """The product of the constants, over two to their exponents."""
    out = Fraction(1)
    for operation in terms.operations:
        out *= abs(Fraction(operation.constant))
    return out / Fraction(2) ** terms.exponent
