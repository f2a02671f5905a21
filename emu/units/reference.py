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
from emu.formats.decode import decode_code
from emu.formats.encode import encode_value
from emu.formats.enums import Daz, EventKind, Rounding
from emu.formats.rounding import RandomBits, round_to
from emu.formats.value import FRESH_NAN, Value, zero
from emu.units.enums import AlignTo, NanOrder, NanRule, ProductExponent, Start, ZeroSign
from emu.units.events import FIRST_LEVEL, KINDS, OPERAND, PRODUCT, SCALE, stage_count
from emu.units.form import Level, Operand, ScaleOperand, UnitForm
from emu.units.problem import Problem
from emu.units.schedule import level_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Input:
    """An input of a level: its value, and where it stands."""

    value: Value
    k: int


def daz(operand: Operand, x: Value) -> Value:
    """A subnormal operand, or -0 under `positive`, as the unit takes it."""
    fmt = operand.format
    if operand.daz is Daz.OFF or not x.finite:
        return x
    if x.sig and x.top >= fmt.emin:
        return x
    return zero(x.negative and operand.daz is Daz.SIGNED)


def count_flushed_in(operand: Operand, codes: NDArray[np.uint64], events: NDArray[np.int64]) -> None:
    """Count the operand elements that daz takes for zero although they are not."""
    if operand.daz is Daz.OFF:
        return
    for code in codes.ravel():
        x = decode_code(operand.format, int(code))
        if x.finite and x.sig and daz(operand, x).sig == 0:
            events[OPERAND, EventKind.FLUSHED_IN.code] += 1


@dataclass(slots=True)
class Element:
    """The computation of one output element."""

    form: UnitForm
    a: Sequence[int]
    b: Sequence[int]
    a_scale: Sequence[int]
    b_scale: Sequence[int]
    index: int
    seed: int
    events: NDArray[np.int64]
    draws: int = field(default=0)

    def count(self, stage: int, events: int) -> None:
        """Count the events of a mask at a stage."""
        for kind in range(KINDS):
            if events >> kind & 1:
                self.events[stage, kind] += 1

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
                return self._scale(self.form.scale_a, self.a_scale, term)
            case Factor.B_SCALE:
                return self._scale(self.form.scale_b, self.b_scale, term)
            case Factor.SCALE:
                x = self._scale(self.form.scale_a, self.a_scale, term)
                y = self._scale(self.form.scale_b, self.b_scale, term)
                product = multiply(x, y)
                if product.nan and product.fresh:
                    self.count(SCALE, EventKind.NAN_MADE.bit)
                return run_pipe(self.form.scale_product, product, term, self, SCALE)
            case Factor.DIGITS:
                digits = self.form.product.digits
                assert digits is not None
                i, j = divmod(term.position % digits.products, digits.b)
                weight = digits.width * (i + j)
                return Value(sig=1, q=weight, e=weight)
        raise AssertionError(step.factor)

    @staticmethod
    def _scale(operand: ScaleOperand | None, codes: Sequence[int], term: Term) -> Value:
        assert operand is not None
        block = 0 if operand.block is None else term.k // operand.block
        return decode_code(operand.format, codes[block])

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
        c = None if c_code is None or self.form.c is None else self._load(self.form.c, c_code)
        inputs = [
            _Input(value=value, k=k) for k in range(first, stop) for value in self._products(self.a[k], self.b[k])
        ]
        schedule = level_runs(self.form.levels, len(inputs))
        for number, (level, runs) in enumerate(zip(self.form.levels, schedule, strict=True)):
            inputs = self._level(level, FIRST_LEVEL + number, inputs, runs, c)
        stage = stage_count(len(self.form.levels)) - 1
        x = run_pipe(self.form.output, inputs[0].value, Term(), self, stage)
        d, events = cast(x, self.form.d)
        self.count(stage, events)
        if d.nan and self.form.nan_rule is NanRule.DEFAULT:
            return self.form.d.nan_code
        return encode_value(self.form.d.format, d)

    def _load(self, operand: Operand, code: int) -> Value:
        x = daz(operand, decode_code(operand.format, code))
        return run_pipe(operand.load, x, Term(), self, OPERAND)

    def _products(self, a: int, b: int) -> list[Value]:
        product = self.form.product
        if product.table is not None:
            made = [_integer(product.table[a][b])]
        elif product.digits is not None:
            digits = product.digits
            parts_a = _digits(self.form.a, a, digits.width, digits.a)
            parts_b = _digits(self.form.b, b, digits.width, digits.b)
            made = [_integer(x * y) for x in parts_a for y in parts_b]
        else:
            made = [self._product(self._load(self.form.a, a), self._load(self.form.b, b))]
        if product.exponent is ProductExponent.LEADING_BIT:
            made = [replace(x, e=x.top) if x.finite and x.sig else x for x in made]
        return [run_pipe(product.result, x, Term(), self, PRODUCT) for x in made]

    def _product(self, x: Value, y: Value) -> Value:
        if x.nan and x.fresh and y.nan:
            return y  # a NaN that a load made loses to one that was there
        out = multiply(x, y)
        if out.nan and out.fresh and not x.nan and not y.nan:
            self.count(PRODUCT, EventKind.NAN_MADE.bit)
        if out.is_zero and self.form.integral_product:
            out = replace(out, negative=False)
        return out

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
                    term = Term(k=given.k, position=position)
                    terms.append(run_pipe(level.input, given.value, term, self, stage))
                acc = self._step(level, stage, terms, acc)
            out.append(_Input(value=zero() if acc is None else acc, k=inputs[run[0]].k if run else 0))
        return out

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


def _integer(number: int) -> Value:
    return Value(negative=number < 0, sig=abs(number), e=0 if number else None)


def _digits(operand: Operand, code: int, width: int, count: int) -> list[int]:
    """Base-2^w digits, least first; the top digit of a signed operand is signed."""
    bits = operand.format.bits
    out = [code >> (width * i) & ((1 << width) - 1) for i in range(count)]
    top = bits - width * (count - 1)
    if operand.format.signed and out[-1] >> (top - 1):
        out[-1] -= 1 << top
    return out


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
    for operand, codes in ((form.a, problem.a), (form.b, problem.b)):
        count_flushed_in(operand, codes, problem.events)
    if form.c is not None and problem.c is not None:
        count_flushed_in(form.c, problem.c, problem.events)
    for m in range(problem.m):
        for n in range(problem.n):
            element = Element(
                form=form,
                a=[int(code) for code in problem.a[m]],
                b=[int(code) for code in problem.b[:, n]],
                a_scale=[] if problem.a_scale is None else [int(code) for code in problem.a_scale[m]],
                b_scale=[] if problem.b_scale is None else [int(code) for code in problem.b_scale[:, n]],
                index=problem.first_index + m * problem.n + n,
                seed=problem.seed,
                events=problem.events,
            )
            try:
                problem.d[m, n] = element.run(None if problem.c is None else int(problem.c[m, n]))
            except OverflowRaised as error:
                raise OverflowRaised(f"{form.name}: output element {problem.element(m, n)}: {error}") from None
