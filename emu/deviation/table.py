"""The per-layer table in a terminal.

* Columns: layer, op, shape, every metric; saturated, flushed, NaN made if events were counted; KL, sign flips, zeros
  lost, overflowed, wrapped and not finite where any layer has some; the blamed stage if stages were looked at; metrics
  of the user's own. "rel" is |Δ| over |truth|.
* The worst layer (lowest SQNR) is marked with an arrow, in colour too where the console has colours.
* A terminal that is too narrow loses columns, least important first, and the caption names them; layer names
  are cut in the middle, where they differ least, before any number is. Output that goes to a file or a pipe
  is never cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from emu.deviation import numbers
from emu.deviation.names import fit
from emu.deviation.rows import LayerRow, worst

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHORTEST_NAME = 12
"""Layer names are not cut below this many characters: columns go first."""
UNBOUNDED = 10_000
"""Characters of a console that cuts nothing."""
KEPT = ("layer", "SQNR dB")
"""Columns that no terminal is too narrow for."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its heading and what it shows of a row."""

    name: str
    show: Callable[[LayerRow], str]
    keep: int
    """columns with the lowest number are dropped first"""
    number: bool = True
    only_if: Callable[[LayerRow], int | None] | None = None
    """show the column only if this is known and not 0 for some row"""


def _counted(row: LayerRow) -> bool:
    return row.counted


def _softmax(row: LayerRow) -> bool:
    return row.kl_rows > 0


COLUMNS = (
    Column(name="layer", show=lambda r: r.layer, keep=20, number=False),
    Column(name="op", show=lambda r: r.op, keep=10, number=False),
    Column(name="shape", show=lambda r: numbers.shape(r.shape), keep=9, number=False),
    Column(name="SQNR dB", show=lambda r: numbers.decibels(r.sqnr_db), keep=19),
    Column(name="max ULP", show=lambda r: numbers.count(r.max_ulp), keep=17),
    Column(name="P99 ULP", show=lambda r: numbers.count(r.ulp_p99), keep=7),
    Column(name="P50 ULP", show=lambda r: numbers.count(r.ulp_p50), keep=6),
    Column(name="mean ULP", show=lambda r: numbers.short(r.mean_ulp), keep=3),
    Column(name="max |Δ|", show=lambda r: numbers.short(r.max_abs), keep=16),
    Column(name="MSE", show=lambda r: numbers.short(r.mse), keep=1),
    Column(name="bias", show=lambda r: numbers.short(r.mean_error), keep=4),
    Column(name="mean rel", show=lambda r: numbers.short(r.mean_relative), keep=5),
    Column(name="max rel", show=lambda r: numbers.short(r.max_relative), keep=2),
    Column(name="cosine", show=lambda r: numbers.cosine(r.cosine), keep=11),
    Column(name="KL nats", show=lambda r: numbers.short(r.kl_mean), keep=8, only_if=_softmax),
    Column(name="sign flips", show=lambda r: numbers.count(r.sign_flips), keep=4, only_if=lambda r: r.sign_flips),
    Column(name="zeros lost", show=lambda r: numbers.count(r.zeros_lost), keep=8, only_if=lambda r: r.zeros_lost),
    Column(name="saturated", show=lambda r: numbers.count(r.all_saturated), keep=15, only_if=_counted),
    Column(name="flushed", show=lambda r: numbers.count(r.flushed), keep=12, only_if=_counted),
    Column(name="NaN made", show=lambda r: numbers.count(r.nan_made), keep=13, only_if=_counted),
    Column(
        name="overflowed", show=lambda r: numbers.count(r.all_overflowed), keep=14, only_if=lambda r: r.all_overflowed
    ),
    Column(name="wrapped", show=lambda r: numbers.count(r.wrapped), keep=14, only_if=lambda r: r.wrapped),
    Column(name="not finite", show=lambda r: numbers.count(r.left_out), keep=18, only_if=lambda r: r.left_out),
    Column(name="blamed", show=lambda r: blamed(r), keep=16, number=False, only_if=lambda r: r.blamed is not None),
)


def blamed(row: LayerRow) -> str:
    """The stage with the largest share of the error, and the share."""
    stage = row.blamed
    return "–" if stage is None else f"{spaced(stage)} {numbers.percent(row.share[stage])} %"


def spaced(stage: str) -> str:
    """A stage's name as people read it."""
    return stage.replace("_", " ")


def _user_columns(rows: Sequence[LayerRow]) -> list[Column]:
    """One for each metric of the user's own."""
    names = dict.fromkeys(name for row in rows for name in row.user)
    return [Column(name=name, show=partial(_own, name), keep=18) for name in names]


def _own(name: str, row: LayerRow) -> str:
    return numbers.short(row.user.get(name, math.nan))


def shown_columns(rows: Sequence[LayerRow]) -> list[Column]:
    """The columns that these layers need."""
    return [*(c for c in COLUMNS if c.only_if is None or any(map(c.only_if, rows))), *_user_columns(rows)]


def layer_table(
    rows: Sequence[LayerRow], *, width: int | None = None, columns: Sequence[Column] | None = None
) -> Table:
    """The table of a replay.

    Args:
        rows: in the order to be shown.
        width: characters that fit; None: as wide as it needs to be.
        columns: what to show, layers' names among it; None: what these rows need.
    """
    shown = shown_columns(rows) if columns is None else list(columns)
    dropped: list[Column] = []
    longest = max([len("layer"), *(len(row.layer) for row in rows)])
    table = _build(rows, shown, longest)
    while width is not None and (excess := table_width(table) - width) > 0:
        if longest - excess >= min(longest, SHORTEST_NAME) or len(shown) <= len(KEPT):
            table = _build(rows, shown, max(1, longest - excess))
            break
        dropped.append(min((c for c in shown if c.name not in KEPT), key=lambda c: c.keep))
        shown.remove(dropped[-1])
        table = _build(rows, shown, longest)
    if dropped:
        table.caption = not_shown(column.name for column in dropped)
    return table


def _build(rows: Sequence[LayerRow], columns: Sequence[Column], name_width: int) -> Table:
    from rich.text import Text

    table = plain_table()
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column.name, justify="right" if column.number else "left", no_wrap=True)
    bad = worst(rows) if len(rows) > 1 else None
    for row, name in zip(rows, fit([row.layer for row in rows], name_width), strict=True):
        cells = [name if c.name == "layer" else c.show(row) for c in columns]
        cells.insert(0, "▸" if row is bad else "")
        table.add_row(*map(Text, cells), style="bold red" if row is bad else None)
    return table


def plain_table() -> Table:
    """A table with a rule under its heading and two spaces between columns."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption_justify="left")


def not_shown(names: Iterable[str]) -> str:
    """The caption of a table that lost columns."""
    return f"not shown for want of width: {', '.join(names)}"


def table_width(table: Table) -> int:
    """Characters that a table needs so that no cell is cut."""
    from rich.console import Console

    return max(1, Console(width=UNBOUNDED).measure(table).maximum)


def print_table(console: Console, table: Table) -> None:
    """Print a table: cut to fit on a terminal, in full anywhere else."""
    if console.is_terminal:
        console.print(table)
        return
    width = console.width
    console.width = max(width, table_width(table))
    try:
        console.print(table)
    finally:
        console.width = width


def print_layers(console: Console, rows: Sequence[LayerRow]) -> None:
    """Print the table of a replay so that it fits a terminal, and in full anywhere else."""
    print_table(console, layer_table(rows, width=console.width if console.is_terminal else None))
