"""Two objectives against each other, and the Pareto front of the two.

* Filled points keep the constraints, hollow ones do not; dashed lines are the constraints.
* The front is a staircase: what the best point gives that is no dearer. It is that of the two objectives that are
  drawn, also where the study has more. Its points are labelled where there is room.
* What has a sign is drawn without it: the nearer to 0 the better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emu.deviation import numbers
from emu.deviation.names import cut
from emu.report.svg import FONT_SIZE
from emu.studies.objectives import Objective
from emu.studies.plots.style import (
    LABEL,
    Drawn,
    Palette,
    canvas,
    colours,
    constraint_lines,
    label_sides,
    legend,
    markers,
    set_scale,
)
from emu.studies.results import pareto as front_of
from emu.studies.view import NO_LABEL, Shown, View
from emu.studies.vocabulary import Goal
from emu.studies.words import better, describe, short_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LABELLED = 10
"""Points of the front that are labelled, from the left."""
MOST_COLOURS = 8
ROOM = (0.09, 0.04)
"""Of a label, as parts of the picture."""


def pareto_plot(view: View, palette: Palette, x: Objective, y: Objective, axis: str | None = None) -> Drawn | None:
    """The plot; None if no point has both numbers.

    Args:
        view: the points.
        palette: the colours.
        x: drawn from left to right.
        y: drawn upwards.
        axis: whose values have colours (default: the first with few enough).
    """
    points = [one for one in view.answered if all(math.isfinite(one.values[o.name]) for o in (x, y))]
    if not points:
        return None
    fig, ax = canvas(palette, height=5.2)
    axis = axis or next((name for name in view.varied if len(view.labels(name)) <= MOST_COLOURS), None)
    _scatter(ax, view, palette, points, x, y, axis)
    front = _front(points, x, y)
    xs, ys = ([_value(objective, one) for one in front] for objective in (x, y))
    style = "steps-post" if x.goal is Goal.MINIMISE or x.signed else "steps-pre"
    ax.plot(xs, ys, drawstyle=style, color=palette.alert, linewidth=1.2, alpha=0.8, label="Pareto front", zorder=1)
    notes = [f"front of these two objectives, {numbers.plural(len(front), 'point')}"]
    for side, objective in (("x", x), ("y", y)):
        values = [_value(objective, one) for one in points]
        set_scale(ax, side, objective, values)
        notes += constraint_lines(ax, palette, side, objective, view.asked.constraints, values)
    label_sides(ax, f"{_title(x)} ({better(x)})", f"{_title(y)} ({better(y)})")
    ax.margins(0.06)
    _label(ax, view, palette, front[:MOST_LABELLED], x, y)
    legend(ax, palette, "" if axis is None else short_axes(view.varied)[axis])
    out = len(view.answered) - len(points)
    if not all(one.kept for one in points):
        notes.append("hollow: constraints not kept")
    if out:
        notes.append(f"{numbers.plural(out, 'point')} without a finite number not drawn")
    return Drawn(kind="pareto", figure=fig, title=f"{y.name} against {x.name}", note="; ".join(notes))


def _title(objective: Objective) -> str:
    return f"|{describe(objective)}|" if objective.signed else describe(objective)


def _value(objective: Objective, one: Shown) -> float:
    value = one.values[objective.name]
    return abs(value) if objective.signed else value


def _front(points: Sequence[Shown], x: Objective, y: Objective) -> list[Shown]:
    """From left to right."""
    kept = [one for one in points if one.kept]
    found = front_of([{"point": one.number, **one.values} for one in kept], (x, y))
    return sorted((one for one in kept if one.number in found), key=lambda one: (_value(x, one), _value(y, one)))


def _scatter(
    ax: Axes, view: View, palette: Palette, points: Sequence[Shown], x: Objective, y: Objective, axis: str | None
) -> None:
    labels = [] if axis is None else view.labels(axis)
    paint = colours(labels, ordered=axis is not None and view.ordered(axis))
    shapes = markers(labels)
    for label in [*labels, None]:
        chosen = [one for one in points if (None if axis is None else one.labels.get(axis)) == label]
        colour, shape = paint.get(label or "", palette.accent), shapes.get(label or "", "o")
        name = label if label is not None else NO_LABEL if axis is not None else None
        for kept in (True, False):
            some = [one for one in chosen if one.kept is kept]
            if some:
                ax.plot(
                    [_value(x, one) for one in some], [_value(y, one) for one in some], shape, markersize=6,
                    markerfacecolor=colour if kept else "none", markeredgecolor=colour, markeredgewidth=1.0,
                    alpha=0.9, linestyle="none", label=None if name is None else cut(name, LABEL), zorder=2,
                )  # fmt: skip
                name = None


def _label(ax: Axes, view: View, palette: Palette, front: Sequence[Shown], x: Objective, y: Objective) -> None:
    """What the points of the front are; of points that are too near for two labels, the first one."""
    if not view.varied:
        return
    ax.autoscale_view()
    taken: list[tuple[float, float]] = []
    for one in front:
        place = (_value(x, one), _value(y, one))
        across, up = ax.transAxes.inverted().transform(ax.transData.transform(place))
        if any(abs(across - a) < ROOM[0] and abs(up - b) < ROOM[1] for a, b in taken):
            continue
        taken.append((across, up))
        text = cut(", ".join(one.labels.get(name, NO_LABEL) for name in view.varied), LABEL)
        ax.annotate(
            text, place, xytext=(6, -4), textcoords="offset points", va="top", fontsize=FONT_SIZE - 0.5,
            color=palette.muted,
        )  # fmt: skip
