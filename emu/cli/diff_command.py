"""`emu diff`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.cli import options
from emu.cli.main import EXIT_DIFFERENT

if TYPE_CHECKING:
    from rich.table import Table

    from emu.deviation.compare import Comparison, LayerDifference


@click.command(name="diff")
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@click.argument("model", type=click.Path(path_type=Path))
@options.INPUTS
@click.option("--layers", default="*", show_default=True, metavar="GLOB", help="Layers to compare.")
@options.CALIBRATION
@options.BACKEND
def command(
    one: str, other: str, model: Path, inputs: Path | None, layers: str, calibration: Path | None, backend: str
) -> int:
    """Compare accelerators A and B on MODEL, layer by layer, and find the first step where they part.

    Exit code 3 if any bit differs.
    """
    from emu.cli.consoles import messages, output
    from emu.cli.progress import LayerProgress
    from emu.cli.workload_files import calibration_of, opened
    from emu.deviation.compare import compare
    from emu.deviation.table import print_table

    with LayerProgress(messages()) as bar:
        found = compare(
            *opened(model, inputs),
            one,
            other,
            layers=layers,
            calibration=calibration_of(calibration),
            backend=backend,
            progress=bar,
        )
    console = output()
    print_table(console, _table(found))
    for line in _where(found):
        console.print(line, soft_wrap=True)
    return 0 if found.first is None else EXIT_DIFFERENT


def _table(found: Comparison) -> Table:
    from emu.deviation import numbers
    from emu.deviation.table import plain_table

    table = plain_table()
    table.add_column("layer", no_wrap=True)
    for name in ("different", "first", "max |Δ|", "B to A dB", "A dB", "B dB"):
        table.add_column(name, justify="right", no_wrap=True)
    for x in found.layers:
        first = "" if x.first is None else str(list(x.first))
        cells = (
            f"{numbers.count(x.different)} of {numbers.count(x.elements)}", first,
            numbers.short(x.max_abs), numbers.decibels(x.sqnr_db), numbers.decibels(x.sqnr_one),
            numbers.decibels(x.sqnr_other),
        )  # fmt: skip
        table.add_row(x.layer, *cells)
    return table


def _where(found: Comparison) -> list[str]:
    """In words, where the first difference comes from."""
    first: LayerDifference | None = found.first
    if first is None:
        return ["every bit is the same"]
    from emu.deviation.trace_table import number, span

    assert found.traces is not None
    x, y = found.traces
    values = f"{number(x.emulated)} under A, {number(y.emulated)} under B, exact {number(x.truth)}"
    lines = [f"first different element: {list(first.first or ())} of {first.layer}: {values}"]
    if found.step is None:
        return [
            *lines,
            "no accumulators of the same products differ: operands, scales, epilogue or the order of sums do",
        ]
    one, other = found.step
    becomes = f"{number(one.after)} under A and {number(other.after)} under B (exact {number(one.exact)})"
    return [*lines, f"first different step: level {one.level}, at k {span(one.k)}: the accumulator becomes {becomes}"]
