"""Which units add exactly and round once at the end, for a given K.

The obligations, each checked here or, for the operands at hand, in run.py:

* products and all sums but the last stay exact: no alignment cuts, every cast in between is the identity on its range
  (the outermost level's own, if it has more than one step);
* what is left is one exact sum Σ a·b + c and a list of casts (the outermost level's, `output`, d), the first of which
  sees the sum rounded to odd in float64. That is harmless before a rounding to a float of at most 50 fraction bits, or
  to a saturating word of at most 50 bits (Boldo and Melquiond 2008); other casts need a sum that float64 holds;
* c joins once, in the outermost level;
* an exact zero is +0, or -0 where every product and c are -0; no cast on the way rounds toward_negative.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from emu.formats.backend import Backend
from emu.formats.cast import Cast
from emu.formats.enums import Daz, FormatKind, Overflow, Rounding
from emu.units.enums import Start, ZeroSign
from emu.units.form import Level, Operand, UnitForm
from emu.units.plans.exact import numba_run
from emu.units.plans.exact.grid import Grid, casts_of, grid_of, have_codes, through
from emu.units.plans.exact.run import Job, run
from emu.units.plans.exact.slices import Slices, slices_of, total_bits
from emu.units.plans.plan import Other, Plan, Refusal, UnprovedError
from emu.units.schedule import run_count, run_length

NAME = "exact"
MOST_FRACTION_BITS = 50


@dataclass(frozen=True, kw_only=True)
class _Sum:
    """What the levels make: the grid of Σ a·b, the casts that follow, whether c is in it, the sign of its zero."""

    grid: Grid
    casts: list[Cast]
    has_c: bool
    minus_zero: bool


def match(form: UnitForm, k: int) -> Plan | Refusal:
    """The plan of a unit whose sums are exact until the end."""
    try:
        return _plan(form, k)
    except UnprovedError as reason:
        return Refusal(plan=NAME, reason=str(reason))


def _plan(form: UnitForm, k: int) -> Plan:
    a, b = _operands(form, k)
    product = through(form.product.result, a * b if not form.integral_product else replace(a * b, minus_zero=False))
    if product is None:
        raise UnprovedError("product.result may change a product")
    made = _levels(form, product, k)
    if made.has_c:
        assert form.c is not None
        _check_c(form.c)
    worst = slices_of(a, b, k)
    if worst is None or worst.products > 1 or made.has_c:
        _check_first(made.casts[0])
    job = Job(casts=tuple(made.casts), has_c=made.has_c, minus_zero=made.minus_zero)
    return Plan(
        name=NAME,
        proof=(*_about_sum(a, b, k, worst), *_about_end(made)),
        rate=_rate(worst),
        execute=lambda problem, isa: run(problem, isa, job),
        narrow=True,
        one_c=True,
        also={Backend.NUMBA: Other(execute=partial(numba_run.run, job), narrow=True)} if numba_run.runs(job) else {},
    )


def _about_sum(a: Grid, b: Grid, k: int, worst: Slices | None) -> tuple[str, ...]:
    bits = total_bits(a, b, k)
    lsb = a.lsb + b.lsb
    head = f"{k} products, multiples of 2^{lsb}, add up to less than 2^{lsb + bits}: {bits} bits"
    if worst is None:
        return (f"{head}; too wide for all operands: the operands at hand are looked at, and if they fit, cut",)
    if worst.products == 1:
        return (f"{head}, so every partial sum in any order is a float{32 if worst.single else 64}",)
    pairs = f"a is cut into {worst.a} slices of bits, b into {worst.b}; fewer if the operands at hand are narrower"
    return (f"{head}; {pairs}: the sum of each pair is exact in float64",)


def _about_end(made: _Sum) -> tuple[str, ...]:
    lines = [f"the casts before the end change no value; then {' and '.join(how.format.name for how in made.casts)}"]
    if made.has_c:
        lines.append("c joins the exact sum with one rounding to odd in float64 (53 bits), harmless before that cast")
    zero = "-0 if all products (and c) are -0" if made.minus_zero else "+0"
    return (*lines, f"an exact zero is {zero}")


def _rate(worst: Slices | None) -> str:
    """Measured at 512^3 with AVX-512, one thread, calls and all."""
    if worst is None:
        return "1.6 times the time of a float32 product, or more, by the operands at hand"
    if worst.single:
        return "about a float32 product"
    return f"{'' if worst.products == 1 else f'at most {worst.products} times '}1.6 times the time of a float32 product"


def _operands(form: UnitForm, k: int) -> tuple[Grid, Grid]:
    if k == 0 or (form.k is not None and k > form.k):
        raise UnprovedError("no products" if k == 0 else f"{k} products are a chain of instructions of {form.k}")
    if form.product.table is not None or form.product.parts is not None:
        raise UnprovedError("products are looked up, or of parts of the operands")
    if form.scale_a is not None or form.scale_b is not None:
        raise UnprovedError("block scales")
    if form.a.zero is not None or form.b.zero is not None:
        raise UnprovedError("run-time zero points")
    a, b = grid_of(form.a), grid_of(form.b)
    if a is None or b is None:
        raise UnprovedError("an operand has more than 16 bits, or values that float64 does not hold")
    return a, b


def _levels(form: UnitForm, grid: Grid, k: int) -> _Sum:
    """Walk the levels. c is kept apart: it joins the exact sum at the end."""
    n, after, has_c = k, [], False
    for index, level in enumerate(form.levels):
        last = index == len(form.levels) - 1
        found = through(level.input, grid)
        if found is None:
            raise UnprovedError(f"level[{index}].input may change a term")
        _check_level(level, index, last)
        has_c = level.start is Start.C
        length = min(run_length(level, n), n)
        grid = found.times(length)
        if level.start is Start.ZERO or level.zero_sign is not ZeroSign.IEEE:
            grid = replace(grid, minus_zero=False)
        if last and level.result and length <= level.group and have_codes(casts_of(level.result) or []):
            after = _moved(level)
        elif level.result and has_c:
            raise UnprovedError("the accumulator, which starts at c, is rounded in every step")
        else:
            kept = through(level.result, grid)
            if kept is None:
                raise UnprovedError(f"level[{index}].result may change a sum of {length} terms")
            grid = kept
        n = run_count(level, n)
    end = casts_of(form.output)
    if end is None:
        raise UnprovedError("output does more than cast")
    if not have_codes(end):
        raise UnprovedError("output has casts of more than 64 bits, which are no codes")
    return _Sum(grid=grid, casts=_without_repeats([*after, *end, form.d]), has_c=has_c, minus_zero=grid.minus_zero)


def _check_level(level: Level, index: int, last: bool) -> None:
    if level.align_bits is not None:
        raise UnprovedError(f"level[{index}] aligns its addends")
    if level.start is Start.C and not last:
        raise UnprovedError(f"level[{index}] starts at c, and is not the last")
    if level.toward_negative and level.zero_sign is ZeroSign.IEEE:
        raise UnprovedError(f"level[{index}] rounds toward negative: a sum that cancels is -0")


def _moved(level: Level) -> list[Cast]:
    """The result of a level of one step: it is a rounding at the end."""
    casts = casts_of(level.result)
    if casts is None:
        raise UnprovedError("the last level's result does more than cast")
    if level.zero_sign is ZeroSign.ALWAYS_POSITIVE:
        raise UnprovedError("the last level's underflow loses its sign")
    return casts


def _without_repeats(casts: list[Cast]) -> list[Cast]:
    """A second cast to the same float format changes nothing, if it keeps infinity."""
    out = casts[:1]
    for how in casts[1:]:
        harmless = how.format == out[-1].format and how.rounding is not Rounding.JAMMING and how.ftz is out[-1].ftz
        keeps = how.overflow in (Overflow.INFINITY, Overflow.INFINITY_ALWAYS) and how.format.infinities
        if not (harmless and keeps):
            out.append(how)
    return out


def _check_c(c: Operand) -> None:
    plain = c.format.kind is FormatKind.FLOAT and c.format.name in ("float32", "float64")
    if plain and c.daz is Daz.OFF and not c.load:
        return
    if grid_of(c) is None:
        raise UnprovedError("c has more than 16 bits and is no plain float32 or float64")


def _check_first(how: Cast) -> None:
    """Whether a value rounded to odd in float64 goes through a cast as the exact one would."""
    fmt = how.format
    fine = how.rounding is not Rounding.EXACT
    if fmt.kind is FormatKind.FLOAT:
        fine = fine and fmt.man_bits <= MOST_FRACTION_BITS
    else:
        fine = fine and fmt.is_integral and fmt.bits <= MOST_FRACTION_BITS and how.overflow is Overflow.SATURATE
    if not fine:
        raise UnprovedError(f"the sum may be wider than float64, and is then cast to {fmt.name} ({how.rounding.value})")
