"""Recorded results: the set of this folder, and the full ones where they lie beside the repository.

emu.verify.golden reads and checks them, as it does for `emu verify golden`; what is compared here is tests/compare.py.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from emu.errors import SpecError
from emu.verify.golden import folder
from emu.verify.golden.entry import Entry
from tests.compare import assert_same_bits

HERE = Path(__file__).parent
FULL = Path(__file__).resolve().parents[3] / "shared" / "golden"


@cache
def index() -> list[Entry]:
    """The records of this folder."""
    return folder.read_folder(HERE, folder.INDEX).entries


@cache
def full(name: str) -> list[Entry]:
    """The records of a full set, empty where it is not there."""
    path = FULL / name
    return folder.read_folder(path).entries if (path / folder.MANIFEST).is_file() else []


NOT_IN_NUMBA = ("vdivph", "vsqrtph")


def check(entry: Entry, backend: str) -> int:
    """Replay it: 0 mismatches.

    Returns:
        The number of results.
    """
    recording = entry.load()
    what = f"{entry.name} of {entry.file} on {backend}"
    expected = recording.expected
    if backend == "numba" and entry.group in NOT_IN_NUMBA:
        with pytest.raises(SpecError, match="not in this backend"):
            recording.replay(backend)
        return expected.size
    assert_same_bits(recording.replay(backend), expected, recording.result, what, any_nan=recording.any_nan)
    return expected.size
