"""The tables of a study's report: every point, and the points of the Pareto front or the best ones.

* A cell is sorted by a number that JavaScript's `Number()` reads, or by its text. NaN sorts below everything.
* The first column's cell is a point's number; all its labels are shown where the mouse rests on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from emu.deviation import numbers
from emu.deviation.names import cut
from emu.report.columns import javascript
from emu.studies.view import NO_LABEL, Shown, View
from emu.studies.words import better, describe, heading, short_axes, spelled

LABEL = 40
"""Characters of a value in a cell."""
HASH = 12
"""Digits of a hash in a cell."""
MOST_BEST = 20


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading."""

    name: str
    meaning: str = ""
    number: bool = True
    filtered: bool = False


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What stands in a cell, and what it is sorted by."""

    text: str
    sort: str
    mark: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """One point."""

    cells: tuple[tuple[Column, Cell], ...]
    front: bool
    title: str


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table."""

    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def all_points(view: View) -> Grid:
    """Every point."""
    columns = [
        Column(name="point", meaning="its number; all its values are shown where the mouse rests on it", number=False),
        *_axes(view), *_objectives(view),
        Column(name="state", meaning="of the constraints and the Pareto front", number=False, filtered=True),
        Column(name="accelerator", meaning="the first digits of its hash", number=False, filtered=True),
    ]  # fmt: skip
    rows = []
    for one in view.points:
        state, digest = state_of(view, one), one.accelerator_hash[:HASH]
        own = [Cell(text=state, sort=state), Cell(text=digest, sort=digest)]
        rows.append(_row(view, one, columns, [_plain(one.number), *_labels(view, one), *_values(view, one), *own]))
    return Grid(title="Points", note="", columns=tuple(columns), rows=tuple(rows))


def best_points(view: View) -> Grid | None:
    """The Pareto front of several objectives; the best points of one. None if no point keeps the constraints."""
    several = len(view.asked.objectives) > 1
    points = view.front if several else view.best()
    if not points:
        return None
    names = ", ".join(one.name for one in view.asked.objectives)
    shown = points[:MOST_BEST]
    rest = f", {len(shown)} of {numbers.count(len(points))}" if len(shown) < len(points) else ""
    first = view.asked.objectives[0]
    note = f"By {names}: {describe(first)}, {better(first)}."
    if several:
        note = f"No other point is as good in all of {names} and better in one."
    return _short(view, f"Pareto front{rest}" if several else f"Best points{rest}", note, shown)


def found_points(view: View) -> Grid | None:
    """What the search was for; None if it looks for nothing by itself, or found nothing."""
    title, found = view.found()
    return _short(view, title, "Of the points that the search has tried.", found) if found else None


def _short(view: View, title: str, note: str, points: Sequence[Shown]) -> Grid:
    columns = [Column(name="point"), *_axes(view), *_objectives(view)]
    rows = [
        _row(view, one, columns, [_plain(one.number), *_labels(view, one), *_values(view, one, best=points)])
        for one in points
    ]
    return Grid(title=title, note=note, columns=tuple(columns), rows=tuple(rows))


def state_of(view: View, one: Shown) -> str:
    """How a point stands."""
    if one.failed is not None:
        return "failed"
    if not one.done:
        return "not run"
    if not one.kept:
        return "constraints not kept"
    if one.pareto:
        return "front" if len(view.asked.objectives) > 1 else "best"
    return "kept" if view.asked.constraints else ""


def _row(view: View, one: Shown, columns: Sequence[Column], cells: Sequence[Cell]) -> Row:
    title = ", ".join(f"{name} = {label}" for name, label in one.labels.items())
    front = one.pareto and len(view.asked.objectives) > 1
    return Row(cells=tuple(zip(columns, cells, strict=True)), front=front, title=title)


def _axes(view: View) -> list[Column]:
    names = short_axes(view.varied)
    return [Column(name=names[n], meaning=n, number=view.numeric(n), filtered=True) for n in view.varied]


def _objectives(view: View) -> list[Column]:
    return [Column(name=heading(o), meaning=f"{describe(o)}; {better(o)}") for o in view.asked.objectives]


def _plain(number: int) -> Cell:
    return Cell(text=str(number), sort=str(number))


def _labels(view: View, one: Shown) -> list[Cell]:
    out = []
    for name in view.varied:
        missing = javascript(math.nan) if view.numeric(name) else ""
        out.append(Cell(text=cut(one.labels.get(name, NO_LABEL), LABEL), sort=one.labels.get(name, missing)))
    return out


def _values(view: View, one: Shown, best: Sequence[Shown] = ()) -> list[Cell]:
    """The objectives; the best ones among some points are marked."""
    out = []
    for objective in view.asked.objectives:
        value = one.values[objective.name]
        least = min((objective.badness(other.values[objective.name]) for other in best), default=-math.inf)
        mark = len(best) > 1 and objective.badness(value) == least
        out.append(Cell(text=spelled(objective, value), sort=javascript(value), mark=mark))
    return out
