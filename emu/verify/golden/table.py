"""The counts of a folder, a row for each group and backend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from emu.verify.differences import CLASSES
from emu.verify.golden.replay import Outcome

HEADINGS = ("backend", "files", "outputs", *CLASSES, "errors")
"""After the group"""


@dataclass(kw_only=True)
class Row:
    """Sums of one group on one backend."""

    group: str
    backend: str
    files: set[str] = field(default_factory=set)
    """those that were replayed"""
    outputs: int = 0
    counts: list[int] = field(default_factory=lambda: [0] * len(CLASSES))
    errors: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        if outcome.error:
            self.errors += 1
            return
        self.files.add(outcome.entry.file)
        self.outputs += outcome.outputs
        self.counts = [x + y for x, y in zip(self.counts, outcome.counts, strict=True)]

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        numbers = (len(self.files), self.outputs, *self.counts, self.errors)
        return (self.group, self.backend, *(f"{number:,}" for number in numbers))


def rows(outcomes: Iterable[Outcome]) -> list[Row]:
    """The rows, in the order of the manifest; what a backend does not have has none."""
    found: dict[tuple[str, str], Row] = {}
    for outcome in outcomes:
        if outcome.absent:
            continue
        key = outcome.entry.group, outcome.backend
        found.setdefault(key, Row(group=key[0], backend=key[1])).add(outcome)
    return list(found.values())


def total(of: Iterable[Row]) -> Row:
    """The sum of rows: the last line of a table. A file that several rows share is one file."""
    out = Row(group="total", backend="")
    for row in of:
        out.files |= row.files
        out.outputs += row.outputs
        out.counts = [x + y for x, y in zip(out.counts, row.counts, strict=True)]
        out.errors += row.errors
    return out
