"""The trace of one output element: what every adder of the datapath did, step by step, next to the exact sum.

* The reference backend computes the element; the trace looks on (`Element.stepped`) and changes nothing.
* A step adds `terms` to an accumulator `before` and leaves `after`. Its own error is after − (before + Σ terms), exact;
  its total error is after − (start + Σ of all products below it), exact: the sum that the step stands for, if nothing
  had been rounded since the operands.
* NaN and infinities have no errors (None).
* Levels are numbered from the innermost one; pieces of K that one instruction takes are numbered from 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.pipe import Factor, Step, Term
from emu.formats.decode import decode_code
from emu.formats.value import Value
from emu.units.form import UnitForm
from emu.units.positions import empty_table
from emu.units.reference import Element, Recorder
from emu.units.stages import KINDS, stage_count
from emu.units.unit import Unit

Codes = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class TraceStep:
    """One step of one level."""

    piece: int
    level: int
    run: int
    k: tuple[int, ...]
    """the products that enter with this step, through all levels below"""
    terms: tuple[Value, ...]
    before: Value | None
    after: Value
    exact: Fraction | None
    """what the accumulator would be if nothing had been rounded; None after a NaN or an infinity"""

    @property
    def own_error(self) -> Fraction | None:
        """What this step alone lost: after − (before + Σ terms)."""
        addends = [x for x in (*self.terms, self.before) if x is not None]
        if not self.after.finite or not all(x.finite for x in addends):
            return None
        return self.after.fraction() - sum((x.fraction() for x in addends), Fraction(0))

    @property
    def error(self) -> Fraction | None:
        """What is lost so far: after − exact."""
        return None if self.exact is None or not self.after.finite else self.after.fraction() - self.exact


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One element."""

    unit: str
    levels: int
    a: tuple[int, ...]
    """codes"""
    b: tuple[int, ...]
    a_values: tuple[Value, ...]
    """of the codes, before `load`"""
    b_values: tuple[Value, ...]
    products: tuple[Value, ...]
    """as they leave the multiplier, k ascending (several for each k, if the operands are split)"""
    steps: tuple[TraceStep, ...]
    """in the order of execution: level by level, each level whole"""
    d: int
    d_value: Value

    def of_level(self, level: int) -> list[TraceStep]:
        """The steps of one level."""
        return [step for step in self.steps if step.level == level]


@dataclass(slots=True)
class _Watched(Element):
    """An element whose steps are written down."""

    steps: list[TraceStep] = field(default_factory=list)
    products: list[Value] = field(default_factory=list)
    piece: int = 0
    sums: dict[int, list[Fraction | None]] = field(default_factory=dict)
    """exact sums of the inputs of each level"""
    covers: dict[int, list[tuple[int, ...]]] = field(default_factory=dict)
    counted: dict[tuple[int, int], int] = field(default_factory=dict)
    """the number of the last step, by level and run"""
    running: Fraction | None = None

    def _products(self, k: int) -> list[Value]:
        made = Element._products(self, k)
        self.products += made
        self.sums.setdefault(0, []).extend(_fraction(x) for x in made)
        self.covers.setdefault(0, []).extend((k,) for _ in made)
        return made

    def _piece(self, first: int, stop: int, c_code: int | None) -> int:
        self.sums, self.covers, self.counted = {}, {}, {}
        d = Element._piece(self, first, stop, c_code)
        self.piece += 1
        return d

    def stepped(
        self, level: int, run: int, inputs: Sequence[int], terms: Sequence[Value], before: Value | None, after: Value
    ) -> None:
        """Write the step down."""
        sums, covers = self.sums.setdefault(level + 1, []), self.covers.setdefault(level + 1, [])
        while len(sums) <= run:  # this run begins; runs without an input had no step
            sums.append(Fraction(0) if before is None or len(sums) < run else _fraction(before))
            covers.append(())
        parts = [self.sums[level][i] for i in inputs]
        weights = [self._weight(level, i) for i in inputs]
        total = sums[run]
        number = self.counted[level, run] = self.counted.get((level, run), -1) + 1
        if number:  # `before` of the first one has been through it
            total = None if total is None else total * self._carried(level, number)
        for part, weight in zip(parts, weights, strict=True):
            total = None if total is None or part is None or weight is None else total + part * weight
        covered = tuple(k for i in inputs for k in self.covers[level][i])
        sums[run], covers[run] = total, covers[run] + covered
        step = TraceStep(
            piece=self.piece, level=level, run=run, k=covered, terms=tuple(terms), before=before, after=after,
            exact=total,
        )  # fmt: skip
        self.steps.append(step)

    def _carried(self, level: int, number: int) -> Fraction:
        """The exact factor of the accumulator as it enters a step; what is added to it is not followed."""
        weight = Fraction(1)
        for step in self.form.levels[level].accumulator:
            if step.constants:
                weight *= step.constants[number % len(step.constants)].fraction()
        return weight

    def _weight(self, level: int, position: int) -> Fraction | None:
        """The exact factor that `level.input` multiplies an input by; what it adds is not followed."""
        weight: Fraction | None = Fraction(1)
        covered = self.covers[level][position]
        term = Term(k=covered[0] if covered else 0, position=position)
        for step in self.form.levels[level].input:
            for factor in self._factors(step, term):
                number = _fraction(factor)
                weight = None if weight is None or number is None else weight * number
        return weight

    def _factors(self, step: Step, term: Term) -> list[Value]:
        if step.factor is Factor.NONE:
            return []
        if step.factor is Factor.SCALE:  # the product before it is rounded
            return [self._scale_a(term), self._scale_b(term)]
        return [self.factor(step, term)]


def trace(
    unit: Unit,
    a: Codes,
    b: Codes,
    c: int | None = None,
    *,
    a_scale: Codes | None = None,
    b_scale: Codes | None = None,
    a_zero: Codes | None = None,
    b_zero: Codes | None = None,
    column: int = 0,
    index: int = 0,
    seed: int = 0,
) -> Trace:
    """Trace one output element.

    Args:
        unit: the unit.
        a: codes [K] of the element's row.
        b: codes [K] of its column.
        c: code of its accumulator; None is +0 (or no operand c).
        a_scale: codes [blocks].
        b_scale: codes [blocks].
        a_zero: codes [blocks].
        b_zero: codes [blocks].
        column: of the element, for lists in `output`.
        index: linear index of the element in its result, for the random stream.
        seed: of the random stream.
    """
    form = unit.form
    stages = stage_count(len(form.levels))
    element = _Watched(
        form=form, a=_listed(a), b=_listed(b), a_scale=_listed(a_scale), b_scale=_listed(b_scale),
        a_zero=_listed(a_zero), b_zero=_listed(b_zero), row=0, column=column, index=index, seed=seed,
        recorder=Recorder(counts=np.zeros((stages, KINDS), np.int64), positions=empty_table(stages, 0)),
    )  # fmt: skip
    d = element.run(_start_code(form, c))
    return Trace(
        unit=form.name, levels=len(form.levels), a=tuple(element.a), b=tuple(element.b),
        a_values=tuple(decode_code(form.a.format, code) for code in element.a),
        b_values=tuple(decode_code(form.b.format, code) for code in element.b),
        products=tuple(element.products), steps=tuple(element.steps), d=d, d_value=decode_code(form.d.format, d),
    )  # fmt: skip


def first_difference(one: Trace, other: Trace) -> tuple[TraceStep, TraceStep] | None:
    """The first step of `one`, in the order of execution, after which `other` holds a different value for the same sum.

    Accumulators stand for the same sum if the same products are in them: the units may group K otherwise, as long as
    some of their sums correspond. None if no pair of such accumulators differs.
    """
    known = dict(_sums(other))
    for which, step in _sums(one):
        match = known.get(which)
        if match is not None and not same_value(step.after, match.after):
            return step, match
    return None


def _sums(trace: Trace) -> Iterator[tuple[tuple[int, ...], TraceStep]]:
    """Each step with what tells the products in its accumulator apart from other sets: number, ends, two moments."""
    so_far: dict[tuple[int, int, int], tuple[int, ...]] = {}
    for step in trace.steps:
        at = step.piece, step.level, step.run
        count, low, high, first, second = so_far.get(at, (0, len(trace.a), -1, 0, 0))
        low, high = min([low, *step.k]), max([high, *step.k])
        so_far[at] = (
            count + len(step.k), low, high, first + sum(step.k), second + sum(k * k for k in step.k)
        )  # fmt: skip
        yield so_far[at], step


def same_value(x: Value, y: Value) -> bool:
    """Whether two values are one, the sign of zero included; NaNs are equal."""
    if x.nan or y.nan:
        return x.nan == y.nan
    if x.inf or y.inf:
        return x.inf == y.inf and x.negative == y.negative
    return x.fraction() == y.fraction() and (bool(x.sig) or x.negative == y.negative)


def _start_code(form: UnitForm, c: int | None) -> int | None:
    if form.c is None:
        return None
    return 0 if c is None else c


def _listed(codes: Codes | None) -> list[int]:
    return [] if codes is None else [int(code) for code in np.asarray(codes).ravel()]


def _fraction(x: Value) -> Fraction | None:
    return x.fraction() if x.finite else None
