"""`emu trace`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.cli import options

if TYPE_CHECKING:
    from emu.attribution.element import ElementTrace, Index
    from emu.replaying.pick import PickedLayer

PICTURES = (".svg", ".png", ".pdf")


@click.command(name="trace")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("layer", metavar="LAYER")
@options.INPUTS
@options.ACCELERATOR
@click.option(
    "--element",
    metavar="I,J,…",
    help="Of the layer's output, one index for each axis; the first that is not correctly rounded, if left out.",
)
@click.option("--steps", default=24, show_default=True, help="How many steps to print: those that lost most.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the steps (.svg, .png or .pdf).")
@click.option("--json", "as_json", is_flag=True, help="Every step, numbers exact, as JSON.")
@options.CALIBRATION
def command(
    model: Path, layer: str, inputs: Path | None, accelerator: str, element: str | None, steps: int, plot: Path | None,
    as_json: bool, calibration: Path | None,
) -> int:  # fmt: skip
    """Follow one output element of LAYER (a name or glob) of MODEL through the datapath, step by step."""
    from emu.accelerators import load_accelerator
    from emu.attribution.element import trace_element
    from emu.cli.workload_files import calibration_of, opened
    from emu.deviation import trace_table
    from emu.replaying.pick import pick_layers

    index = None if element is None else _index(element)
    if plot is not None and plot.suffix not in PICTURES:
        raise click.UsageError(f"--plot {plot}: pictures end in {', '.join(PICTURES)}")
    chosen = load_accelerator(accelerator)
    (picked,) = pick_layers(*opened(model, inputs), (chosen,), layer, calibration=calibration_of(calibration))
    found = trace_element(picked.lowered, picked.plan, index or _first(picked), picked.static)
    if plot is not None:
        from emu.report.trace_plot import write_trace_plot

        write_trace_plot(plot, picked.name, found)
    if as_json:
        import json

        click.echo(json.dumps(trace_table.as_json(picked.name, found), indent=1))
    else:
        _print(picked, found, steps)
    return 0


def _index(text: str) -> Index:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.UsageError(f"--element {text!r}: one integer for each axis, separated by commas") from None


def _first(picked: PickedLayer) -> Index:
    """The first element that is not the correctly rounded truth, else the first of all."""
    from emu.attribution.element import first_divergent

    found = first_divergent(picked.lowered, picked.plan, picked.static)
    return tuple(0 for _ in picked.lowered.output_shape) if found is None else found


def _print(picked: PickedLayer, found: ElementTrace, steps: int) -> None:
    from emu.cli.consoles import output
    from emu.deviation import trace_table
    from emu.deviation.table import print_table

    console = output()
    number, trace = trace_table.number, found.trace
    console.print(f"{picked.op} {picked.name}, element {list(found.index)}: unit {trace.unit}, K = {len(trace.a)}")
    console.print(f"exact     {number(found.truth)}")
    console.print(f"emulated  {number(found.emulated)}   error {number(found.emulated - found.truth)}")
    scaled = "" if found.scale == 1 else f", times {number(found.scale)} in the epilogue"
    console.print(f"d         {hex(trace.d)} = {number(trace.d_value)}{scaled}")
    console.print()
    console.print("The largest products:")
    print_table(console, trace_table.products_table(found))
    console.print("The steps, in the order of execution (a level is run whole before the next one):")
    print_table(console, trace_table.steps_table(trace, max(steps, 2)))
