"""Running studies: the same rows everywhere, nothing lost, nothing done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

import emu
from emu import ModelError, SpecError
from emu.studies import load_results, load_study
from emu.studies.engines import processes
from emu.studies.evaluate import Answer, Task, evaluate
from emu.studies.question import Question
from emu.studies.scores import costs_of
from emu.studies.shares import whole
from emu.studies.store import Store
from emu.studies.subject import SubjectKeys
from emu.studies.table import TIMES
from tests.studies.conftest import ALIGN, LENGTH


def plain(table):
    """Rows as text, NaN too, without times."""
    return [repr(row) for row in table.drop_columns(list(TIMES)).to_pylist()]


def rows(results):
    return plain(results.rows())


def differences(results, others):
    """What is not the same: point, layer, column and both values."""
    ours, theirs = (one.rows().drop_columns(list(TIMES)).to_pylist() for one in (results, others))
    assert len(ours) == len(theirs), (results.store.failures(), others.store.failures())
    return [
        (one["point"], one["layer"], name, one[name], other[name])
        for one, other in zip(ours, theirs, strict=True)
        for name in one
        if repr(one[name]) != repr(other[name])
    ]


def test_a_point_is_what_a_replay_says(keys, tmp_path):
    results = load_study(keys).run(tmp_path / "out")
    table = results.rows().to_pylist()
    assert len(table) == 6 * 2
    some = next(row for row in table if row[ALIGN] == 9 and row[LENGTH] == "all" and row["layer"] == "down")
    accelerator = load_study(keys).accelerator_keys(
        next(p for p in load_study(keys).points() if p[ALIGN].label == "9" and p[LENGTH].label == "all")
    )
    run = emu.replay(keys["workload"]["model"], keys["workload"]["inputs"], accelerator=accelerator, events=False)
    row = next(one for one in run.rows if one.layer == "down")
    for name in ("sqnr_db", "mse", "mean_error", "max_ulp", "mean_ulp", "k", "macs"):
        assert some[name] == getattr(row, name)


def test_points_have_their_axes_objectives_and_states(keys, tmp_path):
    keys["constraints"] = {"error": ">= 28"}
    records = load_study(keys).run(tmp_path / "out").points().to_pylist()
    assert [(r[ALIGN], r[LENGTH]) for r in records] == [(a, n) for a in (5, 9, 13) for n in ("32", "all")]
    for record in records:
        assert record["kept"] == (record["error"] >= 28)
        assert record["failed"] is None
    assert any(record["pareto"] for record in records)
    assert not any(record["pareto"] and not record["kept"] for record in records)
    assert {record["kept"] for record in records} == {True, False}


def test_a_finished_point_is_not_run_again_and_an_edited_study_keeps_its_answers(keys, tmp_path, monkeypatch):
    out = tmp_path / "out"
    load_study(keys).run(out)
    ran = []
    monkeypatch.setattr("emu.studies.engines.here.evaluate", lambda s, t: ran.append(t.key) or evaluate(s, t))
    before = {path.name: path.stat().st_mtime_ns for path in (out / "results").iterdir()}
    load_study(keys).run(out)
    assert ran == []
    keys["axes"][ALIGN] = [5, 9, 21]
    keys["objectives"]["worst"] = "max_ulp"
    keys["name"] = "another"
    results = load_study(keys).run(out)
    assert len(ran) == 2
    assert {r[ALIGN] for r in results.points().to_pylist()} == {5, 9, 21}
    assert before.items() <= {path.name: path.stat().st_mtime_ns for path in (out / "results").iterdir()}.items()


def test_equal_accelerators_have_one_answer(keys, tmp_path):
    keys["axes"] = {ALIGN: [5, 9], "matrix.output": ["bfloat16", "bf16", "float32"]}
    results = load_study(keys).run(tmp_path / "out")
    assert results.points().num_rows == 6
    assert len(Store(tmp_path / "out").files()) == 4


@pytest.mark.slow
def test_processes_give_the_same_rows(keys, tmp_path):
    here = load_study(keys).run(tmp_path / "here")
    there = load_study(keys).run(tmp_path / "there", workers=2)
    assert differences(here, there) == []


@pytest.mark.slow
def test_a_point_is_cut_by_layers_where_there_are_more_workers_than_points(keys, tmp_path):
    keys["axes"] = {ALIGN: [9]}
    here = load_study(keys).run(tmp_path / "here")
    there = load_study(keys).run(tmp_path / "there", workers=2)
    assert differences(here, there) == []


@pytest.mark.parametrize("count", [2, 3, 7])
def test_the_parts_of_a_point_make_the_whole(keys, count):
    keys["accelerator"] = "blackwell-mxfp8"
    study = load_study({**keys, "axes": {"matrix.output": ["float32"]}})
    subject = SubjectKeys(workload=study.workload, inputs=None).open()
    point = study.accelerator_keys(next(study.points()))
    tasks = [
        Task(key="k", accelerator=point, question=Question.of(study), share=(n, count)) for n in reversed(range(count))
    ]
    one = evaluate(subject, Task(key="k", accelerator=point, question=Question.of(study)))
    answers = [evaluate(subject, task) for task in tasks]
    ((together, _),) = whole(answers, count)
    assert plain(together) == plain(one.rows)
    failed = Answer.failure(tasks[0], "no")
    assert [answer.failed for _, answer in whole([answers[1], failed, *answers[2:]], count)] == [True]


@pytest.mark.slow
def test_a_process_that_is_killed_loses_nothing(keys, tmp_path):
    keys["axes"] = {ALIGN: {"values": {"first": 4, "last": 23}}, LENGTH: [32, "all"]}
    here = load_study(keys).run(tmp_path / "here")
    killed = []

    def progress(done, *_):
        if done >= 5 and not killed:
            import multiprocessing

            victim = multiprocessing.active_children()[0]
            killed.append(victim.pid)
            os.kill(victim.pid, signal.SIGKILL)

    there = load_study(keys).run(tmp_path / "there", workers=2, progress=progress)
    assert killed
    assert differences(here, there) == []


@pytest.mark.slow
def test_a_dask_cluster_that_loses_a_worker_gives_the_same_rows(keys, tmp_path):
    import distributed

    keys["axes"] = {ALIGN: {"values": {"first": 4, "last": 23}}, LENGTH: [32, "all"]}
    here = load_study(keys).run(tmp_path / "here")
    killed = []
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):

        def progress(done, *_):
            if done >= 5 and not killed:
                victim = next(iter(cluster.workers.values()))
                killed.append(victim.pid)
                os.kill(victim.pid, signal.SIGKILL)

        there = load_study(keys).run(tmp_path / "there", scheduler=client, progress=progress)
    assert killed
    assert differences(here, there) == []
    keys_of_rows = there.points()["key"].to_pylist()
    assert len(keys_of_rows) == len(set(keys_of_rows)) == 40


def test_a_point_that_cannot_run_is_an_answer_and_is_tried_again(keys, tmp_path):
    """Products of ones overflow an accumulator that may not: the file is fine, the data are not."""
    unit = {
        "name": "guarded",
        "operands": {"a": "float16", "b": "float16", "d": "float16"},
        "level": [{"start": "zero", "result": {"format": "e4m3", "overflow": "raise"}}],
    }
    keys["accelerator"] = {
        "matrix": {"unit": unit, "activations": {"scheme": "absmax"}, "weights": {"scheme": "cast"}}
    }  # fmt: skip
    keys["axes"] = {"matrix.activations.scheme": ["absmax", "cast"]}
    results = load_study(keys).run(tmp_path / "out")
    failed, fine = results.points().to_pylist()
    assert "overflow" in failed["failed"].lower() or "range" in failed["failed"].lower()
    assert fine["failed"] is None
    assert failed["error"] != failed["error"]
    assert not failed["kept"]
    assert len(list((tmp_path / "out" / "results").glob("*.failed.parquet"))) == 1
    seen = []
    load_study(keys).run(tmp_path / "out", progress=lambda done, total, _: seen.append((done, total)))
    assert seen[-1] == (2, 2)
    assert (1, 2) in seen


def test_a_folder_with_something_else_in_it_is_refused(keys, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="not empty"):
        load_study(keys).run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(ModelError, match="holds no study"):
        load_results(tmp_path)


SCRIPT = """
import json, sys
from emu.studies import load_study
if __name__ == "__main__":
    load_study(json.loads(sys.argv[1])).run(sys.argv[2], progress=lambda d, t, _: print(d, flush=True))
"""


def test_kill_in_the_middle_then_run_again_gives_the_same_rows(keys, tmp_path):
    import json

    keys["axes"] = {ALIGN: {"values": {"first": 4, "last": 23}}}
    whole = load_study(keys).run(tmp_path / "whole")
    (tmp_path / "run.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "run.py"), json.dumps(keys), str(tmp_path / "killed")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 7:
                process.kill()
                break
    left = len(Store(tmp_path / "killed").files())
    assert 7 <= left < 20
    again = load_study(keys).run(tmp_path / "killed")
    assert differences(whole, again) == []


def test_interrupted_leaves_a_valid_store(keys, tmp_path):
    def progress(done, *_):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_study(keys).run(tmp_path / "out", progress=progress)
    results = load_results(tmp_path / "out")
    assert len(Store(tmp_path / "out").files()) == 3
    assert results.points().num_rows == 6
    assert sum(record["error"] == record["error"] for record in results.points().to_pylist()) == 3
    assert load_study(keys).run(tmp_path / "out").rows().num_rows == 12


def test_the_accelerators_of_a_mixed_map_are_rules(keys, tmp_path):
    keys["axes"] = {ALIGN: [3, 5, 7, 9, 13]}
    keys["constraints"] = {"error": ">= 28"}
    keys["search"] = {"method": "sensitivity", "along": ALIGN}
    records = load_study(keys).run(tmp_path / "out").points().to_pylist()
    grid = {**keys, "search": {"method": "grid"}}
    uniform = {r[ALIGN]: r for r in load_study(grid).run(tmp_path / "grid").rows().to_pylist() if r["layer"] == "up"}
    rows_ = load_results(tmp_path / "out").rows().to_pylist()
    for row in rows_:
        if row["layer"] == "up" and row["layers"] and row["layers"].startswith("up: "):
            value = int(row["layers"].removeprefix("up: ").split(",")[0])
            assert row["sqnr_db"] == uniform[value]["sqnr_db"]
    assert records[-1]["kept"] or any(r["kept"] and r["layers"] for r in records)


def test_the_shares_of_workers_are_all_cores():
    assert [processes.share([0, 1, 2, 3, 4], 2, n) for n in range(2)] == [[0, 2, 4], [1, 3]]
    assert processes.share([3], 2, 1) == [3]


def test_evaluate_needs_nothing_but_the_subject_and_the_task(keys):
    study = load_study(keys)
    subject = SubjectKeys(workload=study.workload, inputs=None).open()
    point = next(study.points())
    task = Task(key="k", accelerator=study.accelerator_keys(point), question=Question.of(study))
    first, second = evaluate(subject, task), evaluate(subject, task)
    assert plain(first.rows) == plain(second.rows)
    assert not first.failed


def test_what_is_done_has_its_cost_even_if_the_run_is_interrupted(keys, tmp_path, monkeypatch):
    keys["objectives"]["energy"] = "energy_per_mac"

    def progress(done, *_):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_study(keys).run(tmp_path / "out", progress=progress)
    energies = [record["energy"] for record in load_results(tmp_path / "out").points().to_pylist()]
    assert [energy is not None and energy > 0 for energy in energies] == [True] * 3 + [False] * 3
    asked = []
    real = costs_of
    monkeypatch.setattr("emu.studies.run.costs_of", lambda *given: asked.append(1) or real(*given))
    whole = load_study(keys).run(tmp_path / "out").points().to_pylist()
    assert len(asked) == 3
    assert all(record["energy"] > 0 for record in whole)


def test_a_study_of_costs_alone_runs_nothing(keys, tmp_path):
    keys["objectives"] = {"energy": "energy_per_mac", "area": "area_per_mac"}
    results = load_study(keys).run(tmp_path / "out")
    assert Store(tmp_path / "out").files() == []
    records = results.points().to_pylist()
    assert all(record["kept"] and record["energy"] > 0 for record in records)


@pytest.mark.parametrize(
    ("mode", "metric", "layers"), [("isolated", "sqnr", "none*"), ("propagated", "output.sqnr", "up")]
)
def test_an_objective_about_no_layer_is_refused_before_anything_runs(keys, tmp_path, mode, metric, layers):
    keys["mode"] = mode
    keys["objectives"] = {"error": {"metric": metric, "layers": layers}}
    with pytest.raises(SpecError, match="such a name") as refusal:
        load_study(keys).run(tmp_path / "out")
    assert refusal.value.key == "objectives.error.layers"
    assert Store(tmp_path / "out").files() == []
