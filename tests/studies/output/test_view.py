"""What is shown of a study's answers, and in which words."""

import json
import math
import shutil

import pytest

from emu.errors import ModelError, SpecError
from emu.studies import load_results, load_study
from emu.studies.view import View, middle
from emu.studies.words import axis_words, better, describe, heading, short_axes, size, spelled
from tests.studies.conftest import ALIGN, LENGTH


def test_the_best_point_is_the_best_of_those_that_keep_the_constraints(view):
    best = view.best()
    kept = [one for one in view.points if one.values["error"] >= 25]
    assert 0 < len(kept) < len(view.points)  # else the constraint says nothing
    assert len(best) == len(kept)
    assert best[0].values["error"] == max(one.values["error"] for one in kept)
    assert [one.values["error"] for one in best] == sorted((one.values["error"] for one in kept), reverse=True)


def test_what_has_a_sign_is_best_near_zero(view):
    best = view.best("bias")[0]
    assert abs(best.values["bias"]) == min(abs(one.values["bias"]) for one in view.points if one.kept)


def test_the_front_is_that_of_the_table_of_points(view, folder):
    table = load_results(folder).points().to_pylist()
    assert {one.number for one in view.front} == {row["point"] for row in table if row["pareto"]}


def test_an_axis_is_found_by_the_end_of_its_path(view):
    assert view.axis("align_bits") == ALIGN
    assert view.axis(LENGTH) == LENGTH
    with pytest.raises(SpecError, match="no such axis"):
        view.axis("bits")


def test_where_takes_the_points_with_a_label(view):
    some = view.where({"align_bits": "6"})
    assert [one.labels[LENGTH] for one in some.points] == ["32", "all"]
    assert some.varied == [LENGTH]
    with pytest.raises(SpecError, match="no such value"):
        view.where({"align_bits": "5"})


def test_the_numbers_of_layers_are_those_of_the_rows(view, folder):
    rows = load_results(folder).rows().to_pylist()
    wanted = {(row["point"], row["layer"]): row["sqnr_db"] for row in rows}
    found = {(one.point.number, one.layer): one.value for one in view.layers(view.objective("error"))}
    assert found == wanted
    assert {one.k for one in view.layers(view.objective("error")) if one.layer == "down"} == {256}


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        (["int14", "int16", "int20"], [14, 16, 20]),
        (["e8m7", "e8m13"], [7, 13]),
        (["e4m3", "e5m2"], None),
        (["32", "all"], None),
        (["wrap", "saturate"], None),
    ],
)
def test_labels_that_differ_in_one_number_are_numbers(view, labels, numbers):
    points = [
        type(one)(**{**vars(one), "labels": {LENGTH: label}}) for one, label in zip(view.points, labels, strict=False)
    ]
    found = View(view.results, points).numbers(LENGTH)
    assert found == (None if numbers is None else dict(zip(labels, numbers, strict=True)))


def test_answers_are_read_where_the_model_is_not(folder, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    about = json.loads((moved / "study.json").read_text())
    about["study"]["workload"] = {"model": "gone.onnx", "inputs": "gone.npz"}
    about["study"]["accelerator"] = "gone.toml"
    (moved / "study.json").write_text(json.dumps(about))
    assert load_results(moved).points().num_rows == 8


def test_a_relative_model_is_found_again(eight, mlp, tmp_path, monkeypatch):
    keys = {**eight, "axes": {ALIGN: [6]}, "workload": {k: v.rpartition("/")[2] for k, v in mlp.items()}}
    monkeypatch.chdir(mlp["model"].rpartition("/")[0])
    load_study(keys).run(tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    assert load_results("out").points()["error"].to_pylist()[0] > 0


def test_a_damaged_study_json_is_an_error(folder, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    about = json.loads((moved / "study.json").read_text())
    (moved / "study.json").write_text(json.dumps({"layout": about["layout"]}))
    with pytest.raises(ModelError, match="has no study"):
        View(load_results(moved))


def test_the_median_leaves_out_what_is_no_number():
    assert middle([3.0, math.nan, 1.0]) == 2.0
    assert math.isnan(middle([math.nan]))


def test_objectives_in_words(view):
    error, ulp, bias = view.asked.objectives
    assert describe(error) == "SQNR in dB, worst layer"
    assert describe(ulp) == "mean distance in ULP, mean over layers"
    assert [better(one) for one in (error, ulp, bias)] == [
        "more is better", "less is better", "nearer to 0 is better",
    ]  # fmt: skip
    assert heading(error) == "error (dB)"
    assert spelled(error, 28.844) == "28.84"
    assert spelled(error, math.inf) == "exact"
    assert spelled(error, math.nan) == "–"
    assert spelled(ulp, math.inf) == "∞"


def test_axes_are_called_by_as_much_of_their_path_as_tells_them_apart():
    assert short_axes([ALIGN, LENGTH]) == {ALIGN: "align_bits", LENGTH: "length"}
    names = ["matrix.unit.level.0.format", "matrix.unit.level.1.format", "matrix.output.format"]
    assert list(short_axes(names).values()) == ["level.0.format", "level.1.format", "output.format"]


def test_an_axis_in_words(eight):
    axes = {ALIGN: [4, 6], LENGTH: {"values": [32, 64], "when": {ALIGN: 6}}}
    study = load_study({**eight, "axes": axes})
    assert axis_words(study.axes[1]) == f"32, 64 (2 values), only if {ALIGN} is 6"


@pytest.mark.parametrize(("count", "text"), [(999, "999 B"), (16384, "16.4 KB"), (999_999, "1 MB"), (2**40, "1.1 TB")])
def test_bytes_in_words(count, text):
    assert size(count) == text


@pytest.fixture(scope="module")
def searched(eight, tmp_path_factory):
    """A study whose points are searched, by method."""

    def run(method):
        keys = {**eight, "axes": {ALIGN: [4, 5, 6, 9, 13]}, "search": {"method": method, "along": ALIGN}}
        keys["objectives"] = {"error": "sqnr"}
        return View(load_study(keys).run(tmp_path_factory.mktemp(method) / "out"))

    return run


def test_halving_finds_the_first_value_of_the_grid(searched, eight, tmp_path):
    keys = {**eight, "axes": {ALIGN: [4, 5, 6, 9, 13]}}
    grid = View(load_study(keys).run(tmp_path / "out"))
    first = next(one for one in grid.points if one.kept)
    title, (found,) = searched("bisection").found()
    assert found.labels == first.labels != grid.points[0].labels
    assert title == f"The first {ALIGN} with error >= 25"


def test_the_map_that_was_found_is_the_cheapest_that_keeps_the_constraints(searched):
    view = searched("sensitivity")
    (found,) = view.found()[1]
    assert found.kept
    steps = ["4", "5", "6", "9", "13"]

    def given(one):
        return sum(4 - steps.index(value) for _, value in view.mixed(one))

    assert given(found) == max(given(one) for one in view.points if one.kept) > 0
    alone = view.alone()
    assert {layer for layer, _ in alone} == {"up", "down"}
    assert all(one.labels["layers"] == f"{layer}: {value}" for (layer, value), one in alone.items())


def test_a_grid_looks_for_nothing(view):
    assert view.found() == ("", [])
    assert view.alone() == {}
