"""Recorded results replayed bit for bit: a sample of every instruction on all backends, the full sets in C."""

from __future__ import annotations

import json
import tomllib

import numpy as np
import pytest

from emu.spec import builtin_names, spec_root
from emu.units.family import instructions as rows_of
from emu.units.family import is_family
from emu.verify.instructions import instructions

from . import recordings

NOT_HERE = "shared/ golden vectors not here"
needs_full = pytest.mark.skipif(not recordings.FULL.is_dir(), reason=NOT_HERE)
FILES = ("mma-nvidia.npz", "mma-amd.npz", "silicon.npz", "elementwise.npz")


def units_of_family(name: str) -> set[str]:
    mapping = tomllib.loads((spec_root() / "units" / f"{name}.toml").read_text(encoding="utf-8"))
    return {f"{name}:{row}" for row in rows_of(mapping, name)} if is_family(mapping) else {name}


def known_units() -> set[str]:
    return set().union(*(units_of_family(name) for name in builtin_names("units")))


@pytest.mark.parametrize("file", FILES)
def test_sample(backend, file):
    """All of it, as the file itself says: not only what the reader finds."""
    with np.load(recordings.HERE / file) as arrays:
        results = sum(arrays[name].size for name in arrays.files if name.endswith(".d"))
    entries = [entry for entry in recordings.index() if entry.file == file]
    assert sum(recordings.check(entry, backend) for entry in entries) == results > 0


def test_every_file_and_record_is_replayed():
    entries, rows = recordings.index(), json.loads((recordings.HERE / "index.json").read_text(encoding="utf-8"))
    assert {entry.file for entry in entries} == set(FILES) == {path.name for path in recordings.HERE.glob("*.npz")}
    assert [entry.name for entry in entries] == [row.get("unit") or row["instruction"] for row in rows]


def test_every_instruction_is_recorded():
    seen = {entry.name for entry in recordings.index()}
    assert len({name for name in seen if name.startswith(("nvidia", "amd"))}) == 326
    of_processors = {instruction.unit or instruction.name for instruction in instructions().values()}
    assert of_processors == {name for name in seen if name.startswith("intel") or ":" not in name}
    assert {name for name in seen if ":" in name} <= known_units()


@needs_full
def test_every_instruction_of_the_full_sets_is_in_the_sample():
    full = {entry.name for name in ("mma", "silicon") for entry in recordings.full(name)}
    assert full
    assert full <= {entry.name for entry in recordings.index()}


@pytest.mark.slow
@needs_full
@pytest.mark.parametrize("arch", sorted({entry.group for entry in recordings.full("mma")}) or ["none"])
def test_all_gpu_instructions(arch):
    entries = [entry for entry in recordings.full("mma") if entry.group == arch]
    assert sum(recordings.check(entry, "c") for entry in entries) > 0


@pytest.mark.slow
@needs_full
def test_all_gpu_recordings():
    assert sum(recordings.check(entry, "c") for entry in recordings.full("gpu")) == 24_000


@pytest.mark.slow
@needs_full
@pytest.mark.parametrize("file", sorted({entry.file for entry in recordings.full("silicon")}) or ["none"])
def test_all_cpu_recordings(file):
    entries = [entry for entry in recordings.full("silicon") if entry.file == file]
    assert sum(recordings.check(entry, "c") for entry in entries) > 0
