"""In processes of this machine, each on its own share of the cores.

* Every process opens the subject once. A process is started afresh, not forked: the engines
  that run here have threads.
* A process that dies (killed, out of memory) takes the pool with it: what it had not finished is given to a new pool.
  A point at which the pool dies `MOST_DEATHS` times in a row is an answer that says so.
* Interrupted: points that are not started are dropped, those under way end first.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from typing import Any

from emu.studies.evaluate import Answer, Task, evaluate
from emu.studies.subject import Subject, SubjectKeys

MOST_DEATHS = 3
_subject: Subject | None = None
"""Of a worker process: set once, when it starts."""


class Processes(AbstractContextManager["Processes"]):
    """Some processes of this machine."""

    def __init__(self, keys: SubjectKeys, workers: int) -> None:
        """Run on a subject.

        Args:
            keys: where it is to be had.
            workers: how many processes.
        """
        self._keys, self._workers = keys, workers
        self._pool: ProcessPoolExecutor | None = None

    @property
    def width(self) -> int:
        """Processes."""
        return self._workers

    def __exit__(self, *_: object) -> None:
        """Let the points under way end; drop the others."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def run(self, tasks: Sequence[Task]) -> Iterator[Answer]:
        """Answers as they are done."""
        left = {task.name: task for task in tasks}
        deaths = dict.fromkeys(left, 0)
        while left:
            pool = self._started()
            futures: dict[Future[Answer], str] = {}
            queue = iter(list(left.values()))
            try:
                for task in queue:
                    futures[pool.submit(_evaluate, task)] = task.name
                    if len(futures) >= 2 * self._workers:  # so that few are lost with a pool, and few are blamed
                        yield from self._collected(futures, left)
                while futures:
                    yield from self._collected(futures, left)
            except BrokenProcessPool:
                self._pool = None
                yield from self._blamed(list(futures.values()), deaths, left)

    def _collected(self, futures: dict[Future[Answer], str], left: dict[str, Task]) -> Iterator[Answer]:
        """What is done, at least one."""
        done, _ = wait(futures, return_when=FIRST_COMPLETED)
        for future in done:
            answer = future.result()
            del left[futures.pop(future)]
            yield answer

    def _blamed(self, under_way: list[str], deaths: dict[str, int], left: dict[str, Task]) -> Iterator[Answer]:
        """Answers for points at which a process died too often."""
        for name in under_way:
            deaths[name] += 1
            if deaths[name] >= MOST_DEATHS:
                yield Answer.failure(
                    left.pop(name), f"the process that ran it died {MOST_DEATHS} times (out of memory?)"
                )

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            turn = context.Value("i", 0)
            self._pool = ProcessPoolExecutor(
                self._workers, mp_context=context, initializer=_start,
                initargs=(self._keys, self._workers, turn),
            )  # fmt: skip
        return self._pool


def _start(keys: SubjectKeys, workers: int, turn: Any) -> None:
    """In a new process: take a share of the cores, then open the subject."""
    global _subject
    with turn.get_lock():
        number = turn.value
        turn.value += 1
    os.sched_setaffinity(0, share(sorted(os.sched_getaffinity(0)), workers, number))
    _subject = keys.open()


def share(cores: Sequence[int], workers: int, number: int) -> list[int]:
    """The cores of one of several workers: as equal as they can be, at least one."""
    return list(cores[number % workers :: workers]) or [cores[number % len(cores)]]


def _evaluate(task: Task) -> Answer:
    assert _subject is not None
    return evaluate(_subject, task)
