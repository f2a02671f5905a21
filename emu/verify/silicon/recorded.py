"""Recorded vectors of instructions that this processor does not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from emu.errors import EmuError, SpecError
from emu.verify.golden import Folder, Skipped, folders, replay
from emu.verify.golden.entry import Entry
from emu.verify.silicon.rows import BACKENDS, Outcome
from emu.verify.silicon.targets import Target

SUBSET = Path("tests", "golden", "index.json")
CHECKOUT = Path(__file__).resolve().parents[3]
"""The checkout that this file stands in, if it is not installed elsewhere."""
PROBLEMS = {"c": 4096, "numba": 128, "reference": 128}
"""At most so many problems of a file, but for all of it on c with `full`, and of function units"""
PRODUCTS = {"c": 1 << 22, "numba": 1 << 16, "reference": 1 << 14}
"""and no more than this many products in them; larger problems are for the faster backends"""


def entries_of(vectors: Path | None) -> list[Entry]:
    """What is recorded: in a folder, or (None) in the subset of the checkout that this file or the user stands in.

    Raises:
        SpecError: a folder without recordings, or a broken one.
    """
    subset = next((place / SUBSET for place in (CHECKOUT, Path()) if (place / SUBSET).is_file()), None)
    folder = vectors or (subset and subset.parent)
    if folder is None:
        return []
    found = folders(folder)
    for one in found:
        if isinstance(one, Skipped) and one.failed:
            raise SpecError(one.reason, file=one.path)
    out = [entry for one in found if isinstance(one, Folder) for entry in one.entries]
    if vectors is not None and not out:
        raise SpecError("has no recorded vectors (manifest.json or index.json)", file=vectors)
    return out


def of_target(target: Target, entries: Sequence[Entry]) -> list[Entry]:
    """The recordings of what computes a target."""
    wanted = target.instruction.unit or target.instruction.name
    return [entry for entry in entries if entry.name == wanted]


def run(targets: Sequence[Target], entries: Sequence[Entry], full: bool) -> Iterator[Outcome]:
    """Replay the recordings of targets; those without any are absent."""
    for target in targets:
        found = of_target(target, entries)
        if not found:
            yield Outcome(target=target, how=f"absent, not checked: {target.why_absent}")
            continue
        yield _replayed(target, found, full)


def _replayed(target: Target, entries: Sequence[Entry], full: bool) -> Outcome:
    out = Outcome(target=target, how=f"recorded: {target.why_absent}", checked=True)
    for entry, backend in product(entries, BACKENDS):
        everything = (full and backend == "c") or target.instruction.function is not None
        sample = None if everything else _sample(entry, backend)
        if sample == 0:
            continue
        for outcome in replay([entry], [backend], sample):
            if outcome.error and not outcome.absent:
                text = f"{target.name} on {backend}, {outcome.entry.file}: {outcome.error}"
                out.errors.append("".join(char if char.isprintable() else "?" for char in text))
            out.patterns[backend] += outcome.outputs
            out.counts = [x + y for x, y in zip(out.counts, (*outcome.counts, 0), strict=True)]
            for example in outcome.examples:
                out.example(f"{backend} {example}")
    return out


def _sample(entry: Entry, backend: str) -> int:
    """How many problems of a recording are replayed."""
    try:
        recording = entry.load()
    except (EmuError, ValueError, OSError, MemoryError):
        return 1  # replaying it says why
    a = recording.operands.get("a")
    products = int(recording.expected[0].size) * (a.shape[-1] if a is not None and a.ndim == 3 else 1)
    return min(PROBLEMS[backend], PRODUCTS[backend] // products)
