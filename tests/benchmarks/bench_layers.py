"""Layers of many small products under pytest-benchmark: depthwise convolution, attention, with and without events. Not
collected by default: `pytest tests/benchmarks/bench_layers.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu.accelerators import load_accelerator
from emu.bench.machine import cores
from emu.layers.emulate import emulate
from emu.layers.gemm import Lowered
from emu.layers.lowering import lower

CAST = {"scheme": "cast"}
BINARY32 = {
    "name": "binary32",
    "matrix": {
        "unit": {"extends": "bf16-fma-f32", "operands": {"a": {"format": "float32"}, "b": {"format": "float32"}}},
        "activations": CAST,
        "weights": CAST,
    },
}
ACCELERATORS: dict[str, Any] = {
    name: name for name in ("hopper-fp8", "hopper-fp8-promoted", "fp8-fp16acc", "int8-int32", "blackwell-mxfp8")
} | {"binary32": BINARY32}


def depthwise(channels: int, size: int) -> Lowered:
    """A 3 x 3 convolution of every channel by itself."""
    r = np.random.default_rng(size)
    x, w = r.standard_normal((1, channels, size, size)), r.standard_normal((channels, 1, 3, 3))
    attributes = {"group": channels, "pads": [1, 1, 1, 1]}
    return lower("Conv", [x.astype(np.float32), w.astype(np.float32)], attributes, constant=(False, True))


def attention() -> Lowered:
    """Q K of 12 heads, 128 tokens, 64 numbers a head."""
    r = np.random.default_rng(12)
    q, k = r.standard_normal((1, 12, 128, 64)), r.standard_normal((1, 12, 64, 128))
    return lower("MatMul", [q.astype(np.float32), k.astype(np.float32)], {}, constant=(False, False))


LAYERS = {"depthwise-32x112": lambda: depthwise(32, 112), "depthwise-512x14": lambda: depthwise(512, 14)}


@pytest.mark.parametrize("events", [False, True], ids=["bits", "events"])
@pytest.mark.parametrize("name", ACCELERATORS)
@pytest.mark.parametrize("what", [*LAYERS, "attention"])
def test_layer(benchmark: Any, what: str, name: str, events: bool) -> None:
    lowered = LAYERS.get(what, attention)()
    plan = load_accelerator(ACCELERATORS[name]).plan("layer", lowered.op)
    with cores(1):
        benchmark.pedantic(emulate, args=(lowered, plan), kwargs={"events": events}, rounds=3, warmup_rounds=1)
