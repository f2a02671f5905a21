"""Two accelerators on the same workload: which layers differ, by how much, and at which step of the datapath first.

* Isolated: every layer reads the float32 reference activations, so a difference is made in that layer.
* The first layer that differs is looked into: its first different element is traced under both, and where both units
  are of one structure, the first step that leaves different accumulators is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emu.accelerators import Accelerator, load_accelerator
from emu.attribution.element import ElementTrace, Index, different, first_different, trace_element
from emu.attribution.trace import TraceStep, first_difference
from emu.deviation import metrics
from emu.replaying.driver import run
from emu.replaying.pick import pick_layers

if TYPE_CHECKING:
    from onnx import ModelProto

    from emu.replaying.driver import Progress
    from emu.replaying.result import LayerRun

Spec = str | Path | Mapping[str, Any] | Accelerator


@dataclass(frozen=True, kw_only=True)
class LayerDifference:
    """One layer under both accelerators."""

    layer: str
    op: str
    elements: int
    different: int
    """elements whose values differ"""
    first: Index | None
    """the first of them, in C order"""
    max_abs: float
    """the largest difference of finite elements"""
    sqnr_db: float
    """of the second with the first as the truth"""
    sqnr_one: float
    """of the first, against the exact layer"""
    sqnr_other: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two accelerators on one workload."""

    one: str
    other: str
    layers: tuple[LayerDifference, ...]
    traces: tuple[ElementTrace, ElementTrace] | None
    """of the first different element of the first layer that differs; None if nothing differs"""
    step: tuple[TraceStep, TraceStep] | None
    """the first step with different accumulators; None if the difference is not in the unit's steps"""

    @property
    def first(self) -> LayerDifference | None:
        """The first layer that differs."""
        return next((layer for layer in self.layers if layer.different), None)


def compare(
    model: str | Path | ModelProto,
    inputs: str | Path | Mapping[str, Any],
    one: Spec,
    other: Spec,
    *,
    layers: str = "*",
    calibration: str | Path | Mapping[str, Any] | None = None,
    backend: str | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run both and compare.

    Args:
        model: an ONNX file, or a model in memory.
        inputs: an .npz file, or arrays by input name.
        one: an accelerator.
        other: the accelerator that is compared with it.
        layers: a glob over layer names.
        calibration: inputs from which static activation scales are chosen.
        backend: as for `Unit.matmul`.
        progress: called with (layers done, layers in all, name of the next one), for each run.

    Raises:
        SpecError: an accelerator.
        ModelError: the model or its inputs, before work starts.
    """
    first, second = load_accelerator(one), load_accelerator(other)
    how: dict[str, Any] = {"layers": layers, "calibration": calibration, "backend": backend, "progress": progress}
    kept = {layer.name: layer for layer in run(model, inputs, first, **how).layers}
    found: list[LayerDifference] = []
    run(model, inputs, second, on_layer=lambda x: found.append(_difference(kept[x.name], x)), keep=False, **how)
    different = next((layer for layer in found if layer.different), None)
    traces = step = None
    if different is not None and different.first is not None:
        name = _literal(different.layer)
        picked = pick_layers(model, inputs, (first, second), name, calibration=calibration)
        x, y = (trace_element(p.lowered, p.plan, different.first, p.static) for p in picked)
        traces, step = (x, y), first_difference(x.trace, y.trace)
    return Comparison(one=first.name, other=second.name, layers=tuple(found), traces=traces, step=step)


def _difference(one: LayerRun, other: LayerRun) -> LayerDifference:
    x, y = one.emulated, other.emulated
    pairs = metrics.finite_pairs(x, y)
    return LayerDifference(
        layer=one.name, op=one.op, elements=int(x.size), different=int(np.count_nonzero(different(x, y))),
        first=first_different(x, y), max_abs=metrics.max_abs(pairs), sqnr_db=metrics.sqnr_db(pairs),
        sqnr_one=metrics.sqnr_db(metrics.finite_pairs(one.truth, x)),
        sqnr_other=metrics.sqnr_db(metrics.finite_pairs(other.truth, y)),
    )  # fmt: skip


def _literal(name: str) -> str:
    """A glob that matches this name alone."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
