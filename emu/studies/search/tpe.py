"""Points chosen from the results so far, by Optuna's tree-structured Parzen estimator.

* Every axis is a categorical parameter; axes that do not apply are not asked for. Several objectives are a
  multi-objective study; of a constraint Optuna is told whether it is kept.
* Points are asked for in rounds of `BATCH`, whatever the number of workers: the same seed gives the same points.
* A point that cannot be run, or one of whose objectives has no value, is a failed trial.

Extra: `search` (optuna). Source: Ozaki et al., Multiobjective Tree-Structured Parzen Estimator, JAIR 73 (2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emu.extras import optional
from emu.studies.axes import Choice, Chosen
from emu.studies.search.strategy import Scored

if TYPE_CHECKING:
    from emu.studies.study import Study

BATCH = 4


class Tpe:
    """A search by Optuna."""

    def __init__(self, study: Study, count: int, seed: int) -> None:
        """Begin.

        Raises:
            MissingExtraError: it is not installed.
        """
        optuna: Any = optional("optuna", extra="search", who="method 'optuna'")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna, self._study, self._left, self._count = optuna, study, count, count
        sampler = optuna.samplers.TPESampler(seed=seed % (1 << 32))
        self._search = optuna.create_study(directions=["minimize"] * len(study.objectives), sampler=sampler)
        self._trials: list[Any] = []

    @property
    def most(self) -> int:
        """The points asked for."""
        return self._count

    @property
    def listed(self) -> None:
        """It learns where to look next."""

    def ask(self) -> list[Chosen]:
        """The next round."""
        count = min(BATCH, self._left)
        self._left -= count
        self._trials = [self._search.ask() for _ in range(count)]
        return [self._chosen(trial) for trial in self._trials]

    def tell(self, scored: Sequence[Scored]) -> None:
        """Hand over what the points gave."""
        failed = self._optuna.trial.TrialState.FAIL
        for trial, result in zip(self._trials, scored, strict=True):
            bad = [objective.badness(result.values[objective.name]) for objective in self._study.objectives]
            for constraint in self._study.constraints:
                kept = constraint.kept(result.values[constraint.objective])
                trial.set_constraint(constraint.objective, -1.0 if kept else 1.0)
            if all(map(math.isfinite, bad)):
                self._search.tell(trial, bad)
            else:
                self._search.tell(trial, state=failed)

    def _chosen(self, trial: Any) -> Chosen:
        chosen: dict[str, Choice] = {}
        for axis in self._study.axes:
            if axis.applies(chosen):
                label = trial.suggest_categorical(axis.name, [choice.label for choice in axis.choices])
                chosen[axis.name] = next(choice for choice in axis.choices if choice.label == label)
        return chosen
