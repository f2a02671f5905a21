"""What happened while a unit ran: events by stage, where and at which k.

* Stages: operand, scale, product, level 0, level 1, ..., output.
* A cast counts what it did to a value; an operation counts the NaN that it made; an aligned adder each addend that it
  cut bits off; `daz` each element of an operand that it took for zero, once.
* Positions: the output element, with None for a coordinate that does not matter, and the absolute k. A level's step has
  the k of its first term, its input that of the term; c, output and steps without terms have none.
* First come a's flushes by (m, k), then b's by (k, n), then everything else by output element, as it is executed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

KINDS = (
    "inexact", "underflow", "overflow", "invalid", "saturated", "wrapped", "flushed_in", "flushed_out", "nan_made",
    "truncated",
)  # fmt: skip
STAGES = ("operand", "scale", "product")

Note = Callable[[str], None]
Index = tuple[int | None, ...] | None
Entry = tuple[str, str, Index, int | None]


@dataclass
class Log:
    """Events in the order in which they count."""

    element: Index = None
    stage: str = "operand"
    k: int | None = None
    entries: list[Entry] = field(default_factory=list)

    def at(self, stage: str, k: int | None) -> None:
        """Where what follows happens."""
        self.stage, self.k = stage, k

    def note(self, kind: str) -> None:
        """Something happened here."""
        self.entries.append((self.stage, kind, self.element, self.k))

    def flush(self, element: Index, k: int | None) -> None:
        """An element of an operand was taken for zero."""
        self.entries.append(("operand", "flushed_in", element, k))

    def counts(self) -> dict[tuple[str, str], int]:
        """How often each kind happened at each stage, in their order."""
        found = Counter((stage, kind) for stage, kind, _, _ in self.entries)
        return dict(sorted(found.items(), key=lambda item: _rank(*item[0])))

    def positions(self, most: int) -> list[Entry]:
        """The first of every (stage, kind)."""
        kept: dict[tuple[str, str], list[Entry]] = {key: [] for key in self.counts()}
        for entry in self.entries:
            if len(kept[entry[:2]]) < most:
                kept[entry[:2]].append(entry)
        return [entry for entries in kept.values() for entry in entries]


def unheard(kind: str) -> None:
    """For who does not want to know."""


def _rank(stage: str, kind: str) -> tuple[int, int, int]:
    if stage in STAGES:
        return STAGES.index(stage), 0, KINDS.index(kind)
    if stage == "output":
        return len(STAGES) + 1, 0, KINDS.index(kind)
    return len(STAGES), int(stage.removeprefix("level ")), KINDS.index(kind)
