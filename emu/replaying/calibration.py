"""Static activation scales: chosen once, from calibration inputs, by each layer's own scheme.

The calibration inputs go through the reference model in float32; every activation operand of a layer with a static
range gets the scale that its scheme gives the calibration tensor. The scales are part of the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from emu.errors import ModelError
from emu.layers.calibrated import static_of
from emu.layers.gemm import Array
from emu.layers.static import Static
from emu.replaying.inputs import inputs_hash
from emu.replaying.layers import PlannedLayer

if TYPE_CHECKING:
    from emu.replaying.graph import Graph
    from emu.replaying.reference import Reference


def static_layers(planned: Iterable[PlannedLayer]) -> list[PlannedLayer]:
    """The layers whose activation scales must be known beforehand."""
    return [entry for entry in planned if entry.plan.static]


def calibrate(
    graph: Graph,
    reference: Reference,
    planned: Iterable[PlannedLayer],
    inputs: Mapping[str, Array] | None,
) -> dict[str, Static]:
    """Scales of A and B by layer name, for the layers with a static range.

    Raises:
        ModelError: a layer needs calibration, and there are no calibration inputs.
    """
    wanted = static_layers(planned)
    if not wanted:
        return {}
    if inputs is None:
        raise ModelError(
            f"{graph.path}: layer {wanted[0].layer.name!r} has a static range: calibration inputs are needed"
        )
    values = reference.run(inputs, {name for entry in wanted for name in entry.layer.activations})
    return {entry.layer.name: _scales(entry, values, graph) for entry in wanted}


def _scales(entry: PlannedLayer, values: Mapping[str, Array], graph: Graph) -> Static:
    return static_of(entry.layer.lower(values, graph, entry.plan.k_order), entry.plan)


def digest(scales: Mapping[str, Static]) -> str:
    """SHA-256 (hex) of everything that calibration chose."""
    return inputs_hash(
        {f"{layer}/{name}": array for layer, static in scales.items() for name, array in static.arrays()}
    )


def as_record(scales: Mapping[str, Static]) -> dict[str, float]:
    """The scales as plain numbers by `LAYER/a`, `LAYER/b` and `LAYER/y`; those of channels are left out."""
    return {
        f"{layer}/{side}": float(fixed.scale)
        for layer, static in scales.items()
        for side, fixed in (("a", static.a), ("b", static.b), ("y", static.y))
        if fixed is not None and not fixed.scale.ndim
    }
