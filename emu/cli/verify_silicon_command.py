"""`emu verify silicon`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.cli.main import EXIT_DIFFERENT, EXIT_INPUT
from emu.cli.verify_output import print_table, progress

if TYPE_CHECKING:
    from emu.verify.golden.entry import Entry
    from emu.verify.silicon.rows import Outcome
    from emu.verify.silicon.targets import Target

PATTERNS, FULL = 8_000_000, 10
SHOWN = 10


@click.command(name="silicon")
@click.option("--patterns", type=click.IntRange(min=1), default=PATTERNS, show_default=True,
              help="At least so many for each instruction, over all its roundings.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of what is drawn.")
@click.option("--only", multiple=True, metavar="GLOB", help="Only these (several times), such as 'vcvtps2ph*'.")
@click.option("--vectors", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="Recorded vectors of instructions that are not here.")  # fmt: skip
@click.option("--full", is_flag=True, help=f"{FULL} times as many patterns, and all recorded vectors.")
def command(patterns: int, seed: int, only: tuple[str, ...], vectors: Path | None, full: bool) -> int:
    """Compare the processor's own instructions with the emulator, bit for bit, NaN payloads included, and the exception
    flags of those that raise any; the column "flags" is empty where none were compared.

    Each instruction that this processor has runs on adversarial and random operands; of one that it has not, recorded
    vectors are replayed: those of --vectors, else the sample of a source checkout. The c backend is compared in full,
    the others on a sample.

    Exit code 3: some result differs. 1: nothing was checked, or a recording could not be read.
    """
    from emu.errors import SpecError
    from emu.verify.silicon import recorded
    from emu.verify.silicon.targets import targets

    chosen = targets(only)
    if not chosen:
        raise SpecError("no such instruction", key="--only", value=", ".join(only))
    absent = [target for target in chosen if not target.available]
    entries = recorded.entries_of(vectors) if absent else []
    outcomes = _live([target for target in chosen if target.available], patterns * (FULL if full else 1), seed)
    outcomes |= _recorded(absent, entries, full)
    _print([outcomes[target.name] for target in chosen])
    return _finish(list(outcomes.values()))


def _live(targets: Sequence[Target], patterns: int, seed: int) -> dict[str, Outcome]:
    from emu.verify.silicon.live import run
    from emu.verify.silicon.rows import Outcome

    found = {target.name: Outcome(target=target, how=f"live: {_forms(target)}") for target in targets}
    with progress(len({target.group for target in targets}) * patterns) as step:
        for target, outcome in run(targets, patterns, seed):
            found[target.name].add(outcome)
            step(target.name, outcome.patterns["c"])
    return found


def _forms(target: Target) -> str:
    forms = {"": "EVEX", "VEX": "VEX", "SSE": "SSE", "MXCSR": "imm8 = 4"}
    if target.probes[0].startswith("TDP"):
        return "AMX"
    return ", ".join(dict.fromkeys(forms[probe.partition("_")[2]] for probe in target.available))


def _recorded(targets: Sequence[Target], entries: Sequence[Entry], full: bool) -> dict[str, Outcome]:
    from emu.verify.silicon.recorded import run

    found = {}
    with progress(len(targets)) as step:
        for outcome in run(targets, entries, full):
            found[outcome.target.name] = outcome
            step(outcome.target.name, 1)
    return found


def _print(outcomes: Sequence[Outcome]) -> None:
    from emu.verify.silicon import probes
    from emu.verify.silicon.rows import HEADINGS, NUMBERS, rows

    features = sorted({outcome.target.instruction.feature for outcome in outcomes if outcome.target.available})
    absent = sorted({outcome.target.instruction.feature for outcome in outcomes if not outcome.target.available})
    click.echo(f"processor: {probes.processor() or 'unknown'}; here: {', '.join(features) or 'none'}"
               + (f"; absent: {', '.join(absent)}" if absent else ""))  # fmt: skip
    print_table(HEADINGS, NUMBERS, rows(outcomes))


def _finish(outcomes: Sequence[Outcome]) -> int:
    """The first mismatches, the errors, the sum, and the exit code."""
    for example in [text for outcome in outcomes for text in outcome.examples][:SHOWN]:
        click.echo(example)
    errors = [text for outcome in outcomes for text in outcome.errors]
    for error in errors[:SHOWN]:
        click.echo(f"error: {error}")
    results = sum(sum(outcome.patterns.values()) for outcome in outcomes)
    differ = sum(outcome.mismatches for outcome in outcomes)
    click.echo(f"{results:,} results compared, {differ:,} mismatches, {len(errors):,} errors")
    if not results:
        click.echo("error: nothing was checked: the processor has none of these, and there is no recording of them")
    if differ:
        return EXIT_DIFFERENT
    return EXIT_INPUT if errors or not results else 0
