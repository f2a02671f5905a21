"""On a Dask cluster: points are tasks, and a worker that dies loses nothing but what it was doing.

* The subject is sent once, as a plugin of the cluster: workers that join later get it too. It and the tasks have names
  of this run alone: other studies may run on the same cluster at the same time.
* A worker that cannot open the subject (another emu or none, no files) is an error before anything runs.
* Answers come back to the client as they are done, which alone writes them: workers need no shared disk.
* A point at which workers die `MOST_DEATHS` times is an answer that says so. What is not done when the client leaves is
  cancelled.
* Workers use the cores that their process may use; with several workers on a machine, give each its own
  (`--nthreads 1`: a point uses threads of its own).

Extra: `cluster` (dask.distributed).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from emu.errors import ModelError
from emu.extras import optional
from emu.studies.crate import Crate
from emu.studies.evaluate import Answer, Task, evaluate
from emu.studies.subject import Subject

if TYPE_CHECKING:
    from distributed import Client

MOST_DEATHS = 3
WINDOW = 8
"""Tasks that are with the cluster at a time, for each worker."""


def distributed() -> Any:
    """The package.

    Raises:
        MissingExtraError: it is not installed.
    """
    return optional("distributed", extra="cluster", who="a Dask cluster")


class Cluster(AbstractContextManager["Cluster"]):
    """The workers of a Dask scheduler."""

    def __init__(self, client: Client | str, crate: Crate) -> None:
        """Send the subject to a cluster.

        Args:
            client: a connected client, or the address of a scheduler.
            crate: the subject.

        Raises:
            ModelError: the scheduler does not answer, or a worker cannot take the subject.
        """
        package = distributed()
        self._own = isinstance(client, str)
        try:
            self._client = package.Client(client, timeout="30s") if isinstance(client, str) else client
        except (OSError, ValueError) as error:
            raise ModelError(f"the Dask scheduler {client} does not answer: {error}") from None
        self._run = uuid4().hex
        try:
            self._client.register_plugin(_plugin(crate, self._run), name=self._plugin)
        except BaseException as error:
            self.__exit__()
            if not isinstance(error, Exception):
                raise
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise ModelError(f"a worker of the Dask cluster cannot open the workload: {reason}") from error

    @property
    def _plugin(self) -> str:
        return f"emu-subject-{self._run}"

    @property
    def width(self) -> int:
        """Workers that are there now, at least one."""
        return max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))

    def __exit__(self, *_: object) -> None:
        """Leave the cluster as it was."""
        with contextlib.suppress(Exception):  # a cluster that is gone has nothing to be cleared
            self._client.unregister_worker_plugin(self._plugin)
        if self._own:
            self._client.close()

    def run(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """Answers as they are done; few tasks are held at a time.

        Raises:
            ModelError: the scheduler is gone.
        """
        package, queue = distributed(), iter(tasks)
        flying: dict[Any, Task] = {}
        try:
            flying |= {self._sent(task): task for task in islice(queue, WINDOW * self.width)}
            done = package.as_completed(list(flying))
            for future in done:
                yield self._answer(future, flying[future], package)
                del flying[future]
                for task in islice(queue, max(0, WINDOW * self.width - len(flying))):
                    sent = self._sent(task)
                    flying[sent] = task
                    done.add(sent)
        except package.comm.CommClosedError as error:
            raise ModelError(f"the Dask cluster was lost: {error}; what is done is kept") from None
        finally:
            with contextlib.suppress(package.comm.CommClosedError):
                self._client.cancel(list(flying))

    def _sent(self, task: Task) -> Any:
        key = f"emu-{self._run}-{task.name}"  # Dask takes equal keys for one task, whoever sends them
        return self._client.submit(_evaluate, task, self._run, key=key, retries=MOST_DEATHS, pure=False)

    def _answer(self, future: Any, task: Task, package: Any) -> Answer:
        try:
            answer: Answer = future.result()
        except package.scheduler.KilledWorker:
            return Answer.failure(task, "the workers that ran it died (out of memory?)")
        except package.client.CancelledError as error:
            raise ModelError(f"the Dask cluster was lost: {error}; what is done is kept") from None
        return answer


def _plugin(crate: Crate, run: str) -> Any:
    """What gives a worker its subject."""

    class Plugin(distributed().WorkerPlugin):  # type: ignore[misc]
        """Opens the subject when a worker starts."""

        def setup(self, worker: Any) -> None:
            """Open it."""
            worker.emu_subjects = {**getattr(worker, "emu_subjects", {}), run: crate.open()}

        def teardown(self, worker: Any) -> None:
            """Let go of it."""
            worker.emu_subjects = {name: one for name, one in worker.emu_subjects.items() if name != run}

    return Plugin()


def _evaluate(task: Task, run: str) -> Answer:
    subject: Subject = distributed().get_worker().emu_subjects[run]
    return evaluate(subject, task)
