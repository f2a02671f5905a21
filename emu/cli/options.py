"""Options that several commands have."""

from __future__ import annotations

import click

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
