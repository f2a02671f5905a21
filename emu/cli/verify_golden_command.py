"""`emu verify golden`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.cli.main import EXIT_DIFFERENT, EXIT_INPUT
from emu.cli.verify_output import print_table, progress

if TYPE_CHECKING:
    from emu.verify.golden.folder import Folder
    from emu.verify.golden.replay import Outcome
    from emu.verify.golden.table import Row
    from emu.verify.golden.vectors import Checked, Vectors

SHOWN = 10
ERRORS_SHOWN, UNLISTED_SHOWN = 20, 5


@click.command(name="golden")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--backend", "backends", multiple=True, type=click.Choice(["c", "numba", "reference"]),
              help="On this backend (several times); default: c.")  # fmt: skip
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="At most N problems of each file.")
@click.option(
    "--only", multiple=True, metavar="GLOB", help="Only units like this, as in 'intel-amx:*' (several times)."
)
def command(folder: Path, backends: tuple[str, ...], sample: int | None, only: tuple[str, ...]) -> int:
    """Replay recorded results of instructions, bit for bit.

    DIR has a manifest.json (or index.json), or TestFloat vectors, or its sub-folders have. Elementwise instructions of
    a processor are units here too: 'vaddph.*'; of TestFloat vectors a file is: 'f32_mulAdd'.

    Exit code 0: all of it was replayed, and nothing differs; 3: something differs; 1: something, or everything, could
    not be replayed.
    """
    from emu.verify.golden import Folder, Skipped, Vectors, folders

    start = time.monotonic()
    found = folders(folder)
    chosen = tuple(dict.fromkeys(backends)) or ("c",)
    outcomes: list[Outcome | Checked] = []
    for one in found:
        if isinstance(one, Folder):
            outcomes += _replay(one, chosen, sample, only)
        elif isinstance(one, Vectors):
            outcomes += _check(one, chosen, sample, only)
    others = [one for one in found if isinstance(one, Skipped)]
    for other in others:
        click.echo(_plain(f"{'error: ' if other.failed else ''}{other.path.resolve().name}: {other.reason}"))
    return _finish(outcomes, sum(other.failed for other in others), time.monotonic() - start)


def _replay(folder: Folder, backends: Sequence[str], sample: int | None, only: tuple[str, ...]) -> list[Outcome]:
    """Replay a folder, and print its table."""
    from emu.verify.golden import replay
    from emu.verify.golden.table import HEADINGS, rows, total

    entries = [entry for entry in folder.entries if entry.wanted(only)]
    outcomes = []
    with progress(len(entries) * len(backends)) as step:
        for outcome in replay(entries, backends, sample):
            outcomes.append(outcome)
            step(_plain(f"{outcome.backend} {outcome.entry.name[:50]}"), 1)
    found = rows(outcomes)
    lines = [[_plain(cell) for cell in row.cells()] for row in _with_total(found, total(found))]
    what = f"at most {sample:,} problems of each file" if sample else "all problems"
    name = _plain(folder.path.resolve().name)
    click.echo(f"{name}: {len(entries):,} of {len(folder.entries):,} recorded results, {what}")
    print_table((folder.heading, *HEADINGS), HEADINGS[1:], lines)
    for group, backend in dict.fromkeys((x.entry.group, x.backend) for x in outcomes if x.absent):
        click.echo(_plain(f"not replayed: {group} on {backend}: this backend does not have the operation"))
    _print_unlisted("not in the manifest", folder.unlisted)
    return outcomes


def _check(folder: Vectors, backends: Sequence[str], sample: int | None, only: tuple[str, ...]) -> list[Checked]:
    """Check a folder of TestFloat vectors, and print its table."""
    from emu.verify.golden.vectors import HEADINGS, check, rows
    from emu.verify.others.testfloat import SAMPLE

    files = folder.wanted(only)
    outcomes = []
    with progress(len(files) * len(backends)) as step:
        for outcome in check(folder, files, backends, sample):
            outcomes.append(outcome)
            step(f"{outcome.backend} {outcome.file}", 1)
    what = f"at most {sample:,} cases of each file" if sample else "all cases"
    others = f" on c, at most {SAMPLE} of each file on others" if set(backends) - {"c"} else ""
    name = _plain(folder.path.resolve().name)
    click.echo(
        f"{name}: {len(files):,} of {len(folder.files):,} files of TestFloat vectors, results and flags, {what}{others}"
    )
    print_table(HEADINGS, HEADINGS[3:], rows(outcomes))
    for file, backend in ((x.file, x.backend) for x in outcomes if x.absent and not x.error):
        click.echo(f"not replayed: {file} on {backend}: this backend does not have the operation")
    _print_unlisted("no TestFloat vectors by name", folder.unlisted)
    return outcomes


def _print_unlisted(why: str, files: Sequence[str]) -> None:
    """What of a folder is passed over, and the end of its table."""
    if files:
        some = ", ".join(files[:UNLISTED_SHOWN]) + (", …" if len(files) > UNLISTED_SHOWN else "")
        click.echo(_plain(f"{why}, not replayed: {len(files):,} files: {some}"))
    click.echo()


def _with_total(rows: list[Row], total: Row) -> list[Row]:
    return [*rows, total] if len(rows) > 1 else rows


def _finish(outcomes: Sequence[Outcome | Checked], failures: int, seconds: float) -> int:
    """The first mismatches, the errors, the sum, and the exit code."""
    wrong = [example for outcome in outcomes for example in outcome.examples]
    for example in wrong[:SHOWN]:
        click.echo(_plain(str(example)))
    broken = [outcome for outcome in outcomes if outcome.error and not outcome.absent]
    for outcome in broken[:ERRORS_SHOWN]:
        click.echo(_plain(f"error: {outcome.where}: {outcome.error}"))
    if len(broken) > ERRORS_SHOWN:
        click.echo(f"… and {len(broken) - ERRORS_SHOWN:,} more errors")
    outputs, differ = sum(x.outputs for x in outcomes), sum(x.mismatches for x in outcomes)
    errors = len(broken) + failures
    click.echo(f"{outputs:,} outputs, {differ:,} mismatches, {errors:,} errors, {seconds:.1f} s")
    if not outputs:
        click.echo("error: nothing was replayed")
    if differ:
        return EXIT_DIFFERENT
    return EXIT_INPUT if errors or not outputs else 0


def _plain(text: str) -> str:
    """Text of a file as one printable line."""
    return "".join(char if char.isprintable() else "?" for char in text)
