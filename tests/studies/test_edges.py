"""Studies that are odd but legal, stores that are damaged, and files that are neither."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars
import pytest
from pyarrow import nulls, parquet

from emu import ModelError, SpecError
from emu.studies import load_results, load_study
from emu.studies.compare import compare
from emu.studies.objectives import COSTS
from emu.studies.search import strategy_of
from emu.studies.store import ABOUT, POINTS
from emu.studies.subject import SubjectKeys
from emu.studies.view import View
from tests.studies.conftest import ALIGN


@pytest.fixture
def two(keys):
    """A study of two points."""
    keys["axes"] = {ALIGN: [5, 9]}
    return keys


def test_points_without_their_costs_can_be_shown(two, tmp_path):
    """As a run leaves them that is killed, or while it runs."""
    two["objectives"]["energy"] = "energy_per_mac"
    two["constraints"] = {"energy": "<= 1000"}
    load_study(two).run(tmp_path / "out")
    table = parquet.read_table(tmp_path / "out" / POINTS)
    for name in COSTS:
        table = table.set_column(table.column_names.index(name), name, nulls(len(table), "float64"))
    parquet.write_table(table, tmp_path / "out" / POINTS)
    shown = View(load_results(tmp_path / "out"))
    assert [math.isnan(one.values["energy"]) for one in shown.points] == [True, True]
    assert not any(one.kept or one.pareto for one in shown.points)


def test_a_run_without_answers_has_no_rows(two, tmp_path):
    def progress(_done, total, _what):
        if total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_study(two).run(tmp_path / "out", progress=progress)
    results = load_results(tmp_path / "out")
    assert results.rows().num_rows == 0
    assert results.points().num_rows == 2


def test_an_axis_that_is_called_like_a_column_of_rows_has_a_column_of_its_own(two, tmp_path):
    two["axes"] = {ALIGN: {"values": [5, 9], "label": "overflow"}}
    table = polars.from_arrow(load_study(two).run(tmp_path / "out").rows())
    assert table["axis.overflow"].to_list() == [5, 5, 9, 9]
    assert "overflow" in table.columns


def test_a_range_of_any_length_is_counted(two):
    two["axes"] = {ALIGN: {"values": {"first": 0, "last": 10**30}}}
    with pytest.raises(SpecError, match="at most 100000 values") as error:
        load_study(two)
    assert error.value.key == f"axes.{ALIGN}.values"


def test_a_number_of_workers_below_zero_is_refused(two, tmp_path):
    with pytest.raises(ValueError, match="-1 is less than 0"):
        load_study(two).run(tmp_path / "out", workers=-1)


@pytest.mark.parametrize(
    "axes",
    [
        {"matrix.unit": [{"level": 5}, {"level": [3]}], ALIGN: [3, 4]},
        {"matrix.unit": [{"base": {"unit": 7}}], ALIGN: [3, 4]},
        {"matrix.unit.operands": [3, 4], "matrix.unit.operands.a.format": ["e5m2", "e4m3"]},
        {"matrix.unit": [{"level": [{"repeat": 10**12, "result": {"format": "float32"}}]}], ALIGN: [3, 4]},
    ],
)
def test_paths_into_what_another_axis_broke_are_illegal_points(two, tmp_path, axes):
    two["axes"] = axes
    with pytest.raises(SpecError, match="points are illegal"):
        load_study(two).run(tmp_path / "out")
    assert not (tmp_path / "out").exists()


ROUNDING, BITS = "matrix.unit.level.0.result.rounding", "matrix.unit.level.0.result.sr_bits"


@pytest.mark.parametrize("along", ["rounding", "bits"])
def test_a_search_by_halving_along_an_axis_that_does_not_always_apply_is_refused(two, along):
    two["accelerator"] = "fp8-fp16acc"
    two["axes"] = {
        ROUNDING: {"values": ["toward_zero", "stochastic"], "label": "rounding"},
        BITS: {"values": [1, 2], "label": "bits", "when": {"rounding": "stochastic"}},
    }
    two |= {"constraints": {"error": ">= 5"}, "search": {"method": "bisection", "along": along}}
    with pytest.raises(SpecError, match="'bits' has `when`") as error:
        load_study(two)
    assert error.value.key == "search.along"


def test_a_damaged_answer_names_its_file_and_can_be_deleted(two, tmp_path):
    out = tmp_path / "out"
    load_study(two).run(out)
    file = next((out / "results").iterdir())
    file.write_bytes(file.read_bytes()[:100])
    for damaged in (lambda: load_results(out).points(), lambda: load_study(two).run(out).points()):
        with pytest.raises(ModelError, match=f"{file.name}: cannot be read.*delete it"):
            damaged()
    file.unlink()
    assert not any(math.isnan(one["error"]) for one in load_study(two).run(out).points().to_pylist())
    parquet.write_table(parquet.read_table(out / POINTS).drop_columns(["key"]), out / POINTS)
    with pytest.raises(ModelError, match=f"{POINTS}: cannot be read.*key"):
        load_results(out).points()
    (out / POINTS).write_bytes(b"")
    with pytest.raises(ModelError, match=f"{POINTS}: cannot be read"):
        load_results(out).points()


def test_a_folder_of_a_run_that_was_killed_at_once_is_taken(two, tmp_path):
    out = tmp_path / "out"
    (out / "results").mkdir(parents=True)
    (out / f".{ABOUT}.x7.tmp").touch()
    assert load_study(two).run(out).points().num_rows == 2
    other = tmp_path / "other"
    (other / "results").mkdir(parents=True)
    (other / "results" / "mine.txt").touch()
    with pytest.raises(ModelError, match="is not empty"):
        load_study(two).run(other)


def test_inputs_of_one_value_are_part_of_the_question(two):
    subject = SubjectKeys(workload=load_study(two).workload, inputs=None).open()
    hashes = {subject.sha256}
    for value in (0, 1):
        (part,) = subject.parts.values()
        other = replace(part, fixed={"flag": np.array(value)})
        hashes.add(replace(subject, parts={"model": other}).sha256)
    assert len(hashes) == 3


@pytest.mark.parametrize("method", ["grid", "optuna", "random"])
def test_a_space_that_cannot_be_listed_is_refused_unless_it_is_sampled(two, method):
    two["axes"] = {f"{name}.x": {"values": {"first": 1, "last": 5000}} for name in "abcde"}
    two["search"] = {"method": method, "points": 3} if method != "grid" else {}
    study = load_study(two)
    if method == "random":
        assert len(strategy_of(study).ask()) == 3
        return
    with pytest.raises(SpecError, match="span more than 1048576 points"):
        strategy_of(study)


def test_an_answer_is_not_written_through_a_link(two, tmp_path):
    store = load_study(two).run(tmp_path / "out").store
    (tmp_path / "mine").write_text("mine")
    key = sorted(store.finished())[0]
    (store.results / f"{key}.failed.parquet").symlink_to(tmp_path / "mine")
    with pytest.raises(ModelError, match="is a symbolic link"):
        store.put(key, store.read([key]), failed=True)
    assert (tmp_path / "mine").read_text() == "mine"


def test_costs_alone_are_no_answers_that_are_the_same(two, tmp_path):
    two["objectives"] = {"energy": "energy_per_mac"}
    views = [View(load_study(two).run(tmp_path / name)) for name in "ab"]
    found = compare(*views)
    assert (len(found.pairs), found.same_keys, found.changed) == (2, 0, ())
