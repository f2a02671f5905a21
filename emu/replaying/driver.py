"""The replay: a model, its inputs and an accelerator in; layers next to their truth out.

1. Everything that can be refused is refused first: the file, the inputs, the accelerator, operators that the engine or
   the accelerator cannot run, missing calibration, and (isolated mode) NaN in a format without NaN.
2. Static scales are chosen, if there are any (`emu.replaying.calibration`).
3. The layers run, isolated (`emu.replaying.isolated`) or with errors flowing (`emu.replaying.propagated`).

Truth of a layer in float64: NumPy's float64 product of the layer's inputs. In float32: the engine's own output. Another
accelerator: what that one computes, of the same activations (isolated) or in a run of its own (errors flowing).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emu.accelerators import Accelerator, load_accelerator
from emu.formats.backend import backend_of
from emu.replaying.course import Course, course
from emu.replaying.job import OnLayer, Progress
from emu.replaying.limits import Limits
from emu.replaying.result import Mode, ReplayRun, Truth
from emu.replaying.session import LoadedModel, ReplaySession, member

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["OnLayer", "Progress", "run"]


def run(
    model: str | Path | ModelProto,
    inputs: str | Path | Mapping[str, Any],
    accelerator: str | Path | Mapping[str, Any] | Accelerator,
    *,
    mode: str | Mode | Course = "isolated",
    layers: str = "*",
    backend: str | None = None,
    truth: str | Truth = "float64",
    against: str | Path | Mapping[str, Any] | Accelerator | None = None,
    calibration: str | Path | Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    on_layer: OnLayer | None = None,
    keep: bool = True,
    unfinished: Path | None = None,
    events: bool = True,
    attribution: int = 0,
    shapley: bool = False,
    limits: Limits | None = None,
    memory_limit: int | None = None,
) -> ReplayRun:
    """Replay a model.

    Args:
        model: an ONNX file, or a model in memory.
        inputs: an .npz file, or arrays by input name.
        accelerator: a built-in name, a path, a mapping, or a loaded accelerator.
        mode: `isolated`, `propagated` or `from=LAYER`: propagated from that layer on, what comes before it in graph
            order in float32.
        layers: a glob over layer names; the others run in reference arithmetic.
        backend: as for `Unit.matmul`.
        truth: `float64` or `float32`.
        against: another accelerator, as the truth: what it makes of each layer in the same mode.
        calibration: inputs from which static activation scales are chosen.
        progress: called when a layer starts, and at the end.
        on_layer: called with each layer when it is done.
        keep: put the layers into the result; False drops their tensors after `on_layer`.
        unfinished: a folder where finished layers are kept: a run that is killed goes on where it was.
        events: count what happens inside the units; without, they are as fast as they can be.
        attribution: elements of each layer whose error is charged to the stages of the datapath; 0: none.
        shapley: charge it over all orders of the stages, too.
        limits: bounds on what is read.
        memory_limit: bytes of tensors that may be in memory at a time; what is bounded, and what is not, is told in
            `emu.replaying.room`.

    Raises:
        SpecError: an accelerator, an unknown mode, truth or backend, or what cannot be asked together.
        ModelError: the model or its inputs, or a layer that is larger than the memory limit, before work starts.
    """
    started = time.perf_counter()
    asked, measure = course(mode), member(Truth, truth)
    backend_of(backend)
    chosen = load_accelerator(accelerator)
    other = None if against is None else load_accelerator(against)
    like = [inputs] if calibration is None else [inputs, calibration]
    loaded = LoadedModel(model, limits=limits, like=like)
    how: dict[str, Any] = {"layers": layers, "backend": backend, "calibration": calibration, "keep_weights": False}
    session = ReplaySession(loaded, chosen, events=events, attribution=attribution, shapley=shapley, **how)
    done = session.run(
        inputs, mode=asked, truth=measure, against=None if other is None else ReplaySession(loaded, other, **how),
        progress=progress, on_layer=on_layer, keep=keep, unfinished=unfinished, memory_limit=memory_limit,
    )  # fmt: skip
    return replace(done, elapsed=time.perf_counter() - started)
