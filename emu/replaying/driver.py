"""The replay: a model, its inputs and an accelerator in; layers next to their truth out.

1. Everything that can be refused is refused first: the file, the inputs, the accelerator, operators that the engine or
   the accelerator cannot run, missing calibration, and (isolated mode) NaN in a format without NaN.
2. Static scales are chosen, if there are any (`emu.replaying.calibration`).
3. The layers run, isolated or propagated (`emu.replaying.job`).

Truth of a layer in float64: NumPy's float64 product of the layer's inputs. In float32: the engine's own output.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from emu.accelerators import Accelerator, load_accelerator
from emu.errors import SpecError
from emu.formats.backend import backend_of
from emu.replaying.calibration import as_record, calibrate
from emu.replaying.fallback import find_fallbacks, refuse
from emu.replaying.graph import load_graph
from emu.replaying.inputs import inputs_hash, read_inputs
from emu.replaying.job import Job, OnLayer, Progress
from emu.replaying.layers import plan_layers
from emu.replaying.limits import Limits
from emu.replaying.reference import Reference
from emu.replaying.result import Mode, ReplayRun, Truth

__all__ = ["OnLayer", "Progress", "run"]

E = TypeVar("E", bound=enum.Enum)


def run(
    model: str | Path,
    inputs: str | Path | Mapping[str, Any],
    accelerator: str | Path | Mapping[str, Any] | Accelerator,
    *,
    mode: str | Mode = "isolated",
    layers: str = "*",
    backend: str | None = None,
    truth: str | Truth = "float64",
    calibration: str | Path | Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    on_layer: OnLayer | None = None,
    keep: bool = True,
    limits: Limits | None = None,
) -> ReplayRun:
    """Replay a model.

    Args:
        model: an ONNX file.
        inputs: an .npz file, or arrays by input name.
        accelerator: a built-in name, a path, a mapping, or a loaded accelerator.
        mode: `isolated` or `propagated`.
        layers: a glob over layer names; the others run in reference arithmetic.
        backend: as for `Unit.matmul`.
        truth: `float64` or `float32`.
        calibration: inputs from which static activation scales are chosen.
        progress: called when a layer starts, and at the end.
        on_layer: called with each layer when it is done.
        keep: put the layers into the result; False drops their tensors after `on_layer`.
        limits: bounds on what is read.

    Raises:
        SpecError: the accelerator, an unknown mode, truth or backend.
        ModelError: the model or its inputs, before work starts.
    """
    started = time.perf_counter()
    mode, truth = _member(Mode, mode), _member(Truth, truth)
    limits = limits or Limits()
    backend_of(backend)
    chosen = load_accelerator(accelerator)
    graph = load_graph(model, limits)
    given = read_inputs(inputs, graph, limits)
    reference = Reference(graph)
    planned = plan_layers(graph, reference.types, chosen, layers)
    fallback = find_fallbacks(graph, reference.types, frozenset(entry.layer.name for entry in planned))
    refuse(graph, chosen, fallback)
    samples = None if calibration is None else read_inputs(calibration, graph, limits)
    scales = calibrate(graph, reference, planned, samples)
    job = Job(
        graph=graph, reference=reference, planned=planned, scales=scales, inputs=given, truth=truth,
        backend=backend, progress=progress or _silent, on_layer=on_layer or _silent, keep=keep,
    )  # fmt: skip
    outputs, widened = (job.isolated(), []) if mode is Mode.ISOLATED else job.propagated()
    job.progress(len(planned), len(planned), "")
    return ReplayRun(
        model=graph.path, model_sha256=graph.sha256, inputs_sha256=inputs_hash(given),
        accelerator=chosen.name, accelerator_hash=chosen.spec_hash, mode=mode, truth=truth, backend=backend,
        layers=tuple(job.done), outputs=outputs, fallback=fallback, truth_float32=tuple(widened),
        calibration=as_record(scales), elapsed=time.perf_counter() - started,
    )  # fmt: skip


def _member(kind: type[E], value: str | E) -> E:
    try:
        return kind(value)
    except ValueError:
        allowed = [str(member.value) for member in kind]
        raise SpecError(f"unknown {kind.__name__.lower()}", value=value, allowed=allowed) from None


def _silent(*_: object) -> None:
    """No callback."""
