"""A unit's datapath drawn in text, from the operands down to d.

Each level is a box: what enters its adder, what is cut, what its feedback loop casts to. An arrow back into the box is
that loop; the arrow down says when the level hands up its result.
"""

from __future__ import annotations

from collections.abc import Mapping

from emu.units.enums import AlignTo, NanRule, Start, ZeroSign
from emu.units.form import Level, Operand, UnitForm
from emu.units.words import folded, parts_words, pipe_words, zero_words

INDENT = 4
BORDERS = 7
"""Columns of a box and of the arrow back into it."""


def diagram(form: UnitForm, bits: Mapping[str, int], width: int | None = None) -> list[str]:
    """The lines of the drawing.

    Args:
        form: the unit.
        bits: widths of its wires by place (emu/units/widths.py).
        width: columns; boxes are no wider. None: as wide as their longest line.
    """
    lines = _operands(form, bits)
    start = "c" if form.c is not None else None
    for index, level in enumerate(form.levels):
        adder = bits.get(f"level {index} adder")
        inside = _inside(index, level, start, adder)
        if width is not None:
            inside = [part for line in inside for part in folded(line, width - BORDERS, 2)]
        lines += _box(inside, loop=_loops(level))
        result = bits.get(f"level {index} result", adder)
        when = _handed_up(level, outermost=index == len(form.levels) - 1)
        lines += _arrow(when if result is None else f"{result} bits, {when}")
    end = [f"{' ' * INDENT}{words}" for words in (*pipe_words(form.output), f"d: {form.d.format.name}")]
    if form.nan_rule is not NanRule.DEFAULT:
        end.append("NaN: the first NaN operand is passed on, quieted")
    if form.k is not None:
        end.append(f"K: {form.k} products in one instruction; longer sums chain them through c and d")
    return lines + [part for line in end for part in (folded(line, width, INDENT + 2) if width else [line])]


def _operands(form: UnitForm, bits: Mapping[str, int]) -> list[str]:
    a, b = _operand("a", form.a), _operand("b", form.b)
    width = max(len(a), len(b))
    product = "looked up" if form.product.table else "×"
    if form.product.parts:
        product = f"× ({parts_words(form.product.parts)})"
    after = "; ".join(pipe_words(form.product.result)) or "exact"
    lines = [f"{a:<{width}} ─┐", f"{' ' * width}  ├─ {product}, {after}", f"{b:<{width}} ─┘"]
    for name, scale in (("a", form.scale_a), ("b", form.scale_b)):
        if scale is not None:
            shared = f"every {scale.block} of k" if scale.block else "a whole row or column"
            lines.append(f"scale of {name}: {scale.format.name}, one for {shared}")
    if form.c is not None:
        lines.append(_operand("c", form.c))
    return [*lines, *_arrow(f"{bits['product']} bits")]


def _operand(name: str, operand: Operand) -> str:
    daz = "" if operand.daz.value == "off" else ", DAZ"
    load = "".join(f", {words}" for words in pipe_words(operand.load))
    return f"{name}: {operand.format.name}{daz}{zero_words(operand)}{load}"


def _inside(index: int, level: Level, c: str | None, bits: int | None) -> list[str]:
    wide = f"{bits}-bit " if bits else ""
    terms = "1 term" if level.group == 1 else f"{level.group} terms"
    start = {Start.C: c or "nothing", Start.ZERO: "+0", Start.NONE: "nothing"}[level.start]
    first = f"level {index}{f' ({level.id})' if level.id else ''}: Σ {terms} + accumulator, from {start}"
    if not _loops(level):
        first = f"level {index}{f' ({level.id})' if level.id else ''}: Σ {terms}"
    lines = [first]
    if level.lanes > 1:
        lines.append(f"{level.lanes} lanes, inputs dealt in turn")
    lines += [f"input {words}" for words in pipe_words(level.input)]
    if level.align_bits is not None:
        point = {AlignTo.ALL: "the largest exponent", AlignTo.TERMS: "the terms' largest exponent"}
        below = point.get(level.align_to, f"2^{level.align_point}")
        lines.append(f"{wide}adder, cut {level.align_bits} bits below {below}, {level.align_rounding.value}")
        if level.align_min_exp is not None:
            lines.append(f"alignment exponent at least {level.align_min_exp}")
        if level.align_max_shift is not None:
            lines.append(f"addends more than {level.align_max_shift} below it are dropped")
    else:
        lines.append(f"exact adder, {bits} bits as fixed point" if bits else "exact adder")
    if level.zero_sign is not ZeroSign.IEEE:
        too = ", an underflow to zero, too" if level.zero_sign is ZeroSign.ALWAYS_POSITIVE else ""
        lines.append(f"an exact zero sum is +0{too}")
    return lines + [f"sum {words}" for words in pipe_words(level.result)]


def _loops(level: Level) -> bool:
    """Whether the accumulator comes back: a run that is one step long has no loop."""
    one_step = level.length is not None and level.length <= level.group
    return not (one_step and level.start is Start.NONE)


def _handed_up(level: Level, *, outermost: bool) -> str:
    if level.length is not None:
        return f"every {level.length} inputs"
    if level.parts is not None:
        return f"{level.parts} parts"
    return "at the end of K" if not outermost else "after the last input"


def _box(lines: list[str], *, loop: bool) -> list[str]:
    width = max(len(line) for line in lines)
    body = [f"│ {line:<{width}} │" for line in lines]
    if loop:
        if len(body) == 1:
            body.append(f"│ {'':<{width}} │")
        body[0] += "◀─┐"
        body[-1] += "──┘"
        body[1:-1] = [f"{line}  │" for line in body[1:-1]]
    return [f"┌{'─' * (width + 2)}┐", *body, f"└{'─' * (width + 2)}┘"]


def _arrow(label: str) -> list[str]:
    return [f"{' ' * INDENT}│{f' {label}' if label else ''}", f"{' ' * INDENT}▼"]
