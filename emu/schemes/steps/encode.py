"""The step `encode`: turn values into codes.

* code = encode(fl32(x / s)), or of x times an inverse (`inverse`): LLM.int8 multiplies by fl32(127 / absmax).
* With `gain` g: code = encode(fl32(x · fl32(g / s))). The unit gets s, and a constant of the unit or of the epilogue
  makes up for g: LLM.int8 hands on ranges (`divisor = 1.0` of `scale`), g = 127, and multiplies by 1/127² at the end.
* Stochastic rounding draws `sr_bits` random bits for every element, from Philox with the target's seed; the element's
  place in its tensor is the counter. On a log format this is linear in the value, between zero and the smallest power
  too, so that the mean over draws is the value itself.
* With a zero point z: code = clamp(round(fl32(x / s)) + z) to the whole range of the integer format, as ONNX's
  QuantizeLinear has it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import msgspec
import numpy as np

from emu.arithmetic.random import Philox
from emu.errors import FormatError
from emu.formats import Format, Overflow, Rounding
from emu.formats.cast import check_cast
from emu.schemes.cast import Float32
from emu.schemes.draft import Draft, Step, Target
from emu.schemes.enums import Inverse
from emu.schemes.rules.rule import shown
from emu.schemes.scaling import encode_around, encode_scaled, reciprocal_of
from emu.schemes.steps.keys import Place, StepKeys
from emu.spec.about import means

UNROUNDED = (Rounding.STOCHASTIC, Rounding.EXACT)
"""Roundings that other encoders do not have."""
DRAWS = 1 << 32
"""The number of an encoder's draw in the stream of its seed: a unit's own are counted from 0."""


class EncodeKeys(StepKeys, frozen=True, kw_only=True):
    """Keys of `encode`."""

    rounding: Annotated[
        Rounding,
        means("of code = encode(fl32(x / s)); `stochastic` needs the accelerator's `seed`", without=("exact",)),
    ]
    overflow: Annotated[Overflow, means("one that the operand format can take")]
    inverse: Annotated[Inverse, means("how values are divided by the scale")] = Inverse.DIVIDE
    gain: Annotated[
        Annotated[float, msgspec.Meta(gt=0, le=2.0**64)] | None,
        means(
            "code = encode(fl32(x · fl32(gain / s))): the unit or the epilogue makes up for it",
            default="1, by `inverse`",
        ),
    ] = None
    full_range: Annotated[
        bool, means("the smallest two's complement code is used too: −128 of int8. With a zero point it always is")
    ] = False
    sr_bits: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=64)] | None, means("of `stochastic`: random bits", default="32")
    ] = None

    def build(self, place: Place) -> EncodeStep:
        """The step."""
        if self.rounding is Rounding.EXACT:
            allowed = [mode.value for mode in Rounding if mode is not Rounding.EXACT]
            raise place.error("rounding", "is no rounding of an encoder", self.rounding.value, allowed)
        if self.gain is not None and self.inverse is not Inverse.DIVIDE:
            raise place.error("inverse", "a gain is divided by the scale", self.inverse.value, (Inverse.DIVIDE.value,))
        if self.sr_bits is not None and self.rounding is not Rounding.STOCHASTIC:
            raise place.error("sr_bits", "is for stochastic rounding", self.sr_bits)
        return EncodeStep(
            rounding=self.rounding, overflow=self.overflow, inverse=self.inverse, full_range=self.full_range,
            gain=self.gain, sr_bits=self.sr_bits or 32,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, repr=False)
class EncodeStep(Step):
    """Turn values into codes."""

    last: ClassVar[bool] = True
    rounding: Rounding
    overflow: Overflow
    inverse: Inverse = Inverse.DIVIDE
    full_range: bool = False
    gain: float | None = None
    """None: 1"""
    sr_bits: int = 32

    @property
    def codes_per_scale(self) -> float:
        """The gain, a float32."""
        return 1.0 if self.gain is None else float(np.float32(self.gain))

    @property
    def stochastic(self) -> bool:
        """Whether it draws random bits."""
        return self.rounding is Rounding.STOCHASTIC

    def __repr__(self) -> str:
        """With what is not as it is by default."""
        return shown(self)

    def check(self, fmt: Format, file: str, key: str) -> None:
        """A format that this rounding and overflow can make."""
        sr_bits = self.sr_bits if self.stochastic else None
        check_cast(fmt, rounding=self.rounding, overflow=self.overflow, sr_bits=sr_bits, file=file, key=key)

    def apply(self, draft: Draft, target: Target) -> Draft:
        """Fill in `codes`, and count what left the range."""
        by, random = self._inverse(draft), None
        if self.stochastic:
            if target.seed is None:
                raise FormatError(f"tensor {target.name!r}: stochastic rounding needs a seed")
            random = Philox(target.seed, DRAWS, self.sr_bits)
        if draft.zero is None:
            codes, beyond = encode_scaled(
                draft.values, draft.scale, target.format, rounding=self.rounding, overflow=self.overflow,
                name=target.name, inverse=by, full_range=self.full_range, random=random,
            )  # fmt: skip
        else:
            codes, beyond = encode_around(
                draft.values, draft.scale, draft.zero, target.format,
                rounding=self.rounding, name=target.name, inverse=by, random=random,
            )  # fmt: skip
        return replace(draft, codes=codes, beyond=draft.beyond + beyond)

    def _inverse(self, draft: Draft) -> Float32 | None:
        """What to multiply by; None: divide."""
        if self.gain is not None:
            with np.errstate(all="ignore"):
                scale = np.ones((), np.float32) if draft.scale is None else draft.scale
                return np.asarray(np.float32(self.gain) / scale, np.float32)
        if self.inverse is Inverse.DIVIDE or draft.scale is None:
            return None
        ratio = self.inverse is Inverse.RATIO and draft.inverse is not None
        return draft.inverse if ratio else reciprocal_of(draft.scale)
