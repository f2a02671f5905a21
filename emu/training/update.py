"""The weight update: stochastic gradient descent with momentum and L2 decay, in a stated arithmetic.

Three multiply-adds with one rounding each into the update's format (Wang et al. 2018, section 3: L2 regularisation,
momentum, update):

1. d = fl(λ · w + g);  2. v = fl(μ · v + d);  3. w = fl(−η · v + w).

* λ, μ, η and the gradient g are first rounded to the format, the weights too, when they are taken over: as the
  multiply-adds are, but ties to even where these are rounded stochastically.
* Stochastic rounding draws from Philox(seed, step): a step of its own for each multiply-add of each update, and a seed
  of its own for each parameter.

Source: Wang et al., NeurIPS 2018, Training Deep Neural Networks with 8-bit Floating Point Numbers (arXiv:1812.08011).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators.training import Update
from emu.arithmetic.random import Philox
from emu.formats import Rounding
from emu.layers.seeds import seed_of_call
from emu.operations import fma

Float32 = NDArray[np.float32]
Codes = NDArray[Any]
PARTS = 3
"""Multiply-adds of an update."""


class Sgd:
    """Parameters and their momentum, as codes of the update's format."""

    def __init__(
        self, update: Update, parameters: Mapping[str, Float32], *, rate: float, momentum: float, decay: float
    ) -> None:
        """Take over the parameters.

        Args:
            update: the arithmetic.
            parameters: by name.
            rate: η, the learning rate.
            momentum: μ.
            decay: λ, of the L2 norm; not of parameters with one axis (biases).
        """
        self.update = update
        self.rate, self.momentum, self.decay = rate, momentum, decay
        self.weights = {name: self.coded(value) for name, value in parameters.items()}
        self.velocity = {name: self.coded(np.zeros_like(value)) for name, value in parameters.items()}
        self.steps = 0
        self.wanted = self.made = 0.0
        """of the last step: Σ |η·v|, and Σ of what the weights moved in that direction"""

    def coded(self, values: Any) -> Codes:
        """Codes of the format."""
        rounding = self.update.rounding
        if rounding is Rounding.STOCHASTIC:
            rounding = Rounding.TIES_TO_EVEN
        codes: Codes = self.update.format.encode(np.asarray(values, np.float32), rounding, self.update.overflow)
        return codes

    def value(self, name: str) -> Float32:
        """A parameter as float32."""
        values: Float32 = self.update.format.decode(self.weights[name]).astype(np.float32)
        return values

    def values(self) -> dict[str, Float32]:
        """All parameters as float32."""
        return {name: self.value(name) for name in self.weights}

    def step(self, gradients: Mapping[str, Float32]) -> None:
        """One update of the parameters that have a gradient."""
        self.wanted = self.made = 0.0
        for number, name in enumerate(self.weights):
            if name not in gradients:
                continue
            w = self.weights[name]
            d = self.coded(gradients[name])
            if self.decay and w.ndim > 1:
                d = self.axpy(self.decay, w, d, number, 0)
            v = self.axpy(self.momentum, self.velocity[name], d, number, 1)
            moved = self.axpy(-self.rate, v, w, number, 2)
            self._note(w, moved, v)
            self.weights[name], self.velocity[name] = moved, v
        self.steps += 1

    def _note(self, before: Codes, after: Codes, velocity: Codes) -> None:
        decode = self.update.format.decode
        wanted = -self.rate * decode(velocity)
        self.wanted += float(np.abs(wanted).sum())
        self.made += float(((decode(after) - decode(before)) * np.sign(wanted)).sum())

    def axpy(self, alpha: float, x: Codes, y: Codes, parameter: int, part: int) -> Codes:
        """fl(alpha · x + y).

        Args:
            alpha: rounded to the format first.
            x, y: codes.
            parameter: the number of the parameter, for its seed.
            part: 0 to 2, for the draws.
        """
        how, random = self.update, None
        if how.rounding is Rounding.STOCHASTIC:
            seed = seed_of_call(how.seed, parameter, 0)
            random = Philox(seed, self.steps * PARTS + part, how.sr_bits)
        overflow = None if how.overflow is None else how.overflow.value
        made: Codes = fma(
            self.coded(alpha), x, y, how.format, rounding=how.rounding.value, overflow=overflow, random=random
        )
        return made
