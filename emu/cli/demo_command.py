"""`emu demo`."""

from __future__ import annotations

from pathlib import Path

import click

from emu.cli import options


@click.command(name="demo")
@click.option(
    "--accelerator",
    "accelerators",
    multiple=True,
    metavar="NAME|FILE",
    help="Instead of the three built-in ones; may be repeated.",
)
@options.BACKEND
@click.option("--images", type=click.IntRange(min=1), help="How many of the images (default: all 450).")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write an HTML report of the run farthest from IEEE.",
)
def command(accelerators: tuple[str, ...], backend: str, images: int | None, report: Path | None) -> None:
    """Classify real handwritten digits in IEEE float32 and, bit by bit, under three accelerators."""
    from emu.cli.consoles import output
    from emu.demo.demo import ACCELERATORS, run_demo

    run_demo(output(), accelerators=accelerators or ACCELERATORS, backend=backend, report=report, images=images)
