"""What `emu study compare` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.deviation import numbers
from emu.deviation.names import cut
from emu.deviation.table import plain_table, print_table
from emu.studies.compare import Comparison, difference, largest
from emu.studies.view import NO_LABEL
from emu.studies.words import heading, short_axes, spelled

if TYPE_CHECKING:
    from rich.console import Console

LABEL = 32
"""Characters of a value in a table."""
MOST_COLUMNS = 6
"""Columns that a changed answer is told with."""


def print_comparison(console: Console, found: Comparison, *, most: int) -> None:
    """Points in both, differences of objectives, answers that changed."""
    a, b = (view.results.store.folder for view in (found.one, found.other))
    rest = [f"{numbers.count(n)} only in {folder}" for n, folder in ((found.only_one, a), (found.only_other, b)) if n]
    console.print(", ".join([f"{numbers.plural(len(found.pairs), 'point')} in both", *rest]), soft_wrap=True)
    differing = largest(found.pairs, found.objectives)
    if not found.objectives:
        console.print("no objective is the same in both", soft_wrap=True)
    elif found.pairs and not differing:
        console.print(f"{', '.join(one.name for one in found.objectives)}: the same in all of them", soft_wrap=True)
    elif differing:
        shown = min(most, len(differing))
        console.print(f"\n{numbers.plural(len(differing), 'point')} with other objectives; the {shown} largest")
        _print_pairs(console, found, most)
    _print_answers(console, found)


def _print_pairs(console: Console, found: Comparison, most: int) -> None:
    from rich.text import Text

    table = plain_table()
    varied = [name for name in found.axes if name in found.one.varied or name in found.other.varied]
    names = short_axes(varied)
    for name in varied:
        table.add_column(names[name], justify="right" if found.one.numeric(name) else "left")
    for objective in found.objectives:
        for title in (heading(objective), "becomes", "change"):
            table.add_column(title, justify="right", no_wrap=True)
    for pair in largest(found.pairs, found.objectives)[:most]:
        cells = [cut(pair.labels.get(name) or NO_LABEL, LABEL) for name in varied]
        for objective in found.objectives:
            values = (pair.one.values[objective.name], pair.other.values[objective.name])
            change = difference(pair, objective)
            cells += [*(spelled(objective, value) for value in values), _signed(change)]
        table.add_row(*map(Text, cells))
    print_table(console, table)


def _signed(x: float) -> str:
    text = numbers.short(x)
    return f"+{text}" if x > 0 else text


def _print_answers(console: Console, found: Comparison) -> None:
    answers = numbers.plural(found.same_keys, "answer")
    if not found.same_keys:
        console.print("no answer is of the same question: accelerators, model, inputs or versions are others")
    elif not found.changed:
        console.print(f"{answers} of the same question: every bit is the same", soft_wrap=True)
    else:
        console.print(f"{len(found.changed)} of {answers} of the same question are not the same:", soft_wrap=True)
        for one in found.changed:
            where = ", ".join(f"{name} = {label}" for name, label in one.labels.items())
            columns = ", ".join(one.columns[:MOST_COLUMNS]) + (", …" if len(one.columns) > MOST_COLUMNS else "")
            layer = f"from layer {one.layer} on: " if one.layer else ""
            console.print(f"  {one.key} ({where}): {layer}{columns}", soft_wrap=True)
