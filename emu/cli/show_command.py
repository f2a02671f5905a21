"""`emu show`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import click


@click.command(name="show")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["format", "function", "unit", "scheme", "accelerator"]),
    help="Needed only where a name means several things.",
)
@click.option(
    "-k",
    "--k",
    "length",
    type=click.IntRange(min=0),
    help="Units: the K to explain widths and the plan for (4096, or less if the levels do not cover it).",
)
def command(name: str, kind: str | None, length: int | None) -> None:
    """Show NAME: a format's properties and codes, a function unit's error profile, a unit's datapath, a family's
    instructions, a scheme, an accelerator.

    NAME is a built-in name, an alias, FAMILY:INSTRUCTION, the same with (key=value, ...), or a path to a .toml file.
    """
    from emu.errors import SpecError, nearest
    from emu.spec.locate import is_path

    kinds: dict[str, Callable[[str, int | None], None]] = {
        "format": _format, "function": _function, "unit": _unit, "accelerator": _accelerator, "scheme": _scheme,
    }  # fmt: skip
    if kind is not None:
        kinds[kind](name, length)
        return
    if is_path(name.partition(":")[0]):
        kinds[_kind_of_file(name.partition(":")[0])](name, length)
        return
    found = [candidate for candidate in kinds if _exists(candidate, name)]
    if len(found) == 1:
        kinds[found[0]](name, length)
        return
    if found:
        raise SpecError(f"{name!r} is several things: say which with --kind", value=name, allowed=found)
    close = nearest(name, _all_names())
    hint = f"; did you mean {close!r}? " if close else "; "
    raise SpecError(f"nothing is called {name!r}{hint}see `emu list formats`, functions, units, schemes, accelerators")


_TELLING_KEYS = {
    "unit": {"operands", "level", "base", "instruction", "body"},
    "accelerator": {"matrix"},
    "scheme": {"step"},
    "function": {"function", "piece"},
}
"""Keys that only files of this kind have."""


def _kind_of_file(path: str) -> str:
    """What a file describes, by its keys; a format if nothing else."""
    from emu.spec.read import read_toml

    keys = set(read_toml(Path(path)))
    return next((kind for kind, telling in _TELLING_KEYS.items() if keys & telling), "format")


def _all_names() -> list[str]:
    from emu.formats.load import aliases
    from emu.spec import builtin_names

    return [
        *(
            stem
            for kind in ("formats", "functions", "units", "accelerators", "schemes")
            for stem in builtin_names(kind)
        ),
        *aliases(),
    ]


def _exists(kind: str, name: str) -> bool:
    from emu.errors import SpecError
    from emu.formats.load import AMBIGUOUS, load_any
    from emu.spec import builtin_names

    if kind == "format":
        if name.casefold() in AMBIGUOUS:  # loading it says between which formats
            return True
        try:
            load_any(name)
        except SpecError:
            return False
        return True
    return name.partition(":")[0] in builtin_names(f"{kind}s")


def _format(name: str, _: int | None) -> None:
    from emu.cli.block_table import print_block
    from emu.cli.consoles import output
    from emu.cli.format_table import print_format
    from emu.formats import Format
    from emu.formats.load import load_any

    found = load_any(name)
    if isinstance(found, Format):
        print_format(output(), found)
    else:
        print_block(output(), found)


def _function(name: str, _: int | None) -> None:
    from emu.cli.consoles import output
    from emu.cli.function_table import print_function
    from emu.functions import load_function

    print_function(output(), load_function(name))


def _width() -> int | None:
    """Columns of the terminal; None: standard output is a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _fold(line: str, indent: int) -> list[str]:
    from emu.units.words import folded

    width = _width()
    return [line] if width is None else folded(line, width, indent)


def _unit(name: str, length: int | None) -> None:
    from emu.spec import load_mapping
    from emu.units import family, load_unit
    from emu.units.explain import explain

    mapping, source = load_mapping("units", name.partition(":")[0])
    if family.is_family(mapping) and ":" not in name:
        for key in ("doc", "source", "maturity", "scope"):
            for line in _fold(f"{key:<9}{mapping[key]}", 9) if mapping.get(key) else ():
                click.echo(line)
        click.echo()
        for instruction in family.instructions(mapping, source.label):
            click.echo(f"{source.stem}:{instruction}")
        return
    click.echo(explain(load_unit(name), length, _width()))


def _accelerator(name: str, _: int | None) -> None:
    from emu.accelerators import load_accelerator
    from emu.deviation.describe import describe_accelerator, describe_unit, distinct_units, plans_of

    accelerator = load_accelerator(name)
    _describe(describe_accelerator(accelerator))
    for unit in distinct_units(plan.unit for plan in plans_of(accelerator)):
        click.echo()
        _describe(describe_unit(unit))


def _describe(description: object) -> None:
    from emu.deviation.result import Description

    assert isinstance(description, Description)
    click.echo(description.title)
    if description.text:
        click.echo(description.text)
    for key, text in description.facts:
        click.echo(f"{key:<9}{text}")
    click.echo()
    for line in description.lines:
        click.echo(line)


def _scheme(name: str, _: int | None) -> None:
    from emu.schemes import load_scheme
    from emu.schemes.words import words

    scheme = load_scheme(name)
    click.echo(f"scheme {scheme.name}")
    for key in ("doc", "source", "maturity", "scope"):
        if getattr(scheme, key):
            click.echo(f"{key:<9}{getattr(scheme, key)}")
    click.echo()
    for number, step in enumerate(scheme.steps, start=1):
        click.echo(f"step {number}   {words(step)}")
