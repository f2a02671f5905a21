"""What an engine is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from emu.studies.evaluate import Answer, Task


class Engine(AbstractContextManager["Engine"], Protocol):
    """Runs points. A context: workers are there inside it."""

    @property
    def width(self) -> int:
        """How many tasks run at a time, as far as is known."""
        ...

    def run(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """Answers as they are done, each task's once.

        Raises:
            ModelError: workers that cannot be kept alive.
        """
        ...
