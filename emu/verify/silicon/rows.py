"""What came of a target, and rows of counts for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from emu.verify.differences import CLASSES
from emu.verify.silicon.targets import Target
from emu.verify.tally import FLAGS

BACKENDS = ("c", "numba", "reference")
MOST_EXAMPLES = 5
COUNTED = (*CLASSES, FLAGS)
HEADINGS = ("instruction", "computed by", "how", "variants", "patterns", "on numba", "on reference", *COUNTED)
"""Patterns are those of the c backend; all others are among them"""
NUMBERS = HEADINGS[3:]


@dataclass(kw_only=True)
class Outcome:
    """The counts of one target."""

    target: Target
    how: str = ""
    checked: bool = False
    """whether it ran live, or recorded vectors were replayed"""
    patterns: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BACKENDS, 0))
    counts: list[int] = field(default_factory=lambda: [0] * len(COUNTED))
    """mismatches of all backends, by class"""
    flagged: int = 0
    """patterns whose flags were compared, on the c backend"""
    examples: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """recordings that could not be replayed"""

    @property
    def mismatches(self) -> int:
        """Of all classes."""
        return sum(self.counts)

    def example(self, text: str) -> None:
        """Keep one of the first mismatches."""
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(text)

    def add(self, other: Outcome) -> None:
        """Count another outcome of the same target."""
        for backend, n in other.patterns.items():
            self.patterns[backend] += n
        self.counts = [x + y for x, y in zip(self.counts, other.counts, strict=True)]
        self.flagged += other.flagged
        for text in other.examples:
            self.example(text)
        self.errors += other.errors
        self.checked |= other.checked


def rows(outcomes: Iterable[Outcome]) -> list[tuple[str, ...]]:
    """One row for each instruction in one way; its roundings and modes are variants."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.target.group, outcome.how), []).append(outcome)
    return [_row(group, how, several) for (group, how), several in groups.items()]


def _row(group: str, how: str, several: list[Outcome]) -> tuple[str, ...]:
    by = several[0].target.computed_by
    by = by.partition(".")[0] + ".*" if len(several) > 1 and several[0].target.instruction.unit else by
    if not any(outcome.checked for outcome in several):
        return (group, by, how, str(len(several)), *[""] * (len(HEADINGS) - 4))
    patterns = [sum(outcome.patterns[backend] for outcome in several) for backend in BACKENDS]
    counts = [sum(column) for column in zip(*(outcome.counts for outcome in several), strict=True)]
    cells = [f"{number:,}" for number in (*patterns, *counts)]
    if not any(outcome.flagged for outcome in several):  # nothing was compared
        cells[-1] = ""
    return (group, by, how, str(len(several)), *cells)
