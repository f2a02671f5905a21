"""What a study would take, before it runs: points, accelerators, answers that are there already, time and disk.

* Every point is made ready and checked, as before a run. Nothing is downloaded and nothing is written.
* The study's own accelerator runs on the workload once: its time and the bytes of its answer stand for every point's.
  A point uses all cores by itself, so the time hardly depends on the number of processes of one machine.
* A search that chooses its points from the results may stop early: its number is the most that it can ask for, but no
  more than there are different accelerators.
* The time is that of one run on an idle machine: other accelerators may be several times slower or quicker (`emu show
  UNIT` says which kernel a unit gets).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emu.accelerators import load_accelerator
from emu.errors import EmuError
from emu.studies.axes import Chosen
from emu.studies.check import Point, check_search
from emu.studies.evaluate import Answer, Task, evaluate
from emu.studies.question import Question
from emu.studies.scores import layers_of, values_of
from emu.studies.search import Scored, strategy_of
from emu.studies.store import SMALL, Store
from emu.studies.subject import Subject, SubjectKeys
from emu.studies.vocabulary import Method

if TYPE_CHECKING:
    from emu.studies.study import Study

LONG = 10.0
"""Seconds. A shorter run is done twice and the second one counts: the first loads libraries and builds tables."""
BLOCK = 4096
"""Bytes that a file takes at least, on most disks."""


@dataclass(frozen=True, kw_only=True)
class AxisCount:
    """An axis, and where it applies."""

    name: str
    values: int
    points: int
    """to how many points of the grid it applies"""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a study would take."""

    grid: int
    """points of the whole space; of a drawn sample, the points drawn"""
    axes: tuple[AxisCount, ...]
    accelerators: int
    """that differ in a bit"""
    points: int
    """that would be asked for, at most"""
    exact: bool
    """whether it will be just that many"""
    answered: int | None
    """answers that are in the folder; None if the workload is not in reach, or there is no folder"""
    to_run: int
    """answers that are still to be found, at most"""
    opening: float | None
    """seconds to open the workload"""
    each: float | None
    """seconds for one point"""
    bytes_each: int | None
    """on the disk"""
    why_not: str
    """why there is no time and no disk space"""

    @property
    def seconds(self) -> float | None:
        """For all of it."""
        if self.each is None or self.opening is None:
            return None
        return self.opening + self.to_run * self.each

    @property
    def bytes(self) -> int | None:
        """For all of it."""
        return None if self.bytes_each is None else self.to_run * self.bytes_each


def estimate(study: Study, out: str | Path | None = None) -> Estimate:
    """What a study would take.

    Args:
        study: the study.
        out: the folder of its answers, if there is one.

    Raises:
        SpecError: illegal points, all of them named.
        ModelError: the folder holds something else.
    """
    store = None if out is None else Store.there(out)
    strategy = strategy_of(study)
    exact = strategy.listed is not None
    ready = check_search(study, strategy)
    hashes = {point.accelerator_hash for point in ready}
    question = Question.of(study)
    subject, opening, why_not = (None, None, "") if question.asks_nothing else _opened(study)
    answer, each = (None, None) if subject is None else _timed(study, subject, question)
    if answer is not None and answer.failed:
        why_not, each = f"the accelerator where the points start cannot run: {answer.rows['reason'][0]}", None
    maps = study.search.method is Method.SENSITIVITY  # which asks for other accelerators than those of the grid
    if maps and answer is not None and not answer.failed:
        strategy.tell([_scored(study, strategy.ask(), answer)])
    most = len(ready) if exact else strategy.most
    answered = None
    if store is not None and subject is not None:
        finished = store.finished()
        answered = sum(question.key(digest, subject.sha256) in finished for digest in hashes)
    to_run = most if maps else min(most, len(hashes) - (answered or 0))
    if question.asks_nothing:
        to_run = 0
    return Estimate(
        grid=len(ready), axes=_axes(study, ready), accelerators=len(hashes), points=most, exact=exact,
        answered=answered, to_run=to_run, opening=opening, each=each,
        bytes_each=None if answer is None or answer.failed else _bytes(answer), why_not=why_not,
    )  # fmt: skip


def _opened(study: Study) -> tuple[Subject | None, float | None, str]:
    """The workload and the seconds that it took, or why it is not in reach."""
    assert study.workload is not None  # a study of examples alone asks nothing
    start = time.perf_counter()
    try:
        subject = SubjectKeys(workload=study.workload, inputs=study.inputs).open(download=False)
    except (EmuError, ImportError) as error:
        return None, None, str(error)
    return subject, time.perf_counter() - start, ""


def _timed(study: Study, subject: Subject, question: Question) -> tuple[Answer, float]:
    """The answer of the study's own accelerator, and the seconds that it took."""
    task = Task(key="", accelerator=study.accelerator_keys({}), question=question)
    load_accelerator(task.accelerator)  # names are read here: they would count as time of the run
    for _ in range(2):
        start = time.perf_counter()
        answer = evaluate(subject, task)
        seconds = time.perf_counter() - start
        if seconds > LONG:
            break
    return answer, seconds


def _scored(study: Study, asked: Sequence[Chosen], answer: Answer) -> Scored:
    """An answer for a search that wants to know the layers before it can say how many points it needs."""
    values = values_of(study, answer.rows, {})
    return Scored(chosen=asked[0], values=values, kept=True, layers=layers_of(answer.rows))


def _bytes(answer: Answer) -> int:
    """What one answer takes on a disk."""
    import io

    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(answer.rows, buffer, **SMALL)
    return -(-buffer.tell() // BLOCK) * BLOCK


def _axes(study: Study, ready: Sequence[Point]) -> tuple[AxisCount, ...]:
    return tuple(
        AxisCount(name=axis.name, values=len(axis.choices), points=sum(axis.name in point.chosen for point in ready))
        for axis in study.axes
    )
