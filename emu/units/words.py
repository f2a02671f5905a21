"""A unit in words: operands, product, levels and output, in the order in which data flows.

Everything is read off the validated form, so the words are about what runs, not about what a file leaves to defaults.
`emu show`, `Unit.explain` and the reports all print these lines.
"""

from __future__ import annotations

import textwrap

from emu.arithmetic.pipe import Factor, Pipe, Step
from emu.formats.cast import Cast
from emu.formats.enums import Daz, Ftz, Rounding
from emu.formats.value import Value
from emu.units.enums import AlignTo, NanRule, Start, ZeroSign
from emu.units.form import Level, Operand, Parts, UnitForm

SHOWN_NUMBERS = 4
LEAST_COLUMNS = 30
FACTOR_WORDS = {
    Factor.A_SCALE: "times the scale of a",
    Factor.B_SCALE: "times the scale of b",
    Factor.SCALE: "times both scales",
    Factor.DIGITS: "times the weight of its digits",
}


def folded(line: str, width: int, indent: int) -> list[str]:
    """A line in lines of at most so many columns, cut between words; all but the first are indented.

    Args:
        line: whose own spaces stay.
        width: columns, at least LEAST_COLUMNS.
        indent: of what follows; less where it would take more than half of the line.
    """
    width = max(width, LEAST_COLUMNS)
    if len(line) <= width:
        return [line]
    room = indent if indent <= width // 2 else 6
    return textwrap.wrap(line, width, subsequent_indent=" " * room, break_on_hyphens=False)


def unit_words(form: UnitForm) -> list[str]:
    """The lines that describe a unit."""
    lines: list[str] = []
    operands = [("a", form.a), ("b", form.b), *([("c", form.c)] if form.c is not None else [])]
    lines += [f"{name}        {_operand(operand)}" for name, operand in operands]
    for name, scale in (("a", form.scale_a), ("b", form.scale_b)):
        if scale is not None:
            covers = f"{scale.block} of k" if scale.block else "a row or column"
            lines.append(f"scale {name}  {scale.format}, one for {covers}")
    if form.product.table is not None:
        lines.append("product  looked up in a table by the codes of a and b")
    elif form.product.parts is not None:
        lines.append(f"product  {parts_words(form.product.parts)}")
    else:
        lines.append("product  exact" if not form.product.result else "product")
    lines += [f"         then {words}" for words in pipe_words(form.product.result)]
    for i, level in enumerate(form.levels):
        lines += _level(f"level {i}", level, outermost=i == len(form.levels) - 1)
    lines += [f"output   {words}" for words in pipe_words(form.output)]
    lines.append(f"d        {cast_words(form.d)}")
    if form.nan_rule is not NanRule.DEFAULT:
        lines.append("NaN      the first NaN operand is passed on")
    if form.k is not None:
        lines.append(f"K        {form.k} products in one instruction; longer sums chain them")
    return lines


def parts_words(parts: Parts) -> str:
    """How operands are split, and which products of parts are made."""
    if parts.width:
        of = f"digits of {parts.width} bit{'s' if parts.width > 1 else ''}"
    else:
        of = f"parts ({', '.join(dict.fromkeys(how.format.name for how in parts.casts_a + parts.casts_b))})"
    if len(parts.terms) == parts.a * parts.b:
        return f"{parts.a} × {parts.b} {of}"
    pairs = " ".join(f"{i}·{j}" for i, j in parts.terms)
    return f"{len(parts.terms)} of {parts.a} × {parts.b} {of}: {pairs}"


def _operand(operand: Operand) -> str:
    daz = "" if operand.daz is Daz.OFF else f", subnormals taken for zero ({operand.daz.value})"
    return "; ".join((f"{operand.format}{daz}{zero_words(operand)}", *pipe_words(operand.load)))


def zero_words(operand: Operand) -> str:
    """The run-time zero points of an operand."""
    if operand.zero is None:
        return ""
    covers = f"every {operand.zero.block} of k" if operand.zero.block else "a row or column"
    return f", minus a zero point ({operand.zero.format}, one for {covers})"


def _level(name: str, level: Level, *, outermost: bool) -> list[str]:
    what = "one term" if level.group == 1 else f"{level.group} terms"
    adder = f"{what} and the accumulator in one adder"
    if level.lanes > 1:
        adder += f", {level.lanes} lanes"
    words = [adder]
    if level.start is Start.NONE:
        words.append("the first step has terms only")
    if level.start is Start.C and not outermost:
        words.append("the first run starts at c")
    words += [f"each input {text}" for text in pipe_words(level.input)]
    if level.align_bits is not None:
        words.append(_alignment(level))
    if level.zero_sign is not ZeroSign.IEEE:
        words.append("an exact zero sum is +0")
    results = pipe_words(level.result)
    words += [f"the sum {text}" for text in results] if results else ["the sum stays exact"]
    if level.length is not None:
        words.append(f"handed up every {level.length} inputs")
    elif level.parts is not None:
        words.append(f"handed up in {level.parts} parts")
    return [f"{name}  {words[0]}", *(f"         {text}" for text in words[1:])]


def _alignment(level: Level) -> str:
    to = {
        AlignTo.ALL: "the largest exponent",
        AlignTo.TERMS: "the terms' largest exponent",
        AlignTo.POINT: f"2^{level.align_point}",
    }[level.align_to]
    how = "cut off" if level.align_rounding is Rounding.TOWARD_ZERO else f"rounded {level.align_rounding.value}"
    least = "" if level.align_min_exp is None else f" (at least 2^{level.align_min_exp})"
    return f"addends keep {level.align_bits} fraction bits below {to}{least}, the rest is {how}"


def pipe_words(pipe: Pipe) -> list[str]:
    """One phrase per thing that a pipe does."""
    return [words for step in pipe for words in _step(step)]


def _step(step: Step) -> list[str]:
    words = []
    if step.factor is Factor.CONSTANTS:
        words.append(f"times {_numbers(step.constants)}")
    elif step.factor is not Factor.NONE:
        words.append(FACTOR_WORDS[step.factor])
    if step.addends:
        words.append(f"plus {_numbers(step.addends)}")
    if step.cast is not None:
        words.append(f"rounded to {cast_words(step.cast)}")
    return words


def _numbers(values: tuple[Value, ...]) -> str:
    """The numbers of a step; of a long list, the first ones."""
    shown = ", ".join(_number(value) for value in values[:SHOWN_NUMBERS])
    return shown if len(values) <= SHOWN_NUMBERS else f"{shown}, … ({len(values)} numbers)"


def _number(value: Value) -> str:
    """An integer as it is; an odd integer times a power of two otherwise, so that a shift can be read."""
    number = value.fraction()
    if number.denominator == 1:
        return str(number)
    return f"{number.numerator}·2^-{number.denominator.bit_length() - 1}"


def cast_words(cast: Cast) -> str:
    """Format, rounding and overflow, and what else is not as usual."""
    words = [cast.format.name, cast.rounding.value, f"overflow: {cast.overflow.value}"]
    if cast.rounding is Rounding.STOCHASTIC:
        words[1] += f" with {cast.sr_bits} random bits"
    if cast.ftz is not Ftz.OFF:
        words.append(f"subnormals flushed ({cast.ftz.value})")
    if cast.nan_to is not None:
        words.append(f"NaN becomes {cast.nan_to.value}")
    return ", ".join(words)
