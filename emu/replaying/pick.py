"""One layer of a model, with the operands it has in a float32 reference run: what a trace or a ladder looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emu.accelerators import Accelerator, LayerPlan
from emu.layers.gemm import Lowered
from emu.layers.static import AT_HAND, Static
from emu.replaying.calibration import calibrate
from emu.replaying.graph import bind, load_graph
from emu.replaying.inputs import read_inputs
from emu.replaying.layers import plan_layers
from emu.replaying.limits import Limits
from emu.replaying.reference import Reference

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True, kw_only=True, eq=False)
class PickedLayer:
    """A layer ready to be emulated."""

    name: str
    op: str
    lowered: Lowered
    plan: LayerPlan
    static: Static


def pick_layers(
    model: str | Path | ModelProto,
    inputs: str | Path | Mapping[str, Any],
    accelerators: tuple[Accelerator, ...],
    layer: str,
    *,
    calibration: str | Path | Mapping[str, Any] | None = None,
    limits: Limits | None = None,
) -> tuple[PickedLayer, ...]:
    """The first layer that a glob names, under each of the accelerators, on the same operands.

    Args:
        model: an ONNX file, or a model in memory.
        inputs: an .npz file, or arrays by input name.
        accelerators: one or more.
        layer: a glob over layer names.
        calibration: inputs from which static activation scales are chosen.
        limits: bounds on what is read.

    Raises:
        ModelError: the model or its inputs, or no layer of that name.
    """
    limits = limits or Limits()
    graph = load_graph(model, limits)
    given = read_inputs(inputs, graph, limits)
    samples = None if calibration is None else read_inputs(calibration, graph, limits)
    graph = bind(graph, lambda: [given] if samples is None else [given, samples], limits)
    reference = Reference(graph)
    picked = []
    for accelerator in accelerators:
        entry = plan_layers(graph, reference.types, accelerator, layer)[0]
        names = [name for name in entry.layer.node.input if name and name not in graph.constants]
        values = reference.run(given, names)
        scales = calibrate(graph, reference, [entry], samples)
        one = PickedLayer(
            name=entry.layer.name, op=entry.layer.op, plan=entry.plan,
            lowered=entry.layer.lower(values, graph, entry.plan.k_order),
            static=scales.get(entry.layer.name, AT_HAND),
        )  # fmt: skip
        picked.append(one)
    return tuple(picked)
