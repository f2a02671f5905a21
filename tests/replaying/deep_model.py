"""A deep model in a process of its own: MODEL LIMIT (MiB, or 0) MODE TRUTH ROWS; prints bits and peak memory.

The peak is that of the process's own memory since it began: what `getrusage` gives is that of its parent, if larger.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from onnx import ModelProto, helper

from tests.replaying.small_models import FLOAT, model

WIDTH, DEPTH = 256, 16


def deep(rng: np.random.Generator, depth: int = DEPTH) -> ModelProto:
    """Down and up again: what each layer of the way down makes is read once more on the way up."""
    nodes, constants, last = [], {}, "x"
    for i in range(depth):
        constants[f"w{i}"] = (rng.standard_normal((WIDTH, WIDTH)) / 16).astype(np.float32)
        nodes.append(helper.make_node("MatMul", [last, f"w{i}"], [f"d{i}"], f"down{i}"))
        last = f"d{i}"
    for i in reversed(range(depth - 1)):
        constants[f"v{i}"] = (rng.standard_normal((WIDTH, WIDTH)) / 16).astype(np.float32)
        nodes.append(helper.make_node("Add", [last, f"d{i}"], [f"a{i}"], f"add{i}"))
        nodes.append(helper.make_node("MatMul", [f"a{i}", f"v{i}"], [f"u{i}"], f"up{i}"))
        last = f"u{i}"
    return model(nodes, {"x": (FLOAT, ["n", WIDTH])}, {last: (FLOAT, 2)}, constants)


def digest(arrays: list[np.ndarray]) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array))
    return found.hexdigest()


def main(path: str, limit: str, mode: str, truth: str, rows: str) -> None:
    from emu.deviation.run import replay

    x = np.random.default_rng(1).standard_normal((int(rows), WIDTH), dtype=np.float32)
    done = replay(
        Path(path), {"x": x}, accelerator="int8-int32", mode=mode, truth=truth, events=False,
        memory_limit=int(limit) << 20 or None,
    )  # fmt: skip
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    bits = [digest([layer.emulated for layer in done.run.layers]), digest([pair.emulated for pair in
            done.run.outputs.values()])]  # fmt: skip
    print(json.dumps({"peak": int(peak.split()[1]) << 10, "bits": bits, "rows": [row.sqnr_db for row in done.rows]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
