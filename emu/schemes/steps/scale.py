"""The step `scale`: choose the scale, or take the given one.

* The rule chooses a range; s = fl32(range / max_finite), one division rounded once. `emu.schemes.scaling` has the
  special cases.
* Where the unit applies scales itself, s is first rounded to the unit's scale format, so that codes and scales agree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np

from emu.errors import SpecError
from emu.formats import Format, Overflow, Rounding
from emu.schemes.cast import Float32
from emu.schemes.draft import Draft, Step, Target
from emu.schemes.enums import ScaleRule
from emu.schemes.scaling import SMALLEST, absmax_scale
from emu.schemes.steps.keys import Place, StepKeys
from emu.spec.about import means


class ScaleKeys(StepKeys, frozen=True, kw_only=True):
    """Keys of `scale`."""

    rule: Annotated[
        ScaleRule,
        means(
            "how the range is chosen. s has one rounding; it is 1 where the range is 0. Infinities and NaN take no "
            "part. A quotient that underflows is 2^−149"
        ),
    ]

    def build(self, place: Place) -> ScaleStep:  # noqa: ARG002 - part of the protocol
        """The step."""
        return ScaleStep(rule=self.rule)


@dataclass(frozen=True, kw_only=True)
class ScaleStep(Step):
    """Choose the scale."""

    scales: ClassVar[bool] = True
    rule: ScaleRule

    def check(self, fmt: Format, file: str, key: str) -> None:
        """A format to whose largest value a range can be mapped."""
        if not fmt.max_finite:
            raise SpecError(f"a scale divides by the largest value of {fmt.name}, which is 0", file=file, key=key)

    def apply(self, draft: Draft, target: Target) -> Draft:
        """Fill in `scale`: the given one, or the rule's."""
        scale = target.scale
        if scale is None:
            scale = absmax_scale(draft.values, target.format, target.axes)
        if target.scale_format is not None:
            scale = _rounded(scale, target.scale_format)
        return replace(draft, scale=scale, zero=target.zero)


def _rounded(scale: Float32, fmt: Format) -> Float32:
    """The scale as a value of `fmt`, never 0."""
    values = fmt.decode(fmt.encode(scale, Rounding.TIES_TO_EVEN, Overflow.SATURATE))
    return np.maximum(values.astype(np.float32), SMALLEST)
