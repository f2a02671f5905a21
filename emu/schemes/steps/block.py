"""The step `block`: codes and scale codes of a block format, along K."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np

from emu.errors import FormatError
from emu.formats import Rounding
from emu.formats.blocks import BlockFormat, TensorScale, load_block
from emu.formats.blocks.decode import spread
from emu.schemes.cast import OutOfRange
from emu.schemes.draft import Draft, Step, Target
from emu.schemes.steps.keys import Place, StepKeys
from emu.spec.about import FormatKeys, means


class BlockKeys(StepKeys, frozen=True, kw_only=True):
    """Keys of `block`."""

    format: Annotated[FormatKeys, means("the block format", values="name or keys of a block format")]

    def build(self, place: Place) -> BlockStep:
        """The step."""
        fmt = load_block(self.format, file=place.file, key=f"{place.key}.format")
        if fmt.rounding is Rounding.STOCHASTIC:
            raise place.error("format", "is no rounding of an encoder", fmt.name)
        return BlockStep(format=fmt)


@dataclass(frozen=True, kw_only=True)
class BlockStep(Step):
    """Turn values into codes and scale codes of a block format."""

    last: ClassVar[bool] = True
    scales: ClassVar[bool] = True
    whole: ClassVar[bool] = True
    format: BlockFormat

    def apply(self, draft: Draft, target: Target) -> Draft:
        """Fill in `codes`, `block_scales` and the tensor's scale, and count what was clamped."""
        fmt, axis = self.format, target.k_axis % draft.values.ndim
        whole = target.tensor_absmax if fmt.tensor_scale is TensorScale.NVFP4 else None
        try:
            made = fmt.encode(draft.values, axis, tensor_absmax=whole)
        except FormatError as error:
            raise FormatError(f"tensor {target.name!r}: {error}") from None
        scale = None if made.tensor_scale is None else np.asarray(made.tensor_scale, np.float32)
        with np.errstate(all="ignore"):
            largest = spread(fmt.scale.decode(made.scales), made) * fmt.element.max_finite
            clamped = np.abs(draft.values) > largest * (1.0 if scale is None else np.float64(scale))
        beyond = OutOfRange(saturated=int(np.count_nonzero(clamped)))
        return replace(draft, codes=made.codes, block_scales=made.scales, scale=scale, beyond=draft.beyond + beyond)
