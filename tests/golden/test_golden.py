"""Recorded results replayed bit for bit: a sample of every instruction on all backends, the full sets in C."""

from __future__ import annotations

import tomllib

import pytest

from emu.spec import builtin_names, spec_root
from emu.units.family import instructions, is_family

from . import recordings

NOT_HERE = "shared/ golden vectors not here"
needs_full = pytest.mark.skipif(not recordings.FULL.is_dir(), reason=NOT_HERE)
COMPOSED = (
    "nvidia-hopper:mma.sync.m16n8k32.f16.e4m3.e4m3.f16",
    "nvidia-hopper:mma.sync.m16n8k32.f16.e5m2.e5m2.f16",
    "nvidia-blackwell:mma.sync.m16n8k32.f32.e4m3.e4m3.f32",
    "nvidia-blackwell:mma.sync.m16n8k32.f16.e4m3.e4m3.f16",
    "nvidia-blackwell:mma.sync.m16n8k32.f32.e5m2.e5m2.f32",
    "nvidia-blackwell:mma.sync.m16n8k32.f16.e5m2.e5m2.f16",
)
"""FP8 instructions that those machines run on their FP16 cores: they may be missing among the built-in units."""


def units_of_family(name: str) -> set[str]:
    mapping = tomllib.loads((spec_root() / "units" / f"{name}.toml").read_text(encoding="utf-8"))
    return {f"{name}:{row}" for row in instructions(mapping, name)} if is_family(mapping) else {name}


def known_units() -> set[str]:
    return set().union(*(units_of_family(name) for name in builtin_names("units")))


@pytest.mark.parametrize("file", ["mma-nvidia.npz", "mma-amd.npz", "silicon.npz"])
def test_sample(backend, file):
    rows = [row for row in recordings.index() if row["file"] == file]
    assert rows
    for row in rows:
        recordings.recorded(row).check(backend)


def test_every_instruction_of_a_gpu_family_is_recorded():
    seen = {row["unit"] for row in recordings.index()}
    families = {name.partition(":")[0] for name in seen}
    assert len({name for name in seen if name.startswith(("nvidia", "amd"))}) == 326
    unrecorded = {name for name in known_units() - seen if name.partition(":")[0] in families}
    assert {name.partition(":")[0] for name in unrecorded} <= {"intel-avx512", "intel-amx", *families}
    assert seen <= known_units()


@pytest.mark.slow
@needs_full
@pytest.mark.parametrize(
    "arch", sorted({row["arch"] for row in recordings.manifest("mma", "instructions")}) or ["none"]
)
def test_all_gpu_instructions(arch):
    rows = [row for row in recordings.manifest("mma", "instructions") if row["arch"] == arch]
    assert rows
    for row in rows:
        for recording in recordings.full_mma(row):
            recording.check("c")


@pytest.mark.slow
@needs_full
def test_all_gpu_recordings():
    known, missing = known_units(), set()
    for row in recordings.manifest("gpu", "vectors"):
        if row["unit"] not in known:
            missing.add(row["unit"])
            continue
        for recording in recordings.full_mma(row):
            recording.check("c")
    assert missing <= set(COMPOSED)


@pytest.mark.slow
@needs_full
@pytest.mark.parametrize("file", [row["file"] for row in recordings.manifest("silicon", "files")] or ["none"])
def test_all_cpu_recordings(file):
    (row,) = (row for row in recordings.manifest("silicon", "files") if row["file"] == file)
    for recording in recordings.full_silicon(row):
        recording.check("c")
