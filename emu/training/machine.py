"""What multiplies in training: the products of a layer, forward and backward, in float32 or in an accelerator's units.

* `Emulated`: each product is planned by its pass (forward, dgrad, wgrad) and run by `emu.layers`, as in a replay and
  under PyTorch; operands of backward products are the tensors of the forward call, quantised anew. Calls are numbered,
  for seeds.
* `Exact`: float64 products, rounded once to float32: what gradients are compared with. The order of the float64 sums is
  the BLAS library's (`emu.layers.plain`), so a float32 may differ in its last bit from machine to machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import Accelerator, LayerPlan, Pass
from emu.layers.emulate import emulate
from emu.layers.gradients import gradients
from emu.layers.lowering import lower
from emu.layers.plain import evaluate
from emu.layers.seeds import seed_of_call
from emu.schemes import Target
from emu.schemes.enums import Granularity
from emu.training.clips import with_clip

Float32 = NDArray[np.float32]
WEIGHTS = (False, True)
"""The second operand of every layer."""


class Machine(Protocol):
    """The three products of a layer y = x · w."""

    def forward(
        self, name: str, op: str, attributes: Mapping[str, Any], x: Float32, w: Float32, bias: Float32
    ) -> Float32:
        """The layer's output."""

    def of_input(
        self, name: str, op: str, attributes: Mapping[str, Any], x: Float32, w: Float32, g: Float32
    ) -> Float32:
        """The gradient of x, from that of the output."""

    def of_weights(
        self, name: str, op: str, attributes: Mapping[str, Any], x: Float32, w: Float32, g: Float32
    ) -> Float32:
        """The gradient of w, from that of the output."""


class Exact:
    """Products in float64, rounded to float32."""

    def forward(
        self, name: str, op: str, attributes: Mapping[str, Any], x: Float32, w: Float32, bias: Float32
    ) -> Float32:
        """The layer's output."""
        del name
        return evaluate(lower(op, (x, w, bias), attributes, constant=WEIGHTS)).astype(np.float32)

    def of_input(
        self, name: str, op: str, attributes: Mapping[str, Any], x: Float32, w: Float32, g: Float32
    ) -> Float32:
        """The gradient of x."""
        del name
        return _exact(op, attributes, x, w, g, 0)

    def of_weights(
        self, name: str, op: str, attributes: Mapping[str, Any], x: Float32, w: Float32, g: Float32
    ) -> Float32:
        """The gradient of w."""
        del name
        return _exact(op, attributes, x, w, g, 1)


def _exact(op: str, attributes: Mapping[str, Any], x: Float32, w: Float32, g: Float32, operand: int) -> Float32:
    part = gradients(op, x, w, attributes, g)[operand]()
    made: Float32 = part.finish(evaluate(part.lowered)).astype(np.float32)
    return made


class Emulated:
    """Products in an accelerator's units."""

    def __init__(
        self, accelerator: Accelerator, clips: Mapping[str, float] | None = None, backend: str | None = None
    ) -> None:
        """Products of a network.

        Args:
            accelerator: it must have dynamic ranges.
            clips: of layers' inputs, for activations under rule `pact`; read anew at every product.
            backend: as for `Unit.matmul`.
        """
        self.accelerator, self.clips, self.backend = accelerator, {} if clips is None else clips, backend
        self.calls: Counter[str] = Counter()
        """forward products of each layer so far"""

    def plan(self, name: str, op: str, which: Pass, product: int) -> LayerPlan:
        """How a product is run: with the layer's clip, and the seed of this call."""
        plan = with_clip(self.accelerator.plan(name, op, which), self.clips.get(name))
        if not plan.stochastic:
            return plan
        return plan.reseeded(lambda seed: seed_of_call(seed, self.calls[name] - 1, product))

    def forward(
        self, name: str, op: str, attributes: Mapping[str, Any], x: Float32, w: Float32, bias: Float32
    ) -> Float32:
        """The layer's output."""
        self.calls[name] += 1
        plan = self.plan(name, op, Pass.FORWARD, 0)
        lowered = lower(op, (x, w, bias), attributes, constant=WEIGHTS, k_order=plan.k_order, names=("x", "w"))
        return emulate(lowered, plan, backend=self.backend, events=False).y

    def of_input(
        self, name: str, op: str, attributes: Mapping[str, Any], x: Float32, w: Float32, g: Float32
    ) -> Float32:
        """The gradient of x: pass dgrad."""
        plan = self.plan(name, op, Pass.DGRAD, 1).backward(by_weights=True)
        return self._gradient(op, attributes, x, w, g, plan, 0)

    def of_weights(
        self, name: str, op: str, attributes: Mapping[str, Any], x: Float32, w: Float32, g: Float32
    ) -> Float32:
        """The gradient of w: pass wgrad."""
        plan = self.plan(name, op, Pass.WGRAD, 2).backward(by_weights=False)
        return self._gradient(op, attributes, x, w, g, plan, 1)

    def as_operand(self, name: str, op: str, which: Pass, g: Float32) -> Float32 | None:
        """A layer's output gradient as the unit of a backward product gets it.

        None: under more than one scale, or with a zero point.
        """
        plan = self.plan(name, op, which, 1 if which is Pass.DGRAD else 2).backward(by_weights=which is Pass.DGRAD)
        given = plan.activations
        scheme = given.scheme
        if scheme.blocks is not None or scheme.asymmetric or (scheme.scales and given.per is not Granularity.TENSOR):
            return None
        target = Target(format=plan.unit.a, name="gradient", seed=plan.seed)
        made = scheme.quantise(g, target)
        scale = made.scale.astype(np.float64) / scheme.codes_per_scale
        return np.asarray(plan.unit.a.decode(made.codes) * scale, np.float32)

    def _gradient(
        self, op: str, attributes: Mapping[str, Any], x: Float32, w: Float32, g: Float32, plan: LayerPlan, operand: int
    ) -> Float32:
        part = gradients(op, x, w, attributes, g, plan.k_order)[operand]()
        return part.finish(emulate(part.lowered, plan, backend=self.backend, events=False).y)
