"""A scheme: how a tensor becomes codes and scales, as a list of steps.

* The draft starts with the values; `scale` fills in the scale, `encode` the codes. The last step makes the codes:
  `encode`, or `block`, which fills in codes, the codes of the block scales, and the tensor's scale as the scale.
* A given scale (static range) replaces the rule of `scale`; a scheme without a `scale` step has s = 1.
* Groups (`Target.group`): K is cut into groups of so many, the last one of what is left; every group has its
  scale, as a code of the unit's scale format.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.formats import Format, Overflow, Rounding
from emu.schemes.cast import Float32, OutOfRange
from emu.schemes.draft import Draft, Fixed, Quantised, Step, Target
from emu.schemes.steps.block import BlockStep

if TYPE_CHECKING:
    from emu.formats.blocks import BlockFormat


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
        return any(step.scales for step in self.steps)

    @property
    def blocks(self) -> BlockFormat | None:
        """The block format that the scheme makes; None: it makes codes of the operand's format alone."""
        last = self.steps[-1]
        return last.format if isinstance(last, BlockStep) else None

    @property
    def asymmetric(self) -> bool:
        """Whether the scheme makes zero points."""
        return any(step.asymmetric for step in self.steps)

    @property
    def codes_per_scale(self) -> float:
        """value ≈ decode(code) · scale / codes_per_scale: the unit or the epilogue is to make up for it."""
        return self.steps[-1].codes_per_scale

    @property
    def stochastic(self) -> bool:
        """Whether a step draws random bits, and so needs a seed."""
        return any(step.stochastic for step in self.steps)

    @property
    def looks(self) -> bool:
        """Whether what it makes of weights depends on the activations."""
        return any(step.looks for step in self.steps)

    @property
    def spans(self) -> bool:
        """Whether one scale depends on what others cover."""
        return any(step.spans for step in self.steps)

    @property
    def static(self) -> bool:
        """Whether it needs the activations of calibration inputs."""
        return any(step.static for step in self.steps)

    def check(self, fmt: Format, file: str, key: str) -> None:
        """Refuse an operand format that the steps cannot make codes or scales for.

        Raises:
            SpecError: naming file and key.
        """
        for step in self.steps:
            step.check(fmt, file, key)

    def choose(self, x: Float32, target: Target) -> Fixed | None:
        """The scale and the zero point alone, as calibration needs them; None if the scheme has none."""
        draft, target = Draft(values=x), replace(target, maker=self.steps[-1])
        for step in self.steps:
            if not step.last:
                draft = step.apply(draft, target)
        return None if draft.scale is None else Fixed(scale=draft.scale, zero=draft.zero)

    def quantise(self, x: Float32, target: Target) -> Quantised:
        """Run the steps on one tensor.

        Args:
            x: float32 values of any shape.
            target: the format, and what shares a scale.

        Raises:
            FormatError: NaN, and the format has none.
        """
        if target.group is not None and not any(step.whole for step in self.steps):
            return self._in_groups(x, target, target.group)
        draft, target = Draft(values=x), replace(target, maker=self.steps[-1])
        for step in self.steps:
            draft = step.apply(draft, target)
        assert draft.codes is not None  # the last step has made them
        scale = np.ones((), np.float32) if draft.scale is None else draft.scale
        if draft.outer is not None:
            scale = scale / draft.outer
        return Quantised(
            codes=draft.codes, scale=scale, beyond=draft.beyond, block_scales=draft.block_scales, zero=draft.zero,
            outer=draft.outer,
        )  # fmt: skip

    def _in_groups(self, x: Float32, target: Target, size: int) -> Quantised:
        axis = target.k_axis % x.ndim
        k = x.shape[axis]
        full = k - k % size
        if 0 < full < k:  # the last group is shorter, and nothing but its own elements counts
            parts = [self._in_groups(part, target, size) for part in np.split(x, [full], axis)]
            return _joined(parts, axis)
        cut = in_groups(x, axis, size if full else max(k, 1))
        made = self.quantise(cut, replace(target, group=None, axes=(axis + 1,), k_axis=axis + 1))
        codes = made.codes.reshape(x.shape)
        scale = np.broadcast_to(made.scale, [1 if i == axis + 1 else n for i, n in enumerate(cut.shape)])
        assert target.scale_format is not None  # what has groups has scale operands
        blocks = target.scale_format.encode(scale.squeeze(axis + 1), Rounding.TIES_TO_EVEN, Overflow.SATURATE)
        zero = None if made.zero is None else np.broadcast_to(made.zero, scale.shape).squeeze(axis + 1)
        one = np.ones((), np.float32)
        return Quantised(codes=codes, scale=one, beyond=made.beyond, block_scales=blocks, zero=zero)


def _joined(parts: list[Quantised], axis: int) -> Quantised:
    """Groups next to each other along K."""

    def whole(arrays: list[NDArray[Any] | None]) -> NDArray[Any] | None:
        there = [one for one in arrays if one is not None]
        return np.concatenate(there, axis) if there else None

    codes = np.concatenate([one.codes for one in parts], axis)
    return Quantised(
        codes=codes, scale=parts[0].scale, beyond=sum((one.beyond for one in parts), OutOfRange()),
        block_scales=whole([one.block_scales for one in parts]), zero=whole([one.zero for one in parts]),
    )  # fmt: skip


def in_groups(x: NDArray[Any], axis: int, size: int) -> NDArray[Any]:
    """[..., K, ...] as [..., ceil(K / size), size, ...], filled up with zeros."""
    k = x.shape[axis]
    count = -(-k // size)
    margins = [(0, 0)] * x.ndim
    margins[axis] = (0, count * size - k)
    filled = np.pad(x, margins) if count * size != k else x
    return filled.reshape(*x.shape[:axis], count, size, *x.shape[axis + 1 :])
