"""Units with casts that let no NaN out (`nan_to`): plans of the unit without these keys, which see a NaN in d.

* Without the keys, a NaN that an element meets anywhere stays one up to d if every format on the way has NaN: sums,
  products and casts keep it, and so does c of the next piece of K. So an element whose d is no NaN met none, and no key
  of its unit did anything. The others are computed again by the general kernel, with the keys.
* Where no operand, scale or cast has a NaN or an infinity, none can arise: the keys do nothing.
* All else is refused: a NaN could come and go unseen. So is `overflow = "raise"`, whose error names an element.

Plan "lanes" needs none of this: its kernel marks every element that meets a NaN, and casts with the keys.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from emu.arithmetic.pipe import Factor, Pipe, Step
from emu.formats.backend import Backend
from emu.formats.cast import Cast
from emu.formats.enums import Ftz, Overflow, Rounding
from emu.formats.model import Format
from emu.formats.native import is_nan
from emu.units.form import Operand, UnitForm
from emu.units.plans.again import again
from emu.units.plans.plan import Isa, Other, Plan, UnprovedError
from emu.units.plans.raising import casts_of, raises
from emu.units.problem import Problem


@lru_cache(maxsize=4096)
def without_nan_to(form: UnitForm) -> UnitForm:
    """The unit without its keys; itself if it has none.

    Raises:
        UnprovedError: a NaN could be replaced, and nobody would see it.
    """
    if all(how.nan_to is None for how in casts_of(form)):
        return form
    if _meets_none(form):
        return _without(form)
    if raises(form):
        raise UnprovedError('casts with nan_to, and others with overflow = "raise"')
    blind = [how.format.name for how in casts_of(form) if not how.format.has_nan]
    if blind:
        raise UnprovedError(f"a cast with nan_to, and {blind[0]}, in which no NaN would be seen")
    return _without(form)


def watching(plan: Plan, form: UnitForm) -> Plan:
    """A plan of the unit without its keys, as a plan of the unit."""
    if _meets_none(form):
        return plan

    def execute(problem: Problem, isa: Isa | None) -> None:
        plan.execute(problem, isa)
        _again(problem, form, Backend.C)

    def other(given: Other, backend: Backend) -> Other:
        def run(problem: Problem) -> None:
            given.execute(problem)
            _again(problem, form, backend)

        return replace(given, execute=run)

    seen = "a NaN that a cast replaces would be one in d without nan_to: such elements are computed again"
    also = {backend: other(given, backend) for backend, given in plan.also.items()}
    return replace(plan, execute=execute, also=also, proof=(*plan.proof, seen), counts=False, raises=False, one_c=False)


def _again(problem: Problem, form: UnitForm, backend: Backend) -> None:
    seen = np.asarray(is_nan(problem.d.astype(np.uint64), form.d.format))
    again(problem, np.zeros(problem.m, bool), np.zeros(problem.n, bool), seen, backend)


def _meets_none(form: UnitForm) -> bool:
    """Whether nothing that goes in, and nothing that is cast to, has a NaN or an infinity."""
    operands = [operand.format for operand in (form.a, form.b, form.c) if operand is not None]
    scales = [scale.format for scale in (form.scale_a, form.scale_b) if scale is not None]
    return not any(_special(fmt) for fmt in (*operands, *scales, *(how.format for how in casts_of(form))))


def _special(fmt: Format) -> bool:
    return fmt.has_nan or fmt.infinities


def _without(form: UnitForm) -> UnitForm:
    parts = form.product.parts
    if parts is not None:
        parts = replace(parts, casts_a=_casts(parts.casts_a), casts_b=_casts(parts.casts_b))
    levels = tuple(replace(level, input=_pipe(level.input), result=_pipe(level.result)) for level in form.levels)
    product = replace(form.product, result=_pipe(form.product.result), parts=parts)
    return replace(
        form, a=_operand(form.a), b=_operand(form.b), c=None if form.c is None else _operand(form.c),
        scale_product=_pipe(form.scale_product), product=product, levels=levels, output=_pipe(form.output),
    )  # fmt: skip


def _operand(operand: Operand) -> Operand:
    """Also without casts to the operand's own format that are there for the key alone."""
    load = operand.load
    while load and _is_for_nan(load[0], operand.format):
        load = load[1:]
    return replace(operand, load=_pipe(load))


def _is_for_nan(step: Step, fmt: Format) -> bool:
    """Whether a step only replaces NaN, and takes every number of this format, and infinity, as it is."""
    how = step.cast
    if how is None or how.nan_to is None or how.format != fmt or step.factor is not Factor.NONE or step.addends:
        return False
    kept = how.overflow in (Overflow.INFINITY, Overflow.INFINITY_ALWAYS) and fmt.infinities
    return kept and how.ftz is Ftz.OFF and how.rounding is Rounding.TIES_TO_EVEN


def _pipe(pipe: Pipe) -> Pipe:
    return tuple(step if step.cast is None else replace(step, cast=_cast(step.cast)) for step in pipe)


def _casts(casts: tuple[Cast, ...]) -> tuple[Cast, ...]:
    return tuple(_cast(how) for how in casts)


def _cast(how: Cast) -> Cast:
    return how if how.nan_to is None else replace(how, nan_to=None)
