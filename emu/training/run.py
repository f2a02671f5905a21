"""A network trained from several seeds, and what is said of it.

* `accuracy`: right answers on the held-out images after the last step, of the trained network on its own machine.
* `collapsed`: 1 if training has stopped: the last loss is not finite, or in at least half of the steps of the last
  quarter some layer's weight gradient was zero in every element.
* `gradient_mse`: at a fixed state, the weights of the exact training's end. With these held, the machine's gradient scales
  and clips come to rest in `settle` passes; then on `compared` batches every gradient that a product makes (the output
  gradients flowing through the machine) is compared with that of exact arithmetic: Σ (g − g')² / Σ g'², the mean over
  products and batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import Accelerator
from emu.training.digits import batches, held_out_images, training_images
from emu.training.keys import RunKeys
from emu.training.network import initial
from emu.training.trainer import Recipe, Step, Trainer

Float32 = NDArray[np.float32]
Tick = Callable[[int, int], object]
"""Called with (steps done, steps in all)."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one seed on one machine."""

    accuracy: float
    collapsed: bool
    gradient_mse: float
    of_products: Mapping[str, float]
    """the same for every product"""


class Runs:
    """Trainings of one recipe. What exact arithmetic makes of a seed is made once."""

    def __init__(self, keys: RunKeys, backend: str | None = None) -> None:
        """Read the images.

        Args:
            keys: the recipe.
            backend: as for `Unit.matmul`.
        """
        self.keys, self.backend = keys, backend
        self.recipe = Recipe(rate=keys.rate, momentum=keys.momentum, decay=keys.decay)
        self.images, self.labels = training_images()
        self.exact = cache(self._exact)

    def outcome(self, accelerator: Accelerator | None, seed: int, tick: Tick = lambda *_: None) -> Outcome:
        """One seed.

        Args:
            accelerator: None for exact arithmetic.
            seed: of the first weights and of the order of the images.
            tick: progress.
        """
        trainer, steps = self._trained(accelerator, seed, tick) if accelerator is not None else self.exact(seed)
        images, labels = held_out_images()
        errors = {} if accelerator is None else self.gradient_errors(accelerator, seed)
        return Outcome(
            accuracy=float(np.mean(trainer.answers(images) == labels)), collapsed=has_collapsed(steps),
            gradient_mse=float(np.mean(list(errors.values()))) if errors else 0.0, of_products=errors,
        )  # fmt: skip

    def gradient_errors(self, accelerator: Accelerator, seed: int) -> dict[str, float]:
        """Relative squared errors of gradients at the end of exact training, by product."""
        parameters = self.exact(seed)[0].sgd.values()
        here = Trainer(accelerator, parameters, self.recipe, self.backend)
        there = Trainer(None, parameters, self.recipe)
        chosen = batches(len(self.images), self.keys.batch, self.keys.settle + self.keys.compared, seed + 1)
        for batch in chosen[: self.keys.settle]:
            here.step(self.images[batch], self.labels[batch], hold=True)
        found: dict[str, list[float]] = {}
        for batch in chosen[self.keys.settle :]:
            mine = here.step(self.images[batch], self.labels[batch], hold=True).gradients.products()
            exact = there.step(self.images[batch], self.labels[batch], hold=True).gradients.products()
            for name, value in exact.items():
                found.setdefault(name, []).append(relative_error(mine[name], value))
        return {name: float(np.mean(errors)) for name, errors in found.items()}

    def _exact(self, seed: int) -> tuple[Trainer, list[Step]]:
        return self._trained(None, seed, lambda *_: None)

    def _trained(self, accelerator: Accelerator | None, seed: int, tick: Tick) -> tuple[Trainer, list[Step]]:
        trainer = Trainer(accelerator, initial(seed), self.recipe, self.backend)
        steps = []
        for number, batch in enumerate(batches(len(self.images), self.keys.batch, self.keys.steps, seed)):
            tick(number, self.keys.steps)
            steps.append(trainer.step(self.images[batch], self.labels[batch]))
        return trainer, steps


def relative_error(g: Float32, exact: Float32) -> float:
    """Σ (g − g')² / Σ g'², in float64; infinite where g is not finite."""
    off = g.astype(np.float64) - exact
    error = float((off * off).sum() / np.square(exact, dtype=np.float64).sum())
    return error if np.isfinite(error) else np.inf


def has_collapsed(steps: list[Step]) -> bool:
    """Whether training has stopped, by its last quarter."""
    if not np.isfinite(steps[-1].loss):
        return True
    last = steps[-max(1, len(steps) // 4) :]
    return sum(bool(step.dead) for step in last) * 2 >= len(last)
