"""`emu schema`."""

from __future__ import annotations

import click


@click.command(name="schema")
@click.argument(
    "kind",
    type=click.Choice(["format", "function", "unit", "family", "scheme", "accelerator", "workload", "study"]),
)
def command(kind: str) -> None:
    """Print the JSON Schema (draft 2020-12) of one kind of spec file, for editors that complete and check TOML.

    spec/README.md, "In your editor", says how to use it.
    """
    from emu.language.schema import text

    click.echo(text(kind), nl=False)
