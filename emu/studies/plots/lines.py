"""An objective over one axis: a line for each value of another axis, or for each layer.

* A point of a line is the median of the study's points that have both values; the note says so where that matters.
* Of many layers, the worst ones have colours, all others are grey.
* Dashed lines are constraints. Dotted lines join values that have no order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from emu.deviation.names import cut, fit
from emu.studies.objectives import Objective
from emu.studies.plots.style import (
    LABEL,
    SERIES,
    Drawn,
    Palette,
    Places,
    canvas,
    colours,
    constraint_lines,
    label_sides,
    legend,
    markers,
    set_scale,
)
from emu.studies.view import View, middle
from emu.studies.words import better, by_layer, describe, short_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMED = 6
"""Layers with a colour and a name, if there are many."""
Line = Mapping[str, float]
"""Number by label."""


def lines_plot(view: View, palette: Palette, objective: Objective, x: str, by: str | None) -> Drawn | None:
    """A line for each value of the axis `by`, or one line; None if there is nothing to show."""
    values: dict[str, dict[str, list[float]]] = {}
    for one in view.answered:
        if x in one.labels and (by is None or by in one.labels):
            line = values.setdefault("" if by is None else one.labels[by], {})
            line.setdefault(one.labels[x], []).append(one.values[objective.name])
    labels = [""] if by is None else [label for label in view.labels(by) if label in values]
    lines = {label: {key: middle(some) for key, some in values.get(label, {}).items()} for label in labels}
    several = any(len(some) > 1 for line in values.values() for some in line.values())
    names = short_axes(view.varied)
    paint = colours(labels, ordered=by is not None and view.ordered(by))
    if by is None:
        paint = {"": palette.accent}
    shapes = markers(labels)
    fig, ax = canvas(palette, height=4.6)
    places = Places.of(view.labels(x), view.numbers(x))
    for label, middles in lines.items():
        _line(
            ax, places, middles, paint[label], shapes[label], None if by is None else cut(label, LABEL),
            ordered=view.ordered(x),
        )  # fmt: skip
    notes = _finish(ax, view, palette, objective, places)
    if notes is None:
        return None
    label_sides(ax, names[x], f"{describe(objective)} ({better(objective)})")
    legend(ax, palette, "" if by is None else names[by])
    title = f"{objective.name} by {names[x]}" + ("" if by is None else f" and {names[by]}")
    note = "; ".join([*(["median over the other axes"] if several else []), *notes])
    return Drawn(kind="lines", figure=fig, title=title, note=note)


def layer_lines_plot(view: View, palette: Palette, objective: Objective, x: str) -> Drawn | None:
    """A line for each layer; None if there is nothing to show."""
    values: dict[str, dict[str, list[float]]] = {}
    for one in view.layers(objective):
        if x in one.point.labels:
            values.setdefault(one.layer, {}).setdefault(one.point.labels[x], []).append(one.value)
    lines = {layer: {key: middle(some) for key, some in line.items()} for layer, line in values.items()}
    if not lines:
        return None
    few = len(lines) <= len(SERIES)
    worst = sorted(lines, key=lambda layer: -objective.badness(middle(lines[layer].values())))
    named = list(lines) if few else worst[:MOST_NAMED]
    paint, shapes = colours(named, ordered=False), markers(named)
    short = dict(zip(named, fit(named, LABEL), strict=True))
    fig, ax = canvas(palette, height=4.6)
    places = Places.of(view.labels(x), view.numbers(x))
    for layer, line in lines.items():
        if layer not in named:
            _line(ax, places, line, palette.muted, "", None, alpha=0.35, ordered=view.ordered(x))
    for layer in named:
        _line(ax, places, lines[layer], paint[layer], shapes[layer], short[layer], ordered=view.ordered(x))
    notes = _finish(ax, view, palette, objective, places)
    if notes is None:
        return None
    name = short_axes(view.varied)[x]
    label_sides(ax, name, f"{by_layer(objective)} ({better(objective)})")
    legend(ax, palette, "layer" if few else f"worst {len(named)} of {len(lines)} layers")
    note = "; ".join([*(["median over the other axes"] if len(view.varied) > 1 else []), *notes])
    return Drawn(kind="lines", figure=fig, title=f"{objective.name} by {name} and layer", note=note)


def _line(
    ax: Axes, places: Places, line: Line, colour: str, marker: str, label: str | None, alpha: float = 1.0,
    *, ordered: bool = True,
) -> None:  # fmt: skip
    ends = [(places.by_label[key], line[key]) for key in places.by_label if math.isfinite(line.get(key, math.nan))]
    ends.sort()
    ax.plot(
        [x for x, _ in ends], [y for _, y in ends], color=colour, marker=marker, markersize=5,
        linewidth=1.4 if ordered else 0.7, linestyle="-" if ordered else ":", alpha=alpha, label=label,
    )  # fmt: skip


def _finish(ax: Axes, view: View, palette: Palette, objective: Objective, places: Places) -> list[str] | None:
    """Scales and constraints, and notes on them; None if nothing is drawn."""
    drawn = [float(y) for line in ax.get_lines() for y in np.asarray(line.get_ydata())]
    if not drawn:
        return None
    set_scale(ax, "y", objective, drawn)
    places.apply(ax, "x")
    if min(drawn) < 0 < max(drawn):
        ax.axhline(0, color=palette.muted, linewidth=0.6, zorder=0)
    return constraint_lines(ax, palette, "y", objective, view.asked.constraints, drawn)
