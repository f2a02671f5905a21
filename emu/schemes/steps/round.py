"""The step `round`: values are rounded to a format before what comes next.

* Without a scale so far: x becomes the value of the format that x is rounded to (float16 tensors, say).
* With one: fl32(value · s) of the value that fl32(x / s) is rounded to. So `encode` after it makes codes of these
  values alone, whatever the operand format is: ternary weights on a unit for bfloat16.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from emu.errors import SpecError
from emu.formats import Format, Overflow, Rounding, load_format
from emu.formats.cast import check_cast
from emu.formats.codec import fits_float64
from emu.schemes.cast import cast_tensor
from emu.schemes.draft import Draft, Step, Target
from emu.schemes.scaling import quotient_of
from emu.schemes.steps.encode import UNROUNDED
from emu.schemes.steps.keys import Place, StepKeys
from emu.spec.about import FormatKeys, means


class RoundKeys(StepKeys, frozen=True, kw_only=True):
    """Keys of `round`."""

    format: Annotated[FormatKeys, means("whose values are made; of fl32(x / s) where there is a scale")]
    rounding: Annotated[Rounding, means("of the cast", without=("exact", "stochastic"))] = Rounding.TIES_TO_EVEN
    overflow: Annotated[Overflow, means("of the cast")] = Overflow.SATURATE

    def build(self, place: Place) -> RoundStep:
        """The step."""
        key = f"{place.key}.format"
        fmt = load_format(self.format, file=place.file, key=key)
        if self.rounding in UNROUNDED:
            allowed = [mode.value for mode in Rounding if mode not in UNROUNDED]
            raise place.error("rounding", "is no rounding of an encoder", self.rounding.value, allowed)
        check_cast(fmt, rounding=self.rounding, overflow=self.overflow, file=place.file, key=key)
        if not fits_float64(fmt):
            raise SpecError("has values that float64 does not hold", file=place.file, key=key, value=fmt.name)
        return RoundStep(format=fmt, rounding=self.rounding, overflow=self.overflow)


@dataclass(frozen=True, kw_only=True)
class RoundStep(Step):
    """Round values to a format."""

    format: Format
    rounding: Rounding = Rounding.TIES_TO_EVEN
    overflow: Overflow = Overflow.SATURATE

    def apply(self, draft: Draft, target: Target) -> Draft:
        """Values of the format, times the scale if there is one; what left the range is counted."""
        asked = quotient_of(draft.values, draft.scale)
        codes, beyond = cast_tensor(asked, self.format, self.rounding, self.overflow, target.name)
        with np.errstate(all="ignore"):
            values = self.format.decode(codes).astype(np.float32)
            values = values if draft.scale is None else values * draft.scale
        return replace(draft, values=values, beyond=draft.beyond + beyond)
