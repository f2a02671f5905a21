"""A unit as a fold of integers: what each level can hold, and which of its casts change anything.

Walks the levels with worst-case bounds (in units of 2^unit), innermost first. A level whose casts are all the identity
on its range is an exact sum; the order and grouping of exact sums do not matter. What a level hands up wraps, is
clamped, or is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from emu.arithmetic.pipe import Factor, Pipe, Step
from emu.formats.enums import FormatKind, Rounding
from emu.units.enums import Start
from emu.units.form import Level, UnitForm
from emu.units.plans.integers.casts import INT32, NOTHING, Change, Span, change_of, twos_complement
from emu.units.plans.integers.digits import digit_product, weights, without_weights
from emu.units.plans.integers.numbers import Numbers, numbers_of
from emu.units.plans.plan import UnprovedError
from emu.units.schedule import check_runs, run_count, run_length


@dataclass(frozen=True, kw_only=True)
class Sum:
    """One level for one piece of K."""

    index: int
    level: Level
    inputs: int
    """how many inputs it has"""
    takes_c: bool
    changes: tuple[Change, ...]
    """the casts of its result that are not the identity"""
    step: Span
    """what its accumulator can be before a cast"""
    out: Span
    """what it hands up"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """A unit as integers, for one K."""

    form: UnitForm
    k: int
    piece: int
    unit: int
    """everything counts units of 2^unit"""
    a: Numbers | None
    b: Numbers | None
    """None: products are looked up"""
    product: Span
    c: Span
    c_shift: int
    """c counts units of 2^(unit + c_shift)"""
    sums: tuple[Sum, ...]
    total: Span
    """the exact sum of everything, c included"""

    @property
    def chained(self) -> bool:
        """Whether K has several pieces."""
        return self.piece < self.k

    @property
    def out(self) -> Span:
        """What the outermost level hands up."""
        return self.sums[-1].out


def structure_of(form: UnitForm, k: int) -> Structure:
    """A unit as integers.

    Raises:
        UnprovedError: it is something else.
    """
    if k == 0:
        raise UnprovedError("K = 0 has no products")
    try:
        check_runs(form, k)
    except ValueError as error:
        raise UnprovedError(str(error)) from None
    a, b, product, unit = _product(form)
    parts, term, weighing = form.product.parts, product, -1
    if parts is not None:
        assert a is not None
        assert b is not None
        term, weighing = digit_product(form, parts, a, b), weights(form, parts)
    _identity(form.product.result, term, unit, "product.result")
    c, c_shift = _start(form, unit)
    piece = min(form.k or k, k)
    n, cur, sums = piece * form.terms_per_k, term, []
    for index, level in enumerate(form.levels):
        if parts is not None and index == weighing:
            level, cur = without_weights(level, parts, cur)
        made = _level(index, level, cur, c if form.c is not None and level.start is Start.C else None, n, unit)
        sums.append(made)
        cur, n = made.out, run_count(level, n)
    if sum(made.takes_c for made in sums) > 1:
        raise UnprovedError("c enters at several levels")
    total = product.upto(k) + (c | NOTHING)
    found = Structure(
        form=form, k=k, piece=piece, unit=unit, a=a, b=b, product=product, c=c, c_shift=c_shift,
        sums=tuple(sums), total=total,
    )  # fmt: skip
    _zero_signs(found)
    return found


def _product(form: UnitForm) -> tuple[Numbers | None, Numbers | None, Span, int]:
    if form.product.table is not None:
        entries = [entry for row in form.product.table for entry in row]
        if not Span(low=min(entries), high=max(entries)).within(INT32):
            raise UnprovedError("an entry of the product table does not fit 32 bits")
        return None, None, Span(low=min(entries), high=max(entries)), 0
    a, b = numbers_of(form.a, "a"), numbers_of(form.b, "b")
    return a, b, a.span * b.span, a.unit + b.unit


def _start(form: UnitForm, unit: int) -> tuple[Span, int]:
    if form.c is None:
        return NOTHING, 0
    fmt = form.c.format
    if not twos_complement(fmt) or form.c.zero is not None:
        raise UnprovedError(f"c is {fmt.name}, not two's complement")
    shift = -fmt.frac_bits - unit
    span = Span(low=-fmt.min_sig, high=fmt.max_sig)
    if not 0 <= shift < 64:
        raise UnprovedError(f"c counts units of 2^{-fmt.frac_bits}, products of 2^{unit}")
    span = Span(low=span.low << shift, high=span.high << shift)
    _identity(form.c.load, span, unit, "operands.c.load")
    return span, shift


def _identity(pipe: Pipe, x: Span, unit: int, where: str) -> None:
    for step in pipe:
        if _changed(step, x, unit, where) is not None:
            raise UnprovedError(f"{where} changes {x}")


def _changed(step: Step, x: Span, unit: int, where: str) -> Change | None:
    if step.factor is not Factor.NONE and not (
        step.factor is Factor.CONSTANTS and all(factor.fraction() == Fraction(1) for factor in step.constants)
    ):
        raise UnprovedError(f"{where} multiplies")
    if any(addend.sig for addend in step.addends):
        raise UnprovedError(f"{where} adds")
    return None if step.cast is None else change_of(step.cast, x, unit, where)


def changes_of(pipe: Pipe, x: Span, unit: int, where: str) -> tuple[tuple[Change, ...], Span]:
    """The casts of a pipe that change something, and what comes out of it.

    Raises:
        UnprovedError: it holds more than casts of integers.
    """
    found = []
    for step in pipe:
        change = _changed(step, x, unit, where)
        if change is not None:
            found.append(change)
            x = change.span
    return tuple(found), x


def _level(index: int, level: Level, terms: Span, c: Span | None, n: int, unit: int) -> Sum:
    where = f"level {index}"
    if level.align_bits is not None:
        raise UnprovedError(f"{where} aligns its addends")
    _identity(level.input, terms, unit, f"{where} input")
    length = min(run_length(level, n), n)
    start = (c or NOTHING) | NOTHING
    whole = start + terms.upto(length)
    changes, out = changes_of(level.result, whole, unit, where)
    if not changes:
        return Sum(
            index=index, level=level, inputs=n, takes_c=c is not None, changes=(), step=whole, out=whole
        )  # fmt: skip
    # What is fed back lies in the range of the last change; a change may come and go as the bounds of a step move.
    group, fed = terms.upto(min(level.group, length)), start
    for _ in range(4):
        step = fed + group
        found, out = changes_of(level.result, step, unit, where)
        if (fed | out) == fed:
            return Sum(
                index=index, level=level, inputs=n, takes_c=c is not None, changes=found, step=step, out=out | NOTHING
            )  # fmt: skip
        fed = fed | out | (changes[-1].span if changes else NOTHING)
    raise UnprovedError(f"{where}: no bounds found")


def _zero_signs(found: Structure) -> None:
    """A sum of integers that is zero is +0. It matters where d, or what becomes of the sum, has a sign of zero."""
    form = found.form
    casts = [step.cast.format for step in form.output if step.cast is not None]
    if all(fmt.kind in (FormatKind.INTEGER, FormatKind.FIXED) for fmt in [form.d.format, *casts[:1]]):
        return
    if not form.integral_product or any(level.toward_negative for level in form.levels):
        raise UnprovedError("a zero may be negative, and d has a sign of zero")
    if any(how.cast is not None and how.cast.rounding is Rounding.TOWARD_NEGATIVE for how in form.product.result):
        raise UnprovedError("a zero may be negative")
