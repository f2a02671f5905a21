"""Replays made by hand, small enough to check by eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import emu
from emu.formats.enums import EventKind
from emu.replaying.result import Fallback, FallbackReason, LayerRun, Mode, OutputPair, ReplayRun, Truth
from emu.units.events import Events
from emu.units.stages import KINDS, stage_count, stage_names


def make_events(**counts: int) -> Events:
    """Events of a unit with one level, all of them at that level."""
    stages = stage_names(1)
    table = np.zeros((stage_count(1), KINDS), np.int64)
    for kind, count in counts.items():
        table[stages.index("level 0"), EventKind(kind).code] = count
    return Events(stages=stages, counts=table)


def make_layer(name: str, truth: np.ndarray, emulated: np.ndarray, *, fmt: str = "bfloat16", **counts: int) -> LayerRun:
    """A layer with these outputs and events."""
    return LayerRun(
        name=name,
        op="MatMul",
        node_index=0,
        input_shapes=((2, 3), (3, 2)),
        output_shape=truth.shape,
        k=3,
        macs=3 * truth.size,
        truth=np.asarray(truth, np.float64),
        emulated=np.asarray(emulated, np.float32),
        output_format=emu.load_format(fmt),
        events=make_events(**counts),
        quantiser_saturated=1,
        quantiser_overflowed=4,
        output_saturated=2,
        output_overflowed=8,
        unit_name="some-unit",
        activations="absmax per token, dynamic",
        weights="absmax per channel",
        seconds=0.5,
    )


def make_run(layers: list[LayerRun], outputs: dict[str, OutputPair] | None = None, **other: object) -> ReplayRun:
    """A replay of these layers."""
    plain: dict[str, object] = {
        "model": Path("folder/model.onnx"),
        "model_sha256": "ab" * 32,
        "inputs_sha256": "cd" * 32,
        "accelerator": "some-accelerator",
        "accelerator_hash": "ef" * 32,
        "mode": Mode.PROPAGATED,
        "truth": Truth.FLOAT64,
        "backend": None,
        "layers": tuple(layers),
        "outputs": outputs or {},
        "fallback": (Fallback(node="relu", op="Relu", reason=FallbackReason.VECTOR),),
        "truth_float32": ("resize",),
        "elapsed": 1.5,
        "calibration": {"first/a": 0.25},
    }
    return ReplayRun(**(plain | other))  # type: ignore[arg-type]


@pytest.fixture
def two_layers() -> ReplayRun:
    """A good layer and a bad one, with an infinity and a signed zero in it, and one output."""
    first = make_layer("first", np.array([[1.0, -2.0], [4.0, 0.0]]), np.array([[1.0, -2.0], [4.0, 0.03125]]))
    bad = np.array([[np.inf, -0.0], [1.0, 2.0]])
    truth = np.array([[3.0, 0.0], [2.0, 1.0]])
    second = make_layer("a/second:0", truth, bad, overflow=16, saturated=5, nan_made=1, flushed_out=3)
    probabilities = OutputPair(
        truth=np.array([[0.25, 0.75], [0.5, 0.125]], np.float32),
        emulated=np.array([[0.5, 0.25], [1, 0]], np.float32),
    )
    names = np.array(["a"], object)
    outputs = {"probabilities": probabilities, "names": OutputPair(truth=names, emulated=names)}
    return make_run([first, second], outputs)
