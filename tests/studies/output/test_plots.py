"""Plots: what they show is what the answers say, whatever these are."""

import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from emu.errors import SpecError
from emu.studies import load_results, load_study
from emu.studies.plots import PAGE, PAPER, every_plot, one_plot, write_plot
from emu.studies.plots.cells import MOST_CELLS, heat_plot
from emu.studies.plots.choose import Plot
from emu.studies.plots.style import SERIES, Places, colours
from emu.studies.plots.width import NONE, needs_of
from emu.studies.view import View
from tests.studies.conftest import ALIGN, LENGTH


def draw(view, **wanted):
    return one_plot(view, PAPER, **{"kind": None, "objective": None, "cost": None, "axes": ()} | wanted)


def lines(drawn):
    """Points of each line that has a name, by name."""
    found = drawn.figure.axes[0].get_lines()
    named = [line for line in found if not str(line.get_label()).startswith("_")]
    return {line.get_label(): list(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in named}


def texts(drawn):
    return [text.get_text() for text in drawn.figure.axes[0].texts]


def test_a_line_goes_through_the_points_of_its_value(view):
    found = lines(draw(view, kind="lines"))
    for label in ("32", "all"):
        points = [one for one in view.points if one.labels[LENGTH] == label]
        assert found[label] == [(float(one.labels[ALIGN]), one.values["error"]) for one in points]


def test_of_several_points_a_line_has_the_median(view):
    drawn = draw(view.where({}), kind="lines", axes=[LENGTH, ALIGN])
    assert set(lines(drawn)) == {"4", "6", "9", "13"}
    alone = draw(view, kind="lines", objective="ulp", axes=[ALIGN, "layer"])
    assert "median over the other axes" in alone.note


def test_the_lines_of_layers_are_their_numbers(view):
    found = lines(draw(view.where({LENGTH: "32"}), axes=["align_bits", "layer"]))
    wanted = {}
    for one in view.where({LENGTH: "32"}).layers(view.objective("error")):
        wanted.setdefault(one.layer, []).append((float(one.point.labels[ALIGN]), one.value))
    assert found == wanted


def test_cells_hold_the_objective(view):
    drawn = draw(view, kind="heat")
    found = [text for text in texts(drawn) if text]
    assert sorted(found) == sorted(f"{one.values['error']:.2f}" for one in view.points)
    assert len(drawn.figure.axes[0].patches) == 8


def test_the_strongest_cell_is_the_largest(view):
    drawn = draw(view, kind="heat")
    strongest = max(drawn.figure.axes[0].patches, key=lambda patch: patch.get_alpha())
    best = max(view.points, key=lambda one: one.values["error"])
    row = ["32", "all"].index(best.labels[LENGTH])
    assert round(strongest.get_y() + 0.44) == row


def test_the_front_is_drawn_through_the_points_that_no_other_beats(view):
    drawn = draw(view, kind="pareto", cost="ulp")
    front = lines(drawn)["Pareto front"]
    kept = [(one.values["ulp"], one.values["error"]) for one in view.points if one.kept]
    best = [p for p in kept if not any(q != p and q[0] <= p[0] and q[1] >= p[1] for q in kept)]
    assert front == sorted(best)
    assert "hollow: constraints not kept" in drawn.note


def test_what_does_not_keep_the_constraints_is_hollow(view):
    ax = draw(view, kind="pareto", cost="ulp").figure.axes[0]
    faces = {
        (x, y): line.get_markerfacecolor()
        for line in ax.get_lines()
        if line.get_marker() not in ("", "None", None)
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }
    for one in view.points:
        assert (faces[one.values["ulp"], one.values["error"]] == "none") is (not one.kept)


def test_the_width_that_a_layer_needs(view):
    error, constraint = view.objective("error"), view.asked.constraints[0]
    found = needs_of(view, error, constraint, ALIGN, LENGTH)
    for length in ("32", "all"):
        wanted = {}
        for one in view.where({LENGTH: length}).layers(error):
            least = wanted.get(one.k, NONE)
            wanted[one.k] = min(least, float(one.point.labels[ALIGN]) if one.value >= 25 else NONE)
        assert dict(found[length]) == wanted
        assert set(wanted) == {64, 256}
    assert any(value != 4 for some in found.values() for _, value in some)  # else the constraint says nothing
    hard = replace(constraint, bound=99.0, text=">= 99")
    assert all(v == NONE for some in needs_of(view, error, hard, ALIGN, None).values() for _, v in some)


def test_kinds_suit_what_varies(view):
    assert draw(view).kind == "lines"
    assert draw(view, axes=["align_bits", "length"]).kind == "heat"
    assert draw(view.where({ALIGN: "6", LENGTH: "32"})).kind == "pareto"
    kinds = [one.kind for one in every_plot(view, PAPER)]
    assert kinds == ["pareto", "lines", "lines", "lines", "heat", "lines", "layers", "width"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"objective": "speed"}, "no such objective"),
        ({"axes": ["speed"]}, "no such axis"),
        ({"kind": "width", "objective": "bias"}, "needs a numeric axis, and a constraint"),
        ({"kind": "heat", "where": {LENGTH: "32"}}, "two axes"),
        ({"kind": "lines", "where": {LENGTH: "32", ALIGN: "6"}}, "nothing varies"),
    ],
)
def test_what_cannot_be_drawn_is_refused(view, wanted, words):
    wanted = dict(wanted)
    some = view.where(wanted.pop("where", {}))
    with pytest.raises(SpecError, match=words):
        draw(some, **wanted)


def odd(view, values):
    """The view with other numbers."""
    return View(
        view.results,
        [replace(one, values={**one.values, "error": x}) for one, x in zip(view.points, values, strict=True)],
    )


@pytest.mark.parametrize(
    "values",
    [[math.inf] * 8, [math.nan] * 8, [math.inf, math.nan, -math.inf, 3.0] * 2, [5.0] * 8, [0.0] * 8],
    ids=["exact", "none", "mixed", "equal", "zero"],
)
@pytest.mark.parametrize("palette", [PAGE, PAPER])
def test_odd_numbers_are_drawn_or_left_out(view, values, palette, recwarn):
    for drawn in every_plot(odd(view, values), palette):
        drawn.figure.draw_without_rendering()
    assert not recwarn.list


def test_a_map_with_too_many_cells_is_none(view):
    points = [replace(view.points[0], labels={ALIGN: str(i), LENGTH: str(j)}) for i in range(90) for j in range(90)]
    assert len(points) > MOST_CELLS
    assert heat_plot(View(view.results, points), PAPER, view.objective("error"), ALIGN, LENGTH) is None


def test_powers_of_two_have_a_scale_of_base_two():
    assert Places.of(["32", "64", "256"], {"32": 32.0, "64": 64.0, "256": 256.0}).base == 2
    assert Places.of(["5", "7", "9"], {"5": 5.0, "7": 7.0, "9": 9.0}).base is None
    assert list(Places.of(["wrap", "saturate"], None).by_label.values()) == [0, 1]


def lightness(colour: str) -> float:
    """Relative luminance (WCAG 2)."""
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("count", [2, 5, 8, 20])
def test_ordered_values_have_colours_that_get_lighter(count):
    found = list(colours([str(i) for i in range(count)], ordered=True).values())
    assert [lightness(c) for c in found] == sorted(lightness(c) for c in found)
    assert len(set(found)) == count
    assert len({to_hex(c) for c in SERIES}) == len(SERIES)


@pytest.mark.parametrize("kind", [one.value for one in Plot])
@pytest.mark.parametrize("long", [False, True])
def test_nothing_is_cut_off(view, kind, long):
    if long:
        objectives = [replace(one, layers="*" * 48) for one in view.asked.objectives]
        view.asked = replace(view.asked, objectives=tuple(objectives))
    figure = draw(view, kind=kind).figure
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for ax in figure.axes:
        box, whole = ax.get_tightbbox(canvas.get_renderer()), figure.bbox
        assert whole.x0 - 1 <= box.x0
        assert box.x1 <= whole.x1 + 1
        assert whole.y0 - 1 <= box.y0
        assert box.y1 <= whole.y1 + 1


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf", ".html"])
def test_files_are_the_same_twice(view, tmp_path, ending):
    one, other = tmp_path / f"one{ending}", tmp_path / f"other{ending}"
    write_plot(one, view)
    write_plot(other, view)
    assert one.read_bytes() == other.read_bytes()
    assert one.stat().st_size > 1000
    with pytest.raises(SpecError, match="no kind of picture"):
        write_plot(tmp_path / "one.bmp", view)
    assert not (tmp_path / "one.bmp").exists()


def test_a_folder_that_was_moved_is_drawn(folder, tmp_path):
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert write_plot(tmp_path / "x.png", View(load_results(moved)))


def test_a_mixed_precision_is_drawn_by_layer_and_value(eight, tmp_path):
    keys = {**eight, "axes": {ALIGN: [4, 6, 13]}, "search": {"method": "sensitivity", "along": ALIGN}}
    view = View(load_study(keys).run(tmp_path / "out"))
    drawn = draw(view)
    assert drawn.kind == "layers"
    assert [label.get_text() for label in drawn.figure.axes[0].get_yticklabels()] == ["up", "down"]
    wanted = [f"{one.values['error']:.2f}" for one in view.alone().values()]
    assert sorted(texts(drawn)) == sorted(wanted)
    assert [one.kind for one in every_plot(view, PAPER)] == ["pareto", "layers"]
