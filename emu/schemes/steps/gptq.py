"""The step `gptq`: scales, and codes that make up for each other's errors, given the activations of the layer.

* The keys are those of `scale` and `encode`, and `damping`. With groups along K (`per = "group"`) a group's scale is
  chosen when its first row is reached, from the rows as the corrections left them; otherwise from the weights before.
* Row k is fl32 of the corrected row, encoded as `encode` does it; x̂ = (code − zero) · s in float64. `emu.schemes.gptq`
  has the recursion.
* The activations are those of calibration inputs (`range = "static"`), or those at hand.

Source: Frantar et al., GPTQ (arXiv:2210.17323). Its code's `percdamp` is `damping`, 0.01 there.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from emu.errors import FormatError
from emu.formats import Format, Overflow, Rounding
from emu.schemes.cast import Float32, OutOfRange
from emu.schemes.draft import Draft, Step, Target
from emu.schemes.enums import Range
from emu.schemes.gptq import Matrix, compensated, factor, hessian
from emu.schemes.rules.rule import shown
from emu.schemes.steps.encode import EncodeStep
from emu.schemes.steps.keys import Place
from emu.schemes.steps.scale import ScaleKeys, ScaleStep
from emu.spec.about import means

K_AXIS = -2


class GptqKeys(ScaleKeys, frozen=True, kw_only=True):
    """Keys of `gptq`."""

    damping: Annotated[
        Annotated[float, msgspec.Meta(ge=0)], means("so much of the mean of the Hessian's diagonal is added to it")
    ] = 0.01
    full_range: Annotated[bool, means("the smallest two's complement code is used too")] = False
    range: Annotated[
        Range,
        means(
            "whether the activations are those at hand, or of calibration inputs, which they always are in a layer "
            "with anything static"
        ),
    ] = Range.DYNAMIC

    def build(self, place: Place) -> GptqStep:
        """The step."""
        scale = self.scale_step(place)
        encode = EncodeStep(
            rounding=Rounding.TIES_TO_EVEN, overflow=Overflow.SATURATE, full_range=self.full_range
        )  # fmt: skip
        return GptqStep(scale=scale, encode=encode, damping=self.damping, range=self.range)


@dataclass(frozen=True, kw_only=True, repr=False)
class GptqStep(Step):
    """Make codes that make up for each other's errors."""

    last: ClassVar[bool] = True
    scales: ClassVar[bool] = True
    whole: ClassVar[bool] = True
    looks: ClassVar[bool] = True
    scale: ScaleStep
    encode: EncodeStep
    damping: float = 0.01
    range: Range = Range.DYNAMIC

    def __repr__(self) -> str:
        """With what is not as it is by default."""
        return shown(self)

    @property
    def asymmetric(self) -> bool:
        """Whether it makes zero points."""
        return self.scale.asymmetric

    @property
    def static(self) -> bool:
        """Whether it needs calibration inputs."""
        return self.range is Range.STATIC

    def check(self, fmt: Format, file: str, key: str) -> None:
        """A format for its scales and its codes."""
        self.scale.check(fmt, file, key)
        self.encode.check(fmt, file, key)

    def apply(self, draft: Draft, target: Target) -> Draft:
        """Fill in the codes, and the scales or those of the groups.

        Raises:
            FormatError: not weights, or their activations are not known or dependent.
        """
        w, partner = draft.values, target.partner
        if partner is None or target.k_axis % w.ndim != w.ndim + K_AXIS:
            raise FormatError(f"tensor {target.name!r}: gptq is for weights, with the activations of their layer")
        target = replace(target, maker=self.encode)
        activations = partner()
        x = np.broadcast_to(activations, (*w.shape[:K_AXIS], *activations.shape[K_AXIS:]))
        whole = self.scale.apply(draft, replace(target, group=None)) if target.group is None else None
        if not w.size:
            return self._empty(whole or draft, target)
        parts = []
        for index in np.ndindex(w.shape[:K_AXIS]):
            run = _Run(step=self, target=target, w=w[index], whole=_part(whole, index, w.shape))
            parts.append(run.made(factor(hessian(np.asarray(x[index])), self.damping)))
        return self._joined(draft, whole, parts, target)

    def _empty(self, draft: Draft, target: Target) -> Draft:
        """No weights: scales alone, of groups 1."""
        draft = self.encode.apply(draft, replace(target, maker=self.encode))
        if target.group is None:
            return draft
        assert target.scale_format is not None  # what has groups has scale operands
        shape = draft.values.shape
        ones = np.ones((*shape[:K_AXIS], -(-shape[K_AXIS] // target.group), shape[-1]), np.float32)
        scales = target.scale_format.encode(ones, Rounding.TIES_TO_EVEN, Overflow.SATURATE)
        return replace(draft, block_scales=scales, zero=ones.astype(np.int64) * 0 if self.asymmetric else None)

    def _joined(self, draft: Draft, whole: Draft | None, parts: list[_Made], target: Target) -> Draft:
        """The matrices of a batch as one tensor."""
        shape = draft.values.shape[:K_AXIS]

        def stacked(name: str) -> NDArray[Any]:
            arrays = [getattr(one, name) for one in parts]
            made: NDArray[Any] = np.stack(arrays).reshape(*shape, *arrays[0].shape)
            return made

        beyond = sum((one.beyond for one in parts), draft.beyond)
        codes = stacked("codes")
        if whole is not None:
            return replace(whole, codes=codes, beyond=beyond)
        assert target.scale_format is not None  # what has groups has scale operands
        scales = target.scale_format.encode(stacked("scale"), Rounding.TIES_TO_EVEN, Overflow.SATURATE)
        zero = stacked("zero") if self.asymmetric else None
        return replace(draft, codes=codes, block_scales=scales, zero=zero, beyond=beyond)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Made:
    """One matrix."""

    codes: NDArray[Any]
    scale: Float32
    """[groups, N]"""
    zero: NDArray[np.int64]
    beyond: OutOfRange


@dataclass(kw_only=True, eq=False)
class _Run:
    """One matrix on its way."""

    step: GptqStep
    target: Target
    w: Float32
    whole: Draft | None
    """scale and zero point of all rows; None: of groups, as they are reached"""

    def made(self, c: Matrix) -> _Made:
        """Codes of all rows."""
        self.codes: list[NDArray[Any]] = []
        self.groups: list[Draft] = []
        self.beyond = OutOfRange()
        compensated(self.w, c, self._row)
        of_groups = self.groups if self.whole is None else [self.whole]
        width = self.w.shape[1]
        zeros = [np.zeros((), np.int64) if one.zero is None else one.zero for one in of_groups]
        return _Made(
            codes=np.stack(self.codes),
            scale=np.stack([np.broadcast_to(one.scale, (1, width))[0] for one in of_groups]),  # type: ignore[arg-type]
            zero=np.stack([np.broadcast_to(zero, (1, width))[0] for zero in zeros]),
            beyond=self.beyond,
        )

    def _row(self, k: int, t: Matrix) -> Matrix:
        """Row k, rounded."""
        scaled = self._scaled(k, t)
        row = replace(scaled, values=t[k : k + 1].astype(np.float32), beyond=OutOfRange())
        made = self.step.encode.apply(row, self.target)
        assert made.codes is not None
        assert made.scale is not None
        self.codes.append(made.codes[0])
        self.beyond += made.beyond
        values = self.target.format.decode(made.codes)
        if made.zero is not None:
            values = values - made.zero
        return np.asarray((values * made.scale.astype(np.float64))[0])

    def _scaled(self, k: int, t: Matrix) -> Draft:
        size = self.target.group
        if self.whole is not None or size is None:
            assert self.whole is not None
            return self.whole
        if k % size == 0:
            values = t[k : k + size].astype(np.float32)
            self.groups.append(self.step.scale.apply(Draft(values=values), replace(self.target, group=None, axes=(0,))))
        return self.groups[-1]


def _part(whole: Draft | None, index: tuple[int, ...], shape: tuple[int, ...]) -> Draft | None:
    """Scale and zero point of one matrix of a batch."""
    if whole is None:
        return None

    def taken(array: NDArray[Any] | None) -> NDArray[Any] | None:
        if array is None or not array.ndim:
            return array
        return np.asarray(np.broadcast_to(array, (*shape[:K_AXIS], *array.shape[K_AXIS:]))[index])

    made = {field.name: getattr(whole, field.name) for field in fields(whole)}
    return Draft(**made | {name: taken(made[name]) for name in ("scale", "zero", "inverse")})
