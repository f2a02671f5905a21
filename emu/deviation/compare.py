"""Two accelerators on the same workload: which layers differ, how much, at which stage first, and what their files say.

* Isolated: every layer reads the float32 reference activations, so a difference is made in that layer.
* Each accelerator is also measured against the float64 truth of the layer.
* The first layer that differs is looked into: its first different element is traced under both, and the first place
  of the datapath where the two hold different values is named (`emu.deviation.parting`). A vector operation has no
  trace: its element's values are all that is said.
* Operations that only one of them runs (the other has no vector unit) are not compared, but named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import Accelerator, load_accelerator
from emu.attribution.element import ElementTrace, Index, different, first_different, trace_element
from emu.deviation import metrics, ulp
from emu.deviation.keys import KeyDifference, differing_keys
from emu.deviation.parting import Parting, parting
from emu.replaying.driver import run
from emu.replaying.pick import pick_layers
from emu.replaying.result import Kind

if TYPE_CHECKING:
    from onnx import ModelProto

    from emu.formats import Format
    from emu.replaying.driver import Progress
    from emu.replaying.result import LayerRun

Spec = str | Path | Mapping[str, Any] | Accelerator


@dataclass(frozen=True, kw_only=True)
class Distance:
    """How far one tensor is from another."""

    sqnr_db: float
    max_ulp: int | None
    """None if the tensors' formats differ: there is no common count"""
    p99_ulp: int | None


@dataclass(frozen=True, kw_only=True)
class LayerDifference:
    """One layer under both accelerators."""

    layer: str
    op: str
    kind: Kind
    elements: int
    different: int
    """elements whose values differ"""
    first: Index | None
    """the first of them, in C order"""
    values: tuple[float, float, float] | None
    """that element under the one, under the other, and its truth"""
    max_abs: float
    """the largest difference of finite elements"""
    apart: Distance
    """of the second from the first"""
    one: Distance
    """of the first from the truth"""
    other: Distance


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two accelerators on one workload."""

    one: str
    other: str
    layers: tuple[LayerDifference, ...]
    alone: tuple[str, ...]
    """vector operations that only one of them runs"""
    keys: tuple[KeyDifference, ...]
    """what their specifications say differently"""
    traces: tuple[ElementTrace, ElementTrace] | None
    """of the first different element of the first layer that differs; None if nothing differs, or that layer is a
    vector operation"""
    parting: Parting | None
    """where these two part"""

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
    kept: dict[tuple[int, str], _Kept] = {}
    found: list[LayerDifference] = []
    alone: list[str] = []

    def keep(layer: LayerRun) -> None:
        from_truth = _distance(layer.truth, layer.emulated, layer.output_format)
        kept[layer.node_index, layer.name] = _Kept(y=layer.emulated, format=layer.output_format, distance=from_truth)

    def judge(layer: LayerRun) -> None:
        known = kept.pop((layer.node_index, layer.name), None)
        if known is None:
            alone.append(layer.name)
        else:
            found.append(_difference(known, layer))

    run(model, inputs, first, on_layer=keep, keep=False, **how)
    run(model, inputs, second, on_layer=judge, keep=False, **how)
    alone += [name for _, name in kept]
    at = next((layer for layer in found if layer.different), None)
    traces = where = None
    if at is not None and at.first is not None and at.kind is Kind.MATRIX:
        picked = pick_layers(model, inputs, (first, second), _literal(at.layer), calibration=calibration)
        x, y = (trace_element(p.lowered, p.plan, at.first, p.static) for p in picked)
        traces, where = (x, y), parting(x, y)
    return Comparison(
        one=first.name, other=second.name, layers=tuple(found), alone=tuple(alone),
        keys=differing_keys(first, second), traces=traces, parting=where,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kept:
    """A layer under the first accelerator."""

    y: NDArray[np.float32]
    format: Format
    distance: Distance


def _difference(one: _Kept, other: LayerRun) -> LayerDifference:
    x, y = one.y, other.emulated
    first = first_different(x, y)
    return LayerDifference(
        layer=other.name, op=other.op, kind=other.kind, elements=int(x.size),
        different=int(np.count_nonzero(different(x, y))), first=first,
        values=None if first is None else (float(x[first]), float(y[first]), float(other.truth[first])),
        max_abs=metrics.max_abs(metrics.finite_pairs(x, y)),
        apart=_distance(x, y, other.output_format if other.output_format == one.format else None),
        one=one.distance, other=_distance(other.truth, y, other.output_format),
    )  # fmt: skip


def _distance(truth: NDArray[Any], y: NDArray[Any], fmt: Format | None) -> Distance:
    pairs = metrics.finite_pairs(truth, y)
    distances = None if fmt is None else ulp.ulp_distances(pairs, fmt)
    return Distance(
        sqnr_db=metrics.sqnr_db(pairs),
        max_ulp=None if distances is None else int(distances.max(initial=0)),
        p99_ulp=None if distances is None else ulp.percentile(distances, 99),
    )


def _literal(name: str) -> str:
    """A glob that matches this name alone."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
