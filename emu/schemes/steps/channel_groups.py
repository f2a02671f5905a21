"""The step `channel_groups`: channels of like range share a scale, so that few scales serve many ranges.

With r_c the largest finite magnitude of channel c (of whatever one scale is wanted for), r = max r_c, q the largest
value of the format and N groups:

* `powers` (ShiftQuant): g(c) = clamp(floor(log2(r / r_c)), 0, N − 1), and N − 1 where r_c = 0. The logarithm is that of
  the exact quotient: g is the largest number with r_c · 2^g ≤ r. s_0 = fl32(r / q) · 2^-(N − 1), one value for the
  whole tensor, is left to the epilogue; the unit gets 2^(N − 1 − g), an integer: a shift of the product (or of the
  operand) to the left by N − 1 − g places. s_c = s_0 · 2^(N − 1 − g), exactly: s_0 is at least 2^-149.
* `best`: channels in order of range are cut into at most N groups, each with s = fl32(r_first / q) of its largest
  channel, by dynamic programming so that the sum of squared quantisation errors of all elements is least (float64; the
  first of equal ones). What free thresholds can reach: the scales are no powers of two, and the unit gets them whole.

Special cases: all zero: s_c = s_0 of r = q. Infinities and NaN take no part. A scale chosen beforehand is taken: its
largest value is that of group 0.

Source: Guo et al., ShiftQuant (arXiv:2411.10948): power-of-two grouping of channels and its comparison with optimal
thresholds; the formulas are reconstructed from the abstract and notes, and the paper's objective for the thresholds is
not known. Not modelled: stochastic rounding of gradients.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from emu.errors import FormatError, SpecError
from emu.formats import Format, Overflow, Rounding
from emu.schemes.cast import Float32
from emu.schemes.draft import Draft, Step, Target
from emu.schemes.enums import GroupBounds
from emu.schemes.scaling import SMALLEST, rounded_to, scale_of
from emu.schemes.steps.keys import Place, StepKeys
from emu.schemes.thresholds import best_scales
from emu.spec.about import means

MAX_GROUPS = 32


class ChannelGroupsKeys(StepKeys, frozen=True, kw_only=True):
    """Keys of `channel_groups`."""

    groups: Annotated[int, msgspec.Meta(ge=1, le=MAX_GROUPS), means("how many groups there are at most")]
    bounds: Annotated[GroupBounds, means("where one group ends and the next begins")] = GroupBounds.POWERS

    def build(self, place: Place) -> ChannelGroupsStep:  # noqa: ARG002 - part of the protocol
        """The step."""
        return ChannelGroupsStep(groups=self.groups, bounds=self.bounds)


@dataclass(frozen=True, kw_only=True)
class ChannelGroupsStep(Step):
    """Choose scales that groups of channels share."""

    scales: ClassVar[bool] = True
    spans: ClassVar[bool] = True
    groups: int
    bounds: GroupBounds

    def check(self, fmt: Format, file: str, key: str) -> None:
        """A format to whose largest value a range can be mapped."""
        if not fmt.max_finite:
            raise SpecError(f"a scale divides by the largest value of {fmt.name}, which is 0", file=file, key=key)

    def apply(self, draft: Draft, target: Target) -> Draft:
        """Fill in `scale`, and `outer` where the unit gets powers of two."""
        if self.bounds is GroupBounds.BEST:
            scale = target.scale
            if scale is None:
                scale = best_scales(draft.values, target.format, target.axes, self.groups)
            return replace(
                draft, scale=scale if target.scale_format is None else rounded_to(scale, target.scale_format)
            )
        least = np.float32(2.0 ** (1 - self.groups))
        if target.scale is not None:
            outer = np.maximum(target.scale.max() * least, SMALLEST)
            return replace(draft, scale=target.scale, outer=outer.astype(np.float32))
        ranges = ranges_of(draft.values, target.axes)
        outer = np.maximum(scale_of(ranges.max(initial=0.0), target.format) * least, SMALLEST).astype(np.float32)
        shifts = self.groups - 1 - group_of(ranges, self.groups)
        _check_shifts(target.scale_format, self.groups - 1)
        return replace(draft, scale=np.ldexp(outer, shifts).astype(np.float32), outer=outer)


def ranges_of(x: Float32, axes: tuple[int, ...] | None) -> Float32:
    """The largest finite magnitude over some axes (kept with size 1); over all: 0-D."""
    finite = np.where(np.isfinite(x), np.abs(x), np.float32(0))
    return np.asarray(finite.max(axis=axes, keepdims=axes is not None, initial=0.0), np.float32)


def group_of(ranges: Float32, groups: int) -> NDArray[np.int32]:
    """The largest g below `groups` with range · 2^g ≤ the largest range, looked at by exponent and significand."""
    significand, exponent = np.frexp(ranges)
    top, high = np.frexp(ranges.max(initial=0.0))
    octaves = high - exponent - (significand > top)
    return np.where(ranges == 0, groups - 1, np.clip(octaves, 0, groups - 1)).astype(np.int32)


def _check_shifts(fmt: Format | None, most: int) -> None:
    """Refuse a unit whose scale operand does not have every shift."""
    if fmt is None:
        return
    wanted = np.ldexp(1.0, np.arange(most + 1))
    found = fmt.decode(fmt.encode(wanted, Rounding.TIES_TO_EVEN, Overflow.SATURATE))
    if not np.array_equal(found, wanted):
        reason = f"shifts by 0 to {most} places are scales of 1 to 2^{most}, which {fmt.name} does not hold"
        raise FormatError(reason)
