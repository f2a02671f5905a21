"""How wide must it be: for every layer, the smallest value of an axis that keeps a constraint, over the layer's K.

* The constraint is asked of each layer by itself, of its own number.
* Series stand a little beside each other, where they would hide one another.
* A layer whose constraint no value keeps is a cross at the top.
* Layers with the same K and the same value are one mark, with their number. The line goes through the largest value
  that any layer of a K needs.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from emu.deviation import numbers
from emu.deviation.names import cut
from emu.report.svg import FONT_SIZE
from emu.studies.objectives import Constraint, Objective
from emu.studies.plots.style import LABEL, Drawn, Palette, canvas, colours, label_sides, legend, markers
from emu.studies.view import View, middle
from emu.studies.vocabulary import Method
from emu.studies.words import by_layer, short_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DODGE = 0.1
"""How far series stand beside each other, in octaves of K."""
NONE = math.inf
"""Of a layer whose constraint no value keeps."""
Needs = dict[str, list[tuple[int, float]]]
"""K and the smallest value of each layer, by the label of another axis."""


def needs_of(view: View, objective: Objective, constraint: Constraint, x: str, by: str | None) -> Needs:
    """What every layer needs.

    Args:
        view: the points.
        objective: a deviation.
        constraint: on it.
        x: an axis whose values are numbers.
        by: another axis, each value of which is looked at by itself; all others are taken by their median.
    """
    values: dict[tuple[str, str, int], dict[str, list[float]]] = {}
    numbers_of = view.numbers(x) or {}
    for one in view.layers(objective):
        labels = one.point.labels
        if one.k is not None and x in labels and (by is None or by in labels):
            key = ("" if by is None else labels[by], one.layer, one.k)
            values.setdefault(key, {}).setdefault(labels[x], []).append(one.value)
    out: Needs = {}
    for (series, _, k), by_label in values.items():
        kept = [numbers_of[label] for label, some in by_label.items() if constraint.kept(middle(some))]
        out.setdefault(series, []).append((k, min(kept, default=NONE)))
    return out


def width_plot(
    view: View, palette: Palette, objective: Objective, constraint: Constraint, x: str, by: str | None
) -> Drawn | None:
    """The plot; None if no layer has a K."""
    needs = needs_of(view, objective, constraint, x, by)
    if not needs:
        return None
    values = list((view.numbers(x) or {}).values())
    room = 0.08 * (max(values) - min(values) or 1.0)
    top = max(values) + room
    labels = [""] if by is None else [label for label in view.labels(by) if label in needs]
    paint = {"": palette.accent} if by is None else colours(labels, ordered=view.ordered(by))
    shapes, names = markers(labels), short_axes(view.varied)
    fig, ax = canvas(palette, height=4.6)
    for place, label in enumerate(labels):
        beside = 2.0 ** (DODGE * (place - (len(labels) - 1) / 2))
        name = cut(label, LABEL) if by else None
        _series(ax, palette, needs[label], paint[label], shapes[label], name, top, beside, below=place % 2 == 1)
    ks = sorted({k for some in needs.values() for k, _ in some})
    ax.set_xscale("log", base=2)
    ax.set_xticks(ks, [str(k) for k in ks])
    ax.minorticks_off()
    if len(ks) > 12:
        ax.tick_params(axis="x", labelrotation=60)
    ax.set_ylim(min(values) - room, top + room)
    if len(values) <= 20:
        ax.set_yticks(values, view.labels(x))
    wanted = f"smallest {names[x]} with {by_layer(objective)} {constraint.text}"
    label_sides(ax, "K: products per output element of the layer", wanted)
    ax.margins(x=0.06)
    legend(ax, palette, names[by] if by else "")
    never = sum(value == NONE for some in needs.values() for _, value in some)
    notes = [f"{numbers.plural(never, 'cross')[:-1] + 'es' if never != 1 else '1 cross'} at the top: no value keeps it"]
    if view.asked.search.method is not Method.GRID:
        notes.append("of the values that the search has tried")
    if len(view.varied) > 1 + (by is not None):
        notes.append("median over the other axes")
    return Drawn(
        kind="width", figure=fig, title=f"{names[x]} that a layer needs, by K: {objective.name} {constraint.text}",
        note="; ".join(notes[0 if never else 1 :]),
    )  # fmt: skip


def _series(
    ax: Axes, palette: Palette, needs: list[tuple[int, float]], colour: str, marker: str, label: str | None, top: float,
    beside: float, *, below: bool,
) -> None:  # fmt: skip
    most: dict[int, float] = {}
    for k, value in needs:
        if value != NONE:
            most[k] = max(most.get(k, -math.inf), value)
    ends = sorted(most.items())
    ax.plot([k * beside for k, _ in ends], [v for _, v in ends], color=colour, linewidth=1.2, alpha=0.7)
    counts = Counter(needs)
    found = [(k, v) for k, v in counts if v != NONE]
    ax.plot(
        [k * beside for k, _ in found], [v for _, v in found], marker, color=colour, markersize=6, linestyle="none",
        label=label,
    )  # fmt: skip
    never = [k for k, v in counts if v == NONE]
    ax.plot([k * beside for k in never], [top] * len(never), "x", color=palette.alert, markersize=6, linestyle="none")
    for (k, value), count in counts.items():
        if count > 1:
            ax.annotate(
                f"×{count}", (k * beside, top if value == NONE else value), xytext=(5, -11 if below else 4),
                textcoords="offset points", fontsize=FONT_SIZE - 1, color=palette.muted,
            )  # fmt: skip
