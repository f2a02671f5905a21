"""A network trained on each machine, from several seeds: accuracy, its spread, collapse, and the error of gradients.

* An input is a seed: a run with a limit of n takes the first n seeds of the workload.
* `accuracy` is the mean over the seeds, `accuracy_spread` the largest less the smallest; `collapsed` is the share of
  seeds whose training has stopped, the others are means over seeds. What each is: `emu.training.run`.
* IEEE is exact products, rounded to float32, and updates in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from emu.accelerators import Accelerator
from emu.errors import ModelError
from emu.training.keys import RunKeys
from emu.training.run import Outcome, Runs
from emu.workloads.tasks.base import Forward, Task, Tick

Outcomes = Sequence[Outcome]


class Training(Task[Outcomes]):
    """Trainings from some seeds."""

    trains: ClassVar[bool] = True

    def __init__(self, keys: RunKeys, limit: int) -> None:
        """The first seeds.

        Args:
            keys: the recipe.
            limit: how many seeds at most.
        """
        self._seeds = keys.seeds[:limit]
        self._runs = Runs(keys)
        self.size = len(self._seeds)
        what = "seed" if self.size == 1 else "seeds"
        self.inputs = f"{self.size} {what}, {keys.steps} steps of {keys.batch} handwritten digits"

    def train(self, accelerator: Accelerator | None, backend: str | None, tick: Tick) -> Outcomes:
        """One outcome for each seed."""
        out = []
        self._runs.backend = backend
        for number, seed in enumerate(self._seeds):
            tick(number, self.size)
            out.append(self._runs.outcome(accelerator, seed))
        return out

    def answer(self, forward: Forward, tick: Tick) -> Outcomes:  # noqa: ARG002 - there is no model to ask
        """Refused."""
        raise ModelError("a network that is trained has no answers before it is: `train` it")

    def score(self, answer: Outcomes, ieee: Outcomes) -> dict[str, float]:  # noqa: ARG002 - in the errors already
        """Means over the seeds."""
        right = [one.accuracy for one in answer]
        return {
            "accuracy": float(np.mean(right)), "accuracy_spread": max(right) - min(right),
            "collapsed": float(np.mean([one.collapsed for one in answer])),
            "gradient_mse": float(np.mean([one.gradient_mse for one in answer])),
            "product_mse": float(np.mean([one.product_mse for one in answer])),
            "operand_mse": float(np.mean([one.operand_mse for one in answer])),
            "update_drift": float(np.mean([one.drift for one in answer])),
        }  # fmt: skip
