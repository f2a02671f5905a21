"""The rule `absmax`: the largest magnitude."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emu.schemes.cast import Float32
from emu.schemes.rules.rule import Aim, Bounds, Rule, around_zero
from emu.schemes.scaling import absmax_of


@dataclass(frozen=True, kw_only=True, repr=False)
class Absmax(Rule):
    """[−absmax, absmax]."""

    by_absmax: ClassVar[bool] = True

    def bounds(self, x: Float32, aim: Aim) -> Bounds:
        """0 where nothing is finite."""
        return around_zero(np.asarray(absmax_of(x, aim.axes)))
