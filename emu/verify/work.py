"""Units of work: one check of one format on one backend, named so that a finished one is never run again.

A unit's key is a hash of what its result depends on: the version of the checks, the sources of emu and the compiled
library, the keys of the format by meaning (not its name or file), backend, check, extent and seed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec

from emu.errors import SpecError
from emu.formats.text import table_of
from emu.verify import subject as subjects
from emu.verify.checks import CHECKS
from emu.verify.subject import Subject
from emu.verify.tally import Tally

CHECK_VERSION = 1
"""Counts the changes to what the checks look at."""
PACKAGES = (
    "formats", "arithmetic", "operations", "kernels", "functions", "verify/oracle", "verify/checks", "verify/others",
)  # fmt: skip
"""What computes, and what checks it; how that is run, kept and shown changes no count"""
EXTENTS = {"everything": subjects.EVERYTHING, "one sweep": subjects.ONE_SWEEP, "sample": subjects.SAMPLE}


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One finished unit of work, as a line of a results file."""

    key: str
    sources: str
    """hash of emu's sources when it ran"""
    format: str
    backend: str
    check: str
    oracle: str
    extent: str
    cases: int
    mismatches: int
    examples: list[str]
    note: str
    seconds: float


@cache
def sources_hash() -> str:
    """A hash of everything that a count depends on: Python sources and the compiled library."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    import cemu

    for folder in cemu.__path__:
        for path in sorted(Path(folder).rglob("*.so")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Work:
    """One unit: `load` is called only if it has to be run."""

    format: str
    meaning: str
    """what the format is, whatever its name; of files of vectors: a hash of the file"""
    backend: str
    check: str
    oracle: str
    extent: str
    seed: int
    run: Callable[[], Tally | None]
    """None: the oracle does not have the format"""

    @property
    def key(self) -> str:
        """What the result depends on, as a hash."""
        facts = (CHECK_VERSION, sources_hash(), self.meaning, self.backend, self.check, self.oracle, self.extent,
                 self.seed)  # fmt: skip
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:24]

    def record(self) -> Record:
        """Run it."""
        start = time.monotonic()
        try:
            done = self.run() or Tally(check=self.check, note="the oracle does not have this format")
        except SpecError as error:
            if error.key != "to":
                raise
            done = Tally(check=self.check, note=f"emu refuses it: {error.reason}")  # this result has no exact meaning
        return Record(
            key=self.key, sources=sources_hash(), format=self.format, backend=self.backend, check=self.check,
            oracle=self.oracle, extent=self.extent, cases=done.cases, mismatches=done.mismatches,
            examples=done.examples, note=done.note, seconds=round(time.monotonic() - start, 3),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Maker:
    """A subject that is built when the first of its units runs."""

    spec: Any
    backend: str
    extent: str
    seed: int

    def subject(self) -> Subject:
        """The subject; one is kept, as a format's units follow each other."""
        return _subject(self)


_LAST: dict[str, tuple[Maker, Subject]] = {}


def _subject(maker: Maker) -> Subject:
    kept = _LAST.get("one")
    if kept is None or kept[0] != maker:
        made = subjects.subject_of(maker.spec, backend=maker.backend, extent=EXTENTS[maker.extent], seed=maker.seed)
        kept = _LAST["one"] = maker, made
    return kept[1]


def _check(maker: Maker, check: str) -> Tally:
    return CHECKS[check](maker.subject())


def format_units(
    spec: Any, name: str, fmt: Any, backend: str, extent: str, seed: int, checks: tuple[str, ...] | None = None
) -> list[Work]:
    """The checks of one format on one backend against the oracle."""
    maker = Maker(spec=spec, backend=backend, extent=extent, seed=seed)
    meaning = table_of(replace(fmt, name="x"))
    return [
        Work(
            format=name, meaning=meaning, backend=backend, check=check, oracle="own", extent=extent, seed=seed,
            run=partial(_check, maker, check),
        )
        for check in checks or CHECKS
    ]  # fmt: skip
