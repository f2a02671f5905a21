"""`output` in integers of 64 bits: constants and casts to integers, as requantisation has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emu.arithmetic.pipe import Factor, Step
from emu.formats.enums import Overflow, Rounding
from emu.formats.native import pointer
from emu.formats.value import Value
from emu.units.form import UnitForm
from emu.units.plans.integers.casts import Change, Span, twos_complement
from emu.units.plans.integers.layout import ROWS, cast_data
from emu.units.plans.integers.numbers import Integers
from emu.units.plans.parts import all_rows, every_call
from emu.units.plans.plan import Isa, UnprovedError, isa_code
from emu.units.problem import Problem

MOST = Span(low=-(1 << 62), high=1 << 62)
MAX_SHIFT = 61


@dataclass(frozen=True, kw_only=True)
class Exact:
    """(x * factor + addend) / 2^shift, rounded, then cast; lists have an entry for each column, or one."""

    factor: tuple[int, ...]
    addend: tuple[int, ...]
    shift: tuple[int, ...]
    rounding: Rounding
    change: Change | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Output:
    """All of `output`, and the cast to d."""

    steps: tuple[Exact, ...]
    mask: int

    def run(self, problem: Problem, sums: Integers, isa: Isa | None) -> None:
        """Make d of sums, which are overwritten."""
        from cemu import ffi, lib

        n = problem.n
        columns = [np.resize(np.array(x, np.int64), n) for s in self.steps for x in (s.factor, s.addend, s.shift)]
        pointers = [pointer("int64_t *", column) for column in columns]
        rows = [
            {
                "factor": pointers[3 * i], "addend": pointers[3 * i + 1], "shift": pointers[3 * i + 2],
                "rounding": step.rounding.code, "cast": cast_data(step.change, 64),
            }
            for i, step in enumerate(self.steps)
        ]  # fmt: skip
        steps = ffi.new("cemu_integers_step[]", rows)
        data = {
            "n": n, "sums": pointer("uint64_t *", sums), "d": pointer("void *", problem.d),
            "d_width": problem.d.itemsize, "steps": steps, "count": len(rows), "mask": self.mask,
        }  # fmt: skip
        calls = [ffi.new("cemu_integers_output *", {**data, **part}) for part in all_rows(problem, ROWS)]
        every_call(lib.cemu_plan_integers_output, calls, isa_code(isa))


def output_of(form: UnitForm, x: Span, unit: int) -> Output:
    """The output of sums of a span.

    Raises:
        UnprovedError: it is not made of constants and integers, or leaves 62 bits.
    """
    if unit or not twos_complement(form.d.format) or form.d.format.frac_bits:
        raise UnprovedError("output of fractions")
    made = []
    pending: Step | None = None
    for step in (*form.output, Step(cast=form.d)):
        if pending is not None:
            raise UnprovedError("output keeps fractions")
        if step.cast is None:
            pending = step
            continue
        exact, x = _exact(step, x)
        made.append(exact)
    return Output(steps=tuple(made), mask=(1 << form.d.format.bits) - 1)


def _exact(step: Step, x: Span) -> tuple[Exact, Span]:
    how = step.cast
    assert how is not None
    fmt = how.format
    if not fmt.is_integral or fmt.frac_bits or how.rounding in (Rounding.JAMMING, Rounding.STOCHASTIC):
        raise UnprovedError("output rounds to no integer")
    if step.factor not in (Factor.NONE, Factor.CONSTANTS):
        raise UnprovedError("output multiplies by scales")
    factors = step.constants if step.factor is Factor.CONSTANTS else (Value(sig=1, e=0),)
    addends = step.addends or (Value(e=None),)
    count = max(len(factors), len(addends))
    if count % len(factors) or count % len(addends):
        raise UnprovedError("output has lists of several lengths")
    rows = [_integers(factors[i % len(factors)], addends[i % len(addends)]) for i in range(count)]
    out: Span | None = None
    for factor, addend, shift in rows:
        scaled = x * Span(low=factor, high=factor)
        wide = (scaled + Span(low=addend, high=addend)) | scaled
        if not wide.within(MOST) or shift > MAX_SHIFT or max(abs(factor), abs(addend)) > MOST.high:
            raise UnprovedError("output leaves 62 bits")
        rounded = Span(low=wide.low >> shift, high=-(-wide.high >> shift))
        out = rounded if out is None else out | rounded
    assert out is not None
    full = Span(low=-fmt.min_sig, high=fmt.max_sig)
    change = None
    if not out.within(full):
        if how.overflow is Overflow.WRAP:
            change = Change(span=full, wraps=fmt.bits)
        elif how.overflow in (Overflow.SATURATE, Overflow.SATURATE_PROPAGATE):
            change = Change(span=full, wraps=0)
        else:
            raise UnprovedError(f"output overflows by {how.overflow.value}")
        out = full
    lists = [tuple(row[i] for row in rows) for i in range(3)]
    exact = Exact(factor=lists[0], addend=lists[1], shift=lists[2], rounding=how.rounding, change=change)
    return exact, out


def _integers(factor: Value, addend: Value) -> tuple[int, int, int]:
    """(f, a, s): x * factor + addend = (x f + a) / 2^s."""
    low = min([0, *(value.q for value in (factor, addend) if value.sig)])
    if low < -MAX_SHIFT or max(value.q for value in (factor, addend)) > MAX_SHIFT:
        raise UnprovedError("output leaves 62 bits")
    numbers = [value.signed_sig << (value.q - low) if value.sig else 0 for value in (factor, addend)]
    return numbers[0], numbers[1], -low
