"""Whether a unit is an aligned adder that the kernel computes exactly: each obligation, checked for this form and K."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from emu.arithmetic.pipe import Factor, Pipe
from emu.formats.backend import Backend
from emu.formats.cast import Cast
from emu.formats.enums import Daz, FormatKind, Ftz, Overflow, Rounding
from emu.formats.model import Format
from emu.units.enums import AlignTo, ProductExponent, Start, ZeroSign
from emu.units.form import Level, Operand, UnitForm
from emu.units.plans.plan import Other, Plan, Refusal, UnprovedError
from emu.units.ranges import Analysis

from . import numba_run, operands, run
from .casts import MARK, MOST_EXPONENT, KernelCast, holds, kernel_cast
from .late import Late, is_late, late_of, late_steps
from .operands import Bounds
from .shape import Steps, one_block, plain_level, steps_of
from .split import part_bounds

NAME = "aligned"
FLOAT32, WORD, DOUBLE = 24, (1 << 31) - 1, 53
MOST_TERMS = 1 << 20
MOST_STEPS = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Quick:
    """Where a whole step is computed in float32 and int32: live exponents in low..high."""

    low: int
    high: int
    keep: int
    """mask of the float32 bits that a truncating cast keeps; 0: to nearest, 24 bits"""
    pieces: bool
    """also steps that start with c"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape:
    """All that the kernel needs to know of a unit and K."""

    form: UnitForm
    steps: Steps
    align_bits: int
    floor: bool
    terms: int
    """cut terms that an int32 holds; 0: sums of doubles"""
    low: int
    high: int
    min_exponent: int | None
    least_c: float
    start: float
    """of the accumulator without c: +0, or -0 which is absent"""
    zero_sign: ZeroSign
    result: KernelCast
    late: Late | None
    outer: KernelCast | None
    quick: Quick | None
    """the steps that float32 and int32 compute alone"""
    powers: bool
    """whether block scales are powers of two that join the products"""
    scales: bool
    """whether the outer level multiplies by scales"""
    infinite_c: bool
    """whether an infinite c is held"""
    join: KernelCast | None
    """of the outer level's only result and c, if those are added by a level of their own"""
    outer_start: float
    """of the outer level, then"""


def match(form: UnitForm, k: int) -> Plan | Refusal:
    """The plan, or the first obligation that does not hold."""
    try:
        shape, proof = _proved(form, k)
    except UnprovedError as why:
        return Refusal(plan=NAME, reason=str(why))
    quick = shape.terms and shape.late is None
    rate = "4 to 15 times the time of a float32 product" if quick else "15 to 40 times that of a float32 product"
    also = {Backend.NUMBA: Other(execute=partial(numba_run.run, shape), narrow=True)} if numba_run.runs(shape) else {}
    return Plan(
        name=NAME, proof=tuple(proof), rate=rate, execute=partial(run.run, shape), narrow=True, raises=True, also=also
    )


def need(holds: bool, reason: str) -> None:
    """Refuse the unit unless an obligation holds."""
    if not holds:
        raise UnprovedError(reason)


def _proved(form: UnitForm, k: int) -> tuple[Shape, list[str]]:
    inner = form.levels[0]
    need(inner.align_bits is not None, "no level is an aligned adder")
    assert inner.align_bits is not None
    late = is_late(form)
    need(len(form.levels) <= 3, "there are more than three levels")
    need(k > 0, "K is 0")
    product = form.product
    plain = product.table is None and (late or not product.result)
    need(plain and product.exponent is ProductExponent.SUM, "products are not plain ones with exponent ea + eb")
    split = product.parts
    need(split is None or not (split.width or late or form.scale_a or form.scale_b), "operands are split into digits")
    need(
        all(plain_level(level) for level in form.levels[len(form.levels) > 1 :]),
        "runs are dealt to lanes or cut into parts",
    )
    need(form.a.zero is None and form.b.zero is None, "operands have zero points")
    a, b = _operand(form, form.a, "a"), _operand(form, form.b, "b")
    count = k * form.terms_per_k
    need(count <= MOST_STEPS, f"there are more than {MOST_STEPS} products")
    steps = late_steps(form, k) if late else steps_of(form, k)

    modes = (Rounding.TOWARD_ZERO, Rounding.TOWARD_NEGATIVE)
    need(inner.align_to is AlignTo.ALL, "the alignment exponent is not that of terms and accumulator")
    need(inner.align_max_shift is None, "the shifter has a range")
    need(inner.align_rounding in modes, f"addends are cut {inner.align_rounding.value}")
    result, how = _results(form.levels[-1].result) if late else one_cast(inner.result, "the step's result")
    need(
        inner.zero_sign is not ZeroSign.IEEE or not inner.toward_negative,
        "a zero sum under toward_negative has a sign of its own",
    )
    floor = inner.align_rounding is Rounding.TOWARD_NEGATIVE

    bits, group = inner.align_bits, int(min(inner.group, count))
    reach = a.reach * b.reach
    largest = (group * (reach * 2.0**bits + 1) + 2.0 ** (bits + 1) + 1) if bits < 60 else math.inf
    width = math.ceil(math.log2(largest)) if math.isfinite(largest) else 99
    needed = f"{group} products of at most {reach:g} and an accumulator below 2, in units of 2^-{bits}"
    need(width < DOUBLE - 1, f"the sum of {needed} has {width} bits and a sign; a float64 holds {DOUBLE}")
    need(a.bits + b.bits <= DOUBLE, f"products have {a.bits + b.bits} bits, beyond a float64")
    proof = [f"the sum of {needed}, has at most {width} bits and a sign: a float64 holds {DOUBLE}"]

    terms = 0
    if a.bits + b.bits <= FLOAT32 and not floor and reach * 2.0**bits <= WORD:
        terms = min(int(WORD // (reach * 2.0**bits)), MOST_TERMS)
        proof.append(f"products have {a.bits + b.bits} <= {FLOAT32} bits (float32)")
        proof.append(f"{terms} cut products stay below 2^31 (int32); more are added in float64")
    else:
        proof.append(f"products have {a.bits + b.bits} <= {DOUBLE} bits (float64)")
    low, high = max(bits - 125, -4000), 125 - max(math.ceil(math.log2(reach)), 1)
    if terms and (a.low + b.low < low or a.high + b.high > high):
        proof.append(f"steps with a largest product exponent outside {low}..{high} are computed in float64")

    last = form.levels[-1]
    joined = late_of(form, reach) if late else None
    outer, scales = (None, False) if late else _outer(form, how)
    powers = False if late else _powers(form, inner, steps)
    if joined is not None:
        need(
            not inner.input and how.format.man_bits + 3 <= DOUBLE - 1, "products are scaled, or the result is too wide"
        )
        proof.append("the accumulator is cut to the products' grid, and added to odd in float64")
    joins = None if late or len(form.levels) < 3 else _join(form, steps)
    final = joins[1] if joins is not None else how if outer is None else outer[1]
    infinite_c = outer is None and final.format.infinities and result.overflow != MARK and not _clamps(final)
    quick = None
    if terms and largest <= WORD - 127 and not powers and inner.zero_sign is not ZeroSign.IEEE and not late:
        quick = _quick(form, how, bits, low, high, largest)
    if quick is not None:
        where = f"steps with exponents in {quick.low}..{quick.high}"
        proof.append(f"{where}: float32 and int32, as sums are below 2^31 - 127 and results normal")
    shape = Shape(
        quick=quick, form=form, steps=steps, align_bits=bits, floor=floor, terms=terms, low=low, high=high,
        min_exponent=inner.align_min_exp, least_c=least_of_c(form, steps.pieces, how),
        start=-0.0 if last.start is Start.NONE else 0.0,
        zero_sign=(last if late else inner).zero_sign if how.format.negative_zero else ZeroSign.ALWAYS_POSITIVE,
        result=result, late=joined, outer=None if outer is None else outer[0], powers=powers, scales=scales,
        infinite_c=infinite_c, join=None if joins is None else joins[0],
        outer_start=-0.0 if len(form.levels) > 1 and form.levels[1].start is Start.NONE else 0.0,
    )  # fmt: skip
    need(inner.align_min_exp is None or abs(inner.align_min_exp) <= 400, "align_min_exp lies beyond 400")
    _ends(form, final, steps)
    proof.append(f"sums are cast to {how.format.name}, {how.rounding.value}, from a float64 that holds them exactly")
    Analysis(form, k)
    return shape, proof


def _quick(form: UnitForm, how: Cast, bits: int, low: int, high: int, largest: float) -> Quick | None:
    """The range in which a step needs no more than float32 and int32: no result is subnormal or overflows."""
    fmt = how.format
    c = fmt if form.c is None else form.c.format
    singles = all(one.man_bits <= 23 and one.lsb >= -149 and one.msb <= 128 and one.emin >= -126 for one in (fmt, c))
    nearest = how.rounding is Rounding.TIES_TO_EVEN and fmt.man_bits == 23
    if not singles or not (nearest or how.rounding is Rounding.TOWARD_ZERO):
        return None
    growth = math.ceil(math.log2(largest)) - bits
    least = form.levels[0].align_min_exp
    low = max(low, fmt.emin + bits, bits - 126, low if least is None else least)
    high = min(high, fmt.msb - 1 - growth, 126)
    keep = 0 if nearest else -(1 << (23 - fmt.man_bits))
    return Quick(low=low, high=high, keep=keep, pieces=c.emin <= low) if low < high else None


def _clamps(how: Cast) -> bool:
    return how.overflow.value == "saturate"


def _operand(form: UnitForm, operand: Operand, name: str) -> Bounds:
    found = operands.bounds(operand)
    parts = form.product.parts
    if parts is not None:
        found = part_bounds(operand, parts.casts_a if name == "a" else parts.casts_b, name)
    if found is None:
        raise UnprovedError(f"operand {name} ({operand.format.name}) is not read as numbers and exponents")
    narrow = found.bits <= FLOAT32 and found.low - (found.bits - 1) >= -149
    narrow = narrow and found.high + math.log2(found.reach) <= 128
    need(narrow, f"operand {name} ({operand.format.name}) is not a float32")
    return found


def one_cast(pipe: Pipe, what: str) -> tuple[KernelCast, Cast]:
    """The cast that a pipe is, as the kernel takes it."""
    alone = len(pipe) == 1 and pipe[0].factor is Factor.NONE and not pipe[0].addends
    need(alone, f"{what} is not one cast")
    how = pipe[0].cast
    assert how is not None
    made = kernel_cast(how)
    if isinstance(made, str):
        raise UnprovedError(f"{what}: {made}")
    return made, how


def _results(pipe: Pipe) -> tuple[KernelCast, Cast]:
    """The first cast of one or two, as the kernel takes it, and the last one."""
    need(len(pipe) in (1, 2), "the result is not one cast, or two")
    first, exact = one_cast(pipe[:1], "the first cast of the result")
    need(exact.format.man_bits + 3 <= DOUBLE - 1, "the result is too wide for a sum rounded to odd in float64")
    need(len(pipe) == 1 or exact.format.negative_zero, f"the result is cast to {exact.format.name}, which has no -0")
    return first, one_cast(pipe[-1:], "the result")[1]


def least_of_c(form: UnitForm, pieces: int, how: Cast) -> float:
    """2^emin of what enters as c."""
    if form.c is None:
        return 2.0**how.format.emin
    plain = form.c.format.kind is FormatKind.FLOAT and not form.c.load and form.c.zero is None
    plain = plain and form.c.format.bits <= operands.WIDEST and operands.bounds(form.c) is not None
    need(plain, f"c ({form.c.format.name}) is not read as a float")
    need(max(abs(form.c.format.lsb), abs(form.c.format.msb)) <= MOST_EXPONENT, "c reaches too far")
    need(form.c.daz is Daz.OFF or pieces == 1, "c is flushed at every piece of K")
    return 2.0**form.c.format.emin


def _ends(form: UnitForm, how: Cast, steps: Steps) -> None:
    """The last level's result goes on to d, and to c of the next piece, as it is."""
    made = how.format
    for step in form.output:
        same = step.factor is Factor.NONE and not step.addends
        same = same and step.cast is not None and step.cast.ftz is Ftz.OFF and holds(step.cast.format, made)
        need(same and keeps(step.cast, how), "`output` is not the identity")
    quiet(form)
    d = form.d.format
    need(holds(d, made) and d.bits <= 64, f"d ({d.name}) does not hold every {made.name}")
    if steps.pieces > 1:
        need(form.c is not None and form.c.format == d, "c and d of the pieces of K differ")


def keeps(later: Cast | None, how: Cast) -> bool:
    """Whether a cast to a format that holds what an earlier one gives leaves it alone, infinities as well."""
    if later is None or later.rounding is Rounding.JAMMING:
        return later is None
    return not _clamps(later) or _clamps(how) or not how.format.infinities


def quiet(form: UnitForm) -> None:
    """Casts that may raise are computed by the kernel, which marks what leaves their range; not those it leaves out."""
    loaded = [operand.load for operand in (form.a, form.b, form.c) if operand is not None]
    pipes = [form.output, *loaded, form.product.result, form.scale_product]
    parts = () if form.product.parts is None else form.product.parts.casts_a + form.product.parts.casts_b
    casts = [form.d, *parts, *(step.cast for pipe in pipes for step in pipe if step.cast is not None)]
    need(all(how.overflow is not Overflow.RAISE for how in casts), "an operand, a part of one, a scale or d may raise")


def _outer(form: UnitForm, inner: Cast) -> tuple[tuple[KernelCast, Cast] | None, bool]:
    """The cast of an outer level that adds one number after the other, and whether it multiplies by scales."""
    if len(form.levels) == 1:
        return None, False
    level = form.levels[1]
    need(
        level.group == 1 and not level.order and level.align_bits is None,
        "the outer level is no plain chain of additions",
    )
    need(level.zero_sign is ZeroSign.IEEE and not level.toward_negative, "the outer level's zeros are not IEEE's")
    start = form.levels[0].start
    need(start is Start.ZERO, "runs of the inner level do not start at +0")
    outer, how = one_cast(level.result, "the outer level's result")
    need(how.format.negative_zero, f"the outer level casts to {how.format.name}, which has no -0")
    need(how.format.man_bits + 3 <= DOUBLE - 1, "the outer result is too wide for a sum rounded to odd in float64")
    scales = bool(level.input)
    if scales:
        step = level.input[0]
        alone = len(level.input) == 1 and step.factor is Factor.SCALE and not step.addends and step.cast is None
        product = form.scale_product
        single = len(product) == 1 and product[0].factor is Factor.NONE and not product[0].addends
        single = single and product[0].cast is not None and _is_float32(product[0].cast)
        both = all(scale is not None and scale.format.name == "float32" for scale in (form.scale_a, form.scale_b))
        need(alone and single and both, "scales of runs are not products of two float32, rounded to float32")
        need(inner.format.man_bits + 1 + FLOAT32 <= DOUBLE, "a scaled run is too wide for a float64")
    return (outer, how), scales


def _join(form: UnitForm, steps: Steps) -> tuple[KernelCast, Cast]:
    """The cast of a third level, which adds the one result of the second to c."""
    _, middle, last = form.levels
    need(middle.length is None and middle.start is not Start.C, "the third level adds several results")
    need(steps.pieces == 1, "pieces of K have three levels")
    plain = not last.input and last.align_bits is None and last.start is Start.C
    need(plain and last.zero_sign is ZeroSign.IEEE and not last.toward_negative, "the third level is no plain addition")
    made, how = one_cast(last.result, "the third level's result")
    need(how.format.negative_zero, f"the third level casts to {how.format.name}, which has no -0")
    need(how.format.man_bits + 3 <= DOUBLE - 1, "the third level's result is too wide")
    return made, how


def _is_float32(how: Cast) -> bool:
    return how.format.name == "float32" and how.rounding is Rounding.TIES_TO_EVEN and how.ftz is Ftz.OFF


def _powers(form: UnitForm, level: Level, steps: Steps) -> bool:
    """Whether the inner level multiplies by scales that are powers of two."""
    if not level.input:
        return False
    step = level.input[0]
    alone = len(level.input) == 1 and step.factor is Factor.SCALE and not step.addends and step.cast is None
    need(alone and not form.scale_product, "terms are scaled or cast before they are aligned")
    for scale in (form.scale_a, form.scale_b):
        assert scale is not None
        need(_is_power(scale.format), f"block scales ({scale.format.name}) are not powers of two")
        need(one_block(steps, scale), "a step has terms of several blocks")
    return True


def _is_power(fmt: Format) -> bool:
    """Whether every number of a format is 2^e, |e| <= 127, with e its alignment exponent."""
    found = operands.bounds(Operand(format=fmt))
    positive = not fmt.signed and not fmt.has_zero if fmt.kind is FormatKind.LOG else False
    return positive and found is not None and found.bits == 1 and found.low >= -127 and found.high <= 127
