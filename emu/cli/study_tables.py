"""What `emu study` prints: tables of points, of the Pareto front, of failures, of layers; a study in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emu.deviation import numbers
from emu.deviation.names import cut
from emu.deviation.table import plain_table, print_table
from emu.studies.effects.words import asked_words, expected_words, figure_words
from emu.studies.view import NO_LABEL, Shown, View, middle
from emu.studies.words import axis_words, better, by_layer, describe, heading, short_axes, spelled

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from emu.studies.examples import Example
    from emu.studies.objectives import Objective
    from emu.studies.study import Study

LABEL = 48
"""Characters of a value in a table."""
MOST_FRONT = 24
MOST_VALUES = 32
"""Values of an axis whose layers are listed one by one."""


def points_table(view: View, points: Sequence[Shown]) -> Table:
    """Points: number, the axes that vary, objectives; `◆` marks the Pareto front."""
    from rich.text import Text

    table, names = plain_table(), short_axes(view.varied)
    several = len(view.asked.objectives) > 1
    table.add_column("point", justify="right", no_wrap=True)
    for name in view.varied:
        table.add_column(names[name], justify="right" if view.numeric(name) else "left")
    for objective in view.asked.objectives:
        table.add_column(heading(objective), justify="right", no_wrap=True)
    if several:
        table.add_column("")
    for one in points:
        labels = [cut(one.labels.get(name, NO_LABEL), LABEL) for name in view.varied]
        values = [spelled(objective, one.values[objective.name]) for objective in view.asked.objectives]
        cells = [str(one.number), *labels, *values, *(["◆" if one.pareto else ""] if several else [])]
        table.add_row(*map(Text, cells))
    return table


def summary(view: View) -> str:
    """How far the study is, in one line."""
    failed = sum(len(points) for _, points in view.failures)
    parts = [f"{numbers.plural(len(view.points), 'point')}", f"{numbers.count(len(view.answered))} done"]
    if failed:
        parts.append(f"{numbers.count(failed)} failed")
    if view.left:
        parts.append(f"{numbers.count(view.left)} to go")
    if view.asked.constraints:
        text = " and ".join(f"{one.objective} {one.text}" for one in view.asked.constraints)
        parts.append(f"{numbers.count(sum(one.kept for one in view.points))} keep {text}")
    return f"{view.asked.name}: {', '.join(parts)}"


def print_results(console: Console, view: View, *, best: int, by: str | None) -> None:
    """The best points, the Pareto front, and what failed."""
    if not view.asked.has_points:
        return
    objective = view.objective(by)
    ranked = view.best(by)
    console.print(summary(view))
    title, found = view.found()
    if title:
        console.print(f"\n{title}" + ("" if found else ": none"), soft_wrap=True)
    if found:
        print_table(console, points_table(view, found))
    for layer, value in (item for one in found for item in view.mixed(one)):
        console.print(f"  {layer}: {value}", soft_wrap=True)
    if ranked:
        shown = ranked[:best]
        rest = f", {len(shown)} of {numbers.count(len(ranked))}" if len(shown) < len(ranked) else ""
        console.print(f"\nBest points by {objective.name} ({describe(objective)}; {better(objective)}){rest}")
        print_table(console, points_table(view, shown))
    elif view.answered:
        console.print("\nNo point keeps the constraints. The nearest:")
        nearest = [one for one in view.answered if not math.isnan(one.values[objective.name])]
        nearest.sort(key=lambda one: objective.badness(one.values[objective.name]))
        print_table(console, points_table(view, nearest[:best]))
    if len(view.asked.objectives) > 1 and view.front:
        names = ", ".join(one.name for one in view.asked.objectives)
        console.print(f"\nPareto front ◆ over {names}: {numbers.plural(len(view.front), 'point')}")
        print_table(console, points_table(view, view.front[:MOST_FRONT]))
        if len(view.front) > MOST_FRONT:
            console.print(f"… and {len(view.front) - MOST_FRONT} more: emu study show DIR --all")
    print_failures(console, view)


def print_effects(console: Console, view: View) -> None:
    """What the study was to show, and whether it does."""
    from rich.text import Text

    found = view.results.effects()
    if not found:
        return
    table = plain_table()
    reported = any(one.effect.paper for one in found)
    for title in ("effect", "figure", "expected", "", *(["reported"] if reported else [])):
        table.add_column(title, justify="right" if title == "figure" else "left", overflow="fold")
    for one in found:
        cells = [one.effect.name, figure_words(view.asked, one), expected_words(one.effect), one.verdict.value]
        table.add_row(*map(Text, (*cells, *([one.effect.paper] if reported else []))))
    console.print(f"\nEffects: {sum(one.as_stated for one in found)} of {len(found)} as stated")
    print_table(console, table)
    for one in found:
        for text in (one.problem, one.effect.reason, one.effect.note):
            if text:
                console.print(f"  {one.effect.name}: {text}", soft_wrap=True, markup=False)


def print_examples(console: Console, view: View) -> None:
    """The study's worked examples, and what came out."""
    from rich.text import Text

    found = view.results.examples()
    if not found:
        return
    table = plain_table()
    reported = any(one.get("paper") for one in found)
    for title in ("example", "came out", "stated", "", *(["from"] if reported else [])):
        table.add_column(title, overflow="fold")
    for one in found:
        cells = [str(one.get(key, "")) for key in ("name", "found", "expected")]
        verdict = "right" if one["as_stated"] else "wrong"
        table.add_row(*map(Text, (*cells, verdict, *([str(one.get("paper", ""))] if reported else []))))
    console.print(f"\nExamples: {sum(bool(one['as_stated']) for one in found)} of {len(found)} right, on every backend")
    print_table(console, table)
    for one in found:
        for text in (one.get("problem", ""), one.get("note", "")):
            if text:
                console.print(f"  {one['name']}: {text}", soft_wrap=True, markup=False)


def print_failures(console: Console, view: View) -> None:
    """Why points could not be run."""
    for reason, points in view.failures:
        first = ", ".join(f"{name} = {label}" for name, label in points[0].labels.items())
        console.print(f"\n{numbers.plural(len(points), 'point')} could not be run: {reason}", soft_wrap=True)
        console.print(f"  the first: {first}", soft_wrap=True)


def print_layers(console: Console, view: View, by: str | None) -> None:
    """For every axis, which layer is worst at which value."""
    if not view.asked.has_points:
        return
    deviations = [one for one in view.asked.objectives if not (one.is_cost or one.is_task)]
    chosen = view.objective(by)
    objective = chosen if chosen in deviations else next(iter(deviations), None)
    if objective is None:
        return
    if view.alone():
        console.print(f"\n{objective.name} with one layer at another {view.asked.search.along} ({describe(objective)})")
        print_table(console, _alone_table(view, objective))
        return
    values = view.layers(objective)
    if len({one.layer for one in values}) < 2:
        return
    note = "" if len(view.varied) < 2 else "; medians over the other axes"
    for name in view.varied:
        if len(view.labels(name)) > MOST_VALUES:
            continue
        console.print(f"\nWorst layer by {short_axes(view.varied)[name]} ({by_layer(objective)}{note})")
        table = _layer_table(view, name, objective)
        print_table(console, table)


def _alone_table(view: View, objective: Objective) -> Table:
    from rich.text import Text

    alone, table = view.alone(), plain_table()
    columns = list(dict.fromkeys(value for _, value in alone))
    table.add_column("layer")
    for value in columns:
        table.add_column(value, justify="right")
    for layer in dict.fromkeys(layer for layer, _ in alone):
        points = [alone.get((layer, value)) for value in columns]
        cells = ["–" if one is None else spelled(objective, one.values[objective.name]) for one in points]
        table.add_row(*map(Text, (cut(layer, LABEL), *cells)))
    return table


def _layer_table(view: View, name: str, objective: Objective) -> Table:
    from rich.text import Text

    table = plain_table()
    table.add_column(short_axes(view.varied)[name], justify="right" if view.numeric(name) else "left")
    for title in ("worst layer", "there", "middle layer", "best layer", "there"):
        table.add_column(title, justify="right" if title in ("there", "middle layer") else "left")
    values = view.layers(objective)
    for label in view.labels(name):
        by_name: dict[str, list[float]] = {}
        for one in values:
            if one.point.labels.get(name) == label:
                by_name.setdefault(one.layer, []).append(one.value)
        if not by_name:
            continue
        middles = {layer: middle(numbers_) for layer, numbers_ in by_name.items()}
        ordered = sorted(middles, key=lambda layer: objective.badness(middles[layer]))
        worst, best = ordered[-1], ordered[0]
        cells = [
            cut(label, LABEL), cut(worst, LABEL), spelled(objective, middles[worst]),
            spelled(objective, middle(middles.values())), cut(best, LABEL), spelled(objective, middles[best]),
        ]  # fmt: skip
        table.add_row(*map(Text, cells))
    return table


def print_study(console: Console, study: Study) -> None:
    """A study in words."""
    from emu.studies.keys import ModelKeys

    named = study.workload
    workload = "" if named is None else named.model if isinstance(named, ModelKeys) else named.name
    search = study.search
    method = search.method.value + (f", {search.points} points, seed {search.seed}" if search.points else "")
    rows = [
        ("study", study.name), ("", study.doc), ("source", study.source), ("workload", workload),
        *(_how(study) if study.has_points else ()),
        *((f"axis {axis.name}", axis_words(axis)) for axis in study.axes),
        *((f"objective {one.name}", f"{describe(one)}; {better(one)}") for one in study.objectives),
        *((f"constraint on {one.objective}", one.text) for one in study.constraints),
        ("search", method + (f" along {search.along}" if search.along else "") if study.has_points else ""),
        *(("example", f"{one.name}: of the {one.kind} {_named(one)}") for one in study.examples),
        *(("effect", f"{one.name}: {asked_words(study, one)}") for one in study.effects),
        ("points", numbers.count(sum(1 for _ in study.points()))), ("scope", study.scope),
    ]  # fmt: skip
    console.print(facts([(name, value) for name, value in rows if value]))


def _how(study: Study) -> tuple[tuple[str, str], ...]:
    return ("accelerator", study.accelerator_name), ("mode", study.mode), ("layers", study.layers)


def _named(one: Example) -> str:
    """What an example is of, if it has a name."""
    spec = getattr(one.keys, one.kind)
    return spec if isinstance(spec, str) else str(spec.get("name", "given here"))


def facts(rows: Sequence[tuple[str, str]]) -> Table:
    """Names and values without a heading."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table
