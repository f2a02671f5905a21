"""Folders of TestFloat vectors: results and flags, checked by `emu.verify.others.testfloat`, by operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from emu.errors import EmuError
from emu.verify.differences import CLASSES
from emu.verify.others import testfloat
from emu.verify.tally import FLAGS

COUNTED = (*CLASSES, FLAGS)
HEADINGS = ("operation", "of", "backend", "checks", *COUNTED, "errors")
"""A check is one case in one rounding, with flags"""


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """A folder of TestFloat vectors."""

    path: Path
    files: tuple[str, ...]
    """stems of the files, `<format>_<operation>`"""
    unlisted: tuple[str, ...] = ()
    """.npz files with other names"""

    def wanted(self, globs: tuple[str, ...]) -> list[str]:
        """The files whose stem matches one of the patterns; no patterns match all."""
        return [file for file in self.files if not globs or any(fnmatchcase(file, glob) for glob in globs)]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What came of one file on one backend."""

    file: str
    backend: str
    outputs: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """mismatches, by class"""
    examples: tuple[str, ...] = ()
    error: str = ""
    """why it could not be replayed"""
    absent: bool = False
    """whether this backend does not have the operation"""

    @property
    def mismatches(self) -> int:
        """Of all classes."""
        return sum(self.counts.values())

    @property
    def where(self) -> str:
        """What an error is about."""
        return f"{self.file} on {self.backend}, {self.file}.npz"


def vectors_of(path: Path) -> Vectors | None:
    """The folder, if it holds any file of TestFloat vectors."""
    stems = sorted(child.stem for child in path.glob("*.npz"))
    known = tuple(stem for stem in stems if testfloat.is_known(stem))
    if not known:
        return None
    return Vectors(path=path, files=known, unlisted=tuple(f"{stem}.npz" for stem in stems if stem not in known))


def check(folder: Vectors, files: Iterable[str], backends: Iterable[str], sample: int | None) -> Iterator[Checked]:
    """Check files, each on every backend.

    Args:
        folder: where they are.
        files: their stems.
        backends: on what; comparisons are the same on all, and are checked on the first.
        sample: at most so many cases of each file.
    """
    names = list(backends)
    for file in files:
        for backend in names:
            if backend == names[0] or file.partition("_")[2] not in testfloat.RELATIONS:
                yield _check(folder.path, file, backend, sample)


def _check(path: Path, file: str, backend: str, sample: int | None) -> Checked:
    try:
        tally = testfloat.run(path, file, backend, sample)
    except (EmuError, OSError, MemoryError) as error:
        return Checked(file=file, backend=backend, error=" ".join(str(error).split()) or type(error).__name__)
    return Checked(
        file=file, backend=backend, outputs=tally.cases, counts=tally.kinds, examples=tuple(tally.examples),
        absent=not tally.cases,
    )  # fmt: skip


def rows(outcomes: Iterable[Checked]) -> list[tuple[str, ...]]:
    """One row for each operation and backend, and their sum."""
    groups: dict[tuple[str, str], list[Checked]] = {}
    for outcome in outcomes:
        if not outcome.absent or outcome.error:
            operation = outcome.file.partition("_")[2].replace("to_", "cast to_")
            groups.setdefault((operation, outcome.backend), []).append(outcome)
    out = [
        (operation, ", ".join(one.file.partition("_")[0] for one in several), backend, *_numbers(several))
        for (operation, backend), several in groups.items()
    ]
    everything = [one for several in groups.values() for one in several]
    return [*out, ("total", "", "", *_numbers(everything))] if len(out) > 1 else out


def _numbers(outcomes: list[Checked]) -> list[str]:
    counts = sum((outcome.counts for outcome in outcomes), Counter[str]())
    checks, errors = sum(outcome.outputs for outcome in outcomes), sum(bool(outcome.error) for outcome in outcomes)
    return [f"{number:,}" for number in (checks, *(counts[name] for name in COUNTED), errors)]
