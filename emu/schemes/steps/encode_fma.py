"""The step `encode_fma`: codes as hardware makes them of values with one fused multiply-add in a narrow format.

1. x, r = fl32(1 / s) and the zero point are rounded to `format`, ties to even; r = 1 and z = 0 where there is none.
2. t = x · r + z, rounded once to `result`, ties to even.
3. code = t rounded to an integer by `rounding`, clamped to the whole range of the integer format.

* NaN is an error that names the tensor. Infinities, also of `format`, are clamped.

Source: PyTorch caffe2/contrib/fakelowp/int8_quantize_op_nnpi.h, Int8QuantizeNNPI: `float16`, a result with FP16's
precision and no largest value, `ties_to_away`. Not modelled: its clamp of reciprocals below 1e-10, which FP16 takes for
0 in any case.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np

from emu.arithmetic.rounded import Arithmetic, Floats
from emu.errors import FormatError, SpecError
from emu.formats import Format, Overflow, Rounding, load_format
from emu.formats.codes import smallest
from emu.formats.enums import FormatKind, IntegerEncoding
from emu.schemes.cast import OutOfRange, cast_tensor
from emu.schemes.draft import Draft, Step, Target
from emu.schemes.rules.rule import shown
from emu.schemes.scaling import integer_range
from emu.schemes.steps.encode import UNROUNDED
from emu.schemes.steps.keys import Place, StepKeys
from emu.spec.about import FormatKeys, means

FEW_BITS = 12
"""Significand bits of the formats: x · r is exact in float64, and t is in float32."""


class EncodeFmaKeys(StepKeys, frozen=True, kw_only=True):
    """Keys of `encode_fma`."""

    format: Annotated[FormatKeys, means("of x, 1 / s and the zero point: a float of at most 12 significand bits")]
    result: Annotated[
        FormatKeys | None, means("what x · (1 / s) + z is rounded to, once; likewise", default="`format`")
    ] = None
    rounding: Annotated[Rounding, means("to an integer", without=("exact", "stochastic"))]

    def build(self, place: Place) -> EncodeFmaStep:
        """The step."""
        if self.rounding in UNROUNDED:
            allowed = [mode.value for mode in Rounding if mode not in UNROUNDED]
            raise place.error("rounding", "is no rounding of an encoder", self.rounding.value, allowed)
        fmt = _float(self.format, place, "format")
        result = fmt if self.result is None else _float(self.result, place, "result")
        return EncodeFmaStep(format=fmt, result=result, rounding=self.rounding)


def _float(keys: FormatKeys, place: Place, key: str) -> Format:
    fmt = load_format(keys, file=place.file, key=f"{place.key}.{key}")
    narrow = fmt.kind is FormatKind.FLOAT and fmt.precision <= FEW_BITS and fmt.signed
    if not narrow or max(abs(fmt.lsb), abs(fmt.msb)) > 256:
        reason = f"a signed float of at most {FEW_BITS} significand bits, within 2^±256"
        raise place.error(key, reason, fmt.name, ("float16", "bfloat16"))
    return fmt


@dataclass(frozen=True, kw_only=True, repr=False)
class EncodeFmaStep(Step):
    """Turn values into integers by a fused multiply-add."""

    last: ClassVar[bool] = True
    format: Format
    result: Format
    rounding: Rounding

    def __repr__(self) -> str:
        """With what is not as it is by default."""
        return shown(self)

    def check(self, fmt: Format, file: str, key: str) -> None:
        """A format of integers."""
        if fmt.kind is not FormatKind.INTEGER or fmt.encoding is not IntegerEncoding.TWOS_COMPLEMENT:
            raise SpecError(f"`encode_fma` makes integers, which {fmt.name} are not", file=file, key=key)

    def apply(self, draft: Draft, target: Target) -> Draft:
        """Fill in `codes`, and count what was clamped."""
        if np.isnan(draft.values).any():
            raise FormatError(f"tensor {target.name!r} holds NaN, and {target.format.name} has none")
        narrow, fused = Arithmetic(format=self.format), Arithmetic(format=self.result)
        with np.errstate(all="ignore"):
            one = np.float32(1)
            inverse = one if draft.scale is None else one / draft.scale
        zero = 0.0 if draft.zero is None else draft.zero
        t = fused.fma(_rounded(draft.values, narrow), _rounded(inverse, narrow), _rounded(zero, narrow))
        words, _ = cast_tensor(
            t.astype(np.float32), load_format("int32"), self.rounding, Overflow.SATURATE, target.name
        )
        whole = words.view(np.int32).astype(np.int64)
        low, high = integer_range(target.format)
        beyond = OutOfRange(saturated=int(np.count_nonzero((whole < low) | (whole > high))))
        mask = (1 << target.format.bits) - 1
        codes = smallest((np.clip(whole, low, high) & mask).astype(np.uint64), target.format)
        return replace(draft, codes=codes, beyond=draft.beyond + beyond)


def _rounded(x: Any, how: Arithmetic) -> Floats:
    return how.round(np.asarray(x, np.float64))
