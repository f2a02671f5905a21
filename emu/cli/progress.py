"""The progress bar of commands that go through the layers of a model, or the inputs of a workload."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


class LayerProgress:
    """A progress bar over layers, to standard error."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("reading", total=None)

    def __enter__(self) -> LayerProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, done: int, total: int, name: str) -> None:
        """Called by the replay when a layer starts."""
        self._bar.update(self._task, completed=done, total=total, description=name[-40:] or "done")


class StudyProgress:
    """A progress bar over the points of a study, to standard error.

    The time that is left is guessed from all points of this run: points may take minutes, and come in any order.
    """

    def __init__(self, console: Console) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self.done = self.total = 0
        self._bar = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), console=console, transient=True,
            disable=not console.is_terminal, speed_estimate_period=WEEK,
        )  # fmt: skip
        self._task = self._bar.add_task("points", total=None)

    def __enter__(self) -> StudyProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, done: int, total: int, what: str) -> None:
        """Called by the study when points are done, or something else begins."""
        if total:
            self.done, self.total = done, total
        self._bar.update(self._task, completed=done, total=total or None, description=what or "points")


WEEK = 7.0 * 24 * 3600
"""Seconds: longer than a study keeps its samples."""
