"""`kill -9` in the middle of a replay, then `--resume`: the final bits are those of an uninterrupted run."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from emu.cli.main import run
from emu.deviation.store import read_run
from tests.replaying.small_models import FLOAT, model, save

DEPTH, ROWS, WIDTH = 8, 6, 32
PATIENCE = 120
"""Seconds; only a broken run takes as long."""


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Eight products after one another on the slow backend: a few tenths of a second each."""
    folder = tmp_path_factory.mktemp("model")
    rng = np.random.default_rng(8)
    names = [f"h{i}" for i in range(DEPTH)] + ["y"]
    nodes = [
        helper.make_node("MatMul", [one, f"w{i}"], [other], f"layer{i}")
        for i, (one, other) in enumerate(itertools.pairwise(names))
    ]
    constants = {f"w{i}": rng.standard_normal((WIDTH, WIDTH)).astype(np.float32) / 8 for i in range(DEPTH)}
    path = save(model(nodes, {"h0": (FLOAT, [ROWS, WIDTH])}, {"y": (FLOAT, 2)}, constants), folder)
    np.savez(folder / "in.npz", h0=rng.standard_normal((ROWS, WIDTH)).astype(np.float32))
    return (
        "replay", str(path), "--inputs", str(folder / "in.npz"), "--accelerator", "hopper-fp8-promoted",
        "--backend", "reference",
    )  # fmt: skip


def finished(folder: Path) -> dict[str, int]:
    """The records of finished layers, and when they were written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / ".unfinished").glob("0*.json")}


def killed(arguments: list[str], folder: Path, layers: int) -> dict[str, int]:
    """Run, and kill it with SIGKILL while it works on the layer after so many; what is there then."""
    command = [sys.executable, "-P", "-c", "import sys; from emu.cli.main import main; sys.exit(main())", *arguments]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    end = time.monotonic() + PATIENCE
    while child.poll() is None and len(finished(folder)) < layers and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(0.05)  # into the next layer
    child.send_signal(signal.SIGKILL)
    _, errors = child.communicate()
    assert child.returncode == -signal.SIGKILL, errors
    assert not (folder / "run.json").exists()
    return finished(folder)


@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_killed_and_resumed(question: tuple[str, ...], mode: str, tmp_path: Path) -> None:
    """Killed twice, at two places: no finished layer is computed again, and every bit and count is as it should be."""
    plain, out = tmp_path / "plain", tmp_path / "out"
    whole: list[Any] = [*question, "--mode", mode, "--attribution", "50"]
    assert run([*whole, "--out", str(plain)]) == 0
    resumed = [*whole, "--out", str(out), "--resume"]
    first = killed(resumed, out, 2)
    assert 2 <= len(first) < DEPTH
    second = killed(resumed, out, len(first) + 1)
    assert len(first) < len(second) < DEPTH
    assert first.items() <= second.items()
    assert run([*resumed, "--expect", str(plain)]) == 0
    assert (out / "tensors.npz").read_bytes() == (plain / "tensors.npz").read_bytes()
    assert not (out / ".unfinished").exists()
    rows = [[{**row.__dict__, "seconds": 0} for row in read_run(folder).result.rows] for folder in (plain, out)]
    assert json.dumps(rows[0], default=str) == json.dumps(rows[1], default=str)
