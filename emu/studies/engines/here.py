"""In this process, one point after the other; each uses all cores by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

from emu.studies.evaluate import Answer, Task, evaluate
from emu.studies.subject import Subject


class Here(AbstractContextManager["Here"]):
    """This process."""

    def __init__(self, subject: Subject) -> None:
        """Run on this subject."""
        self._subject = subject

    @property
    def width(self) -> int:
        """One."""
        return 1

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def run(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """Answers in the order of the tasks."""
        for task in tasks:
            yield evaluate(self._subject, task)
