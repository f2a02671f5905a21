"""The tables below the per-layer one: where the error comes from, and the model's outputs.

Where the error comes from: layers × stages, the stages' shares of the error's energy in percent. They sum to 100; a
negative one undoes error that other stages make. `–`: the datapath has no such stage, or the layer no error. Infinities
and NaNs are no part of shares: they are counted under `not finite`, by the stage that made them. A stage that has no
part in any layer has no column; too narrow terminals lose the stages that matter least, first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from emu.attribution.stages import Stage
from emu.deviation import numbers
from emu.deviation.agreement import TOP
from emu.deviation.rows import LayerRow, OutputRow
from emu.deviation.table import COLUMNS, Column, layer_table, not_shown, plain_table, print_table, spaced, table_width

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHARES_TITLE = "where the error comes from: shares of its energy in %"
SHAPLEY_TITLE = "what the layers' own stages make of it over all orders of them (Shapley values), in %"
NAME, SQNR = (next(c for c in COLUMNS if c.name == name) for name in ("layer", "SQNR dB"))


def stages_of(rows: Sequence[LayerRow]) -> list[str]:
    """The stages that some layer has, in the order of the ladder."""
    there = {stage for row in rows for stage in row.stages}
    return [stage.value for stage in Stage if stage.value in there]


def charged_words(row: LayerRow) -> str:
    """Which stages made infinities and NaNs: `range 12, output 3`."""
    return ", ".join(f"{spaced(stage)} {numbers.count(n)}" for stage, n in row.charged.items())


def share_table(rows: Sequence[LayerRow], *, width: int | None = None, shapley: bool = False) -> Table:
    """Layers × stages.

    Args:
        rows: in the order to be shown.
        width: characters that fit; None: as wide as it needs to be.
        shapley: Shapley values in place of shares.
    """

    def column(stage: str) -> Column:
        return Column(
            name=spaced(stage),
            keep=rank[stage],
            show=lambda r: numbers.percent((r.shapley if shapley else r.share).get(stage, math.nan)),
        )

    shares = [row.shapley if shapley else row.share for row in rows]
    weight = {stage: max(abs(share.get(stage, 0.0)) for share in shares) for stage in stages_of(rows)}
    stages = [stage for stage in weight if weight[stage]]
    rank = {stage: place for place, stage in enumerate(sorted(stages, key=lambda stage: weight[stage]))}
    columns = [NAME, SQNR, *map(column, stages)]
    if not shapley and any(row.charged for row in rows):
        columns.append(Column(name="not finite", show=charged_words, keep=len(stages), number=False))
    table = layer_table(rows, width=width, columns=columns)
    table.title = SHAPLEY_TITLE if shapley else SHARES_TITLE
    table.title_justify = "left"
    return table


def print_shares(console: Console, rows: Sequence[LayerRow]) -> None:
    """Print where the error comes from, if that was looked at; and why not, where it could not be."""
    width = console.width if console.is_terminal else None
    looked_at = [row for row in rows if row.stages]
    if looked_at:
        console.print()
        print_table(console, share_table(looked_at, width=width))
        seen, elements = (sum(getattr(row, name) for row in looked_at) for name in ("attributed_elements", "elements"))
        if seen < elements:
            console.print(f"{numbers.count(seen)} of {numbers.count(elements)} elements were looked at", soft_wrap=True)
    if any(row.shapley for row in looked_at):
        console.print()
        print_table(console, share_table([row for row in looked_at if row.shapley], width=width, shapley=True))
    for row in rows:
        if row.no_attribution:
            console.print(f"{row.layer}: {row.no_attribution}", soft_wrap=True)


OutputColumn = tuple[str, Callable[[OutputRow], str], int]
"""Heading, what is shown of an output, and how long it is kept on a narrow terminal."""
OUTPUT_COLUMNS: tuple[OutputColumn, ...] = (
    ("shape", lambda r: numbers.shape(r.shape), 4), ("SQNR dB", lambda r: numbers.decibels(r.sqnr_db), 9),
    ("max |Δ|", lambda r: numbers.short(r.max_abs), 7), ("bias", lambda r: numbers.short(r.mean_error), 2),
    ("mean rel", lambda r: numbers.short(r.mean_relative), 3), ("cosine", lambda r: numbers.cosine(r.cosine), 6),
    ("top 1", lambda r: numbers.agreement(r.argmax_agreement, r.argmax_rows), 8),
    (f"top {TOP}", lambda r: numbers.part(r.topk_agreement), 5),
)  # fmt: skip


def output_columns(rows: Sequence[OutputRow]) -> list[OutputColumn]:
    """The columns of these outputs, the user's own metrics last."""
    out = list(OUTPUT_COLUMNS)
    if any(row.left_out for row in rows):
        out.append(("not finite", lambda r: numbers.count(r.left_out), 9))
    own = dict.fromkeys(name for row in rows for name in row.user)
    return [*out, *((name, partial(_own, name), 10) for name in own)]


def _own(name: str, row: OutputRow) -> str:
    return numbers.short(row.user.get(name, math.nan))


def output_table(rows: Sequence[OutputRow], *, width: int | None = None) -> Table:
    """The model's outputs, errors of all layers in them.

    Args:
        rows: the outputs.
        width: characters that fit; None: as wide as it needs to be.
    """
    columns = output_columns(rows)
    dropped: list[str] = []
    table = _outputs(rows, columns)
    while width is not None and table_width(table) > width and columns:
        least = min(columns, key=lambda column: column[2])
        columns.remove(least)
        dropped.append(least[0])
        table = _outputs(rows, columns)
    if dropped:
        table.caption = not_shown(dropped)
    return table


def _outputs(rows: Sequence[OutputRow], columns: Sequence[OutputColumn]) -> Table:
    from rich.text import Text

    table = plain_table()
    table.add_column("output", no_wrap=True)
    for name, _, _ in columns:
        table.add_column(name, justify="left" if name == "shape" else "right", no_wrap=True)
    for row in rows:
        table.add_row(Text(row.output), *(Text(show(row)) for _, show, _ in columns))
    return table


def print_outputs(console: Console, rows: Sequence[OutputRow]) -> None:
    """Print the model's outputs, if there are any."""
    if rows:
        console.print()
        print_table(console, output_table(rows, width=console.width if console.is_terminal else None))
