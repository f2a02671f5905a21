"""What the keys of all steps have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from emu.errors import SpecError
from emu.schemes.draft import Step
from emu.schemes.enums import StepKind
from emu.spec.about import Keys, means


def in_float32(value: float) -> bool:
    """Whether a factor or a bound is finite and not 0 as a float32."""
    with np.errstate(all="ignore"):
        return bool(0 < np.abs(np.float32(value)) < np.inf)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a step or a transform stands, for error messages."""

    file: str
    key: str

    def error(self, key: str, reason: str, value: object = None, allowed: Any = ()) -> SpecError:
        """The error of one key."""
        return SpecError(reason, file=self.file, key=f"{self.key}.{key}", value=value, allowed=allowed)


class StepKeys(Keys, frozen=True, kw_only=True):
    """Keys of one step: `op`, and what belongs to it."""

    op: Annotated[StepKind, means("what the step does")]

    def build(self, place: Place) -> Step:
        """The step.

        Raises:
            SpecError: keys that contradict each other.
        """
        raise NotImplementedError
