"""Which plots a study has, and what is drawn over what if nobody says.

* The main axis is the one that a search halves, else the numeric one with most values, else the one with most values;
  the second one has few values.
* Costs are drawn against the first objective that is none; without costs, the second objective against the first.
"""

from __future__ import annotations

from collections.abc import Sequence

from emu.errors import SpecError
from emu.formats.enums import Vocabulary
from emu.studies.objectives import Constraint, Objective
from emu.studies.plots.cells import alone_plot, heat_plot, layers_plot
from emu.studies.plots.lines import layer_lines_plot, lines_plot
from emu.studies.plots.pareto import pareto_plot
from emu.studies.plots.style import Drawn, Palette
from emu.studies.plots.width import width_plot
from emu.studies.view import View

LAYER = "layer"
"""What stands for the layers where an axis is asked for."""
FEW = 8
"""Values of an axis whose values are lines."""
MOST_OBJECTIVES = 4
"""Objectives that are drawn one by one where every plot is wanted."""


class Plot(Vocabulary):
    """What is drawn."""

    PARETO = "pareto"
    """two objectives against each other"""
    LINES = "lines"
    """an objective over one axis"""
    HEAT = "heat"
    """an objective over two axes"""
    LAYERS = "layers"
    """a metric over layers and one axis"""
    WIDTH = "width"
    """the smallest value that each layer needs, over its K"""


def main_axis(view: View) -> str | None:
    """What is drawn from left to right; None if nothing varies."""
    if view.asked.search.along in view.varied:
        return view.asked.search.along
    numeric = [name for name in view.varied if view.numbers(name) is not None]
    return max(numeric or view.varied, key=lambda name: len(view.labels(name)), default=None)


def second_axis(view: View, x: str) -> str | None:
    """What has a line for each value."""
    return next((name for name in view.varied if name != x and 1 < len(view.labels(name)) <= FEW), None)


def deviations(view: View) -> list[Objective]:
    """The objectives that layers have too."""
    return [one for one in view.asked.objectives if not one.is_cost and not one.is_task]


def constrained(view: View) -> list[tuple[Objective, Constraint]]:
    """The constraints that can be asked of a layer."""
    return [
        (view.asked.objective(one.objective), one)
        for one in view.asked.constraints
        if view.asked.objective(one.objective) in deviations(view)
    ]


def cost_of(view: View, objective: Objective) -> Objective | None:
    """What an objective is drawn against."""
    others = [one for one in view.asked.objectives if one.name != objective.name]
    return next((one for one in others if one.is_cost), others[0] if others else None)


def first_objective(view: View) -> Objective:
    """The first one that is no cost, if there is one."""
    return next((one for one in view.asked.objectives if not one.is_cost), view.asked.objectives[0])


def every_plot(view: View, palette: Palette) -> list[Drawn]:
    """All plots that a study has by itself, the most telling first."""
    if not view.asked.has_points:
        return []
    out: list[Drawn | None] = []
    x, first = main_axis(view), first_objective(view)
    cost = cost_of(view, first)
    if cost is not None:
        out.append(pareto_plot(view, palette, cost, first))
    if view.alone():
        return [one for one in (*out, alone_plot(view, palette, first)) if one is not None]
    if x is not None:
        by = second_axis(view, x)
        asked = [one for one in view.asked.objectives if not one.is_cost] or list(view.asked.objectives)
        out += [lines_plot(view, palette, one, x, by) for one in asked[:MOST_OBJECTIVES]]
        y = next((name for name in sorted(view.varied, key=lambda n: -len(view.labels(n))) if name != x), None)
        if y is not None:
            out.append(heat_plot(view, palette, first, x, y))
        layered = next(iter(deviations(view)), None)
        if layered is not None and len({one.layer for one in view.layers(layered)}) > 1:
            out += [layer_lines_plot(view, palette, layered, x), layers_plot(view, palette, layered, x)]
        if view.numbers(x) is not None:
            out += [width_plot(view, palette, objective, one, x, by) for objective, one in constrained(view)]
    return [one for one in out if one is not None]


def one_plot(
    view: View, palette: Palette, *, kind: str | None, objective: str | None, cost: str | None, axes: Sequence[str]
) -> Drawn:
    """One plot; what is not said is chosen.

    Raises:
        SpecError: names of nothing, or a plot that the study does not have.
    """
    if not view.asked.has_points:
        raise SpecError("the study has examples alone: there is nothing to draw")
    chosen = view.objective(objective) if objective else first_objective(view)
    other = view.objective(cost) if cost else cost_of(view, chosen)
    given = [name if name == LAYER and LAYER not in view.names else view.axis(name) for name in axes]
    what = Plot(kind) if kind else _suiting(view, other, given)
    x = next((name for name in given if name != LAYER), None) or main_axis(view)
    if what is Plot.PARETO:
        if other is None:
            raise SpecError("the study has one objective: nothing to draw it against", key="pareto")
        drawn = pareto_plot(view, palette, other, chosen, given[0] if given else None)
    elif x is None:
        raise SpecError("nothing varies among these points", key=what.value)
    else:
        drawn = _over_axes(view, palette, what, chosen, x, given)
    if drawn is None:
        raise SpecError("there is nothing to draw: no finite number, or too many values", key=what.value)
    return drawn


def _suiting(view: View, other: Objective | None, given: Sequence[str]) -> Plot:
    """The kind that suits what was asked for."""
    if view.alone() and not given:
        return Plot.LAYERS
    if LAYER in given or (len(given) == 1):
        return Plot.LINES
    if len(given) == 2:
        return Plot.HEAT
    if other is not None and (other.is_cost or not view.varied):
        return Plot.PARETO
    x = main_axis(view)
    if x is not None and (view.numbers(x) is not None or len(view.varied) == 1):
        return Plot.LINES
    return Plot.HEAT if len(view.varied) > 1 else Plot.PARETO


def _over_axes(
    view: View, palette: Palette, what: Plot, objective: Objective, x: str, given: Sequence[str]
) -> Drawn | None:
    second = next((name for name in given if name not in (x, LAYER)), None)
    layered = objective in deviations(view)
    match what:
        case Plot.LINES if LAYER in given and layered:
            return layer_lines_plot(view, palette, objective, x)
        case Plot.LINES:
            return lines_plot(view, palette, objective, x, second or second_axis(view, x))
        case Plot.HEAT:
            y = second or next((name for name in view.varied if name != x), None)
            if y is None:
                raise SpecError("needs two axes that vary", key=what.value, value=x)
            return heat_plot(view, palette, objective, x, y)
        case Plot.LAYERS if view.alone():
            return alone_plot(view, palette, objective)
        case Plot.LAYERS if layered:
            return layers_plot(view, palette, objective, x)
        case Plot.WIDTH:
            for found, constraint in constrained(view):
                if found == objective and view.numbers(x) is not None:
                    return width_plot(view, palette, found, constraint, x, second or second_axis(view, x))
            reason = "needs a numeric axis, and a constraint on a deviation"
            raise SpecError(reason, key=what.value, value=f"{objective.name} over {x}")
        case _:
            raise SpecError("of a deviation only: layers have no such number", key=what.value, value=objective.name)
