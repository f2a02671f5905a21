"""`emu list`."""

from __future__ import annotations

from collections.abc import Iterator

import click

NARROW = 110
"""A terminal of fewer columns has no room for a table with texts."""
TEXTS = ("what it is", "source")


@click.command(name="list")
@click.argument("kind", type=click.Choice(["formats", "functions", "units", "schemes", "accelerators", "studies"]))
@click.option("--instructions", is_flag=True, help="Units only: every instruction of every family.")
def command(kind: str, instructions: bool) -> None:
    """List what is built in, with what each one is and where it comes from."""
    print_list(kind, instructions=instructions)


def print_list(kind: str, *, instructions: bool = False) -> None:
    """Print one kind of built-ins."""
    from rich.table import Table

    from emu.cli.consoles import output

    headings, rows = _TABLES[kind](instructions)
    console = output()
    if console.width < NARROW:
        _print_narrow(headings, rows, console.width)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=heading == headings[0], overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _print_narrow(headings: tuple[str, ...], rows: Iterator[tuple[str, ...]], width: int) -> None:
    """One entry below the other: its name and what is short, then its texts, folded."""
    from emu.units.words import folded

    for row in rows:
        cells = dict(zip(headings, row, strict=True))
        if "bits" in cells:
            cells["bits"] += " bits"
        short = [cell for heading, cell in cells.items() if cell and heading not in (headings[0], *TEXTS)]
        first, *more = folded(f"{row[0]}  {', '.join(short)}".rstrip(), width, 4)
        click.echo(click.style(row[0], bold=True) + first.removeprefix(row[0]))
        for line in more:
            click.echo(line)
        for cell in (cells[heading] for heading in TEXTS if cells.get(heading)):
            for line in folded(f"    {cell}", width, 4):
                click.echo(line)


Rows = tuple[tuple[str, ...], Iterator[tuple[str, ...]]]


def _formats(_: bool) -> Rows:
    from emu.formats import Format
    from emu.formats.families import FAMILIES
    from emu.formats.load import load_any
    from emu.spec import builtin_names

    def rows() -> Iterator[tuple[str, ...]]:
        for name in builtin_names("formats"):
            fmt = load_any(name)
            kind, bits = (fmt.kind.value, fmt.bits) if isinstance(fmt, Format) else ("block", fmt.bits_per_value)
            yield name, ", ".join(fmt.alias), f"{bits:g}", kind, fmt.doc, fmt.source
        for family in FAMILIES:
            yield (
                family.name,
                f"by rule, as {family.example}",
                family.bits,
                family.kind.value,
                family.doc,
                family.source,
            )

    return ("name", "aliases", "bits", "kind", "what it is", "source"), rows()


def _units(instructions: bool) -> Rows:
    from emu.deviation.numbers import plural
    from emu.spec import builtin_names, load_mapping
    from emu.units import family

    def rows() -> Iterator[tuple[str, ...]]:
        for name in builtin_names("units"):
            mapping, source = load_mapping("units", name)
            about = str(mapping.get("maturity", "")), str(mapping.get("doc", ""))
            if not family.is_family(mapping):
                yield name, "", *about
                continue
            table = family.instructions(mapping, source.label)
            if instructions:
                for instruction in table:
                    yield f"{name}:{instruction}", "", *about
            else:
                yield name, plural(len(table), "instruction"), *about

    return ("name", "family of", "maturity", "what it is"), rows()


def _functions(_: bool) -> Rows:
    return _simple("functions")


def _schemes(_: bool) -> Rows:
    return _simple("schemes")


def _accelerators(_: bool) -> Rows:
    return _simple("accelerators")


def _studies(_: bool) -> Rows:
    return _simple("studies")


def _simple(kind: str) -> Rows:
    from emu.spec import builtin_names, load_mapping

    def rows() -> Iterator[tuple[str, ...]]:
        for name in builtin_names(kind):
            mapping, _ = load_mapping(kind, name)
            yield name, str(mapping.get("maturity", "")), str(mapping.get("doc", "")), str(mapping.get("source", ""))

    return ("name", "maturity", "what it is", "source"), rows()


_TABLES = {
    "formats": _formats, "functions": _functions, "units": _units, "schemes": _schemes,
    "accelerators": _accelerators, "studies": _studies,
}  # fmt: skip
