"""Running a study: points checked, answers kept one by one, nothing done twice.

1. Everything that can be refused is refused before anything runs: the study, its points, the folder, the workload.
2. The search asks for points; those that have an answer already are not run again. Equal accelerators have one answer.
3. Each answer is stored when it is there. A run that is interrupted or killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emu._version import SEMANTICS_VERSION, emu_version
from emu.replaying.result import Mode
from emu.studies.axes import Chosen, name_of
from emu.studies.check import Point, check_globs, check_search, load_point
from emu.studies.engines import Engine, Here, Processes
from emu.studies.evaluate import Task
from emu.studies.points import Known, points_table
from emu.studies.question import Question
from emu.studies.results import Results
from emu.studies.scores import costs_of, layers_of, values_of
from emu.studies.search import Scored, strategy_of
from emu.studies.shares import whole
from emu.studies.store import Store
from emu.studies.subject import Subject, SubjectKeys

if TYPE_CHECKING:
    from distributed import Client

    from emu.studies.study import Study

Progress = Callable[[int, int, str], object]
"""Called with (points done, points in all, what is done now)."""
ROUNDS, MOST_SHARES = 4, 64
"""Tasks that each worker should have, and parts that a point is cut into at most."""


def run_study(
    study: Study,
    out: str | Path,
    *,
    workers: int = 0,
    scheduler: str | Client | None = None,
    progress: Progress | None = None,
    download: bool = True,
) -> Results:
    """Run a study, or what is left of it.

    Args:
        study: what to run.
        out: the folder of its answers; see `emu.studies.store`.
        workers: processes of this machine; 0: this one.
        scheduler: a Dask scheduler's address, or a client that is connected; instead of `workers`.
        progress: called as points are done.
        download: if False, a workload's files that are not here are an error.

    Raises:
        SpecError: illegal points, all of them named.
        EmuError: the workload is not in reach, the folder is not the study's, or an extra is not installed.
    """
    if workers and scheduler is not None:
        raise ValueError("give workers or a scheduler, not both")
    if workers < 0:
        raise ValueError(f"workers: {workers} is less than 0")
    report = progress or _silent
    report(0, 0, "checking the points")
    search = strategy_of(study)
    ready = check_search(study, search)
    store = Store.made(out, study.keys, study.name)
    if study.workload is None:
        store.write_points(points_table((), ()))
        store.note(environment=_environment())
        return _told(study, store, report)
    report(0, 0, "opening the workload")
    keys = SubjectKeys(workload=study.workload, inputs=study.inputs)
    subject = keys.open(download=download)
    check_globs(study, subject)
    store.note(accelerator=study.accelerator_name, subject_sha256=subject.sha256, environment=_environment())
    with _engine(keys, subject, workers, scheduler, study) as engine:
        run = _Run(study=study, store=store, subject=subject, engine=engine, report=report, ready=ready)
        while asked := search.ask():
            points = run.round(asked, search.most)
            if search.listed is None:
                search.tell([run.scored(one) for one in points])
    return _told(study, store, report)


def _told(study: Study, store: Store, report: Progress) -> Results:
    """The results, with what they show of the study's effects and examples in `study.json`."""
    results = Results(store)
    if study.effects:
        store.note(effects=[one.plain() for one in results.effects()])
    if study.examples:
        report(0, 0, "working the examples")
        store.note(examples=[one.check().plain() for one in study.examples])
    return results


def _engine(
    keys: SubjectKeys, subject: Subject, workers: int, scheduler: str | Client | None, study: Study
) -> Engine:  # fmt: skip
    if scheduler is not None:
        from emu.studies.crate import Crate
        from emu.studies.engines.cluster import Cluster

        return Cluster(scheduler, Crate.of(subject, keys if study.task else None))
    return Processes(keys, workers) if workers else Here(subject)


def _environment() -> dict[str, Any]:
    """The versions and the machine of a run; on a cluster, those of the client."""
    from emu.deviation.provenance import here

    created = datetime.now(UTC).isoformat(timespec="seconds")
    return asdict(here(emu_version=emu_version(), semantics_version=SEMANTICS_VERSION, created=created))


class _Run:
    """One run under way."""

    def __init__(
        self, *, study: Study, store: Store, subject: Subject, engine: Engine, report: Progress, ready: Sequence[Point]
    ) -> None:  # fmt: skip
        self.study, self.store, self.engine, self.report = study, store, engine, report
        self.question, self.subject_hash = Question.of(study), subject.sha256
        self.known: list[Known] = []
        self.costs: dict[str, Mapping[str, float]] = store.costs()
        self.failed: set[str] = set()
        self.hashes = {name_of(point.chosen): point.accelerator_hash for point in ready}
        """accelerators of points that were checked"""
        self.wants_costs = any(objective.is_cost for objective in study.objectives)

    def round(self, asked: Sequence[Chosen], most: int) -> list[Known]:
        """Points of one round of a search, answered."""
        points = [self.known_of(chosen, number) for number, chosen in enumerate(asked, len(self.known))]
        self.known += points
        self.store.write_points(points_table(self.study.axes, self.known))
        try:
            self.answer({one.key: one for one in points}, most)
        finally:  # interrupted or not, what is done has its cost
            if self.wants_costs:
                self.known = [replace(one, costs=self.costs.get(one.key, {})) for one in self.known]
                self.store.write_points(points_table(self.study.axes, self.known))
        return self.known[-len(points) :]

    def price(self, one: Known) -> None:
        """Ask the cost model about a point that has an answer, once."""
        if one.key not in self.costs:
            accelerator = load_point(self.study, one.point.chosen)
            rows = None if self.question.asks_nothing else self.store.read([one.key])
            self.costs[one.key] = costs_of(accelerator, rows)

    def known_of(self, chosen: Chosen, number: int) -> Known:
        """A point with its key and cost."""
        digest = self.hashes.get(name_of(chosen)) or load_point(self.study, chosen).spec_hash
        return Known(
            number=number,
            point=Point(chosen=chosen, accelerator_hash=digest),
            key=self.question.key(digest, self.subject_hash),
            costs={},
        )

    def answer(self, wanted: Mapping[str, Known], most: int) -> None:
        """Run what has no answer yet, and keep what comes."""
        finished = self.store.finished()
        if self.wants_costs:
            for one in wanted.values():
                if one.key in finished or self.question.asks_nothing:
                    self.price(one)
        if self.question.asks_nothing:
            return
        left = {key: one for key, one in wanted.items() if key not in finished and key not in self.failed}
        keys = {one.key for one in self.known}
        before, twice = len(keys - left.keys()), len(self.known) - len(keys)
        total = max(most - twice, before + len(left))
        self.report(before, total, "")
        shares = self.shares(len(left))
        tasks = (task for one in left.values() for task in self.tasks(one, shares))
        for done, (rows, answer) in enumerate(whole(self.engine.run(tasks), shares), 1):
            self.store.put(answer.key, rows, failed=answer.failed)
            if answer.failed:
                self.failed.add(answer.key)
            elif self.wants_costs:
                self.price(wanted[answer.key])
            self.report(before + done, total, "")

    def shares(self, points: int) -> int:
        """Into how many tasks a point is cut, so that all workers have work: by layers, if these are independent."""
        alone = self.question.replay and self.question.mode == Mode.ISOLATED.value and self.engine.width > 1
        return max(1, min(MOST_SHARES, ROUNDS * self.engine.width // max(1, points))) if alone else 1

    def tasks(self, one: Known, shares: int) -> list[Task]:
        """What workers are told of a point."""
        keys = self.study.accelerator_keys(one.point.chosen)
        return [
            Task(key=one.key, accelerator=keys, question=self.question, share=(n, shares)) for n in range(shares)
        ]  # fmt: skip

    def scored(self, one: Known) -> Scored:
        """A point's numbers."""
        rows = self.store.read([one.key])
        values = values_of(self.study, rows, one.costs)
        kept = one.key not in self.failed and self.study.keeps(values)
        return Scored(chosen=one.point.chosen, values=values, kept=kept, layers=layers_of(rows))


def _silent(*_: Any) -> None:
    """No progress is wanted."""
