"""The reference backend: Python integers, written to be read next to unit-spec section 2. It defines every bit.

Order of execution, which numbers the random draws of an element: c; then the products, k ascending; then level by
level, innermost first, each level whole; then `output` and the cast to d. K is cut into pieces of `k`; d of a piece
is c of the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.exact import multiply
from emu.arithmetic.philox import random_bits
from emu.arithmetic.pipe import Factor, Step, Term, run_pipe
from emu.errors import OverflowRaised
from emu.formats.cast import Cast, cast
from emu.formats.encode import encode_value
from emu.formats.enums import EventKind, Rounding
from emu.formats.rounding import RandomBits, round_to
from emu.formats.value import FRESH_NAN, Value, zero
from emu.units.enums import AlignTo, NanOrder, NanRule, Start, ZeroSign
from emu.units.form import Level, UnitForm
from emu.units.operands import flushed_in, load, per_block, products
from emu.units.positions import NOWHERE, Table
from emu.units.problem import Problem
from emu.units.schedule import level_runs
from emu.units.stages import FIRST_LEVEL, KINDS, OPERAND, SCALE, stage_count


@dataclass(frozen=True, slots=True, kw_only=True)
class _Input:
    """An input of a level: its value, and where it stands."""

    value: Value
    k: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Counts events, and keeps where the first of each kind were."""

    counts: NDArray[np.int64]
    positions: Table

    def count(self, stage: int, events: int, m: int, n: int, k: int) -> None:
        """Count the events of a mask at a stage and place."""
        for kind in range(KINDS):
            if events >> kind & 1:
                seen = self.counts[stage, kind]
                if seen < self.positions.shape[2]:
                    self.positions[stage, kind, seen] = m, n, k
                self.counts[stage, kind] += 1


@dataclass(slots=True)
class Element:
    """The computation of one output element."""

    form: UnitForm
    a: Sequence[int]
    b: Sequence[int]
    a_scale: Sequence[int]
    b_scale: Sequence[int]
    a_zero: Sequence[int]
    b_zero: Sequence[int]
    row: int
    column: int
    index: int
    seed: int
    recorder: Recorder
    draws: int = field(default=0)
    k: int = field(default=NOWHERE)
    """of the product or step at hand, for the positions of events"""

    def count(self, stage: int, events: int) -> None:
        """Count the events of a mask at a stage."""
        self.recorder.count(stage, events, self.row, self.column, self.k)

    def draw(self, how: Cast) -> RandomBits:
        """The next random bits of this element."""
        value = random_bits(self.seed, self.index, self.draws, how.sr_bits)
        self.draws += 1
        return RandomBits(bits=how.sr_bits, value=value, variant=how.sr_variant)

    def factor(self, step: Step, term: Term) -> Value:
        """The value that a step multiplies the term by."""
        match step.factor:
            case Factor.CONSTANTS:
                return step.constants[term.position % len(step.constants)]
            case Factor.A_SCALE:
                return self._scale_a(term)
            case Factor.B_SCALE:
                return self._scale_b(term)
            case Factor.SCALE:
                product = multiply(self._scale_a(term), self._scale_b(term))
                if product.nan and product.fresh:
                    self.count(SCALE, EventKind.NAN_MADE.bit)
                return run_pipe(self.form.scale_product, product, term, self, SCALE)
            case Factor.DIGITS:
                parts = self.form.product.parts
                assert parts is not None
                i, j = parts.terms[term.position % len(parts.terms)]
                weight = parts.width * (i + j)
                return Value(sig=1, q=weight, e=weight)
        raise AssertionError(step.factor)

    def _scale_a(self, term: Term) -> Value:
        assert self.form.scale_a is not None
        return per_block(self.form.scale_a, self.a_scale, term.k)

    def _scale_b(self, term: Term) -> Value:
        assert self.form.scale_b is not None
        return per_block(self.form.scale_b, self.b_scale, term.k)

    def run(self, c: int | None) -> int:
        """The code of d: the pieces of K one after the other."""
        total = len(self.a)
        size = self.form.k or max(total, 1)
        d = 0
        for first in range(0, max(total, 1), size):
            d = self._piece(first, min(first + size, total), c)
            c = d if c is not None else None
        return d

    def _piece(self, first: int, stop: int, c_code: int | None) -> int:
        c = None
        if c_code is not None and self.form.c is not None:
            self.k = NOWHERE
            if first == 0 and flushed_in(self.form.c, c_code):
                self.count(OPERAND, EventKind.FLUSHED_IN.bit)
            c = load(self.form.c, c_code, (), Term(), self)
        inputs = [_Input(value=value, k=k) for k in range(first, stop) for value in self._products(k)]
        schedule = level_runs(self.form.levels, len(inputs))
        for number, (level, runs) in enumerate(zip(self.form.levels, schedule, strict=True)):
            inputs = self._level(level, FIRST_LEVEL + number, inputs, runs, c)
        stage = stage_count(len(self.form.levels)) - 1
        self.k = NOWHERE
        x = run_pipe(self.form.output, inputs[0].value, Term(position=self.column), self, stage)
        d, events = cast(x, self.form.d)
        self.count(stage, events)
        if d.nan and self.form.nan_rule is NanRule.DEFAULT:
            return self.form.d.nan_code
        return encode_value(self.form.d.format, d)

    def _products(self, k: int) -> list[Value]:
        self.k = k
        return products(self.form, self.a[k], self.b[k], self.a_zero, self.b_zero, k, self)

    def _level(
        self, level: Level, stage: int, inputs: list[_Input], runs: list[list[int]], c: Value | None
    ) -> list[_Input]:
        out = []
        for number, run in enumerate(runs):
            acc = _start(level, number, c)
            for at in range(0, len(run), level.group):
                terms = []
                for position in run[at : at + level.group]:
                    given = inputs[position]
                    self.k = given.k
                    term = Term(k=given.k, position=position)
                    terms.append(run_pipe(level.input, given.value, term, self, stage))
                self.k = inputs[run[at]].k
                if acc is not None:
                    acc = run_pipe(level.accumulator, acc, Term(position=at // level.group), self, stage)
                before, acc = acc, self._step(level, stage, terms, acc)
                self.stepped(stage - FIRST_LEVEL, number, run[at : at + level.group], terms, before, acc)
            out.append(_Input(value=zero() if acc is None else acc, k=inputs[run[0]].k if run else 0))
        return out

    def stepped(
        self, level: int, run: int, inputs: Sequence[int], terms: Sequence[Value], before: Value | None, after: Value
    ) -> None:
        """Called after every step of every level; a trace looks on here, and changes nothing.

        Args:
            level: its number, innermost first.
            run: its number in this level and piece of K.
            inputs: which inputs of the level are added.
            terms: as they enter the adder.
            before: the accumulator, as it enters the adder; None if there is none yet.
            after: the accumulator, cast.
        """

    def _step(self, level: Level, stage: int, terms: list[Value], acc: Value | None) -> Value:
        accs = [] if acc is None else [acc]
        addends = accs + terms if level.nan_order is NanOrder.ACCUMULATOR_FIRST else terms + accs
        total = self._special(addends, stage) or self._sum(level, stage, terms, accs)
        total = run_pipe(level.result, total, Term(), self, stage)
        if total.is_zero and level.zero_sign is ZeroSign.ALWAYS_POSITIVE:
            total = replace(total, negative=False)
        return total

    def _special(self, addends: list[Value], stage: int) -> Value | None:
        """NaN and infinities decide a step before anything is aligned."""
        nans = [x for x in addends if x.nan]
        if nans:
            known = [x for x in nans if not x.fresh]
            return known[0] if known and self.form.nan_rule is NanRule.FIRST else FRESH_NAN
        infinities = [x for x in addends if x.inf]
        if not infinities:
            return None
        if any(x.negative != infinities[0].negative for x in infinities):
            self.count(stage, EventKind.NAN_MADE.bit)
            return FRESH_NAN
        return infinities[0]

    def _sum(self, level: Level, stage: int, terms: list[Value], accs: list[Value]) -> Value:
        addends = terms + accs
        judges = terms if level.align_to is AlignTo.TERMS else addends
        candidates = [x.e for x in judges if x.e is not None]
        if level.align_min_exp is not None:
            candidates.append(level.align_min_exp)
        live = [x.e for x in addends if x.e is not None]
        e = max(candidates) if candidates else max(live, default=None)
        if level.align_bits is not None and candidates:
            e = level.align_point if level.align_to is AlignTo.POINT else max(candidates)
            addends = [self._cut(level, stage, x, e) for x in addends]
        q = min((x.q for x in addends if x.sig), default=0)
        total = sum(x.signed_sig << (x.q - q) for x in addends if x.sig)
        negative = total < 0 if total else _zero_sign(level, addends)
        return Value(negative=negative, sig=abs(total), q=q, e=e if live else None)

    def _cut(self, level: Level, stage: int, x: Value, em: int) -> Value:
        """An addend on the grid of the step; it keeps its sign."""
        if x.sig == 0:
            return x
        if x.e is not None and level.align_max_shift is not None and x.e < em - level.align_max_shift:
            self.count(stage, EventKind.TRUNCATED.bit)
            return replace(x, sig=0)
        assert level.align_bits is not None
        lsb = em - level.align_bits
        if x.q >= lsb and level.align_rounding is not Rounding.JAMMING:
            return x
        sig, inexact = round_to(x.sig, lsb - x.q, level.align_rounding, x.negative)
        if inexact:
            self.count(stage, EventKind.TRUNCATED.bit)
        return replace(x, sig=sig, q=lsb)


def _start(level: Level, run: int, c: Value | None) -> Value | None:
    if level.start is Start.NONE:
        return None
    return c if level.start is Start.C and run == 0 else zero()


def _zero_sign(level: Level, addends: list[Value]) -> bool:
    """The sign of a sum that is exactly zero."""
    if level.zero_sign is not ZeroSign.IEEE:
        return False
    zeros = [x for x in addends if x.sig == 0]
    if level.toward_negative:
        return not (len(zeros) == len(addends) and all(not x.negative for x in zeros))
    return len(zeros) == len(addends) and all(x.negative for x in zeros)


def run(problem: Problem) -> None:
    """Compute every output element of a problem, in place.

    Raises:
        OverflowRaised: a cast with `overflow = "raise"` left its range; names the element.
    """
    form = problem.form
    recorder = Recorder(counts=problem.events, positions=problem.positions)
    _count_flushed_in(form, problem, recorder)
    for m in range(problem.m):
        for n in range(problem.n):
            element = Element(
                form=form,
                a=_codes(problem.a, m, slice(None)), b=_codes(problem.b, slice(None), n),
                a_scale=_codes(problem.a_scale, m, slice(None)), b_scale=_codes(problem.b_scale, slice(None), n),
                a_zero=_codes(problem.a_zero, m, slice(None)), b_zero=_codes(problem.b_zero, slice(None), n),
                row=m, column=n, index=problem.first_index + m * problem.n + n,
                seed=problem.seed,
                recorder=recorder,
            )  # fmt: skip
            try:
                problem.d[m, n] = element.run(None if problem.c is None else int(problem.c[m, n]))
            except OverflowRaised as error:
                raise OverflowRaised(f"{form.name}: output element {problem.element(m, n)}: {error}") from None


def _count_flushed_in(form: UnitForm, problem: Problem, recorder: Recorder) -> None:
    """Elements of a and b that daz takes for zero: each once, however often it is used."""
    for m, k in np.ndindex(problem.a.shape):
        if flushed_in(form.a, int(problem.a[m, k])):
            recorder.count(OPERAND, EventKind.FLUSHED_IN.bit, m, NOWHERE, k)
    for k, n in np.ndindex(problem.b.shape):
        if flushed_in(form.b, int(problem.b[k, n])):
            recorder.count(OPERAND, EventKind.FLUSHED_IN.bit, NOWHERE, n, k)


def _codes(array: NDArray[np.uint64] | None, row: int | slice, column: int | slice) -> list[int]:
    return [] if array is None else [int(code) for code in array[row, column]]
