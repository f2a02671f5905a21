"""`emu verify studies`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.cli.main import EXIT_DIFFERENT, EXIT_INPUT
from emu.cli.verify_output import progress

if TYPE_CHECKING:
    from emu.verify.studies import Checked

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(name="studies")
@click.argument("names", nargs=-1, metavar="[FILE.toml|NAME]...")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Studies at a time.")
@click.option("--offline", is_flag=True, help="Download nothing; skip studies whose workload is not here.")
@click.option("--out", type=FOLDER, metavar="DIR", help="Keep the answers here (default: nowhere).")
@click.option("-v", "--verbose", is_flag=True, help="Also a line for each effect and example, with its name.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: every figure, range and verdict.")
def command(
    names: tuple[str, ...], jobs: int, offline: bool, out: Path | None, verbose: bool, as_json: bool
) -> int:  # fmt: skip
    """Run the built-in studies at their quick size, and check that each shows what it says.

    One line for each study: the figures of its effects, and in brackets where they are expected. An effect that its
    file gives as not reproduced must be outside the authors' range.

    Exit code 0: everything is as stated (what --offline skips does not count). 3: some effect is not. 1: a study could
    not be run, or nothing was checked.
    """
    from emu.verify.studies import names as all_names
    from emu.verify.studies.run import run

    chosen = list(dict.fromkeys(names)) or list(all_names())
    found: dict[str, Checked] = {}
    with progress(len(chosen)) as step:
        for one in run(chosen, jobs=jobs, out=out, offline=offline,
                       progress=lambda name, done, total: step(f"{name} {done}/{total}", 0)):  # fmt: skip
            found[one.name] = one
            if not as_json:
                _print(one, verbose=verbose)
            step(one.name, 1)
    ordered = [found[name] for name in chosen]
    if as_json:
        click.echo(json.dumps([one.plain() for one in ordered], indent=1))
    return _finish(ordered, quiet=as_json)


def _print(one: Checked, *, verbose: bool) -> None:
    """One line; what is not as stated is told in lines of its own."""
    if one.reason:
        click.echo(_plain(f"{one.state.value}: {one.name}: {one.reason}"))
        return
    figures = "; ".join(
        f"{line.figure} ({line.expected}{', ' + line.verdict if line.verdict != 'shown' else ''})" for line in one.lines
    )
    click.echo(_plain(f"{one.state.value}: {one.name}: {figures}"))
    for line in one.lines:
        if not line.as_stated:
            rest = f": {line.detail}" if line.detail else ""
            click.echo(_plain(f"  {line.verdict}: {line.name}: {line.figure}, not {line.expected}{rest}"))
        elif verbose:
            click.echo(_plain(f"  {line.verdict}: {line.name}: {line.figure} ({line.expected})"))


def _finish(checked: Sequence[Checked], *, quiet: bool) -> int:
    from emu.verify.studies import State

    count = {state: sum(one.state is state for one in checked) for state in State}
    lines = sum(len(one.lines) for one in checked)
    if not quiet:
        parts = [f"{number} {state.value}" for state, number in count.items() if number]
        seconds = sum(one.seconds for one in checked)
        click.echo(f"{len(checked)} studies: {', '.join(parts) or 'none'}; {lines} effects, {seconds:.1f} s")
    if count[State.DIFFERENT]:
        return EXIT_DIFFERENT
    return EXIT_INPUT if count[State.ERROR] or not count[State.PASSED] else 0


def _plain(text: str) -> str:
    """Text of a file as one printable line."""
    return "".join(char if char.isprintable() else " " for char in text)
