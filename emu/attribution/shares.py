"""How much of an error each stage makes.

With y_0 the truth, y_n the emulated result, and one stage more switched on at every rung:

* Δ_k = y_k − y_{k−1}, e = y_n − y_0 = Σ Δ_k;
* share_k = ⟨e, Δ_k⟩ / ⟨e, e⟩: the part of the error's energy that lies along Δ_k. Shares sum to 1. One may be
  negative: the stage undoes error that others make;
* an element that is not finite at some rung is left out, counted, and charged to the first rung that made it so;
* e = 0 (or no element left) has no shares.

Shapley values (`shapley`): the mean of ⟨e, Δ⟩ / ⟨e, e⟩ over all orders in which the stages may be switched on. They
sum to 1 as well, and do not depend on one order; they cost 2^n runs of n active stages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import NDArray

from emu.attribution.stages import Stage

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What the stages of one layer make of its error."""

    share: dict[Stage, float]
    """empty if there is no error, or no finite element"""
    rms: dict[Stage, float]
    """root mean square of Δ, over the finite elements"""
    charged: dict[Stage, int]
    """elements that a stage made an infinity or a NaN (zeros left out)"""
    elements: int
    """that were looked at"""
    left_out: int
    """of those, not finite at some rung"""

    @property
    def blamed(self) -> Stage | None:
        """The stage with the largest share, the first of equals; None if there are no shares."""
        return max(self.share, key=lambda stage: self.share[stage]) if self.share else None


def shares(stages: Sequence[Stage], rungs: Sequence[Floats]) -> Shares:
    """The shares of a ladder.

    Args:
        stages: what each rung after the first switched on.
        rungs: y_0 … y_n, all of one shape.
    """
    if len(rungs) != len(stages) + 1:
        raise ValueError(f"{len(stages)} stages have {len(stages) + 1} rungs, not {len(rungs)}")
    y = np.stack([np.asarray(rung, np.float64).ravel() for rung in rungs])
    finite = np.isfinite(y)
    kept = finite.all(axis=0)
    charged: dict[Stage, int] = {}
    alive = finite[0].copy()
    for index, stage in enumerate(stages, start=1):
        count = int(np.count_nonzero(alive & ~finite[index]))
        if count:
            charged[stage] = count
        alive &= finite[index]
    deltas = np.diff(y[:, kept], axis=0)
    return Shares(
        share=_along(stages, deltas), charged=charged, elements=int(kept.size),
        left_out=int(kept.size - np.count_nonzero(kept)),
        rms={stage: _rms(delta) for stage, delta in zip(stages, deltas, strict=True)},
    )  # fmt: skip


def _along(stages: Sequence[Stage], deltas: Floats) -> dict[Stage, float]:
    """⟨e, Δ⟩ / ⟨e, e⟩; scaled by a power of two first, so that no square leaves the range."""
    largest = float(np.max(np.abs(deltas), initial=0.0))
    if largest == 0:
        return {}
    scaled = np.ldexp(deltas, -int(np.frexp(largest)[1]))
    error = scaled.sum(axis=0)
    energy = float(error @ error)
    if energy == 0:
        return {}
    return {stage: float(error @ delta) / energy for stage, delta in zip(stages, scaled, strict=True)}


def _rms(delta: Floats) -> float:
    largest = float(np.max(np.abs(delta), initial=0.0))
    if largest == 0:
        return 0.0
    return largest * float(np.sqrt(np.mean(np.square(delta / largest))))


def shapley(stages: Sequence[Stage], run: Callable[[frozenset[Stage]], Floats]) -> dict[Stage, float]:
    """Shapley values of the stages.

    Args:
        stages: the players.
        run: y with these stages on; called once for every subset. Elements that are not finite in some subset are
            left out of all.

    Returns:
        A value for each stage, which sum to 1; empty if there is no error.
    """
    subsets = [frozenset(chosen) for size in range(len(stages) + 1) for chosen in combinations(stages, size)]
    runs = {subset: np.asarray(run(subset), np.float64).ravel() for subset in subsets}
    kept = np.isfinite(np.stack(list(runs.values()))).all(axis=0)
    values = {subset: y[kept] for subset, y in runs.items()}
    error = values[frozenset(stages)] - values[frozenset()]
    energy = float(error @ error)
    if energy == 0:
        return {}
    count = len(stages)
    out = {}
    for stage in stages:
        total = 0.0
        for subset in subsets:
            if stage in subset:
                continue
            weight = factorial(len(subset)) * factorial(count - len(subset) - 1) / factorial(count)
            total += weight * float(error @ (values[subset | {stage}] - values[subset]))
        out[stage] = total / energy
    return out
