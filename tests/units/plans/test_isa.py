"""Every kernel call gets its instruction set from one place, so that `pytest --isa LEVEL` holds the whole suite to a
level; the suites of all built-in units pass on each lower level."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cemu
from emu import load_format
from emu.bench.products import PRODUCTS, operands
from emu.formats import isa
from emu.formats.blocks.load import load_block
from emu.formats.codec import decode32
from emu.formats.isa import Isa

ROOT = Path(__file__).parents[3]
LOWER = [level for level in Isa if level.code < cemu.lib.cemu_isa_level()]
SUITES = ("tests/units/test_builtin.py", "tests/units/test_matmul.py", "tests/units/test_microscaling.py")
WITHOUT = {"cemu_plan_lookup", "cemu_plan_chain_fp16_state", "cemu_plan_lanes_decode"}
"""Functions that no instruction set changes."""


class Recorder:
    """cemu's functions, and the instruction sets that kernels were called with."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.seen: list[tuple[str, int]] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name)
        if not name.startswith("cemu_plan_") or name in WITHOUT:
            return found

        def call(*arguments: Any) -> Any:
            self.seen.append((name, arguments[-1]))
            return found(*arguments)

        return call


@pytest.mark.parametrize("level", [*LOWER, Isa(isa.best_isa())])
def test_all_kernels_run_on_the_chosen_instruction_set(monkeypatch, level):
    recorder = Recorder(cemu.lib)
    monkeypatch.setattr(cemu, "lib", recorder)
    monkeypatch.setattr(isa, "best_isa", lambda: level)
    for product in PRODUCTS:
        operands(product.loaded, 33).run(product.loaded)
    fmt, x = load_format("float8_e5m2"), np.linspace(-3, 3, 96, dtype=np.float32)
    decode32(fmt, fmt.encode(x))
    load_block("mxfp8_e4m3").encode(x.reshape(3, 32))
    kernels = {name for name, _ in recorder.seen}
    assert {code for _, code in recorder.seen} == {level.code}
    stems = {"integers_sum", "integers_chain", "exact_run", "fma", "chain", "aligned", "encode", "numbers", "blocks"}
    assert {f"cemu_plan_{stem}" for stem in stems} <= kernels


@pytest.mark.slow
@pytest.mark.parametrize("level", LOWER, ids=lambda level: level.value)
def test_suites_on_a_lower_instruction_set(level):
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", "-m", "not slow",
               f"--isa={level.value}", *SUITES]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
