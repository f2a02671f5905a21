"""What one reduction level costs.

The adder of a step takes `group` terms and, but for the first step of a run that starts with none, the accumulator.

* Width of the adder: the smallest of
  - what range analysis says an exact sum needs (emu/units/ranges.py);
  - with `align_bits`: sign, integer, growth and fraction bits (emu/units/widths.py);
  - with two addends and a cast to a float in each step: product + max(accumulator, result) significand + 3, the window
    of a fused multiply-add, whose far-off addend is a sticky bit;
  - with a first cast to a word that wraps: its bits.
* Does the point stand still? In words it does; and in an exact sum of floats that is not cast to a float in each step
  (a Kulisch accumulator, a shift-and-add tree): then terms are shifted to their place by their exponent, and the
  accumulator is not. Otherwise a comparator and a multiplexer for each addend but one find the largest exponent, an
  adder for each addend its distance, and every addend is shifted; what lies further than the adder is wide is masked.
* A shifter goes as far as the adder is wide, or as its exponent can say.
* Signed magnitudes are negated by XOR gates before they are shifted; the carries go into the tree.
* Adder: one row for each term after the first, as wide as the adder (floats), or a bit wider than the term (words: a
  tree of g terms of s bits has about (g - 1)(s + 1) full adders); one row as wide as the adder for the accumulator.
* Rounding of each addend by itself costs nothing toward zero; else an OR of what is cut, and for the nearest an
  increment.
* Registers, of the loop and above: the bits of the last cast's format, or those of the sum with its exponent; one set
  for each lane.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.arithmetic.pipe import Factor, Pipe
from emu.costs.blocks import Blocks
from emu.costs.number import Number, storage_bits
from emu.costs.rates import LevelRate
from emu.formats.enums import Overflow, Rounding
from emu.units.enums import Start
from emu.units.form import Level


@dataclass(frozen=True, kw_only=True)
class Sum:
    """Where a level's adder stands."""

    level: Level
    rate: LevelRate
    term: Number
    accumulator: Number | None
    """what comes round, or c; None: the sum itself"""
    closing: Pipe
    """what becomes of the sum in each step: `result`, or the unit's end if a piece is one step"""
    exact_bits: int
    aligned_bits: int
    """with `align_bits`: of the aligned adder"""


@dataclass(frozen=True, kw_only=True)
class LevelCost:
    """Gate equivalents of one instance of a level's adder, its registers, and the sum."""

    out: Number
    addends: int
    alignment: float
    rows: float
    last_row: float
    register_bits: int


def level_cost(blocks: Blocks, at: Sum) -> LevelCost:
    """The adder of one level."""
    level, term = at.level, at.term
    looped = at.rate.steps > 1 or level.start is not Start.NONE
    back = at.accumulator if looped else None
    floating = max(term.exp, back.exp if back else 0) > 0
    width, exp = _width(at, back, floating), max(term.exp, back.exp if back else 0)
    moving = floating and not _still(at)
    shifted = at.rate.group + int(moving and back is not None)
    alignment = 0.0
    if moving:
        alignment += (shifted - 1) * (blocks.adder(exp) + blocks.mux2 * exp) + shifted * blocks.adder(exp)
    if floating:
        alignment += at.rate.group * _shift(blocks, term, width, exp, moving)
        if moving and back is not None:
            alignment += _shift(blocks, back, width, exp, moving)
        alignment += shifted * _cut(blocks, level, width)
    grown = width if floating else min(width, term.sig + 1)
    out = Number(sig=width, exp=exp if moving else 0, word=True)
    return LevelCost(
        out=out, addends=at.rate.group + int(looped), alignment=alignment,
        rows=blocks.adder(grown) * (at.rate.group - 1),
        last_row=blocks.adder(width) if looped else 0.0,
        register_bits=_stored(at, out) * level.lanes if at.rate.loop else 0,
    )  # fmt: skip


def _still(at: Sum) -> bool:
    """Whether the sum's point stands still, though addends have exponents."""
    first = next((step.cast for step in at.closing if step.cast is not None), None)
    return at.level.align_bits is None and (first is None or first.format.is_integral)


def _width(at: Sum, back: Number | None, floating: bool) -> int:
    """Bits of the adder."""
    widths = [at.exact_bits]
    if at.level.align_bits is not None:
        widths.append(at.aligned_bits)
    first = at.closing[0] if at.closing else None
    if first is not None and first.cast is not None and first.factor is Factor.NONE and not first.addends:
        fmt = first.cast.format
        if fmt.is_integral:
            if first.cast.overflow is Overflow.WRAP and not floating:
                widths.append(fmt.bits)
        elif at.rate.group + int(back is not None) == 2 and first.cast.rounding is not Rounding.EXACT:
            other = at.term if back is None else back
            held = other.sig if fmt.is_listed else max(other.sig, fmt.man_bits + 1)
            widths.append(at.term.sig + held + 3)
    return max(min(widths), 1)


def _shift(blocks: Blocks, addend: Number, width: int, exp: int, moving: bool) -> float:
    positions = min(width + 1, 1 << exp)
    sign = 0.0 if addend.word else blocks.xor2 * addend.sig
    mask = blocks.and2 * width if moving else 0.0
    return sign + blocks.shifter(min(addend.sig, width), width, positions) + mask


def _cut(blocks: Blocks, level: Level, width: int) -> float:
    """Rounding of one addend to the adder's grid."""
    if level.align_bits is None or level.align_rounding in (Rounding.TOWARD_ZERO, Rounding.JAMMING):
        return 0.0
    sticky = blocks.or2 * width
    return sticky if level.align_rounding is Rounding.TO_ODD else sticky + blocks.increment(width)


def _stored(at: Sum, total: Number) -> int:
    last = at.closing[-1].cast if at.closing else None
    if last is None or last.rounding is Rounding.EXACT:
        return total.sig + total.exp
    return storage_bits(last.format)
