"""Memory that stays flat as points grow."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

KEYS = {
    "workload": "minilm",
    "accelerator": "hopper-fp8-promoted",
    "layers": "encoder.layer.0.*",
    "objectives": {"error": "sqnr"},
}
ALIGN, LENGTH, SUM = "matrix.unit.level.0.align_bits", "matrix.unit.base.length", "vector.sum.width"

CHECK = """
import json, sys
from pathlib import Path
from emu.studies import load_study
from emu.studies.check import check_points
study = load_study(json.loads(sys.argv[1]))
points = check_points(study, study.points())
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(len(points), peak.split()[1])  # of this program alone: what getrusage says begins with the parent's
"""


def axes(aligns, lengths, sums):
    return {
        ALIGN: {"values": {"first": 5, "last": 4 + aligns}},
        LENGTH: {"values": {"first": 32, "last": 32 * lengths, "step": 32}},
        SUM: {"values": {"first": 1, "last": sums}},
    }


@pytest.mark.slow
def test_memory_is_flat_as_points_grow():
    """Ten times the points, of the same units (those that were met are kept): less than 4 KiB more for each."""
    peaks = {}
    for points, sizes in ((1000, (10, 10, 10)), (10_000, (10, 10, 100))):
        keys = {**KEYS, "axes": axes(*sizes)}
        done = subprocess.run(
            [sys.executable, "-P", "-c", CHECK, json.dumps(keys)], capture_output=True, text=True, check=True
        )  # fmt: skip
        count, peak = map(int, done.stdout.split())
        assert count == points
        peaks[points] = peak
    assert peaks[10_000] - peaks[1000] < 9000 * 4
