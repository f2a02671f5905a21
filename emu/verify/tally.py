"""What a check counts, and how it says what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.model import Format
from emu.verify.differences import CLASSES, classify

MOST_EXAMPLES = 5
FLAGS = "flags"
"""The class of mismatches whose codes agree"""


@dataclass(kw_only=True)
class Tally:
    """The count of one check of one format on one backend against one oracle."""

    check: str
    oracle: str = "own"
    """whose answer emu's is compared with"""
    cases: int = 0
    mismatches: int = 0
    examples: list[str] = field(default_factory=list)
    """the first mismatches, one line each"""
    kinds: Counter[str] = field(default_factory=Counter)
    """mismatches by class, as far as they were classified"""
    note: str = ""
    """what was not run, or sampled, and why"""

    def add(self, wrong: NDArray[np.bool_], say: Callable[[int], str]) -> None:
        """Count cases, and describe the first of those that differ."""
        self.cases += wrong.size
        at = np.flatnonzero(wrong)
        self.mismatches += at.size
        for i in at[: MOST_EXAMPLES - len(self.examples)].tolist():
            self.examples.append(say(i))

    def compare(
        self, found: tuple[NDArray[Any], NDArray[Any]], codes: NDArray[Any], flags: NDArray[Any],
        operands: Sequence[NDArray[Any]], label: str, fmt: Format | None = None,
    ) -> None:  # fmt: skip
        """Count and describe codes and flags that differ; with the codes' format, by class."""
        other_codes, other_flags = found[0] != codes, found[1] != flags
        wrong = other_codes | other_flags
        if fmt is not None and wrong.any():
            classes = classify(found[0][other_codes], codes[other_codes], fmt)
            self.kinds.update(CLASSES[kind] for kind in classes.tolist())
            self.kinds[FLAGS] += int((other_flags & ~other_codes).sum())

        def say(i: int) -> str:
            at = ", ".join(hex(int(x[i])) for x in operands)
            got = f"{int(found[0][i]):#x} flags {int(found[1][i])}"
            return f"{label} of {at}: emu {got}, {self.oracle} {int(codes[i]):#x} flags {int(flags[i])}"

        self.add(wrong, say)

    def remark(self, note: str) -> None:
        """Add to the note, once."""
        if note not in self.note:
            self.note = f"{self.note}; {note}" if self.note else note
