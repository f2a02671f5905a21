"""Replaying entries on backends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from emu.errors import EmuError, SpecError
from emu.verify.differences import CLASSES, NAN, classify
from emu.verify.golden.entry import Entry
from emu.verify.golden.recording import Recording

MOST_EXAMPLES = 10
COMPLETE = "c"
"""The backend that must have everything that is recorded"""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One mismatch."""

    unit: str
    file: str
    index: tuple[int, ...]
    """in the result array"""
    got: str
    expected: str
    kind: str

    def __str__(self) -> str:
        where = ", ".join(str(i) for i in self.index)
        return f"{self.unit} {self.file} [{where}]: {self.got}, expected {self.expected} ({self.kind})"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one entry on one backend."""

    entry: Entry
    backend: str
    outputs: int = 0
    counts: tuple[int, ...] = (0,) * len(CLASSES)
    """mismatches, by class"""
    examples: list[Example] = field(default_factory=list)
    error: str = ""
    """why it could not be replayed"""
    absent: bool = False
    """whether that is no failure: the backend is not for all operations, and lacks this one"""

    @property
    def where(self) -> str:
        """What an error is about."""
        return f"{self.entry.name} on {self.backend}, {self.entry.file}"

    @property
    def mismatches(self) -> int:
        """Of all classes."""
        return sum(self.counts)


def replay(entries: Iterable[Entry], backends: Iterable[str], sample: int | None = None) -> Iterator[Outcome]:
    """Replay entries, each on every backend.

    Args:
        entries: what to replay.
        backends: on what.
        sample: at most so many problems of each file; None: all.
    """
    names = list(backends)
    for entry in entries:
        try:
            recording = entry.load().sample(sample)
        except (EmuError, ValueError, OSError, MemoryError) as error:
            yield from (Outcome(entry=entry, backend=name, error=_text(error)) for name in names)
            continue
        for name in names:
            yield _replay(entry, recording, name)


def _replay(entry: Entry, recording: Recording, backend: str) -> Outcome:
    try:
        got = recording.replay(backend)
    except SpecError as error:
        absent = error.key == "backend" and backend != COMPLETE
        return Outcome(entry=entry, backend=backend, error=_text(error), absent=absent)
    except (EmuError, ValueError, OSError, MemoryError) as error:
        return Outcome(entry=entry, backend=backend, error=_text(error))
    expected = recording.expected
    if got.shape != expected.shape:
        reason = f"emu's result has shape {list(got.shape)}, the recorded one {list(expected.shape)}"
        return Outcome(entry=entry, backend=backend, error=reason)
    at = np.nonzero(got != expected)
    kinds = classify(got[at], expected[at], recording.result)
    if recording.any_nan:
        counted = kinds != NAN
        at, kinds = tuple(axis[counted] for axis in at), kinds[counted]
    digits = -(-recording.result.bits // 4) + 2
    first = np.stack(at, axis=-1)[:MOST_EXAMPLES]
    examples = []
    for here, kind in zip(map(tuple, first.tolist()), kinds.tolist(), strict=False):
        problem = here[0] if recording.chosen is None else int(recording.chosen[here[0]])
        examples.append(Example(
            unit=recording.name, file=entry.file, index=(problem, *here[1:]), got=f"{int(got[here]):#0{digits}x}",
            expected=f"{int(expected[here]):#0{digits}x}", kind=CLASSES[kind],
        ))  # fmt: skip
    counts = np.bincount(kinds, minlength=len(CLASSES))
    return Outcome(
        entry=entry, backend=backend, outputs=expected.size, counts=tuple(counts.tolist()), examples=examples
    )  # fmt: skip


def _text(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
