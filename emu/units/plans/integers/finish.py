"""From the sum to d: one cast of integers and a mask, or the unit's own output on the sums, in the general kernel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from emu.arithmetic.pipe import Factor, Step
from emu.formats.backend import Backend
from emu.formats.load import load_format
from emu.formats.native import pointer
from emu.formats.value import Value
from emu.units.backends import runner
from emu.units.enums import Start
from emu.units.form import Operand, Product, UnitForm
from emu.units.plans.integers.casts import INT64, Change, Span, change_of, twos_complement
from emu.units.plans.integers.layout import CLAMP, KEEP, Data, cast_data
from emu.units.plans.integers.numbers import Integers
from emu.units.plans.integers.output import Output, output_of
from emu.units.plans.integers.structure import Structure, changes_of
from emu.units.plans.plan import Isa, UnprovedError
from emu.units.problem import Problem

ALL = (1 << 64) - 1
LOW_32 = (1 << 32) - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Finish:
    """What is done to every sum."""

    change: Change | None
    mask: int
    tail: UnitForm | None
    """a unit whose c is the sum, and which has no products: the output of the unit; None: what is masked is d"""
    output: Output | None = None
    """instead of `tail`: the output in integers"""


def finish_of(found: Structure, before: tuple[Change, ...], x: Span) -> Finish:
    """How d comes from integers of a span that are still to be wrapped (or not) by `before`.

    Raises:
        UnprovedError: sums do not fit 64 bits.
    """
    form = found.form
    try:
        changes, out = changes_of(form.output, x, found.unit, "output")
        last = change_of(form.d, out, found.unit, "d")
        every = (*before, *changes, *((last,) if last else ()))
        if twos_complement(form.d.format) and form.d.format.frac_bits == -found.unit and form.d.format.bits <= 64:
            one = joined(every)
            if x.within(INT64) or (one is not None and one.wraps):
                return Finish(change=one, mask=(1 << form.d.format.bits) - 1, tail=None)
    except UnprovedError:
        pass
    if not x.within(INT64):
        raise UnprovedError(f"sums {x} do not fit 64 bits")
    try:
        output = output_of(form, found.out if before else x, found.unit)
        return Finish(change=joined(before), mask=ALL, tail=None, output=output)
    except UnprovedError:
        return Finish(change=joined(before), mask=ALL, tail=_tail(found))


def joined(changes: tuple[Change, ...]) -> Change | None:
    """Several changes as one.

    Raises:
        UnprovedError: they are not one.
    """
    made: Change | None = None
    for change in changes:
        if made is None or (change.wraps and made.wraps >= change.wraps):
            made = change
        elif not change.wraps and not made.wraps:
            low, high = (min(max(x, change.span.low), change.span.high) for x in (made.span.low, made.span.high))
            made = Change(span=Span(low=low, high=high), wraps=0)
        else:
            raise UnprovedError("a clamp follows a wrap, or a wider wrap a narrower one")
    return made


def finish_data(finish: Finish | None) -> Data:
    """What becomes of the sums at last; None: they stay."""
    if finish is None:
        return {"mask": ALL}
    change = finish.change
    if change is not None and change.wraps == finish.mask.bit_length():  # the mask does it
        change = None
    if change is not None and change.wraps and not change.span.low:
        return {"mask": finish.mask & change.span.high}
    return {"mask": finish.mask, "finish": cast_data(change, 64)}


def _tail(found: Structure) -> UnitForm:
    """The output of a unit alone: c, a word of 64 bits that counts units of 2^unit, through `output` into d."""
    form = found.form
    word = load_format("int64")
    weight = Step(factor=Factor.CONSTANTS, constants=(Value(sig=1, q=found.unit, e=found.unit),))
    exact = replace(
        form.levels[-1], group=1, length=None, parts=None, lanes=1, order=(), start=Start.C, input=(), result=(),
        align_bits=None,
    )  # fmt: skip
    bit = Operand(format=load_format("uint1"))
    return replace(
        form, name=f"{form.name}, output", k=None, a=bit, b=bit, product=Product(), levels=(exact,),
        c=Operand(format=word, load=(weight,) if found.unit else ()),
    )  # fmt: skip


def in_32(finish: Data) -> bool:
    """Whether what becomes of sums can be done in 32 bits, if these hold them (or are all that counts)."""
    kind = finish.get("finish", {"kind": KEEP})["kind"]
    return bool(finish["mask"] <= LOW_32 and kind in (KEEP, CLAMP))


def room_for_sums(problem: Problem, finish: Finish, always: bool = False) -> Integers | None:
    """Sums in 64 bits, if d is made of them by another kernel (or `always`)."""
    apart = finish.output is not None or finish.tail is not None
    return np.empty(problem.d.shape, np.uint64) if apart or always else None


def sums_data(sums: Integers | None, finish: Finish) -> Data:
    """Where a kernel leaves its sums."""
    made: Data = {"sums": pointer("uint64_t *", sums)}
    return made | {"d": pointer("void *", None)} if finish.output is not None or finish.tail is not None else made


def run_output(finish: Finish, problem: Problem, sums: Integers | None, isa: Isa | None) -> None:
    """Make d of sums in 64 bits, if it is not made yet."""
    if finish.output is not None:
        assert sums is not None
        finish.output.run(problem, sums, isa)
    if finish.tail is None:
        return
    assert sums is not None
    runner(Backend.C)(tail_problem(finish.tail, problem, sums))


def tail_problem(tail: UnitForm, problem: Problem, sums: Integers) -> Problem:
    """The output of the sums of a problem, as a problem without products; its d is that of the problem."""
    return replace(
        problem, form=tail, a=np.empty((problem.m, 0), np.uint8), b=np.empty((0, problem.n), np.uint8),
        c=sums, a_zero=None, b_zero=None, events=np.zeros_like(problem.events[:5]),
    )  # fmt: skip
