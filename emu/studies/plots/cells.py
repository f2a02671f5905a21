"""Heat maps: an objective over two axes, or a metric over layers and the values of an axis.

* A cell is the median of the points (layers' rows) that fall into it; the note says so where that matters.
* The colour is the stronger the larger the number; infinities have none. Numbers stand in the cells, unless there are
  too many columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from emu.deviation.names import cut, fit
from emu.report.svg import FONT_SIZE
from emu.studies.objectives import Objective
from emu.studies.plots.style import LABEL, MOST_LETTERS, STRONG, Drawn, Palette, canvas, shade
from emu.studies.view import View, middle
from emu.studies.words import better, by_layer, describe, short_axes, spelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW, MARGIN = 0.26, 1.1
"""Inches."""
MOST_WRITTEN = 20
"""Columns before cells are too small for numbers."""
MOST_CELLS = 4000
Cells = Mapping[tuple[str, str], float]
"""By row and column."""


def heat_plot(view: View, palette: Palette, objective: Objective, x: str, y: str) -> Drawn | None:
    """An objective over two axes; None if there are too many cells, or nothing to show."""
    values: dict[tuple[str, str], list[float]] = {}
    for one in view.answered:
        if x in one.labels and y in one.labels:
            values.setdefault((one.labels[y], one.labels[x]), []).append(one.values[objective.name])
    names = short_axes(view.varied)
    several = any(len(some) > 1 for some in values.values())
    note = "median over the other axes" if several else ""
    drawn = _draw(
        palette, objective, {key: middle(some) for key, some in values.items()}, rows=view.labels(y),
        columns=view.labels(x), y=names[y], x=names[x],
    )  # fmt: skip
    if drawn is None:
        return None
    title = f"{objective.name} by {names[x]} and {names[y]}: {describe(objective)} ({better(objective)})"
    return Drawn(kind="heat", figure=drawn.figure, title=title, note=note)


def layers_plot(view: View, palette: Palette, objective: Objective, x: str) -> Drawn | None:
    """A metric over layers and the values of an axis; None if there are too many cells, or nothing to show."""
    values: dict[tuple[str, str], list[float]] = {}
    layers: dict[str, None] = {}
    for one in view.layers(objective):
        if x in one.point.labels:
            layers[one.layer] = None
            values.setdefault((one.layer, one.point.labels[x]), []).append(one.value)
    name = short_axes(view.varied)[x]
    note = "median over the other axes" if len(view.varied) > 1 else ""
    drawn = _draw(
        palette, objective, {key: middle(some) for key, some in values.items()}, rows=list(layers),
        columns=view.labels(x), y="", x=name,
    )  # fmt: skip
    if drawn is None:
        return None
    title = f"Layers by {name}: {by_layer(objective)} ({better(objective)})"
    return Drawn(kind="layers", figure=drawn.figure, title=title, note=note)


def alone_plot(view: View, palette: Palette, objective: Objective) -> Drawn | None:
    """An objective over layers and the values at which each of them is alone; of a search for a mixed precision."""
    alone = view.alone()
    name = view.asked.search.along or ""
    columns = list(dict.fromkeys(value for _, value in alone))
    cells = {key: one.values[objective.name] for key, one in alone.items()}
    layers = list(dict.fromkeys(layer for layer, _ in alone))
    drawn = _draw(palette, objective, cells, rows=layers, columns=columns, y="", x=name)
    if drawn is None:
        return None
    title = f"{objective.name} with one layer at another {name}: {describe(objective)} ({better(objective)})"
    return Drawn(kind="layers", figure=drawn.figure, title=title, note="all other layers are at the dearest value")


def _draw(
    palette: Palette, objective: Objective, cells: Cells, *, rows: Sequence[str], columns: Sequence[str], y: str, x: str
) -> Drawn | None:
    from matplotlib.patches import Rectangle

    finite = [value for value in cells.values() if math.isfinite(value)]
    if not finite or len(rows) * len(columns) > MOST_CELLS:
        return None
    low, high = min(finite), max(finite)
    written = len(columns) <= MOST_WRITTEN
    fig, ax = canvas(palette, height=MARGIN + ROW * len(rows))
    ax.grid(visible=False)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            value = cells.get((row, column), math.nan)
            if math.isnan(value):
                continue
            strength = (value - low) / (high - low) if math.isfinite(value) and high > low else 0.0
            colour, opacity = shade(palette.accent, strength)
            ax.add_patch(Rectangle((j - 0.48, i - 0.44), 0.96, 0.88, facecolor=colour, alpha=opacity, linewidth=0))
            if written:
                ink = palette.surface if strength > STRONG else palette.text
                text = spelled(objective, value)
                ax.text(j, i, text, ha="center", va="center_baseline", fontsize=FONT_SIZE - 0.5, color=ink)
    ax.set_xlim(-0.55, len(columns) - 0.45)
    ax.set_ylim(len(rows) - 0.45, -0.55)
    _ticks(ax, columns, rows)
    ax.set_xlabel(
        x if written else f"{x} (stronger: more, from {spelled(objective, low)} to {spelled(objective, high)})"
    )
    ax.set_ylabel(y)
    return Drawn(kind="", figure=fig, title="", note="")


def _ticks(ax: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    step = -(-len(columns) // (2 * MOST_WRITTEN))
    places = range(0, len(columns), step)
    ax.set_xticks(list(places), [cut(columns[i], LABEL) for i in places])
    if sum(min(len(columns[i]), LABEL) for i in places) > MOST_LETTERS:
        ax.tick_params(axis="x", labelrotation=30)
        for text in ax.get_xticklabels():
            text.set_horizontalalignment("right")
    ax.set_yticks(range(len(rows)), fit(list(rows), LABEL))
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
