"""Counts for people: one format check by check, or all formats oracle by oracle, in the terminal or as Markdown."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata

from emu._version import emu_version
from emu.verify.work import Record, sources_hash

ORACLES = ("own", "ml_dtypes", "gfloat", "TestFloat", "MPFR")
LIBRARIES = {"ml_dtypes": "ml_dtypes", "gfloat": "gfloat", "MPFR": "gmpy2"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """Counts of one oracle, backend and check."""

    oracle: str
    backend: str
    check: str
    formats: int
    cases: int
    mismatches: int
    seconds: float


def rows(records: Iterable[Record]) -> list[Row]:
    """Records by oracle, backend and check; functions in one row for each rounding's sum."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        if not record.cases:
            continue
        check = "elementary functions" if record.oracle == "MPFR" else record.check
        check = "operations" if record.oracle == "TestFloat" else check
        groups.setdefault((record.oracle, record.backend, check), []).append(record)
    return [
        Row(
            oracle=oracle, backend=backend, check=check, formats=len({r.format for r in group}),
            cases=sum(r.cases for r in group), mismatches=sum(r.mismatches for r in group),
            seconds=sum(r.seconds for r in group),
        )
        for (oracle, backend, check), group in sorted(groups.items(), key=lambda item: ORACLES.index(item[0][0]))
    ]  # fmt: skip


def number(n: int) -> str:
    """With thin groups of three."""
    return f"{n:,}"


def cells(row: Row) -> tuple[str, ...]:
    """A row as text."""
    return (row.oracle, row.backend, row.check, number(row.formats), number(row.cases), number(row.mismatches))


HEADINGS = ("oracle", "backend", "check", "formats", "cases", "mismatches")


def version_of(oracle: str) -> str:
    """The version of a library behind an oracle, if it is one."""
    try:
        return metadata.version(LIBRARIES[oracle])
    except (KeyError, metadata.PackageNotFoundError):
        return ""


def _provenance(records: Sequence[Record], commit: str) -> str:
    versions = [f"{LIBRARIES[oracle]} {version}" for oracle in LIBRARIES if (version := version_of(oracle))]
    machine = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    minutes = sum(r.seconds for r in records) / 60
    emu = f"emu {emu_version()}, commit {commit or 'unknown'}, sources {sources_hash()}"
    return f"{emu}; {machine}; {', '.join(versions)}; {datetime.now(UTC):%Y-%m-%d}; {minutes:.0f} minutes of one core."


def markdown(records: Sequence[Record], commit: str, missing: Sequence[tuple[str, str]]) -> str:
    """The table of VERIFICATION.md: who answered, how often, how many times emu said something else."""
    found = rows(records)
    whole = Row(
        oracle="all", backend="", check="", formats=len({r.format for r in records}),
        cases=sum(row.cases for row in found), mismatches=sum(row.mismatches for row in found), seconds=0,
    )  # fmt: skip
    stale = {r.sources for r in records} - {sources_hash()}
    lines = [
        _provenance(records, commit),
        "",
        "| " + " | ".join(HEADINGS) + " |",
        "|---|---|---|--:|--:|--:|",
        *("| " + " | ".join(cells(row)) + " |" for row in found),
        "| " + " | ".join(cells(whole)) + " |",
    ]
    if stale:
        lines += ["", f"Records of {len(stale)} other versions of the sources are among these."]
    for oracle, why in missing:
        lines += ["", f"{oracle}: {why}."]
    wrong = [f"{r.format} {r.backend} {example}" for r in records for example in r.examples]
    if wrong:
        lines += ["", "Mismatches:", "", *(f"- `{example}`" for example in wrong[:50])]
    return "\n".join(lines) + "\n"
