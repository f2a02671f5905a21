"""What a scheme works on: the target of a tensor, the tensor on its way through the steps, and what comes out.

* A step is a small frozen object with one method, `apply`, that takes a `Draft` and returns the next one.
* `Target` says what is wanted: the operand's format, what shares a scale, what was chosen beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from emu.formats import Format
from emu.schemes.cast import Float32, OutOfRange

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fixed:
    """A scale, and perhaps a zero point, that were chosen beforehand."""

    scale: Float32
    zero: Integers | None = None
    """None: the scheme is symmetric"""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a tensor is to be turned into."""

    format: Format
    axes: tuple[int, ...] | None = None
    """the axes that one scale covers; None: the whole tensor"""
    scale: Float32 | None = None
    """a scale chosen beforehand"""
    zero: Integers | None = None
    """a zero point chosen beforehand, together with a scale"""
    scale_format: Format | None = None
    """the format of the unit's own scale operand, if it applies scales itself"""
    name: str = "x"
    """the tensor's name, for error messages"""
    k_axis: int = -1
    """where K is: blocks and groups lie along it"""
    tensor_absmax: float | None = None
    """of the whole tensor, if `values` are a part of it"""
    group: int | None = None
    """so many neighbours along K share a scale, of the format `scale_format`; None: as `axes` say"""
    partner: Callable[[], Float32] | None = None
    """the layer's other operand, for steps that look at products: of weights [..., K, N] the activations
    [..., M, K], and vice versa; None: not known"""
    seed: int | None = None
    """of stochastic steps"""
    maker: Step | None = None
    """the scheme's last step, for rules that try scales; the scheme fills it in"""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A tensor on its way through the steps."""

    values: Float32
    scale: Float32 | None = None
    """None is 1"""
    outer: Float32 | None = None
    """0-D: the part of `scale` that is left to the epilogue where the unit applies the rest; None is 1"""
    zero: Integers | None = None
    """the code that stands for 0, where the format is of integers; None is 0, and symmetric"""
    inverse: Float32 | None = None
    """fl32(divisor / range) where the scale is fl32(range / divisor), fl32(1 / s) where it was changed afterwards"""
    codes: NDArray[Any] | None = None
    block_scales: NDArray[Any] | None = None
    beyond: OutOfRange = field(default_factory=OutOfRange)
    """elements beyond the range of the format"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a scheme: the base of all."""

    last: ClassVar[bool] = False
    """it makes the codes: the last step of a scheme, and only the last"""
    scales: ClassVar[bool] = False
    """it makes scales"""
    whole: ClassVar[bool] = False
    """it sees the tensor as it is, and makes groups along K itself (`Target.group`)"""
    looks: ClassVar[bool] = False
    """what it does to weights depends on the activations (`Target.partner`): another thing for other data"""

    spans: ClassVar[bool] = False
    """one scale depends on what others cover: not for groups along K, of which a layer quantises some at a time"""

    @property
    def codes_per_scale(self) -> float:
        """Of a step that makes codes: value ≈ decode(code) · scale / codes_per_scale."""
        return 1.0

    @property
    def asymmetric(self) -> bool:
        """Whether it makes zero points."""
        return False

    @property
    def stochastic(self) -> bool:
        """Whether it draws random bits (`Target.seed`)."""
        return False

    @property
    def static(self) -> bool:
        """Whether it needs the activations of calibration inputs (`Target.partner`)."""
        return False

    def check(self, fmt: Format, file: str, key: str) -> None:
        """Refuse an operand format that the step cannot make codes or scales for.

        Raises:
            SpecError: naming file and key.
        """

    def apply(self, draft: Draft, target: Target) -> Draft:
        """The draft after this step."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """A tensor as codes."""

    codes: NDArray[Any]
    scale: Float32
    """value ≈ decode(code) · scale (/ the scheme's codes_per_scale); 0-D, or with size 1 along the axes that a scale
    covers"""
    beyond: OutOfRange
    """elements beyond the range of the format"""
    block_scales: NDArray[Any] | None = None
    """codes of the scales of blocks along K; None: the scheme has none"""
    zero: Integers | None = None
    """value ≈ (code - zero) · scale, shaped as the scale, or as the blocks' scales; None: 0"""
    outer: Float32 | None = None
    """0-D: a factor of `scale` that no unit applies; None: 1, or `scale` has it"""
