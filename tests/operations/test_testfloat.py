"""Every operation against recorded outputs of Berkeley SoftFloat/TestFloat 3e: codes and flags.

The `c` backend runs all of every file, the others a sample. Integers are cast as `nan = "riscv"` says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import emu

from . import vectors
from .running import assert_same, function, has

SAMPLE = 300


def call(file: str, run: vectors.Run, operands: tuple[np.ndarray, ...], backend: str | None) -> Any:
    """One run of a file."""
    source, operation = vectors.parts(file)
    fmt = vectors.FORMATS[source]
    how = {"rounding": run.rounding, "tininess": run.tininess, "flags": True, "backend": backend}
    if operation.startswith("to_"):
        target = vectors.FORMATS[operation[3:]]
        exact = {"exact": run.exact} if "int" in target else {}
        return emu.cast(*operands, fmt, target, **how, **exact)
    exact = {"exact": run.exact} if operation == "roundToInt" else {}
    return function(vectors.OPERATIONS[operation])(*operands, fmt, **how, **exact)


COMPARED = [file for file in vectors.files() if vectors.parts(file)[1] in vectors.COMPARISONS]
COMPUTED = [file for file in vectors.files() if file not in COMPARED]


@pytest.mark.parametrize("file", COMPUTED)
def test_all(file):
    recorded = vectors.load(file)
    for run in recorded.runs:
        found = call(file, run, recorded.operands, "c")
        assert_same(found, run.out, run.flags, recorded.operands, f"{file} {run.label}")


@pytest.mark.parametrize("backend", ["reference", "numba"])
@pytest.mark.parametrize("file", COMPUTED)
def test_sample(file, backend):
    operation = vectors.parts(file)[1]
    if not has(backend, "cast" if operation.startswith("to_") else vectors.OPERATIONS[operation]):
        return
    recorded = vectors.load(file)
    chosen = np.random.default_rng(len(file)).choice(len(recorded.operands[0]), SAMPLE, replace=False)
    operands = tuple(x[chosen] for x in recorded.operands)
    for run in recorded.runs:
        found = call(file, run, operands, backend)
        assert_same(found, run.out[chosen], run.flags[chosen], operands, f"{file} {run.label} {backend}")


@pytest.mark.parametrize("file", COMPARED)
def test_comparisons(file):
    source, operation = vectors.parts(file)
    recorded = vectors.load(file)
    name, signaling = vectors.COMPARISONS[operation]
    found = function(name)(*recorded.operands, vectors.FORMATS[source], signaling=signaling, flags=True)
    assert found[0].dtype == bool
    for run in recorded.runs:
        assert_same(found, run.out.astype(bool), run.flags, recorded.operands, file)


def test_all_files_are_known():
    known = vectors.COMPARISONS.keys() | vectors.OPERATIONS.keys()
    for file in vectors.files():
        source, operation = vectors.parts(file)
        assert source in vectors.FORMATS
        assert operation in known or operation.removeprefix("to_") in vectors.FORMATS
    assert len(vectors.files()) == 47
