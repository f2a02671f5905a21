"""The rule `mse`: the part of the full range whose codes have the smallest squared error.

* Candidate i of n is the full range (absmax, or min and max) times lowest + (highest − lowest) · i / (n − 1), the
  factor and the product in float64, rounded to float32 once.
* Each is tried with the scale, the zero point and the codes that it gives in this very scheme; Σ(x − x̂)² of the finite
  elements in float64, x̂ = (code − zero) · s. The first candidate with the smallest sum is taken, for every scale alone.

Source: the line search of Kuzmin et al. 2022 (arXiv:2208.09225, section 5) and of EasyQuant (arXiv:2006.16669), whose
candidates Q-HyViT uses: `lowest = 0.01`, `highest = 1.2`, `candidates = 101`. They differ in what they minimise; here
it is the error of the tensor itself, not of the layer's output.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emu.schemes.cast import Float32
from emu.schemes.rules.minmax import min_max
from emu.schemes.rules.rule import Aim, Bounds, Rule, around_zero
from emu.schemes.scaling import absmax_of


@dataclass(frozen=True, kw_only=True, repr=False)
class Mse(Rule):
    """The best of some fractions of the full range."""

    candidates: int = 100
    lowest: float = 0.01
    highest: float = 1.0

    def fractions(self) -> list[float]:
        """What the full range is multiplied by."""
        step = (self.highest - self.lowest) / max(self.candidates - 1, 1)
        return [self.lowest + step * i for i in range(self.candidates)]

    def bounds(self, x: Float32, aim: Aim) -> Bounds:
        """The full range where it is 0."""
        assert aim.error is not None  # a scheme's last step makes codes
        full = around_zero(np.asarray(absmax_of(x, aim.axes))) if aim.symmetric else min_max(x, aim.axes)
        best, least = full, np.full(full.low.shape, np.inf)
        for fraction in self.fractions():
            tried = Bounds(*((one * np.float64(fraction)).astype(np.float32) for one in full))
            error = aim.error(tried)
            better = error < least
            least = np.where(better, error, least)
            best = Bounds(*(np.where(better, new, old) for new, old in zip(tried, best, strict=True)))
        return best
