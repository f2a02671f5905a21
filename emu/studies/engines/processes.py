"""In processes of this machine, each on its own share of the cores.

* Every process opens the subject once. A process is started afresh, not forked: the engines
  that run here have threads.
* A process that dies (killed, out of memory) takes the pool with it: what it had not finished is given to a new pool.
  These are run one at a time from then on, so that none is blamed for another one: a point at which the pool dies
  `MOST_DEATHS` times is an answer that says so. Processes that die before they are ready are an error.
* Ctrl-C is for the process that waits: the others do not take the signal.
* Interrupted: points that are not started are dropped, those under way end first.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from typing import Any

from emu.errors import ModelError
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
        self._ready: Any = None
        """how many processes of the pool have opened the subject"""

    @property
    def width(self) -> int:
        """Processes."""
        return self._workers

    def __exit__(self, *_: object) -> None:
        """Let the points under way end; drop the others."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def run(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """Answers as they are done; few tasks are held at a time.

        Raises:
            ModelError: no process gets ready.
        """
        queue, again = iter(tasks), deque[Task]()
        deaths: Counter[str] = Counter()
        flying: dict[Future[Answer], Task] = {}
        while True:
            try:
                suspects = again or any(deaths[task.name] for task in flying.values())
                most = 1 if suspects else 2 * self._workers
                while len(flying) < most and (task := again.popleft() if again else next(queue, None)):
                    again.appendleft(task)  # a pool that is broken takes no task
                    future = self._started().submit(_evaluate, task)
                    flying[future] = again.popleft()
                if not flying:
                    return
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    answer = future.result()
                    del flying[future]
                    yield answer
            except BrokenProcessPool:
                self._pool = None
                if not self._ready.value:
                    raise ModelError(
                        "the processes die before they have opened the workload; a script that runs a study in "
                        'processes does so under `if __name__ == "__main__":`'
                    ) from None
                deaths.update(task.name for task in flying.values())
                lost, flying = list(flying.values()), {}
                again.extend(task for task in lost if deaths[task.name] < MOST_DEATHS)
                dead = [task for task in lost if deaths[task.name] >= MOST_DEATHS]
                reason = f"the process that ran it died {MOST_DEATHS} times (out of memory?)"
                yield from (Answer.failure(task, reason) for task in dead)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            turn, self._ready = context.Value("i", 0), context.Value("i", 0)
            self._pool = ProcessPoolExecutor(
                self._workers, mp_context=context, initializer=_start,
                initargs=(self._keys, self._workers, turn, self._ready),
            )  # fmt: skip
        return self._pool


def _start(keys: SubjectKeys, workers: int, turn: Any, ready: Any) -> None:
    """In a new process: take a share of the cores, then open the subject."""
    global _subject
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with turn.get_lock():
        number = turn.value
        turn.value += 1
    os.sched_setaffinity(0, share(sorted(os.sched_getaffinity(0)), workers, number))
    _subject = keys.open()
    with ready.get_lock():
        ready.value += 1


def share(cores: Sequence[int], workers: int, number: int) -> list[int]:
    """The cores of one of several workers: as equal as they can be, at least one."""
    return list(cores[number % workers :: workers]) or [cores[number % len(cores)]]


def _evaluate(task: Task) -> Answer:
    assert _subject is not None
    return evaluate(_subject, task)
