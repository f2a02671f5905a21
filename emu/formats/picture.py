"""Where the values of a format lie, drawn as text: a row for each binade, from the largest down.

* A row goes from 2^e to 2^(e+1) in `COLUMNS` equal steps, with a mark in each that holds a value: `#`, or `o` for
  subnormal ones. The number of values follows, and the first and last of them.
* Runs of rows that look alike are cut to their ends; so are the subnormal rows of wide formats.
* The positive values are drawn; the negative ones too where they are not their mirror image.

Log and codebook formats, and all of at most 8 bits, are drawn from their codes; wider floats, integers and fixed from
their rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from emu.formats.decode import decode_code
from emu.formats.enums import FormatKind, Subnormals
from emu.formats.listing import normal
from emu.formats.properties import floor_log2
from emu.formats.value import Value, compare

if TYPE_CHECKING:
    from emu.formats.model import Format

COLUMNS = 32
MAX_CODE_BITS = 8
"""Floats, integers and fixed formats that are drawn from their codes"""
MAX_ALIKE = 3
"""Rows that look alike before they are cut"""
MAX_HALVING = 6
"""Rows that each have half as many as the one above before they are cut"""
MAX_COUNT = 10**6

Side = dict[int, list[Fraction]]
"""By exponent, descending: the significands, from 1 to below 2, ascending"""


@dataclass(frozen=True, kw_only=True)
class Binade:
    """The values from 2^exponent to below 2^(exponent + 1)."""

    exponent: int
    count: int
    marks: str
    first: Fraction
    """significand of the first value"""
    last: Fraction


@dataclass(frozen=True)
class Cut:
    """Rows left out."""

    text: str


def picture(fmt: Format) -> list[str]:
    """The lines of the picture, at most 80 characters each."""
    if not fmt.is_listed and fmt.bits > MAX_CODE_BITS:
        rows = _float(fmt) if fmt.kind is FormatKind.FLOAT else _integral(fmt)
        besides = f"besides: {_short(fmt.min)}" if fmt.can_wrap and fmt.signed else ""
        return [_heading(fmt, "positive values"), *_lines(rows), _foot(fmt, besides or _mirror(fmt))]
    positive, negative = _side(fmt, False), _side(fmt, True)
    lines = [_heading(fmt, "positive values"), *_lines(_condensed(fmt, positive))]
    if not negative or negative == positive:
        return [*lines, _foot(fmt, _mirror(fmt))]
    if fmt.can_wrap:
        return [*lines, _foot(fmt, f"besides: {_short(fmt.min)}")]
    return [
        *lines, _foot(fmt, ""), "", _heading(fmt, "negative values"), *_lines(_condensed(fmt, negative)),
    ]  # fmt: skip


def _side(fmt: Format, negative: bool) -> Side:
    """The magnitudes of the values of a sign."""
    decoded = (decode_code(fmt, code) for code in range(1 << fmt.bits))
    values = (x for x in decoded if x.finite and x.sig and x.negative == negative and _in_range(fmt, x))
    found: dict[int, set[int | Fraction]] = {}
    for x in map(normal, values):
        found.setdefault(x.top, set()).add(Fraction(x.sig, 1 << (x.sig.bit_length() - 1)))
    return {exponent: sorted(map(Fraction, found[exponent])) for exponent in sorted(found, reverse=True)}


def _in_range(fmt: Format, x: Value) -> bool:
    """Whether a value is one that casts write: the most negative code of a symmetric integer is none."""
    return not fmt.symmetric or compare(x, fmt.largest(True)) >= 0


def _heading(fmt: Format, what: str) -> str:
    marks = "# value" + (", o subnormal" if _is_gradual(fmt) else "")
    return f"{what} by power of two ({marks}), how many, from and to"


def _mirror(fmt: Format) -> str:
    return "the negative values mirror these" if fmt.signed else "no negative values"


def _foot(fmt: Format, text: str) -> str:
    zero = "" if not fmt.has_zero else "+0 and -0" if fmt.negative_zero else "zero"
    infinities = "" if not fmt.infinities else "infinities" if fmt.signed else "infinity"
    return "; ".join(part for part in (zero, infinities, "NaN" if fmt.has_nan else "", text) if part)


def _is_gradual(fmt: Format) -> bool:
    return fmt.kind is FormatKind.FLOAT and fmt.subnormals is Subnormals.GRADUAL and fmt.man_bits > 0


def _condensed(fmt: Format, side: Side) -> Iterable[Binade | Cut]:
    """The binades of values, runs of rows alike cut."""
    binades = [_listed(fmt, exponent, significands) for exponent, significands in side.items()]
    for _, group in groupby(binades, lambda binade: (binade.marks, binade.count)):
        run = list(group)
        steps = {high.exponent - low.exponent for high, low in pairwise(run)}
        yield run[0]
        if len(run) > MAX_ALIKE and len(steps) == 1:
            apart = "" if steps == {1} else f", a factor of 2^{steps.pop()} apart"
            yield Cut(f"{len(run) - 2} more like these{apart}")
            yield run[-1]
        else:
            yield from run[1:]


def _listed(fmt: Format, exponent: int, significands: list[Fraction]) -> Binade:
    columns = {int((x - 1) * COLUMNS) for x in significands}
    mark = "o" if _is_gradual(fmt) and exponent < fmt.emin else "#"
    return Binade(
        exponent=exponent, count=len(significands), first=significands[0], last=significands[-1],
        marks="".join(mark if column in columns else " " for column in range(COLUMNS)),
    )  # fmt: skip


def _even(exponent: int, bits: int, first: int, last: int, mark: str = "#") -> Binade:
    """A binade with a value at every multiple of 2^-bits from first * 2^-bits to last * 2^-bits, of 1 to below 2."""
    unit = 1 << bits

    def holds(column: int) -> bool:
        """Whether a value lies in [1 + column / COLUMNS, 1 + (column + 1) / COLUMNS)."""
        start = max(first, -(-(COLUMNS + column) * unit // COLUMNS))
        return start <= last and start * COLUMNS < (COLUMNS + column + 1) * unit

    return Binade(
        exponent=exponent, count=last - first + 1, first=Fraction(first, unit), last=Fraction(last, unit),
        marks="".join(mark if holds(column) else " " for column in range(COLUMNS)),
    )  # fmt: skip


def _float(fmt: Format) -> Iterable[Binade | Cut]:
    unit = 1 << fmt.man_bits
    top = fmt.max_sig.bit_length() - 1 + fmt.max_q

    def binade(exponent: int) -> Binade:
        zeros = int(exponent == fmt.emin and fmt.subnormals is Subnormals.NORMAL)  # the code of 2^emin is zero
        last = fmt.max_sig if exponent == top else 2 * unit - 1
        return _even(exponent, fmt.man_bits, unit + zeros, last)

    yield binade(top)
    inner = range(top - 1, fmt.emin, -1)
    if len(inner) <= MAX_ALIKE:
        yield from map(binade, inner)
    else:
        yield binade(inner[0])
        yield Cut(f"{len(inner) - 2} more like these")
        yield binade(inner[-1])
    if top > fmt.emin and fmt.man_bits + 1 > int(fmt.subnormals is Subnormals.NORMAL):
        yield binade(fmt.emin)
    if _is_gradual(fmt):
        yield from _halving(fmt.emin - 1, fmt.man_bits, "o")


def _integral(fmt: Format) -> Iterable[Binade | Cut]:
    bits = fmt.max_sig.bit_length()
    return _halving(bits - 1 - fmt.frac_bits, bits, "#")


def _halving(exponent: int, rows: int, mark: str) -> Iterable[Binade | Cut]:
    """Binades down from an exponent, each with half as many values as the one above, the last with one."""
    cut = rows > MAX_HALVING
    for at in range(rows):
        if not cut or at < 2 or at >= rows - 2:
            bits = rows - 1 - at
            yield _even(exponent - at, bits, 1 << bits, (2 << bits) - 1, mark)
        elif at == 2:
            yield Cut(f"{rows - 4} more, each with half as many as the one above")


def _lines(rows: Iterable[Binade | Cut]) -> list[str]:
    listed = list(rows)
    labels = [f"2^{row.exponent}" if isinstance(row, Binade) else ":" for row in listed]
    counts = [_count(row.count) if isinstance(row, Binade) else "" for row in listed]
    wide, tall = (max(map(len, texts), default=0) for texts in (labels, counts))
    return [
        f"{label:>{wide}} |{row.marks}| {count:>{tall}}  {_span(row)}"
        if isinstance(row, Binade) else f"{label:>{wide}} {row.text}"
        for label, count, row in zip(labels, counts, listed, strict=True)
    ]  # fmt: skip


def _count(count: int) -> str:
    if count < MAX_COUNT:
        return str(count)
    exponent = floor_log2(Fraction(count))
    return f"2^{exponent}" if count == 1 << exponent else f"~2^{exponent + int(count >= 3 << (exponent - 1))}"


def _span(row: Binade) -> str:
    first, last = (_number(x, row.exponent) for x in (row.first, row.last))
    return first if row.count == 1 else f"{first} to {last}"


def _short(x: Fraction) -> str:
    """A number that is not zero, as `_number` writes it."""
    exponent = floor_log2(abs(x))
    return ("-" if x < 0 else "") + _number(abs(x) / Fraction(2) ** exponent, exponent)


def _number(significand: Fraction, exponent: int) -> str:
    """significand * 2^exponent in at most 15 characters: exact where that is short, else with ~ and rounded."""
    power = significand == 1 and not -10 < exponent < 24
    if power:
        return f"2^{exponent}"
    if -40 < exponent < 60:
        x = significand * Fraction(2) ** exponent
        if x.denominator == 1 and x < 10**7:
            return str(x.numerator)
        text = repr(float(x))
        return text if len(text) <= 10 and Fraction(text) == x else f"~{float(x):.6g}"
    text = f"{float(significand):.4g}"
    return f"<2^{exponent + 1}" if text == "2" else f"~{text}*2^{exponent}"
