"""`emu decode`."""

from __future__ import annotations

import click

from emu.cli import options
from emu.errors import FormatError


@click.command(name="decode")
@click.argument("codes", nargs=-1, required=True)
@options.FORMAT
def command(codes: tuple[str, ...], name: str) -> None:
    """Print the values of CODES, given as 0x…, 0b… or decimal bit patterns."""
    from emu.cli.consoles import output
    from emu.cli.format_table import bits, number
    from emu.formats import load_format
    from emu.formats.decode import decode_code
    from emu.formats.model import MAX_STORED_BITS

    fmt = load_format(name)
    if fmt.bits > MAX_STORED_BITS:
        raise FormatError(f"{fmt.name} has {fmt.bits} bits: only formats of at most {MAX_STORED_BITS} bits have codes")
    digits = (fmt.bits + 3) // 4
    console = output()
    for code in [parse(text, fmt.bits, fmt.name) for text in codes]:
        line = f"0x{code:0{digits}x}  {bits(fmt, code)}  {number(decode_code(fmt, code))}"
        console.print(line, highlight=False, soft_wrap=True)


def parse(text: str, width: int, name: str) -> int:
    """A bit pattern.

    Raises:
        FormatError: it is none, or has too many bits.
    """
    try:
        code = int(text, 0)
    except ValueError:
        raise FormatError(f"{text!r} is no code: give 0x…, 0b… or a decimal") from None
    if not 0 <= code < 1 << width:
        raise FormatError(f"code {text} does not fit the {width} bits of {name}")
    return code
