"""A format as text: its properties, and the table of its codes where they fit a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.formats.decode import decode_code
from emu.formats.enums import FormatKind
from emu.formats.model import MAX_STORED_BITS, Format
from emu.formats.value import Value

if TYPE_CHECKING:
    from rich.console import Console

MAX_TABLE_BITS = 8


def number(x: Value) -> str:
    """A value as short exact text: decimal where that is short, else a hexadecimal float."""
    if x.nan:
        return "NaN"
    if x.inf:
        return "-inf" if x.negative else "inf"
    if x.is_zero:
        return "-0" if x.negative else "0"
    fraction = x.fraction()
    if fraction.denominator == 1 and abs(fraction) < 10**15:
        return str(fraction.numerator)
    if x.sig.bit_length() <= 53 and -1022 <= x.top <= 1023:
        text = repr(float(fraction))
        return text if len(text) <= 22 else float(fraction).hex()
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


def properties(fmt: Format) -> list[tuple[str, str]]:
    """What is to be said about a format, in pairs."""
    largest = Value(sig=fmt.max_sig, q=fmt.max_q)
    rows = [("kind", fmt.kind.value), ("bits", str(fmt.bits)), ("signed", _yes(fmt.signed))]
    if fmt.kind is FormatKind.FLOAT:
        rows += [
            ("exponent bits", str(fmt.exp_bits)), ("mantissa bits", str(fmt.man_bits)), ("bias", str(fmt.bias)),
            ("subnormals", fmt.subnormals.value), ("infinities", _yes(fmt.infinities)), ("NaN", fmt.nan.value),
            ("-0", _yes(fmt.negative_zero)), ("smallest normal", number(Value(sig=1, q=fmt.emin))),
        ]  # fmt: skip
        if fmt.subnormals.value == "gradual" and fmt.man_bits:
            rows.append(("smallest subnormal", number(Value(sig=1, q=fmt.emin - fmt.man_bits))))
    elif fmt.kind is FormatKind.LOG:
        rows += [("radix", str(1 << fmt.radix_log2)), ("bias", str(fmt.bias)), ("NaN", fmt.nan.value)]
    elif fmt.kind is FormatKind.FIXED:
        rows.append(("fraction bits", str(fmt.frac_bits)))
    if fmt.ignored_low_bits or fmt.ignored_high_bits:
        rows.append(("ignored bits", f"{fmt.ignored_high_bits} high, {fmt.ignored_low_bits} low"))
    rows.append(("largest", number(largest)))
    if fmt.is_integral and fmt.signed:
        rows.append(("smallest", number(Value(negative=True, sig=fmt.min_sig, q=fmt.max_q))))
    return [*rows, ("overflow in units", fmt.default_overflow.value)]


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def print_format(console: Console, fmt: Format) -> None:
    """Print a format; up to 8 bits with the table of its codes."""
    title = f"format {fmt.name}"
    if fmt.alias:
        title += f" ({', '.join(fmt.alias)})"
    console.print(title, highlight=False, markup=False, emoji=False, style="bold")
    for key, text in (
        ("doc", fmt.doc),
        ("source", fmt.source),
        ("maturity", fmt.maturity),
        ("scope", fmt.scope),
        *properties(fmt),
    ):
        if text:
            console.print(f"{key:<20}{text}", highlight=False, markup=False, emoji=False)
    if fmt.bits <= MAX_TABLE_BITS:
        console.print()
        _print_codes(console, fmt)
    elif fmt.bits <= MAX_STORED_BITS:
        console.print(
            f"\n{1 << fmt.bits} codes: `emu decode CODE --format {fmt.name}` shows any of them",
            highlight=False, markup=False, emoji=False,
        )  # fmt: skip


def _print_codes(console: Console, fmt: Format) -> None:
    """Codes in columns of 16 (or 32): hexadecimal, fields, value."""
    codes = 1 << fmt.bits
    rows = min(codes, 16 if fmt.bits <= 6 else 32)
    digits = (fmt.bits + 3) // 4
    cells = [f"{code:0{digits}x}  {bits(fmt, code)}  {number(decode_code(fmt, code))}" for code in range(codes)]
    width = max(len(cell) for cell in cells) + 3
    per_line = codes // rows
    fit = per_line if not console.is_terminal else max(1, console.width // width)
    for first in range(0, per_line, fit):
        columns = range(first, min(first + fit, per_line))
        for row in range(rows):
            line = "".join(f"{cells[column * rows + row]:<{width}}" for column in columns)
            console.print(line.rstrip(), highlight=False, soft_wrap=True)
        if first + fit < per_line:
            console.print()
