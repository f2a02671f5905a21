"""A scheme: how a tensor becomes codes and scales, as a list of steps.

* Each step is a small frozen object with one method, `apply`, that takes a `Draft` and returns the next one; a step can
  be used alone from Python.
* The draft starts with the values; `scale` fills in the scale, `encode` the codes. The last step is `encode`, or
  `block`, which fills in codes, the codes of the block scales, and the tensor's scale as the scale.
* A given scale (static range) replaces the rule of `scale`; a scheme without a `scale` step has s = 1.
* Where the unit applies scales itself, s is first rounded to the unit's scale format, so that codes and scales agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emu.errors import FormatError
from emu.formats import Format, Overflow, Rounding
from emu.formats.blocks import BlockFormat, TensorScale
from emu.formats.blocks.decode import spread
from emu.schemes.cast import Float32, OutOfRange
from emu.schemes.enums import ScaleRule
from emu.schemes.steps import SMALLEST, absmax_scale, encode_scaled


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a tensor is to be turned into."""

    format: Format
    axes: tuple[int, ...] | None = None
    """the axes that one scale covers; None: the whole tensor"""
    scale: Float32 | None = None
    """a scale chosen beforehand"""
    scale_format: Format | None = None
    """the format of the unit's own scale operand, if it applies scales itself"""
    name: str = "x"
    """the tensor's name, for error messages"""
    k_axis: int = -1
    """where K is: blocks lie along it"""
    tensor_absmax: float | None = None
    """of the whole tensor, if `values` are a part of it"""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A tensor on its way through the steps."""

    values: Float32
    scale: Float32 | None = None
    """None is 1"""
    codes: NDArray[Any] | None = None
    block_scales: NDArray[Any] | None = None
    beyond: OutOfRange = field(default_factory=OutOfRange)
    """elements beyond the range of the format"""


class Step(Protocol):
    """One step of a scheme."""

    def apply(self, draft: Draft, target: Target) -> Draft:
        """The draft after this step."""


@dataclass(frozen=True, kw_only=True)
class ScaleStep:
    """Choose the scale."""

    rule: ScaleRule

    def apply(self, draft: Draft, target: Target) -> Draft:
        """Fill in `scale`: the given one, or the rule's."""
        scale = target.scale
        if scale is None:
            scale = absmax_scale(draft.values, target.format, target.axes)
        if target.scale_format is not None:
            scale = _rounded(scale, target.scale_format)
        return replace(draft, scale=scale)


@dataclass(frozen=True, kw_only=True)
class EncodeStep:
    """Turn values into codes."""

    rounding: Rounding
    overflow: Overflow

    def apply(self, draft: Draft, target: Target) -> Draft:
        """Fill in `codes`, and count what left the range."""
        codes, beyond = encode_scaled(
            draft.values, draft.scale, target.format,
            rounding=self.rounding, overflow=self.overflow, name=target.name,
        )  # fmt: skip
        return replace(draft, codes=codes, beyond=draft.beyond + beyond)


@dataclass(frozen=True, kw_only=True)
class BlockStep:
    """Turn values into codes and scale codes of a block format."""

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


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """A tensor as codes."""

    codes: NDArray[Any]
    scale: Float32
    """value ≈ decode(code) · scale; 0-D, or with size 1 along the axes that a scale covers"""
    beyond: OutOfRange
    """elements beyond the range of the format"""
    block_scales: NDArray[Any] | None = None
    """codes of the scales of blocks along K; None: the scheme has none"""


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """A named list of steps. Build it with `emu.load_scheme`."""

    name: str
    steps: tuple[Step, ...]
    doc: str = ""
    source: str = ""
    maturity: str = ""
    scope: str = ""

    @property
    def scales(self) -> bool:
        """Whether the scheme has scales at all."""
        return any(isinstance(step, ScaleStep | BlockStep) for step in self.steps)

    @property
    def blocks(self) -> BlockFormat | None:
        """The block format that the scheme makes; None: it makes codes of the operand's format alone."""
        last = self.steps[-1]
        return last.format if isinstance(last, BlockStep) else None

    @property
    def encoder(self) -> EncodeStep:
        """The step that makes the codes, where it is not `block`: the last one."""
        last = self.steps[-1]
        assert isinstance(last, EncodeStep)  # the loader accepts only schemes that end so
        return last

    def choose_scale(self, x: Float32, target: Target) -> Float32 | None:
        """The scale alone, as calibration needs it; None if the scheme has none."""
        draft = Draft(values=x)
        for step in self.steps:
            if isinstance(step, ScaleStep):
                draft = step.apply(draft, target)
        return draft.scale

    def quantise(self, x: Float32, target: Target) -> Quantised:
        """Run the steps on one tensor.

        Args:
            x: float32 values of any shape.
            target: the format, and what shares a scale.

        Raises:
            FormatError: NaN, and the format has none.
        """
        draft = Draft(values=x)
        for step in self.steps:
            draft = step.apply(draft, target)
        assert draft.codes is not None  # the last step has made them
        scale = np.ones((), np.float32) if draft.scale is None else draft.scale
        return Quantised(codes=draft.codes, scale=scale, beyond=draft.beyond, block_scales=draft.block_scales)


def _rounded(scale: Float32, fmt: Format) -> Float32:
    """The scale as a value of `fmt`, never 0."""
    values = fmt.decode(fmt.encode(scale, Rounding.TIES_TO_EVEN, Overflow.SATURATE))
    return np.maximum(values.astype(np.float32), SMALLEST)
