"""What a dry run says is what a run does."""

import time

import pytest

from emu.errors import ModelError, SpecError
from emu.studies import load_study
from emu.studies.estimate import estimate
from tests.studies.conftest import ALIGN, LENGTH


def test_points_accelerators_and_answers_are_counted(eight, folder, tmp_path):
    study = load_study({**eight, "axes": {ALIGN: [4, 5, 6], LENGTH: [32, "all"]}})
    found = estimate(study, folder)
    assert (found.grid, found.points, found.accelerators, found.exact) == (6, 6, 6, True)
    assert (found.answered, found.to_run) == (4, 2)
    assert found.seconds == found.opening + 2 * found.each
    before = estimate(study, tmp_path / "not there")
    assert (before.answered, before.to_run) == (None, 6)
    assert not (tmp_path / "not there").exists()


def test_the_bytes_of_an_answer_are_those_of_its_file(eight, folder):
    found = estimate(load_study(eight), folder)
    sizes = [path.stat().st_size for path in (folder / "results").glob("*.parquet")]
    assert all(abs(found.bytes_each - size) <= 4096 for size in sizes)


def test_conditional_axes_are_counted_where_they_apply(eight):
    study = load_study({**eight, "axes": {ALIGN: [4, 6, 9], LENGTH: {"values": [32, 64], "when": {ALIGN: [6, 9]}}}})
    found = estimate(study)
    assert found.points == 5
    assert [(one.values, one.points) for one in found.axes] == [(3, 5), (2, 4)]


def test_equal_accelerators_run_once(eight):
    presets = {"p": {ALIGN: 6}, "q": {ALIGN: 9}, "the same as p": {ALIGN: 6, LENGTH: 128}}
    found = estimate(load_study({**eight, "axes": {"preset": list(presets)}, "preset": presets}))
    assert (found.points, found.accelerators, found.to_run) == (3, 2, 2)


@pytest.mark.parametrize("method", ["bisection", "sensitivity"])
def test_a_search_asks_for_no_more_points_than_its_estimate(eight, tmp_path, method):
    axes = {ALIGN: [4, 5, 6, 7, 8, 9, 13]}
    keys = {**eight, "axes": axes, "search": {"method": method, "along": ALIGN}}
    found = estimate(load_study(keys))
    done = load_study(keys).run(tmp_path / "out")
    assert not found.exact
    assert done.points().num_rows <= found.points
    assert len(done.store.finished()) <= found.to_run


def test_a_workload_that_is_not_here_is_not_downloaded(eight, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = estimate(load_study({**eight, "workload": "minilm"}))
    assert "emu workload fetch" in found.why_not
    assert (found.points, found.seconds, found.bytes) == (8, None, None)


def test_an_accelerator_that_cannot_run_is_no_estimate(eight):
    level = {"group": 4, "result": {"format": "int9", "overflow": "raise"}}
    unit = {"extends": "int8-int32", "name": "raises", "level": [level]}
    scheme = {"scheme": "absmax"}
    base = {"matrix": {"unit": unit, "activations": scheme, "weights": scheme}}
    axes = {"matrix.unit.level.0.result.format": ["int9", "int20"]}
    found = estimate(load_study({**eight, "accelerator": base, "axes": axes}))
    assert "cannot run" in found.why_not
    assert found.seconds is None


def test_illegal_points_are_named_before_anything_is_opened(eight):
    with pytest.raises(SpecError, match="1 of 2 points are illegal"):
        estimate(load_study({**eight, "workload": "minilm", "axes": {ALIGN: [6, -1]}}))


def test_a_folder_with_something_else_is_refused(eight, tmp_path):
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(ModelError, match="holds no study"):
        estimate(load_study(eight), tmp_path)


def test_ten_thousand_points_take_seconds(eight):
    axes = {
        ALIGN: {"values": {"first": 5, "last": 24}},
        LENGTH: [32, 64, 96, 128, 160],
        "matrix.output": ["bfloat16", "float16", "float32", "e5m2", "e4m3"],
        "matrix.activations.per": ["tensor", "token"],
        "matrix.weights.per": ["tensor", "channel"],
        "vector.format": ["bfloat16", "float16", "float32", "e5m9", "e6m9"],
    }
    study = load_study({**eight, "axes": axes, "workload": "minilm"})
    start = time.process_time()
    found = estimate(study)
    assert found.points == 10_000
    assert time.process_time() - start < 30  # about 4 on an idle core


def test_the_bar_of_a_run_ends_where_its_estimate_says(eight, tmp_path):
    presets = {"p": {ALIGN: 6}, "q": {ALIGN: 9}, "the same as p": {ALIGN: 6, LENGTH: 128}}
    study = load_study({**eight, "axes": {"preset": list(presets)}, "preset": presets})
    calls = []
    study.run(tmp_path / "out", progress=lambda *what: calls.append(what))
    assert calls[-1] == (2, 2, "")
    assert estimate(study).to_run == 2
