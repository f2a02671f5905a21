"""`emu verify`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emu.cli import options, verify_golden_command, verify_silicon_command, verify_studies_command
from emu.cli.main import EXIT_DIFFERENT
from emu.cli.verify_output import print_table, progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from emu.verify.work import Record, Work

FOLDER = click.Path(file_okay=False, path_type=Path)
VECTORS = click.Path(exists=True, file_okay=False, path_type=Path)
SHOWN = 10
SEED = click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of what is sampled.")


@click.group(name="verify")
def command() -> None:
    """Check formats and arithmetic against oracles, units against recordings, studies against what they say.

    Exit code 3: some result differs.
    """


command.add_command(verify_golden_command.command)
command.add_command(verify_silicon_command.command)
command.add_command(verify_studies_command.command)


@command.command(name="format")
@click.argument("name", metavar="FILE|NAME")
@options.BACKEND
@SEED
def format_command(name: str, backend: str, seed: int) -> int:
    """Check one format: every code, boundary and pair of codes, in every rounding and overflow, with flags.

    The oracle is a second implementation, in fractions. Up to 8 bits everything but fma is exhaustive; up to 16 bits
    codes and casts are; wider formats are sampled. The c backend is checked in full, the others on a sample: the
    column "what" says so. Of a block format, its element and its scale format are checked.
    """
    from emu.formats.load import load_any
    from emu.formats.model import Format
    from emu.verify.work import format_units

    loaded = load_any(name)
    parts: list[tuple[Any, Any]] = [(name, loaded)]
    if not isinstance(loaded, Format):
        parts = [(str(part), part) for part in dict.fromkeys([loaded.element, loaded.scale])]
        click.echo(f"{loaded.name} is a block format: its element and scale formats are checked", err=True)
    units: list[Work] = []
    for spec, fmt in parts:
        units += format_units(spec, fmt.name, fmt, backend, "everything" if backend == "c" else "sample", seed)
        if backend == "c":  # the others, on a sample
            from emu.verify.checks import BACKEND_FREE, CHECKS

            shared = tuple(check for check in CHECKS if check not in BACKEND_FREE)
            for other in ("numba", "reference"):
                units += format_units(spec, fmt.name, fmt, other, "sample", seed, shared)
    records = _run(units, lambda _: None)
    _print_checks(records)
    return _finish(records)


@command.command(name="formats")
@click.option("--full", is_flag=True, help="Everything, on every backend: hours. Give --out, to go on later.")
@click.option("--out", type=FOLDER, help="Keep finished work here, and skip what is there already.")
@click.option("--only", multiple=True, metavar="NAME", help="Only this format (several times).")
@click.option("--backend", "backends", multiple=True, type=click.Choice(["c", "numba", "reference"]),
              help="Only this backend (several times).")  # fmt: skip
@click.option("--vectors", type=VECTORS, help="A folder of recorded TestFloat vectors (.npz).")
@click.option("--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, help="Processes; default: one a core.")
@click.option("--table", type=VECTORS, help="Run nothing: print the counts of an --out folder as Markdown.")
@SEED
def formats_command(
    full: bool, out: Path | None, only: tuple[str, ...], backends: tuple[str, ...], vectors: Path | None,
    jobs: int, table: Path | None, seed: int,
) -> int:  # fmt: skip
    """Check all built-in formats, and formats by rule, against every oracle that is here.

    Oracles: a second implementation in fractions; ml_dtypes and gfloat; recorded TestFloat vectors (--vectors); MPFR
    for elementary functions (gmpy2). Without --full it takes a few minutes.
    """
    from emu.verify import plan, store

    if table is not None:
        return _print_markdown(table, vectors)
    units = [*plan.units(full=full, only=only, vectors=vectors, seed=seed, backends=backends or plan.BACKENDS)]
    done = {record.key: record for record in store.read(out)} if out else {}
    rest = [unit for unit in units if unit.key not in done]
    kept = [done[unit.key] for unit in units if unit.key in done]
    if kept:
        click.echo(f"{len(kept)} of {len(units)} units of work are done already", err=True)
    records = kept + _run(rest, lambda record: store.append(out, record) if out else None, jobs)
    _print_rows(records, plan.absent(vectors))
    return _finish(records)


def _run(units: Sequence[Work], keep: Callable[[Record], None], jobs: int = 1) -> list[Record]:
    """Run units; each is kept as soon as it is finished."""
    from emu.verify.run import run

    out = []
    with progress(len(units)) as step:
        for record in run(units, jobs):
            keep(record)
            out.append(record)
            step(f"{record.format[:28]} {record.backend} {record.check}", 1)
    return out


def _print_checks(records: Sequence[Record]) -> None:
    rows = [
        (r.format, r.check, r.backend, "own oracle" if r.oracle == "own" else r.oracle, f"{r.cases:,}",
         f"{r.mismatches:,}", r.note)
        for r in records if r.cases or "refuses" in r.note
    ]  # fmt: skip
    headings = ("format", "check", "backend", "oracle", "cases", "mismatches", "what")
    print_table(headings, ("cases", "mismatches"), rows)


def _print_rows(records: Sequence[Record], missing: Sequence[tuple[str, str]]) -> None:
    from emu.verify.table import HEADINGS, cells, rows

    lines = [cells(row) for row in rows(records)]
    lines += [(oracle, "", why, "", "", "") for oracle, why in missing]
    print_table(HEADINGS, ("formats", "cases", "mismatches"), lines)


def _finish(records: Sequence[Record]) -> int:
    """The first mismatches, the sum, and the exit code."""
    wrong = [(r, example) for r in records for example in r.examples]
    for record, example in wrong[:SHOWN]:
        click.echo(f"{record.format} {record.backend} {example}")
    cases, differ = sum(r.cases for r in records), sum(r.mismatches for r in records)
    click.echo(f"{cases:,} cases, {differ:,} mismatches, {sum(r.seconds for r in records):.1f} s")
    return EXIT_DIFFERENT if differ else 0


def _print_markdown(folder: Path, vectors: Path | None) -> int:
    from emu.verify import plan, store
    from emu.verify.table import markdown

    records = store.read(folder)
    has = {r.oracle for r in records}
    missing = [(oracle, why) for oracle, why in plan.absent(vectors) if oracle not in has]
    click.echo(markdown(records, _commit(), missing), nl=False)
    return EXIT_DIFFERENT if any(r.mismatches for r in records) else 0


def _commit() -> str:
    """The commit of a checkout, with a plus sign if files differ from it."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        head = subprocess.run(["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"],  # noqa: S603, S607
                              capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
        changed = subprocess.run(["git", "-C", str(root), "status", "--porcelain", "emu", "cemu", "spec"],  # noqa: S603, S607
                                 capture_output=True, text=True, check=True).stdout  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + ("+" if changed else "")
