"""Workers that die, never get ready, or have another run's subject."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import replace

import pytest

from emu import ModelError
from emu.studies import load_results, load_study
from emu.studies.crate import Crate
from emu.studies.engines import Processes, processes
from emu.studies.evaluate import Task, evaluate
from emu.studies.question import Question
from emu.studies.subject import SubjectKeys
from tests.studies.conftest import ALIGN

TRICKS = """
import os, signal, time
from dataclasses import replace
from emu.studies.evaluate import Answer

def die_or_wait(task):
    time.sleep(0.2)
    if task.key == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(Answer.failure(task, "none"), failed=False)
"""
"""Instead of a point, in a worker process: the one named `bad` kills it while others are under way. In a module of its
own: a worker finds it where its parent does, and the tests need not be there."""


def subject_keys(keys):
    return SubjectKeys(workload=load_study(keys).workload, inputs=None)


@pytest.mark.slow
def test_a_point_that_kills_its_process_is_blamed_alone(keys, monkeypatch, tmp_path):
    (tmp_path / "tricks_of_workers.py").write_text(TRICKS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(processes, "_evaluate", importlib.import_module("tricks_of_workers").die_or_wait)
    question = Question.of(load_study(keys))
    tasks = [Task(key=key, accelerator={}, question=question) for key in ("a", "bad", "b", "c", "d")]
    with Processes(subject_keys(keys), 2) as engine:
        answers = list(engine.run(tasks))
    assert sorted((one.key, one.failed) for one in answers) == [
        ("a", False), ("b", False), ("bad", True), ("c", False), ("d", False),
    ]  # fmt: skip


UNGUARDED = """
import json, sys
from emu.studies import load_study
load_study(json.loads(sys.argv[1])).run(sys.argv[2], workers=2)
"""


@pytest.mark.slow
def test_processes_that_cannot_start_are_an_error_and_no_answers(keys, tmp_path):
    import json

    (tmp_path / "run.py").write_text(UNGUARDED)
    command = [sys.executable, str(tmp_path / "run.py"), json.dumps(keys), str(tmp_path / "out")]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == 1
    assert "the processes die before they have opened the workload" in process.stderr
    assert load_results(tmp_path / "out").store.failures() == {}


def test_a_crate_is_opened_by_the_same_emu_as_the_same_subject(keys):
    subject = subject_keys(keys).open()
    crate = Crate.of(subject, None)
    assert crate.open().sha256
    with pytest.raises(ModelError, match=r"the worker has emu .*the client \('0', 0\)"):
        replace(crate, emu=("0", 0)).open()
    with pytest.raises(ModelError, match="not those of the client"):
        replace(crate, task=subject_keys(keys), sha256="0").open()


@pytest.mark.slow
def test_two_studies_on_one_cluster_keep_their_subjects_apart(keys):
    import distributed

    from emu.studies.engines.cluster import Cluster

    study = load_study({**keys, "axes": {ALIGN: [5, 9]}})
    subject = subject_keys(keys).open()
    (part,) = subject.parts.values()
    halved = {"x": part.inputs["x"][:8]}
    other = replace(subject, parts={"model": replace(part, inputs=halved)})
    point = study.accelerator_keys(next(study.points()))
    task = Task(key="k", accelerator=point, question=Question.of(study))
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        with Cluster(client, Crate.of(subject, None)) as one:
            with Cluster(client, Crate.of(other, None)) as two:
                found = [next(iter(engine.run([task]))).rows for engine in (one, two)]
            again = next(iter(one.run([task]))).rows
        (worker,) = cluster.workers.values()
        assert worker.emu_subjects == {}
        with pytest.raises(ModelError, match=r"cannot open the workload: .*the worker has emu"):
            Cluster(client, replace(Crate.of(subject, None), emu=("0", 0)))
        assert not [name for name in worker.plugins if "emu" in name]
    expected = [evaluate(one, task).rows["sqnr_db"].to_pylist() for one in (subject, other)]
    assert [rows["sqnr_db"].to_pylist() for rows in (*found, again)] == [*expected, expected[0]]
    assert expected[0] != expected[1]


@pytest.mark.slow
def test_a_cluster_that_is_lost_is_one_error_and_what_is_done_is_kept(keys, tmp_path):
    import distributed

    keys["axes"] = {ALIGN: {"values": {"first": 4, "last": 23}}}
    with distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
        address = cluster.scheduler_address

        def progress(done, *_):
            if done == 3:
                cluster.close()

        with pytest.raises(ModelError, match="the Dask cluster was lost"):
            load_study(keys).run(tmp_path / "out", scheduler=address, progress=progress)
    assert len(load_results(tmp_path / "out").store.finished()) >= 3
