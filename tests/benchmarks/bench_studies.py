"""Two processes of a study next to two that know nothing of each other: ratios, for quiet machines.

`pytest -s tests/benchmarks/bench_studies.py` prints the speed-up from one worker to two, and that of two independent
processes with a core each over one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

KEYS = {
    "workload": "minilm",
    "accelerator": "hopper-fp8-promoted",
    "layers": "encoder.layer.0.*",
    "objectives": {"error": "sqnr"},
}
ALIGN, LENGTH = "matrix.unit.level.0.align_bits", "matrix.unit.base.length"

RUN = """
import json, sys
from emu.studies import load_study
if __name__ == "__main__":
    load_study(json.loads(sys.argv[1])).run(sys.argv[2], workers=int(sys.argv[3]))
"""


def timed(*commands):
    """Wall seconds of some commands side by side."""
    start = time.perf_counter()
    running = [subprocess.Popen(command) for command in commands]
    assert [process.wait() for process in running] == [0] * len(running)
    return time.perf_counter() - start


def test_two_processes_next_to_two_independent_ones(tmp_path):
    """How much of the speed-up of two independent processes a study with two workers gets."""
    count = 100

    def command(name, first, last, workers):
        (tmp_path / "run.py").write_text(RUN)
        keys = {**KEYS, "axes": {ALIGN: {"values": {"first": first, "last": last}}, LENGTH: [32, 64, 128, 256, "all"]}}
        return [sys.executable, str(tmp_path / "run.py"), json.dumps(keys), str(tmp_path / name), str(workers)]

    last = 4 + count // 5
    one = timed(command("one", 5, last, 1))
    two = timed(command("two", 5, last, 2))
    pin = ["taskset", "-c"]
    half = 4 + count // 10
    alone = timed([*pin, "0", *command("whole", 5, last, 0)])
    apart = timed([*pin, "0", *command("left", 5, half, 0)], [*pin, "1", *command("right", half + 1, last, 0)])
    sys.stdout.write(f"study {one / two:.2f}, independent {alone / apart:.2f}\n")
