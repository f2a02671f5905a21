"""Static scales of a model's activations, from data.

    with emu.torch.calibration(model):
        for batch in batches:
            model(batch)

* In the context the emulated model runs in floating point: products in float64, rounded into the model's type, all else
  in PyTorch. No gradients are recorded, nothing is counted.
* At its end every layer with a static range that ran has its scales: those that its scheme gives the largest finite
  magnitude that was seen at each operand. They are `emulation(model).scales`, and stay until the next calibration; a
  layer that did not run keeps those that it had.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from emu.accelerators import LayerPlan
from emu.errors import ModelError
from emu.layers.gemm import Array, Lowered
from emu.layers.lowering import lower
from emu.layers.plain import evaluate
from emu.layers.static import Static, fixed_scale
from emu.schemes import Granularity, Range, ScaleStep
from emu.torch.emulation import Emulation, LayerUse
from emu.torch.model import emulation as emulation_of
from emu.torch.tensors import to_array, to_tensor


class Calibration:
    """What was seen so far."""

    def __init__(self, emulation: Emulation) -> None:
        self.emulation = emulation
        self._largest: dict[str, tuple[LayerPlan, float, float | None]] = {}

    def product(
        self, name: str, op: str, attributes: Mapping[str, Any],
        first: torch.Tensor, second: torch.Tensor, bias: torch.Tensor | None, weights: tuple[bool, bool],
    ) -> torch.Tensor:  # fmt: skip
        """A product in float64, looked at; arguments as for `emu.torch.products.product`."""
        operands = [to_array(one) for one in (first, second, bias) if one is not None]
        try:
            lowered = lower(op, operands, attributes, constant=weights)
        except ValueError as error:
            raise ModelError(f"layer {name!r}: {error}") from None
        plan = self.emulation.accelerator.plan(name, op)
        self.emulation.layers.setdefault(name, LayerUse(name=name, op=op, unit=plan.unit.name))
        if plan.static:
            require_magnitudes(plan, name)
            self._look(name, plan, lowered)
        with np.errstate(over="ignore"):
            y = evaluate(lowered).astype(np.float32)
        return to_tensor(y, torch.result_type(first, second))

    def _look(self, name: str, plan: LayerPlan, lowered: Lowered) -> None:
        _, a, b = self._largest.get(name, (plan, 0.0, 0.0))
        of_b = None if lowered.b_is_weights else max(b or 0.0, _magnitude(lowered.b))
        self._largest[name] = plan, max(a, _magnitude(lowered.source)), of_b

    def finish(self) -> None:
        """Fix the scales."""
        for name, (plan, a, b) in self._largest.items():
            self.emulation.scales[name] = Static(
                a=fixed_scale(np.array([a]), plan),
                b=None if b is None else fixed_scale(np.array([b]), plan, at_b=True),
            )


def require_magnitudes(plan: LayerPlan, name: str) -> None:
    """Refuse what largest magnitudes do not decide: all that is kept of many batches.

    Raises:
        ModelError: another rule than absmax, values that change before, zero points, one scale per channel, transforms
            or static outputs.
    """
    steps = plan.activations.scheme.steps
    rules = all(isinstance(step, ScaleStep) and step.rule.by_absmax for step in steps if not step.last)
    whole = plan.activations.per is Granularity.TENSOR and not plan.activations.scheme.asymmetric
    moving = bool(plan.transforms) or plan.weights.scheme.looks
    requantize = plan.epilogue.requantize
    of_output = requantize is not None and requantize.range is Range.STATIC
    if not rules or not whole or moving or of_output:
        raise ModelError(
            f"layer {name!r}: calibration in PyTorch keeps the largest magnitudes, which decide absmax scales of "
            "tensors alone: use a dynamic range, or calibrate in a replay"
        )


def _magnitude(x: Array) -> float:
    return float(np.abs(x[np.isfinite(x)]).max(initial=0.0))


@contextmanager
def calibration(model: torch.nn.Module) -> Iterator[None]:
    """A context in which forwards of an emulated model choose its static scales.

    Raises:
        ModelError: the model is not emulated.
    """
    emulation = emulation_of(model)
    seen = Calibration(emulation)
    vector, layers, fallbacks = emulation.vector, dict(emulation.layers), dict(emulation.fallbacks)
    emulation.recorder, emulation.vector = seen.product, None
    try:
        with torch.no_grad():
            yield
        seen.finish()
    finally:
        emulation.recorder, emulation.vector = None, vector
        emulation.layers, emulation.fallbacks = layers, fallbacks
