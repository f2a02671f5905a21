"""Where the values of a format lie, drawn as text: a row for each binade, from the largest down.

* A row goes from 2^e to 2^(e+1) in `COLUMNS` equal steps, with a mark in each that holds a value: `#`, or `o` for
  subnormal ones. The number of values follows, and the first and last of them.
* Runs of rows that look alike are cut to their ends; so are the subnormal rows of wide formats.
* The positive values are drawn; the negative ones too where they are not their mirror image.

Formats of at most 16 bits are drawn from their codes, wider floats, integers and fixed from their rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING

from emu.formats.decode import decode_code
from emu.formats.enums import FormatKind, Subnormals
from emu.formats.properties import floor_log2

if TYPE_CHECKING:
    from emu.formats.model import Format

COLUMNS = 32
MAX_LISTED_BITS = 16
MAX_ALIKE = 3
"""Rows that look alike before they are cut"""
MAX_SUBNORMAL = 6
"""Subnormal rows of a format that is not listed before they are cut"""


@dataclass(frozen=True, kw_only=True)
class Binade:
    """The values from 2^exponent to below 2^(exponent + 1)."""

    exponent: int
    count: int
    marks: str
    first: Fraction
    last: Fraction


@dataclass(frozen=True)
class Cut:
    """Rows left out."""

    text: str


def picture(fmt: Format) -> list[str]:
    """The lines of the picture."""
    if not fmt.is_listed and fmt.bits > MAX_LISTED_BITS:
        rows = _wide_float(fmt) if fmt.kind is FormatKind.FLOAT else _wide_integral(fmt)
        negative = f"besides: {_short(fmt.min)}" if fmt.can_wrap and fmt.signed else ""
        return [_heading(fmt, "positive values"), *_lines(rows), _foot(fmt, negative or _mirror(fmt))]
    positive, below = _sides(fmt)
    lines = [_heading(fmt, "positive values"), *_lines(_condensed(fmt, positive))]
    extra = [x for x in below if x not in set(positive)]
    if not below or set(below) == set(positive):
        return [*lines, _foot(fmt, _mirror(fmt))]
    if len(extra) == 1 and len(below) == len(positive) + 1:
        return [*lines, _foot(fmt, f"besides: {_short(-extra[0])}")]
    lines += [_foot(fmt, ""), "", _heading(fmt, "negative values"), *_lines(_condensed(fmt, below))]
    return lines


def _sides(fmt: Format) -> tuple[list[Fraction], list[Fraction]]:
    """The magnitudes of the positive and of the negative values, ascending."""
    decoded = (decode_code(fmt, code) for code in range(1 << fmt.bits))
    values = {x.fraction() for x in decoded if x.finite and x.sig}
    values = {x for x in values if x >= fmt.min}
    return sorted(x for x in values if x > 0), sorted(-x for x in values if x < 0)


def _heading(fmt: Format, what: str) -> str:
    marks = "# value" + (", o subnormal" if _is_gradual(fmt) else "")
    return f"{what} by power of two ({marks}), how many, from and to"


def _mirror(fmt: Format) -> str:
    return "the negative values mirror these" if fmt.signed else "no negative values"


def _foot(fmt: Format, text: str) -> str:
    zero = "" if not fmt.has_zero else "zero" if not fmt.negative_zero else "+0 and -0"
    infinities = "" if not fmt.infinities else "infinities" if fmt.signed else "infinity"
    return "; ".join(part for part in (zero, infinities, "NaN" if fmt.has_nan else "", text) if part)


def _is_gradual(fmt: Format) -> bool:
    return fmt.kind is FormatKind.FLOAT and fmt.subnormals is Subnormals.GRADUAL and fmt.man_bits > 0


def _condensed(fmt: Format, values: list[Fraction]) -> Iterable[Binade | Cut]:
    """The binades of values, the largest first, runs of three and more cut."""
    binades = [_listed(fmt, exponent, list(part)) for exponent, part in groupby(values, floor_log2)]
    for _, group in groupby(reversed(binades), lambda binade: (binade.marks, binade.count)):
        run = list(group)
        yield run[0]
        if len(run) > MAX_ALIKE:
            yield Cut(f"{len(run) - 2} more like these")
            yield run[-1]
        else:
            yield from run[1:]


def _listed(fmt: Format, exponent: int, values: list[Fraction]) -> Binade:
    unit = Fraction(2) ** exponent
    columns = {int((x / unit - 1) * COLUMNS) for x in values}
    mark = "o" if _is_gradual(fmt) and exponent < fmt.emin else "#"
    marks = "".join(mark if column in columns else " " for column in range(COLUMNS))
    return Binade(exponent=exponent, count=len(values), marks=marks, first=values[0], last=values[-1])


def _even(exponent: int, count: int, last: int, lsb: int, mark: str = "#") -> Binade:
    """A binade of `count` values at equal steps from its start, up to last * 2^lsb."""
    first, top = Fraction(2) ** exponent, last * Fraction(2) ** lsb
    unit = first * Fraction(1, COLUMNS)
    step = Fraction(2) ** lsb
    columns = [first + at * unit for at in range(COLUMNS)]  # a column holds a value if one lies in [x, x + unit)
    holds = [-(-x // step) * step < x + unit and x <= top for x in columns]
    return Binade(
        exponent=exponent, count=count, marks="".join(mark if h else " " for h in holds), first=first, last=top
    )


def _wide_float(fmt: Format) -> Iterable[Binade | Cut]:
    """Of a float with more than 16 bits."""
    man_bits = fmt.man_bits
    top = fmt.max_sig.bit_length() - 1 + fmt.max_q

    def normal(exponent: int) -> Binade:
        last = fmt.max_sig if exponent == top else (2 << man_bits) - 1
        return _even(exponent, last - (1 << man_bits) + 1, last, exponent - man_bits)

    yield normal(top)
    inner = range(top - 1, fmt.emin, -1)
    if len(inner) <= MAX_ALIKE:
        yield from map(normal, inner)
    else:
        yield normal(inner[0])
        yield Cut(f"{len(inner) - 2} more like these")
        yield normal(inner[-1])
    if top > fmt.emin:
        lowest = normal(fmt.emin)
        if fmt.subnormals is Subnormals.NORMAL:  # the code of 2^emin is zero
            first = lowest.first + Fraction(2) ** (fmt.emin - man_bits)
            lowest = Binade(
                exponent=fmt.emin, count=lowest.count - 1, marks=lowest.marks, first=first, last=lowest.last
            )
        yield lowest
    if _is_gradual(fmt):
        yield from _halving(fmt.emin - 1, man_bits, fmt.emin - man_bits, "o")


def _wide_integral(fmt: Format) -> Iterable[Binade | Cut]:
    """Of an integer or fixed format with more than 16 bits."""
    lsb = -fmt.frac_bits
    bits = fmt.max_sig.bit_length()
    yield from _halving(bits - 1 + lsb, bits, lsb, "#")


def _halving(exponent: int, bits: int, lsb: int, mark: str) -> Iterable[Binade | Cut]:
    """The binades of the multiples of 2^lsb below 2^(exponent + 1), each with half as many as the one before."""
    shown = [_even(e, 1 << (e - lsb), (2 << (e - lsb)) - 1, lsb, mark) for e in _ends(exponent, bits)]
    for at, binade in enumerate(shown):
        if at and shown[at - 1].exponent != binade.exponent + 1:
            yield Cut(f"{shown[at - 1].exponent - binade.exponent - 1} more, each with half as many as the one above")
        yield binade


def _ends(exponent: int, bits: int) -> list[int]:
    every = range(exponent, exponent - bits, -1)
    if bits <= MAX_SUBNORMAL:
        return list(every)
    return [*every[:2], *every[-2:]]


def _lines(rows: Iterable[Binade | Cut]) -> list[str]:
    listed = list(rows)
    labels = [f"2^{row.exponent}" if isinstance(row, Binade) else ":" for row in listed]
    counts = [str(row.count) if isinstance(row, Binade) else "" for row in listed]
    wide, tall = (max(map(len, texts), default=0) for texts in (labels, counts))
    return [
        f"{label:>{wide}} |{row.marks}| {count:>{tall}}  {_span(row)}"
        if isinstance(row, Binade) else f"{label:>{wide}} {row.text}"
        for label, count, row in zip(labels, counts, listed, strict=True)
    ]  # fmt: skip


def _span(row: Binade) -> str:
    return _short(row.first) if row.first == row.last else f"{_short(row.first)} to {_short(row.last)}"


def _short(x: Fraction) -> str:
    """A number in at most 12 characters: exact where that is possible, else rounded to 6 digits and marked by ~."""
    exponent = floor_log2(abs(x))
    if x.denominator == 1 and abs(x) < 10**7:
        return str(x.numerator)
    if abs(x) == Fraction(2) ** exponent and not -10 < exponent < 24:
        return f"{'-' if x < 0 else ''}2^{exponent}"
    if -40 < exponent < 60:
        text = repr(float(x))
        return text if len(text) <= 10 and Fraction(text) == x else f"~{float(x):.6g}"
    return f"~{'-' if x < 0 else ''}{float(abs(x) / Fraction(2) ** exponent):.4g}*2^{exponent}"
