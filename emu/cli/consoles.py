"""Where commands print.

* What is printed is text: brackets and colons in a name or a path are neither markup nor pictures.
* A reader that goes away (`| head`) does not stop a command: it goes on in silence, and its exit code is that of
  its work.
"""

from __future__ import annotations

import os
import sys

from rich.console import Console


class PlainConsole(Console):
    """A console that takes text as it is and outlives its reader."""

    def __init__(self, *, stderr: bool = False, width: int | None = None, soft_wrap: bool = False) -> None:
        super().__init__(stderr=stderr, width=width, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False)

    def on_broken_pipe(self) -> None:
        """Print nothing more, also not what the stream still holds when the process ends."""
        self.quiet = True
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.file.fileno())
        os.close(null)


def output() -> Console:
    """Standard output. A pipe or a file gets wide lines that are never wrapped."""
    if sys.stdout.isatty():
        return PlainConsole()
    return PlainConsole(width=10_000, soft_wrap=True)


def messages() -> Console:
    """Standard error: progress and remarks, so that standard output holds results only."""
    return PlainConsole(stderr=True)
