"""The scale of a layer's gradient: a power of two that follows the largest magnitude.

With m = max |s · g| of one worker, and M the largest value of the gradient's format:

* m in (M/2, M]: keep, 0;  m in [0, M/2]: double, +1;  m beyond M, infinite or NaN: halve, −1.
* The votes of all workers are added: s doubles if the sum is positive, halves if it is negative, and stays otherwise.
  One step for each iteration.
* s stays within 2^-126 … 2^127, the normal powers of float32, where it is a factor: a gradient of zero asks for ever
  more. An answer of this project's.

So s moves by one binade a step, and from s = 1 reaches 2^floor(log2(M / max |g|)).

Source: Sun et al., NeurIPS 2020, Ultra-Low Precision 4-bit Training, section 3.2 and figure 3(a), whose intervals these
are; the text writes [M/2, M]. Where the scale starts is not said there.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

LEAST, MOST = 2.0**-126, 2.0**127
"""Normal powers of two of float32."""


class Vote(enum.IntEnum):
    """What one worker wants of the scale."""

    HALVE = -1
    """overflow: something lies beyond the format"""
    KEEP = 0
    """the largest magnitude is in the format's last binade"""
    DOUBLE = 1
    """underflow: the last binade is empty"""


@dataclass(frozen=True, kw_only=True)
class GradScale:
    """The scale of one layer."""

    max: float
    """M: where the largest scaled gradient is kept"""
    scale: float = 1.0
    """s, a power of two"""

    def vote(self, max_abs: float) -> Vote:
        """What a worker votes whose largest |g|, not scaled yet, is this."""
        scaled = float(max_abs) * self.scale
        if not scaled <= self.max:  # NaN too
            return Vote.HALVE
        return Vote.KEEP if scaled > self.max / 2 else Vote.DOUBLE

    def step(self, *max_abs: float) -> GradScale:
        """The scale of the next iteration.

        Args:
            max_abs: of every worker, its largest |g|, not scaled.
        """
        total = self._total(max_abs)
        factor = 2.0 if total > 0 else 0.5 if total < 0 else 1.0
        return replace(self, scale=min(max(self.scale * factor, LEAST), MOST))

    def _total(self, max_abs: Sequence[float]) -> int:
        return sum(self.vote(one) for one in max_abs)

    def settled(self, *max_abs: float, most: int = 4096) -> tuple[GradScale, int]:
        """Where the scale comes to rest under the same gradients, and after how many steps that change it.

        Raises:
            ValueError: it does not within `most` steps (a gradient of zero).
        """
        here = self
        for steps in range(most + 1):
            if not here._total(max_abs):
                return here, steps
            here = here.step(*max_abs)
        raise ValueError(f"no rest within {most} steps from scale {self.scale} with max |g| = {max_abs}")


def largest(g: np.ndarray, workers: int) -> list[float]:
    """The largest magnitude of each worker's part of a batch: the first axis, cut into equal parts.

    Args:
        g: a layer's output gradient.
        workers: parts; the last ones are one image shorter where the batch is no multiple.
    """
    return [float(np.abs(part).max(initial=0.0)) for part in np.array_split(g, workers)]
