"""The rule `sawb`: a clip from the first two moments of the magnitudes, α = c1 · sqrt(E[w²]) + c2 · E|w|.

* c1 and c2 were fitted by their authors, one pair for every set of levels; `code` names the set as their code does:

  | code | levels | c1 | c2 |
  |---|---|---|---|
  | 102 | 4: ±α/3, ±α | 3.12 | −2.064 |
  | 103 | 3: 0, ±α | 2.6 | −1.71 |
  | 3 | 8 without zero | 7.509 | −6.892 |
  | 4 | 16 without zero: odd multiples of α/15 | 12.68 | −12.80 |
  | 403 | 15 with zero: multiples of α/7 | 12.035 | −12.03 |
  | 5 | 32 without zero | 17.74 | −18.64 |
  | 703 | 127 with zero | 28.24 | −30.81 |
  | 803 | 255 with zero | 31.76 | −35.04 |

* The levels are the operand's format: int4 for 403, the codebook `int4_odd` for 4.
* Sums over the finite values in float64, pairwise, in the order of the tensor's axes; α is rounded to float32 once.
* Where α is not positive (magnitudes that are nearly all alike), the mean magnitude: an answer of this project's.

Source: Choi et al., SysML 2019, Accurate and Efficient 2-bit Quantized Neural Networks; the coefficients are those of
SAWB in fms-model-optimizer's quantizers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emu.schemes.cast import Float32
from emu.schemes.rules.rule import Aim, Bounds, Rule, around_zero, kept, lines

COEFFICIENTS: dict[int, tuple[float, float]] = {
    102: (3.12, -2.064),
    103: (2.6, -1.71),
    3: (7.509, -6.892),
    4: (12.68, -12.80),
    403: (12.035, -12.03),
    5: (17.74, -18.64),
    703: (28.24, -30.81),
    803: (31.76, -35.04),
}
"""(c1, c2) by code."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Sawb(Rule):
    """[−α, α]."""

    code: int

    def bounds(self, x: Float32, aim: Aim) -> Bounds:
        """0 where nothing is finite."""
        c1, c2 = COEFFICIENTS[self.code]
        rows = lines(x, aim.axes).astype(np.float64)
        finite = np.isfinite(rows)
        count = np.maximum(finite.sum(axis=1), 1)
        size = np.where(finite, np.abs(rows), 0.0)
        mean = size.sum(axis=1) / count
        alpha = c1 * np.sqrt((size * size).sum(axis=1) / count) + c2 * mean
        return around_zero(kept(np.where(alpha > 0, alpha, mean).astype(np.float32), x.shape, aim.axes))
