"""Where commands print."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def output() -> Console:
    """Standard output. A pipe or a file gets wide lines that are never wrapped."""
    from rich.console import Console

    if sys.stdout.isatty():
        return Console()
    return Console(width=10_000, soft_wrap=True, highlight=False)


def messages() -> Console:
    """Standard error: progress and remarks, so that standard output holds results only."""
    from rich.console import Console

    return Console(stderr=True)
