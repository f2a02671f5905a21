"""A network trained from several seeds, and what is said of it.

* `accuracy`: right answers on the held-out images after the last step, of the trained network on its own machine.
* `collapsed`: training has stopped: the last loss is not finite (or what would follow has no code: NaN in a format
  without NaN, and then there are no right answers), or in at least half of the steps of the last quarter some layer's
  weight gradient was zero in every element.
* The errors of gradients are looked at in a fixed state, the weights of the exact training's end. With these held, the
  machine's gradient scales and clips come to rest in `settle` passes; then, on `compared` batches, every gradient g
  that a product makes is compared with that of exact arithmetic g': Σ (g − g')² / Σ g'², the mean over products and
  batches; infinite where there is none (NaN in a format without NaN). `gradient_mse`: propagated, all of forward and
  backward on the machine. `product_mse`: isolated, each backward product alone with the exact operands. `operand_mse`:
  of the exact output gradients, as backward products read them after their scale and cast; NaN if no layer's gradients
  have one scale for the tensor.
* `update_drift`: the sum of what the weights moved in the direction of the update over the sum of what they should have
  moved, |η · v|: the mean over the steps of the last quarter. 1 if nothing is lost on average.
* Without `trains` only errors of gradients are looked at: machines train nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import Accelerator
from emu.errors import FormatError
from emu.training.digits import batches, held_out_images, training_images
from emu.training.keys import RunKeys
from emu.training.network import initial
from emu.training.trainer import Recipe, Step, Trainer

Float32 = NDArray[np.float32]
T = TypeVar("T")
Tick = Callable[[int, int], object]
"""Called with (steps done, steps in all)."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one seed on one machine."""

    accuracy: float
    collapsed: bool
    propagated: Mapping[str, float]
    """errors of gradients, by product"""
    isolated: Mapping[str, float]
    """the same, each product alone"""
    operands: Mapping[str, float]
    """errors of the output gradients as backward products read them"""
    drift: float = 1.0
    """of updates in the last quarter: how far weights moved, over how far they should have"""

    @property
    def gradient_mse(self) -> float:
        """The mean over products, propagated."""
        return mean(self.propagated)

    @property
    def operand_mse(self) -> float:
        """The mean over layers and passes, of gradients as operands; NaN if none of a machine's has one scale."""
        return np.nan if self.propagated and not self.operands else mean(self.operands)

    @property
    def product_mse(self) -> float:
        """The mean over products, isolated."""
        return mean(self.isolated)


def mean(errors: Mapping[str, float]) -> float:
    """0 if there are none: exact arithmetic."""
    return float(np.mean(list(errors.values()))) if errors else 0.0


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
        images, labels = held_out_images()
        if accelerator is None:
            trainer, steps = self.exact(seed)
            return Outcome(
                accuracy=float(np.mean(trainer.answers(images) == labels)), collapsed=has_collapsed(steps),
                propagated={}, isolated={}, operands={}, drift=drift_of(steps),
            )  # fmt: skip
        right, collapsed, drift = np.nan, False, np.nan
        try:
            if self.keys.trains:
                trainer, steps = self._trained(accelerator, seed, tick)
                drift = drift_of(steps)
                right, collapsed = float(np.mean(trainer.answers(images) == labels)), has_collapsed(steps)
        except FormatError:  # NaN where there is no code for it
            right, collapsed = 0.0, True
        propagated, isolated, operands = self.gradient_errors(accelerator, seed)
        return Outcome(
            accuracy=right, collapsed=collapsed, propagated=propagated, isolated=isolated, operands=operands,
            drift=drift,
        )  # fmt: skip

    def gradient_errors(
        self, accelerator: Accelerator, seed: int
    ) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
        """Relative squared errors at the end of exact training, by product: propagated, isolated, of operands alone."""
        parameters = self.exact(seed)[0].sgd.values()
        here = Trainer(accelerator, parameters, self.recipe, self.backend)
        there = Trainer(None, parameters, self.recipe)
        chosen = batches(len(self.images), self.keys.batch, self.keys.settle + self.keys.compared, seed + 1)
        for batch in chosen[: self.keys.settle]:
            with suppress(FormatError):  # a step without gradients moves nothing
                here.step(self.images[batch], self.labels[batch], hold=True)
        propagated: dict[str, list[float]] = {}
        isolated: dict[str, list[float]] = {}
        operands: dict[str, list[float]] = {}
        for batch in chosen[self.keys.settle :]:
            exact = there.step(self.images[batch], self.labels[batch], hold=True)
            alone = _or_none(partial(here.single, exact))
            step = _or_none(partial(here.step, self.images[batch], self.labels[batch], hold=True))
            mine = None if step is None else step.gradients.products()
            for name, value in exact.gradients.products().items():
                propagated.setdefault(name, []).append(_error(mine, name, value))
                isolated.setdefault(name, []).append(_error(alone, name, value))
            for name, (given, read) in here.operands(exact).items():
                operands.setdefault(name, []).append(relative_error(read, given))
        return _means(propagated), _means(isolated), _means(operands)

    def _exact(self, seed: int) -> tuple[Trainer, list[Step]]:
        return self._trained(None, seed, lambda *_: None)

    def _trained(self, accelerator: Accelerator | None, seed: int, tick: Tick) -> tuple[Trainer, list[Step]]:
        trainer = Trainer(accelerator, initial(seed), self.recipe, self.backend)
        steps = []
        for number, batch in enumerate(batches(len(self.images), self.keys.batch, self.keys.steps, seed)):
            tick(number, self.keys.steps)
            steps.append(trainer.step(self.images[batch], self.labels[batch]))
        return trainer, steps


def _means(found: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: float(np.mean(errors)) for name, errors in found.items()}


def _or_none(make: Callable[[], T]) -> T | None:
    try:
        return make()
    except FormatError:  # NaN where there is no code for it
        return None


def _error(made: Mapping[str, Float32] | None, name: str, exact: Float32) -> float:
    return np.inf if made is None else relative_error(made[name], exact)


def relative_error(g: Float32, exact: Float32) -> float:
    """Σ (g − g')² / Σ g'², in float64; infinite where g is not finite."""
    off = g.astype(np.float64) - exact
    error = float((off * off).sum() / np.square(exact, dtype=np.float64).sum())
    return error if np.isfinite(error) else np.inf


def drift_of(steps: list[Step]) -> float:
    """The mean over the last quarter's steps."""
    return float(np.mean([step.drift for step in last_quarter(steps)]))


def last_quarter(steps: list[Step]) -> list[Step]:
    """At least one step."""
    return steps[-max(1, len(steps) // 4) :]


def has_collapsed(steps: list[Step]) -> bool:
    """Whether training has stopped, by its last quarter."""
    if not np.isfinite(steps[-1].loss):
        return True
    last = last_quarter(steps)
    return sum(bool(step.dead) for step in last) * 2 >= len(last)
