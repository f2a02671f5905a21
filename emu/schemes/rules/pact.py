"""The rule `pact`: a clip α that training learns.

[0, α] of an unsigned format, whose 2^b − 1 steps are then α / (2^b − 1) each; what is negative becomes 0. Of a signed
format [−α, α]. The number in the file is where learning starts, or what was learned elsewhere; its gradient and its
updates are the business of training (`emu.training.clips`).

Source: Choi et al. 2018, PACT (arXiv:1805.06085); PACT_STE of fms-model-optimizer's quantizers.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emu.schemes.cast import Float32
from emu.schemes.rules.rule import Aim, Bounds, Rule, around_zero


@dataclass(frozen=True, kw_only=True, repr=False)
class Pact(Rule):
    """[−α, α], whatever the tensor holds."""

    alpha: float

    def bounds(self, x: Float32, aim: Aim) -> Bounds:  # noqa: ARG002 - part of the protocol
        """fl32(alpha), one for all."""
        return around_zero(np.asarray(self.alpha, np.float32))
