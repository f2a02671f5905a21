"""A format as text: its properties, a picture of its values, and the table of its codes where they fit a screen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from emu.formats.decode import decode_code
from emu.formats.enums import FormatKind, LogBoundary, LogPhase, Ties
from emu.formats.model import MAX_STORED_BITS, Format
from emu.formats.picture import picture
from emu.formats.value import Value, from_fraction

if TYPE_CHECKING:
    from rich.console import Console

    from emu.formats.blocks import BlockFormat

MAX_TABLE_BITS = 8
MAX_DECIMAL = 10**15
MAX_FRACTION_EXPONENT = 14
"""Log formats: powers of two down to this one are shown as fractions"""


def number(x: Value) -> str:
    """A value as short exact text: decimal where that is short, else a hexadecimal float."""
    if x.nan:
        return "NaN"
    if x.inf:
        return "-inf" if x.negative else "inf"
    if x.is_zero:
        return "-0" if x.negative else "0"
    fraction = x.fraction()
    if fraction.denominator == 1 and abs(fraction) < MAX_DECIMAL:
        return str(fraction.numerator)
    if x.sig.bit_length() <= 53 and -1022 <= x.top <= 1023:
        text = repr(float(fraction))
        return text if len(text.lstrip("-")) <= 22 else float(fraction).hex()
    return f"{'-' if x.negative else ''}{x.sig:#x}p{x.q:+d}"


def bits(fmt: Format, code: int) -> str:
    """A code in binary, its fields apart: ignored, sign, exponent, mantissa, ignored."""
    text = f"{code:0{fmt.bits}b}"
    widths = [fmt.bits]
    if fmt.kind in (FormatKind.FLOAT, FormatKind.LOG):
        widths = [fmt.ignored_high_bits, int(fmt.signed), fmt.exp_bits, fmt.man_bits, fmt.ignored_low_bits]
    out, at = [], 0
    for width in widths:
        if width:
            out.append(text[at : at + width])
        at += width
    return " ".join(out)


def _exact(x: Fraction) -> str:
    """An exact number: a power of two, or one less, beyond a few digits as such."""
    value = from_fraction(x)
    if value.sig == 1 and not -7 <= value.q <= 20:
        return f"{'-' if value.negative else ''}2^{value.q}"
    if x >= MAX_DECIMAL and x.denominator == 1 and not x.numerator & (x.numerator + 1):
        return f"2^{x.numerator.bit_length()} - 1"
    return number(value)


def properties(fmt: Format) -> list[tuple[str, str]]:
    """What is to be said about a format, in pairs: only what means something for its kind."""
    rows = [("kind", fmt.kind.value), ("bits", str(fmt.bits)), ("signed", _yes(fmt.signed)), *_fields(fmt)]
    if fmt.ignored_low_bits or fmt.ignored_high_bits:
        rows.append(("ignored bits", f"{fmt.ignored_high_bits} high, {fmt.ignored_low_bits} low"))
    for name, number_of in (
        ("largest", fmt.max), ("lowest", fmt.min if fmt.signed else None), ("smallest normal", fmt.smallest_normal),
        ("smallest positive", fmt.smallest_positive), ("eps", fmt.eps), ("epsneg", fmt.epsneg),
    ):  # fmt: skip
        if number_of is not None:
            rows.append((name, _exact(number_of)))
    if fmt.maxexp is not None:
        rows.append(("exponents", f"{fmt.minexp} to {fmt.emax}"))
    return [*rows, *_codes(fmt), *_policy(fmt)]


def _fields(fmt: Format) -> list[tuple[str, str]]:
    nan = "none" if not fmt.has_nan else fmt.nan.value
    match fmt.kind:
        case FormatKind.FLOAT:
            return [
                ("exponent bits", str(fmt.exp_bits)), ("mantissa bits", f"{fmt.man_bits} (precision {fmt.precision})"),
                ("bias", str(fmt.bias)), ("subnormals", fmt.subnormals.value), ("infinities", _yes(fmt.infinities)),
                ("NaN", nan), ("-0", _yes(fmt.negative_zero)),
            ]  # fmt: skip
        case FormatKind.LOG:
            steps = [("steps to the radix", str(len(fmt.log_table)))] if fmt.log_table else []
            return [
                ("radix", str(1 << fmt.radix_log2)), *steps, ("exponent bits", str(fmt.exp_bits)),
                ("bias", str(fmt.bias)), ("phase", fmt.phase.value), ("boundary", _boundary(fmt.boundary)),
                ("zero boundary", fmt.zero_boundary.value if fmt.has_zero else "no zero"), ("NaN", nan),
            ]  # fmt: skip
        case FormatKind.CODEBOOK:
            assert fmt.listing is not None
            where = "listed" if fmt.listing.boundaries else "half way"
            return [
                ("distinct values", str(len(fmt.grid.real))), ("boundaries", where),
                ("infinities", _yes(fmt.infinities)), ("NaN", _yes(fmt.has_nan)), ("-0", _yes(fmt.negative_zero)),
            ]  # fmt: skip
    rows = [("fraction bits", str(fmt.frac_bits))] if fmt.kind is FormatKind.FIXED else []
    if fmt.signed:
        rows += [("encoding", fmt.encoding.value), ("symmetric", _yes(fmt.symmetric))]
    return rows


def _codes(fmt: Format) -> list[tuple[str, str]]:
    """The codes that have a name, and how many are no finite number."""
    named = (
        ("0", fmt.code_of_zero), ("-0", fmt.code_of_negzero), ("1", fmt.code_of_one), ("largest", fmt.code_of_max),
        ("lowest", fmt.code_of_min if fmt.signed else None), ("inf", fmt.code_of_posinf),
        ("-inf", fmt.code_of_neginf), ("NaN", fmt.code_of_nan),
    )  # fmt: skip
    digits = (fmt.bits + 3) // 4
    text = ", ".join(f"{name} {code:0{digits}x}" for name, code in named if code is not None)
    rows = [("codes", text)] if text else []
    if fmt.num_nans or fmt.num_infs:
        rows.append(("not finite", f"{fmt.num_nans} NaN, {fmt.num_infs} infinities"))
    return rows


def _policy(fmt: Format) -> list[tuple[str, str]]:
    """What casts do in this format unless they are told otherwise."""
    rows = [("overflow in units", fmt.default_overflow.value)]
    if fmt.is_listed and fmt.ties is not Ties.EVEN:
        rows.append(("ties", fmt.ties.value))
    if not fmt.has_nan:
        rows.append(("NaN in units", fmt.nan_to.value))
    return rows


def _boundary(found: LogBoundary | Fraction) -> str:
    return found.value if isinstance(found, LogBoundary) else f"{float(found):.17g} of the upper power"


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def _printer(console: Console) -> Callable[..., None]:
    def line(text: str = "", style: str | None = None) -> None:
        console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True, style=style)

    return line


def print_format(console: Console, fmt: Format) -> None:
    """Print a format: properties, a picture of its values, and up to 8 bits the table of its codes."""
    line = _printer(console)
    print_heading(console, "format", fmt)
    for key, text in properties(fmt):
        line(f"{key:<20}{text}")
    line()
    for text in picture(fmt):
        line(text)
    line()
    if fmt.bits <= MAX_TABLE_BITS:
        _print_codes(console, fmt)
    elif fmt.bits <= MAX_STORED_BITS:
        line(f"{1 << fmt.bits} codes: `emu decode CODE --format {fmt.name}` shows any of them")
    else:
        line(f"wider than {MAX_STORED_BITS} bits: it lives inside pipes and has no codes")


def print_heading(console: Console, what: str, thing: Format | BlockFormat) -> None:
    """Print the name of a format or block format, and what its file says of it."""
    line = _printer(console)
    line(f"{what} {thing.name}" + (f" ({', '.join(thing.alias)})" if thing.alias else ""), "bold")
    for key in ("doc", "source", "maturity", "scope"):
        if text := getattr(thing, key):
            line(f"{key:<20}{text}")


def _phases(fmt: Format) -> dict[str, Format]:
    """The columns of the code table: both phases of a log format that has two."""
    if fmt.kind is not FormatKind.LOG or fmt.radix_log2 == 1 or fmt.log_table:
        return {"": fmt}
    return {f"{phase.value} phase": replace(fmt, phase=phase) for phase in LogPhase}


def _value(fmt: Format, code: int) -> str:
    x = decode_code(fmt, code)
    if fmt.kind is not FormatKind.LOG or not x.finite or x.sig != 1:
        return number(x)
    return str(x.fraction()) if -MAX_FRACTION_EXPONENT <= x.q < 0 else _exact(x.fraction())


def _print_codes(console: Console, fmt: Format) -> None:
    """Codes in columns of 16 (or 32): hexadecimal, fields, value (of a log format with two phases, both)."""
    line = _printer(console)
    codes = 1 << fmt.bits
    rows = min(codes, 16 if fmt.bits <= 6 else 32)
    digits = (fmt.bits + 3) // 4
    phases = _phases(fmt)
    values = [[_value(phase, code) for phase in phases.values()] for code in range(codes)]
    widths = [max(map(len, (title, *column))) for title, column in zip(phases, zip(*values, strict=True), strict=True)]
    fields = len(bits(fmt, 0))

    def cell(code: str, middle: str, texts: Iterable[str]) -> str:
        columns = "  ".join(f"{text:<{width}}" for text, width in zip(texts, widths, strict=True))
        return f"{code:<{digits}}  {middle:<{fields}}  {columns}".rstrip()

    cells = [cell(f"{code:0{digits}x}", bits(fmt, code), values[code]) for code in range(codes)]
    if len(phases) > 1:
        line(cell("", "", phases))
    width = max(len(text) for text in cells) + 3
    per_line = codes // rows
    fit = min(per_line, max(1, console.width // width)) if console.is_terminal else per_line
    for first in range(0, per_line, fit):
        columns = range(first, min(first + fit, per_line))
        for row in range(rows):
            line("".join(f"{cells[column * rows + row]:<{width}}" for column in columns).rstrip())
        if first + fit < per_line:
            line()
