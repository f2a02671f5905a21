"""Training step by step: forward, loss, backward, update, scales, clips.

One step, on one batch:

1. forward and backward products on the machine, the loss's gradient multiplied by the loss scale;
2. every gradient divided by the loss scale, in float32;
3. the weight update in its own arithmetic (`emu.training.update`);
4. α ← α − η · rate · (dα + decay · α) of every learned clip, in float64; never below 2^-20;
5. the votes on every layer's gradient scale.

* Without an accelerator: exact products, updates in float32.
* A step whose gradients are not all finite changes no weight, as loss-scaling recipes have it; scales vote still.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import Accelerator, Pass
from emu.accelerators.training import Training, TrainingKeys, training_of
from emu.training.clips import first_clips
from emu.training.grad_scale import GradScale, largest
from emu.training.machine import Emulated, Exact, Machine
from emu.training.network import LAYERS, Gradients, Trace, backward, cross_entropy, forward, single_products
from emu.training.update import Sgd

Float32 = NDArray[np.float32]
SMALLEST_CLIP = 2.0**-20


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train, whatever the machine."""

    rate: float
    momentum: float
    decay: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """What one step has shown."""

    loss: float
    drift: float
    """what the weights moved in the update's direction, over what they should have moved; NaN if nothing"""
    trace: Trace
    gradients: Gradients

    @property
    def dead(self) -> frozenset[str]:
        """Layers whose weights' gradient is zero in every element."""
        return frozenset(layer.name for layer in LAYERS if not self.gradients.parameters[layer.weight].any())


class Trainer:
    """A network in training on one machine."""

    def __init__(
        self,
        accelerator: Accelerator | None,
        parameters: Mapping[str, Float32],
        recipe: Recipe,
        backend: str | None = None,
    ) -> None:
        """Start.

        Args:
            accelerator: None for exact products.
            parameters: the first ones.
            recipe: of the update.
            backend: as for `Unit.matmul`.
        """
        self.accelerator, self.recipe = accelerator, recipe
        self.options: Training = training_of(TrainingKeys(), "") if accelerator is None else accelerator.training
        self.clips: dict[str, float] = {}
        self._clips_are_set = False
        self.machine: Machine = Exact() if accelerator is None else Emulated(accelerator, self.clips, backend)
        self.sgd = Sgd(self.options.update, parameters, rate=recipe.rate, momentum=recipe.momentum, decay=recipe.decay)
        keys = self.options.grad_scale
        self.scales = {} if keys is None else {
            layer.name: GradScale(max=keys.max, scale=keys.initial) for layer in LAYERS
        }  # fmt: skip

    def step(self, images: Float32, labels: NDArray[Any], *, hold: bool = False) -> Step:
        """One step.

        Args:
            images: [N, 1, 8, 8].
            labels: [N].
            hold: leave the weights as they are: only clips and scales move.
        """
        parameters = self.sgd.values()
        self._set_clips(parameters, images)
        with np.errstate(all="ignore"):
            trace = forward(self.machine, parameters, images)
            loss, d = cross_entropy(trace.logits, labels)
            factor = np.float32(self.options.loss_scale)
            scales = {name: one.scale for name, one in self.scales.items()}
            made = _divided(
                backward(self.machine, parameters, trace, d * factor, scales=scales, clips=self.clips), factor
            )
        if not hold and all(np.isfinite(value).all() for value in made.parameters.values()):
            self.sgd.step(made.parameters)
        drift = self.sgd.made / self.sgd.wanted if self.sgd.wanted and not hold else np.nan
        self._learn_clips(made)
        keys = self.options.grad_scale
        if keys is not None and keys.moves:
            for name, one in self.scales.items():
                self.scales[name] = one.step(*largest(made.outputs[name] * factor, keys.workers))
        return Step(loss=loss, drift=drift, trace=trace, gradients=made)

    def single(self, exact: Step) -> dict[str, Float32]:
        """Every gradient that a product makes on this machine, from the operands of another step."""
        factor = np.float32(self.options.loss_scale)
        outputs = {name: value * factor for name, value in exact.gradients.outputs.items()}
        scales = {name: one.scale for name, one in self.scales.items()}
        made = single_products(self.machine, self.sgd.values(), exact.trace, outputs, scales)
        return {name: value / factor for name, value in made.items()}

    def operands(self, exact: Step) -> dict[str, tuple[Float32, Float32]]:
        """Output gradients of another step, and what this machine's backward products read instead, by layer and pass.

        Of layers whose scheme has one scale for the whole tensor, or none; without a machine there are no such layers.
        """
        if not isinstance(self.machine, Emulated):
            return {}
        factor, out = np.float32(self.options.loss_scale), {}
        for layer in LAYERS:
            scale = np.float32(1.0 if layer.name not in self.scales else self.scales[layer.name].scale)
            g = exact.gradients.outputs[layer.name] * factor * scale
            for which in (Pass.WGRAD,) if layer is LAYERS[0] else (Pass.DGRAD, Pass.WGRAD):
                read = self.machine.as_operand(layer.name, layer.op, which, g)
                if read is not None:
                    out[f"{layer.name} {which.value}"] = g, read
        return out

    def answers(self, images: Float32) -> NDArray[np.intp]:
        """The digits that the network sees, on its machine."""
        with np.errstate(all="ignore"):
            trace = forward(self.machine, self.sgd.values(), images)
        made: NDArray[np.intp] = trace.logits.argmax(axis=1)
        return made

    def _set_clips(self, parameters: Mapping[str, Float32], images: Float32) -> None:
        """From the first batch, in exact arithmetic."""
        if self._clips_are_set or self.accelerator is None:
            return
        trace = forward(Exact(), parameters, images)
        layers = {layer.name: (layer.op, trace.inputs[layer.name]) for layer in LAYERS}
        self.clips.update(first_clips(self.accelerator, layers, self.options.clip))
        self._clips_are_set = True

    def _learn_clips(self, made: Gradients) -> None:
        keys = self.options.clip
        if keys is None:
            return
        for name, d in made.clips.items():
            alpha = self.clips[name]
            moved = alpha - self.recipe.rate * keys.rate * (d + keys.decay * alpha)
            if np.isfinite(moved):
                self.clips[name] = max(moved, SMALLEST_CLIP)


def _divided(made: Gradients, factor: np.float32) -> Gradients:
    """Gradients without the loss scale."""
    if factor == 1:
        return made
    return Gradients(
        parameters={name: value / factor for name, value in made.parameters.items()},
        inputs={name: value / factor for name, value in made.inputs.items()},
        clips={name: value / float(factor) for name, value in made.clips.items()},
        outputs={name: value / factor for name, value in made.outputs.items()},
    )
