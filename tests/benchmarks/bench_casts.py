"""Casts under pytest-benchmark. Not collected by default: `pytest tests/benchmarks/bench_*.py`."""

import pytest

from emu.bench.casts import CACHED, CASTS
from emu.bench.machine import cores


@pytest.mark.parametrize("cast", CASTS, ids=lambda cast: cast.key)
@pytest.mark.parametrize("cached", [True, False], ids=["in cache", "beyond it"])
def test_cast(benchmark, cast, cached):
    job = cast.make(CACHED if cached else cast.size)
    with cores(1):
        benchmark(job.run)
    assert job.check() == ""


@pytest.mark.parametrize("cast", CASTS, ids=lambda cast: cast.key)
@pytest.mark.parametrize("cached", [True, False], ids=["in cache", "beyond it"])
def test_baseline(benchmark, cast, cached):
    job = cast.make(CACHED if cached else cast.size)
    with cores(1):
        benchmark(next(iter(job.peers.values())))
