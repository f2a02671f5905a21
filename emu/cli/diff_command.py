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

COMPARED = ("B to A", "A", "B")
MOST_KEYS = 40
"""Keys of the specifications that are listed."""


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
    """Compare accelerators A and B on MODEL, layer by layer, and find the first stage where they part.

    Every layer reads the float32 reference activations. Exit code 3 if any bit differs.
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
    for line in (*_where(found), *_alone(found), *_keys(found)):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return 0 if found.first is None else EXIT_DIFFERENT


def _table(found: Comparison) -> Table:
    from rich.text import Text

    from emu.deviation import numbers
    from emu.deviation.table import plain_table

    table = plain_table()
    table.caption = "B to A: how far B is from A; A, B: each from the layer in float64 (SQNR, ULP)"
    table.add_column("layer", no_wrap=True)
    for name in ("different", "first", "max |Δ|", *(f"{of} {unit}" for of in COMPARED for unit in ("dB", "P99 ULP"))):
        table.add_column(name, justify="right", no_wrap=True)
    for x in found.layers:
        first = "" if x.first is None else str(list(x.first))
        cells = [
            f"{numbers.count(x.different)} of {numbers.count(x.elements)}", first, numbers.short(x.max_abs),
        ]  # fmt: skip
        for distance in (x.apart, x.one, x.other):
            cells += [numbers.decibels(distance.sqnr_db), numbers.count(distance.p99_ulp)]
        table.add_row(*map(Text, (x.layer, *cells)))
    return table


def _where(found: Comparison) -> list[str]:
    """In words, where the first difference comes from."""
    first: LayerDifference | None = found.first
    if first is None or first.values is None:
        return ["every bit is the same"]
    from emu.deviation.trace_table import number, span

    one, other, truth = map(number, first.values)
    values = f"{one} under A, {other} under B, exact {truth}"
    lines = [f"first different element: {list(first.first or ())} of {first.layer}: {values}"]
    at = found.parting
    if at is None:
        return [*lines, f"first different stage: the vector operation {first.op} itself"]
    values = f"{number(at.one)} under A and {number(at.other)} under B"
    if at.step is None:
        place = at.place.value if at.k is None else f"{at.place.value} {at.k}"
        return [*lines, f"first different stage: {place}: {values}"]
    step = at.step[0]
    assert found.traces is not None
    unit = f"level {step.level} of {found.traces[0].trace.unit}"
    becomes = f"the accumulator becomes {values} (exact {number(step.exact)})"
    return [*lines, f"first different step: {unit}, at k {span(step.k)}: {becomes}"]


def _alone(found: Comparison) -> list[str]:
    if not found.alone:
        return []
    return [f"only one of them runs these, they are not compared: {', '.join(found.alone)}"]


def _keys(found: Comparison) -> list[str]:
    """What the two specifications say differently."""
    if not found.keys:
        return ["the specifications say the same"]
    shown = found.keys[:MOST_KEYS]
    width = max(len(key.key) for key in shown)
    lines = [f"  {key.key:<{width}}  {key.one} under A, {key.other} under B" for key in shown]
    if len(found.keys) > len(shown):
        lines.append(f"  … and {len(found.keys) - len(shown)} more")
    return ["what the specifications say differently:", *lines]
