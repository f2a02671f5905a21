"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.cli.sizes import ByteSize

if TYPE_CHECKING:
    from emu.replaying.course import Course

BACKEND = click.option(
    "--backend",
    type=click.Choice(["reference", "numba", "c"]),
    default="c",
    show_default=True,
    help="Bits do not depend on it.",
)
FORMAT = click.option(
    "--format", "-f", "name", required=True, metavar="F", help="A format: name, alias, eXmY, intN or a .toml file."
)
INPUTS = click.option(
    "--inputs",
    type=click.Path(path_type=Path),
    help="An .npz file with one array for each input of the model. A capture (.safetensors) has its own: its layers "
    "stand alone, so every mode is isolated there.",
)
ACCELERATOR = click.option(
    "--accelerator",
    required=True,
    metavar="NAME|FILE.toml",
    help="A built-in name (see `emu list accelerators`) or a file.",
)
CALIBRATION = click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    metavar="X.npz",
    help="Inputs from which static activation scales are chosen; for a capture another capture of its layers.",
)


def _course(ctx: click.Context, parameter: click.Parameter, value: str) -> Course:
    """`--mode` as the replay takes it."""
    from emu.errors import SpecError
    from emu.replaying.course import course

    try:
        return course(value)
    except SpecError as error:
        raise click.BadParameter(str(error), ctx, parameter) from None


MEMORY_LIMIT = click.option(
    "--memory-limit",
    type=ByteSize(),
    metavar="SIZE",
    help="Most memory for tensors, such as 512MiB or 2GiB, besides the model itself: others wait on disk, in --out or "
    "among the temporary files. A layer that is larger by itself is refused before work starts.",
)
MODE = click.option(
    "--mode",
    default="isolated",
    show_default=True,
    metavar="isolated|propagated|from=LAYER",
    callback=_course,
    help="Each layer on reference inputs; or errors flow; or they flow from LAYER on, and what comes before it in "
    "graph order runs in float32.",
)
