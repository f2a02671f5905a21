"""`emu report`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "path", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The HTML file."
)
def command(run: Path, path: Path) -> None:
    """Write the HTML report of RUN, a folder that `emu replay --out` made."""
    from emu.deviation.store import read_run
    from emu.report import write_report

    write_report(path, read_run(run).result)
    click.echo(str(path))
