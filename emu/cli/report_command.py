"""`emu report`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "path", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The HTML file."
)
@click.option(
    "--beside",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Another stored run of the same model (its other mode, another accelerator), to draw behind the curve along "
    "the graph.",
)
def command(run: Path, path: Path, beside: Path | None) -> None:
    """Write the HTML report of RUN, a folder that `emu replay --out` made."""
    from emu.deviation.store import read_run
    from emu.report import write_report

    other = None if beside is None else read_run(beside).result
    write_report(path, read_run(run).result, other)
    click.echo(str(path))
