"""The report of a study: one HTML file that needs nothing else, in the style of the report of a replay.

* Sections: summary, question, effects, Pareto front, plots, every point (sorted and filtered in the page), what could
  not be run, provenance.
* Every text from outside is escaped by the template engine; a Content-Security-Policy forbids the browser to load
  anything.
* Deterministic: the same answers give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emu._version import emu_version
from emu.atomic import replacing
from emu.deviation import numbers
from emu.report.html import PROVENANCE_WORDS
from emu.report.page import Card, fill
from emu.report.svg import to_svg
from emu.studies.asked import Asked
from emu.studies.effects.words import expected_words, figure_words
from emu.studies.plots.choose import every_plot
from emu.studies.plots.style import PAGE, Drawn
from emu.studies.report.tables import all_points, best_points, found_points
from emu.studies.view import View
from emu.studies.words import SHORT_UNIT, axis_words, better, describe, short_axes, spelled, words_of

PACKAGE = "emu.studies.report"
TALL = 12.0
"""Inches above which a figure scrolls."""


def write_report(path: Path, view: View) -> None:
    """Write the report; the file is there whole or not at all.

    Raises:
        ModelError: the folder does not exist or cannot be written, or the path is there and no regular file.
    """
    _write(path, render(view))


def write_page(path: Path, view: View, plots: Sequence[Drawn]) -> None:
    """Write a page with plots alone."""
    nothing = dict.fromkeys(("cards", "question", "effects", "examples", "tables", "points", "failures", "provenance"))
    _write(path, _fill(view, plots, **nothing))


def render(view: View) -> str:
    """The page."""
    return _fill(
        view,
        every_plot(view, PAGE),
        cards=cards(view),
        effects=_effects(view),
        examples=view.results.examples(),
        question=_question(view.asked, view.results.store.about()),
        tables=[one for one in (found_points(view), best_points(view)) if one is not None],
        points=all_points(view),
        failures=[
            (reason, numbers.plural(len(points), "point"), _labels(points[0].labels))
            for reason, points in view.failures
        ],
        provenance=_provenance(view),
    )


def _fill(view: View, plots: Sequence[Drawn], **values: Any) -> str:
    asked = view.asked
    shown = [
        {
            "title": one.title,
            "note": one.note[:1].upper() + one.note[1:],
            "svg": to_svg(one.figure, f"plot-{place}", f"{one.kind} plot: {one.title}"),
            "tall": one.figure.get_size_inches()[1] > TALL,
        }
        for place, one in enumerate(plots)
    ]
    front = len(asked.objectives) > 1
    return fill(
        PACKAGE, asked=asked, subject=_subject(asked), plots=shown, front=front, version=emu_version(), **values
    )  # fmt: skip


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def cards(view: View) -> list[Card]:
    """The summary: how far it is, the best point of each objective, what keeps the constraints."""
    failed = sum(len(points) for _, points in view.failures)
    notes = [f"of {numbers.count(len(view.points))}"]
    if failed:
        notes.append(f"{numbers.count(failed)} failed")
    if view.left:
        notes.append(f"{numbers.count(view.left)} to go")
    out = [Card(label="points done", value=numbers.count(len(view.answered)), note=", ".join(notes), alert=failed > 0)]
    for objective in view.asked.objectives[:3]:
        ranked = view.best(objective.name)
        if not ranked:
            continue
        value = spelled(objective, ranked[0].values[objective.name])
        unit = words_of(objective).unit
        labels = {name: ranked[0].labels[name] for name in view.varied if name in ranked[0].labels}
        text = f"{value} {unit}" if 0 < len(unit) <= SHORT_UNIT and value not in ("exact", "–") else value
        out.append(Card(label=f"best {objective.name}", value=text, note=_labels(labels)))
    if view.asked.constraints:
        kept = sum(one.kept for one in view.points)
        text = " and ".join(f"{one.objective} {one.text}" for one in view.asked.constraints)
        out.append(Card(label="keep the constraints", value=numbers.count(kept), note=text, alert=not kept))
    elif len(view.asked.objectives) > 1:
        out.append(Card(label="Pareto front", value=numbers.count(len(view.front)), note="points that no other beats"))
    return out


def _labels(labels: Mapping[str, str]) -> str:
    names = short_axes(list(labels))
    return ", ".join(f"{names[name]} = {label}" for name, label in labels.items()) or "the accelerator as it is"


def _subject(asked: Asked) -> str:
    """What it runs on, as the study names it."""
    given = asked.keys.get("workload")
    if isinstance(given, Mapping):
        model = given.get("model")  # a file, or the table of a workload that stands in place
        given = model if isinstance(model, str) else given.get("name") or given.get("extends")
    return Path(given).name if isinstance(given, str) else ""


def _question(asked: Asked, about: Mapping[str, Any]) -> list[tuple[str, str]]:
    search = asked.search
    method = search.method.value.replace("_", " ") + (f", {search.points} points" if search.points else "")
    rows = [
        ("accelerator", str(about.get("accelerator", ""))),
        *((axis.name, axis_words(axis)) for axis in asked.axes),
        *((one.name, f"{describe(one)}; {better(one)}") for one in asked.objectives),
        *((f"constraint on {one.objective}", one.text) for one in asked.constraints),
        ("mode", asked.mode),
        ("layers", "all" if asked.layers == "*" else asked.layers),
        ("search", method + (f" along {search.along}" if search.along else "")),
        ("source", asked.source), ("scope", asked.scope),
    ]  # fmt: skip
    return [(name, value) for name, value in rows if value]


def _effects(view: View) -> list[dict[str, Any]]:
    """What the study was to show, and whether it does."""
    return [
        {
            "name": one.effect.name, "figure": figure_words(view.asked, one), "expected": expected_words(one.effect),
            "paper": one.effect.paper, "verdict": one.verdict.value, "alert": not one.as_stated,
            "notes": [text for text in (one.problem, one.effect.reason, one.effect.note) if text],
        }
        for one in view.results.effects()
    ]  # fmt: skip


def _provenance(view: View) -> list[tuple[str, str]]:
    about = view.results.store.about()
    environment = about.get("environment")
    known = environment if isinstance(environment, dict) else {}
    rows: list[tuple[str, str]] = [
        ("study", view.asked.name),
        ("models and inputs SHA-256", str(about.get("subject_sha256", ""))),
        *((PROVENANCE_WORDS.get(str(name), str(name)), str(value)) for name, value in known.items()),
    ]
    return [(name, value) for name, value in rows if value]
