"""What the commands of `emu verify` share: a progress bar, a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def progress(total: int) -> Iterator[Callable[[str, int], None]]:
    """A progress bar on standard error; it yields what adds to it, with a word on what was done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from emu.cli.consoles import messages

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=messages(), transient=True) as progress:
        task = progress.add_task("", total=total)

        def step(what: str, done: int) -> None:
            progress.update(task, advance=done, description=what or None)

        yield step


def print_table(headings: Sequence[str], right: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output; `right` are the headings of columns of numbers."""
    from rich.table import Table

    from emu.cli.consoles import output

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    output().print(table)
