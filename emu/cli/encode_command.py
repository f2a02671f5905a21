"""`emu encode`."""

from __future__ import annotations

import re
from fractions import Fraction

import click

from emu.cli import options
from emu.errors import FormatError

MAX_EXPONENT = 20_000
"""Of a decimal: far beyond the range of every format, and still quick to take exactly."""
_EXPONENT = re.compile(r"e[+-]?([0-9_]+)$")


@click.command(name="encode", context_settings={"ignore_unknown_options": True})
@click.argument("values", nargs=-1, required=True)
@options.FORMAT
@click.option(
    "--rounding",
    "-r",
    default="ties_to_even",
    show_default=True,
    metavar="R",
    help="Such as ties_to_even, toward_zero, RNA, to_odd.",
)
@click.option("--overflow", metavar="O", help="Such as saturate, infinity, wrap (default: the format's).")
@click.option(
    "--nan-to",
    default="error",
    show_default=True,
    metavar="N",
    help="NaN into a format without NaN: error, zero, negative_zero, max.",
)
@click.option("--sr-bits", type=click.IntRange(1, 64), help="Random bits of stochastic rounding.")
@click.option("--sr-variant", type=click.Choice(["A", "B", "C"]), default="B", show_default=True)
@click.option("--random", type=click.IntRange(min=0), help="The random bits, as a number.")
def command(
    values: tuple[str, ...], name: str, rounding: str, overflow: str | None, nan_to: str,
    sr_bits: int | None, sr_variant: str, random: int | None,
) -> None:  # fmt: skip
    """Round VALUES to a format: code, fields, the value that it stands for, and the exception flags.

    A value is a decimal (taken exactly, not as the nearest float), a fraction such as 1/3, a hexadecimal float such as
    0x1.8p3, inf or nan. Write `--` before negative ones.
    """
    import numpy as np

    from emu.cli.consoles import output
    from emu.cli.format_table import bits, number
    from emu.formats import load_format
    from emu.formats.decode import decode_code
    from emu.formats.enums import Flag

    fmt = load_format(name)
    numbers = np.empty(len(values), dtype=object)
    numbers[:] = [parse(value) for value in values]
    draws = None if random is None else np.full(len(values), random, dtype=np.uint64)
    codes, flags = fmt.encode(
        numbers, rounding, overflow, random=draws, flags=True, nan_to=nan_to, sr_bits=sr_bits, sr_variant=sr_variant
    )
    console = output()
    digits, widest = (fmt.bits + 3) // 4, max(len(value) for value in values)
    for text, code, flag in zip(values, codes.tolist(), flags.tolist(), strict=True):
        raised = ", ".join(str(member.name).lower().replace("_", " ") for member in Flag if flag & member)
        shown = number(decode_code(fmt, code))
        line = f"{text:>{widest}}  0x{code:0{digits}x}  {bits(fmt, code)}  {shown}"
        console.print(line + (f"  ({raised})" if raised else ""), highlight=False, soft_wrap=True)


def parse(text: str) -> Fraction | float:
    """A value as it is written, exactly.

    Raises:
        FormatError: it is no number, or a decimal whose exponent is beyond ±`MAX_EXPONENT`.
    """
    folded = text.strip().casefold()
    if folded.lstrip("+-") in ("inf", "infinity", "nan"):
        return float(folded)
    if "0x" not in folded and (match := _EXPONENT.search(folded)):
        digits = match[1].replace("_", "").lstrip("0")
        if len(digits) > len(str(MAX_EXPONENT)) or int(digits or "0") > MAX_EXPONENT:
            raise FormatError(f"{text!r}: exponents of a decimal go from -{MAX_EXPONENT} to {MAX_EXPONENT}")
    try:
        if "0x" in folded:
            return float.fromhex(folded)
        exact = Fraction(folded)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise FormatError(
            f"{text!r} is no number: give a decimal, a fraction, a hexadecimal float, inf or nan"
        ) from None
    return -0.0 if exact == 0 and folded.startswith("-") else exact
