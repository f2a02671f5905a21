"""The step `clip`: values are clamped to given bounds before what comes next. NaN stays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from emu.schemes.cast import OutOfRange
from emu.schemes.draft import Draft, Step, Target
from emu.schemes.steps.keys import Place, StepKeys
from emu.spec.about import means


class ClipKeys(StepKeys, frozen=True, kw_only=True):
    """Keys of `clip`."""

    low: Annotated[float | None, means("smaller values become this")] = None
    high: Annotated[float | None, means("larger values become this")] = None

    def build(self, place: Place) -> ClipStep:
        """The step."""
        if self.low is None and self.high is None:
            raise place.error("low", "needs `low`, `high` or both")
        made = ClipStep(
            low=-np.inf if self.low is None else self.low, high=np.inf if self.high is None else self.high
        )  # fmt: skip
        if not made.low <= made.high:
            raise place.error("low", "is more than `high`", self.low)
        return made


@dataclass(frozen=True, kw_only=True)
class ClipStep(Step):
    """Clamp values."""

    low: float = -np.inf
    high: float = np.inf

    def apply(self, draft: Draft, target: Target) -> Draft:  # noqa: ARG002 - part of the protocol
        """What was clamped is counted as saturated."""
        low, high = np.float32(self.low), np.float32(self.high)
        clamped = OutOfRange(saturated=int(np.count_nonzero((draft.values < low) | (draft.values > high))))
        return replace(draft, values=np.clip(draft.values, low, high), beyond=draft.beyond + clamped)
