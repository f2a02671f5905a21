"""Products of digits whose weighted sum is the plain product.

a·b = sum over i and j of digit_i(a) digit_j(b) 2^(w(i+j)). Every k gives one term for each pair of digits, in turn. If
the levels below the weights deal their inputs to as many lanes as there are pairs, each run adds terms of one pair, and
hands up its result where that pair's term would stand; the level that multiplies then gives each pair its own weight.
"""

from __future__ import annotations

from dataclasses import replace

from emu.arithmetic.pipe import Factor
from emu.units.enums import Start
from emu.units.form import Level, Parts, UnitForm
from emu.units.plans.integers.casts import Span
from emu.units.plans.integers.numbers import Numbers
from emu.units.plans.plan import UnprovedError


def digit_product(form: UnitForm, parts: Parts, a: Numbers, b: Numbers) -> Span:
    """What products of digits can be.

    Raises:
        UnprovedError: not every pair of digits is multiplied once, or operands are no plain integers.
    """
    pairs = sorted((i, j) for i in range(parts.a) for j in range(parts.b))
    if not parts.width or sorted(parts.terms) != pairs:
        raise UnprovedError("operands are split into floats")
    if any(x.table is not None or x.operand.zero is not None for x in (a, b)):
        raise UnprovedError("digits of operands that are not two's complement, or have zero points")
    return _digit(form.a.format.signed, parts.width) * _digit(form.b.format.signed, parts.width)


def _digit(signed: bool, width: int) -> Span:
    """Any digit; only the top one is signed."""
    return Span(low=-(1 << width - 1) if signed else 0, high=(1 << width) - 1)


def weights(form: UnitForm, parts: Parts) -> int:
    """The level that gives every pair of digits its weight.

    Raises:
        UnprovedError: there is none, or terms of several pairs are added before it.
    """
    for index, level in enumerate(form.levels):
        if level.order:
            raise UnprovedError(f"level {index} permutes products of digits")
        if level.input and level.input[0].factor is Factor.DIGITS:
            return index
        if level.lanes != len(parts.terms):
            raise UnprovedError(f"level {index} adds products of several pairs of digits before they are weighted")
        if level.start is Start.C:
            raise UnprovedError(f"level {index} starts at c, which is then weighted")
    raise UnprovedError("products of digits are never weighted")


def without_weights(level: Level, parts: Parts, terms: Span) -> tuple[Level, Span]:
    """The level without the multiplication, and its terms after it."""
    most = parts.width * (parts.a + parts.b - 2)
    first = replace(level.input[0], factor=Factor.NONE)
    return replace(level, input=(first, *level.input[1:])), terms * Span(low=1, high=1 << most)
