"""The rules `given` and `bound`: a scale, or a range, that is stated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emu.schemes.cast import Float32
from emu.schemes.rules.rule import Aim, Bounds, Rule, around_zero


@dataclass(frozen=True, kw_only=True, repr=False)
class Given(Rule):
    """s itself."""

    by_absmax: ClassVar[bool] = True
    value: float

    def scale(self) -> Float32:
        """fl32(value)."""
        return np.asarray(self.value, np.float32)


@dataclass(frozen=True, kw_only=True, repr=False)
class Bound(Rule):
    """[−value, value], whatever the tensor holds."""

    by_absmax: ClassVar[bool] = True
    value: float

    def bounds(self, x: Float32, aim: Aim) -> Bounds:  # noqa: ARG002 - part of the protocol
        """fl32(value), one for all."""
        return around_zero(np.asarray(self.value, np.float32))
