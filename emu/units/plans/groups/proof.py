"""Whether a unit adds exact group sums, and the obligations that the kernel needs, checked for this form and K."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.pipe import Factor
from emu.formats.cast import Cast
from emu.formats.enums import FormatKind, Rounding
from emu.units.enums import AlignTo, Start, ZeroSign
from emu.units.form import Level, Operand, PerBlock, UnitForm
from emu.units.plans.aligned.casts import holds
from emu.units.plans.aligned.operands import bounds, dead_zeros, table
from emu.units.plans.aligned.proof import keeps, least_of_c, need, one_cast, quiet
from emu.units.plans.aligned.shape import plain_level
from emu.units.plans.plan import Plan, Refusal, UnprovedError
from emu.units.ranges import Analysis
from emu.units.schedule import level_runs, run_length

from . import run
from .reach import Reach, of_operand, values_of
from .terms import DOUBLE, GroupCast, Terms, cast_to, group_cast, started, through, unit_of

NAME = "groups"
FLOAT32 = 24
MOST_K = 1 << 20
MOST_TERMS = 8
"""of an aligned step"""
WORD = 64
"""terms of a run whose zeros a word of bits tells"""
PIECE, STEP = 1, 2


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """The aligned adder of the outer level."""

    bits: int
    floor: bool
    min_exponent: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape:
    """All that the kernel needs to know of a unit and K."""

    form: UnitForm
    runs: NDArray[np.int64]
    """[run, (first, count, flags, block of a, block of b)] of cemu_groups_run"""
    wide: bool
    """whether operands are doubles"""
    checked: bool
    """whether the bits of each run's operands are looked at"""
    terms: Terms
    start: float
    """of a group's sum"""
    first: float
    """of the accumulator without c"""
    aligned: Aligned | None
    least_c: float
    zero_sign: ZeroSign
    result: GroupCast
    output: GroupCast


def match(form: UnitForm, k: int) -> Plan | Refusal:
    """The plan, or the first obligation that does not hold."""
    try:
        shape, proof = _proved(form, k)
    except UnprovedError as why:
        return Refusal(plan=NAME, reason=str(why))
    rate = "3 to 10 times the time of a float32 product; up to 25 for groups of few products"
    return Plan(name=NAME, proof=tuple(proof), rate=rate, execute=partial(run.run, shape), narrow=True, raises=True)


def _proved(form: UnitForm, k: int) -> tuple[Shape, list[str]]:
    need(len(form.levels) <= 2, "there are more than two levels")
    need(0 < k <= MOST_K, f"K is 0, or beyond {MOST_K}")
    need(
        form.product.table is None and form.product.parts is None and not form.product.result, "products are not plain"
    )
    need(all(plain_level(level) and not level.order for level in form.levels), "inputs are dealt to lanes or permuted")
    outer = form.levels[-1]
    inner = form.levels[0] if len(form.levels) > 1 else None
    if inner is None:
        need(not outer.input and outer.align_bits is None, "terms of the only level are scaled or cut")
    else:
        need(not inner.input and inner.align_bits is None, "terms of the inner level are scaled or cut")
        need(inner.start is Start.ZERO, "group sums do not start at +0")
        need(
            inner.zero_sign is not ZeroSign.ALWAYS_POSITIVE and not inner.toward_negative,
            "zero sums of groups are not +0",
        )
    a, b = _operand(form.a, "a"), _operand(form.b, "b")
    runs, count = _runs(form, k)

    product = a * b
    need(product.bits <= DOUBLE and product.in_doubles, f"products have {product.bits} bits, or leave float64")
    sums = product.summed(count)
    wide = sums.bits > FLOAT32 or sums.lsb < -126 or sums.largest > 2**126 or min(a.lsb, b.lsb) < -126
    wide = wide or max(a.largest, b.largest) > 2**126
    carrier = "float64" if wide else "float32"
    terms = started(sums)
    size = f"sums of {count} products, at most {float(sums.largest):g} in units of 2^{sums.lsb}, have {sums.bits} bits"
    proof = [f"{size}: {carrier}, in any order"]
    if terms.odd:
        proof = [f"{size}; where those of a run's operands do not fit a float64, in two float64 that are exact"]
    if inner is not None:
        once = run_length(inner, min(form.k or k, k)) <= inner.group
        for step in inner.result:
            need(step.factor is Factor.NONE and not step.addends, "group sums are scaled within their level")
            if step.cast is not None:
                terms = cast_to(terms, step.cast, once, "the inner level")
        terms = through(form, terms, outer.input)
        need(not terms.odd, "group sums that no float64 holds are not rounded")
    aligned = None if outer.align_bits is None else _aligned(form, inner, outer, terms, proof)
    _, how = one_cast(outer.result, "the outer level's result")
    result = group_cast(how)
    need(outer.zero_sign is not ZeroSign.IEEE or not outer.toward_negative, "a zero sum under toward_negative")
    need(form.c is None or outer.start is Start.C, "c does not start the accumulator")
    if aligned is None:
        need(inner is None or outer.group == 1, "several group sums join the accumulator in one step")
        reach = terms.out.lsb >= -900 and math.frexp(float(terms.out.largest))[1] <= 900
        need(reach, "sums leave float64")
        proof.append(f"a sum and the accumulator are added to odd in float64, and rounded once to {how.format.name}")
    absent = inner is None and outer.zero_sign is ZeroSign.IEEE and not form.integral_product
    pieces = -(-k // (form.k or k))
    shape = Shape(
        form=form, runs=runs, wide=wide, checked=sums.bits > DOUBLE, terms=terms, start=-0.0 if absent else 0.0,
        first=-0.0 if outer.start is Start.NONE else 0.0, aligned=aligned,
        least_c=least_of_c(form, pieces, how),
        zero_sign=outer.zero_sign if how.format.negative_zero else ZeroSign.ALWAYS_POSITIVE,
        result=result, output=_output(form, how, pieces),
    )  # fmt: skip
    quiet(form)
    Analysis(form, k)
    return shape, proof


def _operand(operand: Operand, name: str) -> Reach:
    found = of_operand(operand)
    readable = operand.zero is None and values_of(operand) is not None
    if found is None or not readable:
        raise UnprovedError(f"operand {name} ({operand.format.name}) is not read as numbers of at most 16 bits")
    return found


def _runs(form: UnitForm, k: int) -> tuple[NDArray[np.int64], int]:
    """The runs of products, and the longest one."""
    size, rows = form.k or k, []
    outer = form.levels[-1]
    for start in range(0, k, size):
        n = min(size, k - start)
        if len(form.levels) > 1:
            runs = [(start + one[0], len(one)) for one in level_runs(form.levels, n)[0]]
            group = 1 if outer.align_bits is None else outer.group
        else:
            runs = [(start + at, min(outer.group, n - at)) for at in range(0, n, outer.group)]
            group = 1
        for number, (first, count) in enumerate(runs):
            last = number == len(runs) - 1 or number % group == group - 1
            flags = PIECE * (number == 0) | STEP * last
            rows.append((first, count, flags, _block(form.scale_a, first), _block(form.scale_b, first)))
    return np.array(rows, np.int64), max(row[1] for row in rows)


def _block(scale: PerBlock | None, first: int) -> int:
    return 0 if scale is None or scale.block is None else first // scale.block


def _aligned(form: UnitForm, inner: Level | None, outer: Level, terms: Terms, proof: list[str]) -> Aligned:
    """The aligned adder, if doubles hold its sums; a term's exponent is that of the scales and constants alone."""
    bits = outer.align_bits
    assert inner is not None
    assert bits is not None
    casts = [step.cast for step in inner.result if step.cast is not None]
    integral = casts[-1].format.is_integral if casts else form.a.integral and form.b.integral
    need(integral and not any(step.cast for step in outer.input), "alignment exponents of terms depend on their values")
    need(all(dead_zeros(x, whole=not casts) for x in (form.a, form.b)), "loads give operands exponents of their own")
    need(all(not operation.cast.kind for operation in terms.operations), "terms are rounded before they are aligned")
    need(not form.scale_product, "products of scales are rounded before they are aligned")
    need(outer.align_to is AlignTo.ALL, "the alignment exponent is not that of terms and accumulator")
    need(outer.align_max_shift is None, "the shifter has a range")
    modes = (Rounding.TOWARD_ZERO, Rounding.TOWARD_NEGATIVE)
    need(outer.align_rounding in modes, f"addends are cut {outer.align_rounding.value}")
    need(outer.group <= MOST_TERMS, f"a step has {outer.group} terms")
    need((inner.length or WORD + 1) <= WORD, f"groups are longer than {WORD}")
    need(outer.align_min_exp is None or abs(outer.align_min_exp) <= 400, "align_min_exp lies beyond 400")
    largest, high, low = terms.out.largest, Fraction(1), terms.exponent
    for scale in (form.scale_a, form.scale_b):
        if scale is None:
            continue
        found = bounds(Operand(format=scale.format))
        need(table(Operand(format=scale.format)) is not None, f"scales of {scale.format.name} are not in a table")
        if found is not None:
            high *= Fraction(2) ** found.high
            low += found.low
    # |value| <= reach * 2^e for every exponent: the sum's largest, times the significands of constants and scales
    reach = _unscaled(form, terms) * unit_of(terms)
    need(abs(low) < 400 and high < 2**400 and largest < 2**400, "exponents of terms reach too far")
    needed = outer.group * (reach * Fraction(2) ** bits + 1) + Fraction(2) ** (bits + 1) + 1
    width = needed.__ceil__().bit_length()
    what = (
        f"the sum of {outer.group} terms of at most {float(reach):g} and an accumulator below 2, in units of 2^-{bits}"
    )
    need(width < DOUBLE - 2, f"{what} has {width} bits and a sign; a float64 holds {DOUBLE}")
    proof.append(f"{what}, has at most {width} bits and a sign: a float64 holds {DOUBLE}")
    proof.append(
        f"scaled sums have at most {terms.out.bits} <= {DOUBLE} bits; their exponents are those of the factors"
    )
    return Aligned(bits=bits, floor=outer.align_rounding is Rounding.TOWARD_NEGATIVE, min_exponent=outer.align_min_exp)


def _unscaled(form: UnitForm, terms: Terms) -> Fraction:
    """The largest group sum times the largest significands of the scales."""
    constants = Fraction(1)
    for operation in terms.operations:
        constants *= abs(Fraction(operation.constant))
    out = terms.out.largest / constants
    for scale, of_a in ((form.scale_a, True), (form.scale_b, False)):
        used = any(
            step.factor in (Factor.SCALE, Factor.A_SCALE if of_a else Factor.B_SCALE) for step in form.levels[-1].input
        )
        if scale is None or not used:
            continue
        found, size = bounds(Operand(format=scale.format)), of_operand(Operand(format=scale.format))
        assert found is not None
        assert size is not None
        out = out / size.largest * Fraction(found.reach)
    return out


def _output(form: UnitForm, how: Cast, pieces: int) -> GroupCast:
    """The cast of the last sum to d; none where d holds it."""
    made, casts = how.format, []
    for step in form.output:
        need(step.factor is Factor.NONE and not step.addends and step.cast is not None, "`output` scales or adds")
        assert step.cast is not None
        casts.append(step.cast)
    left = []
    for one in (*casts, form.d):
        need(one.format.kind is FormatKind.FLOAT, f"d, or `output`, rounds to {one.format.name}")
        if one.ftz.value != "off" or not (holds(one.format, made) and keeps(one, how)):
            left.append(one)
        made = one.format
    need(len(left) <= 1, "`output` rounds more than once")
    last = form.d.format.negative_zero
    need(all(one.format.negative_zero or not last for one in left), "`output` casts to a format without -0, d has one")
    need(made.bits <= 64 and made.signed, f"d is {made.name}")
    if pieces > 1:
        need(not left and form.c is not None and form.c.format == made, "c and d of the pieces of K differ")
    return group_cast(left[0]) if left else GroupCast()
