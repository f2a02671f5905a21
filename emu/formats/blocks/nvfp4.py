"""NVFP4 as Transformer Engine computes it: every step a float32 operation with one rounding, in this order.

M = largest element (6), F = `scale_max` (448; 256 in most uses of 4over6), At = absmax of the tensor, A of a block.

* S_enc = min(F * M / At, largest float32); 1 if At is zero or S_enc is. S_dec = 1 / S_enc: the tensor's scale.
* block scale: X = round(A * (S_enc * (1 / M))), ties to even, saturating.
* y = value * min(1 / (X * S_dec), largest float32); the element is the cast of y.
* 4over6: with B = (A / M) * S_enc the candidates are X6 = round(min(B, max)) and X4 = round(min(B * 1.5, max)), max the
  largest scale. Error of a value: (((element * X) * At) / (M * F)) - value, absolute or squared, summed from +0 in the
  order of the block. X4 wins if its sum is smaller.
* A given tensor scale is S_dec, and S_enc = 1 / S_dec. Without a tensor scale both are 1.
* float64 values are rounded to float32 first. What X = 0 makes of values that are not zero is left as it is: they
  saturate, and decode to zero.

Source: core_nvfp4.cuh and quantize_4over6_nvfp4.cuh (without its fast-math error), 2026; reference/numerics.md D.4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import FormatError
from emu.formats.blocks.enums import FourOverSix, TensorScale
from emu.formats.blocks.model import BlockFormat
from emu.formats.blocks.quotients import FLOAT32_MAX, QUIETLY, Float32
from emu.formats.enums import Overflow, Rounding

ONE = np.float32(1)
SMALLEST = 2.0**-149


def tensor_scales(
    absmax: NDArray[Any], fmt: BlockFormat, given: float | None, given_absmax: float | None
) -> tuple[np.float32, np.float32, np.float32]:
    """S_enc, S_dec and At.

    Args:
        absmax: of every block, float32.
        fmt: with the rule nvfp4.
        given: the caller's S_dec.
        given_absmax: the caller's At.

    Raises:
        FormatError: the format has no tensor scale, needs one, or 4over6 needs At instead of S_dec.
        ValueError: no float32, or not in range.
    """
    top = np.float32(absmax.max(initial=0))
    if fmt.tensor_scale is TensorScale.NONE:
        return ONE, ONE, top
    if given is not None:
        if fmt.four_over_six is not FourOverSix.NONE:
            raise FormatError(f"{fmt}: 4over6 computes with the tensor's absmax: give tensor_absmax, not tensor_scale")
        scale = _float32(given, "tensor_scale", least=SMALLEST)
        with np.errstate(**QUIETLY):  # type: ignore[arg-type]
            return np.minimum(ONE / scale, FLOAT32_MAX), scale, top
    if fmt.tensor_scale is TensorScale.GIVEN:
        raise FormatError(f'{fmt}: tensor_scale = "given": encode needs tensor_scale=, a positive float32')
    top = top if given_absmax is None else _float32(given_absmax, "tensor_absmax", least=0.0)
    with np.errstate(**QUIETLY):  # type: ignore[arg-type]
        encode = np.minimum(np.float32(fmt.scale_max) * np.float32(fmt.element.max_finite) / top, FLOAT32_MAX)
        if top == 0 or encode == 0:
            encode = ONE
        return encode, ONE / encode, top


def _float32(number: float, name: str, *, least: float) -> np.float32:
    with np.errstate(over="ignore", under="ignore"):
        narrow = np.float32(number)
    if not np.isfinite(narrow) or float(narrow) != float(number) or narrow < least:
        allowed = "not negative" if least == 0 else "positive"
        raise ValueError(f"{name}: {number!r} is no finite float32 that is {allowed}")
    return narrow


def block_scales(
    blocks: Float32, absmax: Float32, fmt: BlockFormat, tensor: tuple[np.float32, np.float32, np.float32],
    rounding: Rounding,
) -> tuple[NDArray[Any], Float32]:  # fmt: skip
    """The scale code of each block, and y of each value.

    Args:
        blocks: values, [..., block].
        absmax: of each block.
        fmt: with the rule nvfp4.
        tensor: of `tensor_scales`.
        rounding: of the elements.
    """
    encode, decode, _ = tensor
    most = np.float32(fmt.element.max_finite)
    with np.errstate(**QUIETLY):  # type: ignore[arg-type]
        if fmt.four_over_six is FourOverSix.NONE:
            codes = _round(absmax * (encode * (ONE / most)), fmt)
            return codes, _divided(blocks, codes, fmt, decode)
        base = absmax / most * encode
        six, four = _round(base, fmt), _round(base * np.float32(1.5), fmt)
        y_six, y_four = (_divided(blocks, codes, fmt, decode) for codes in (six, four))
        of_six = _error(blocks, six, y_six, fmt, tensor, rounding)
        take = _error(blocks, four, y_four, fmt, tensor, rounding) < of_six
        return np.where(take, four, six), np.where(take[..., None], y_four, y_six)


def _round(scale: Float32, fmt: BlockFormat) -> NDArray[Any]:
    """Largest float32 instead of an infinity; NaN (in a block that is void) as zero."""
    finite = np.nan_to_num(np.minimum(scale, FLOAT32_MAX), nan=0.0)
    codes: NDArray[Any] = fmt.scale.encode(finite, Rounding.TIES_TO_EVEN, Overflow.SATURATE)
    return codes


def _divided(blocks: Float32, codes: NDArray[Any], fmt: BlockFormat, decode: np.float32) -> Float32:
    scale = fmt.scale.decode(codes).astype(np.float32)
    factor = np.minimum(ONE / (scale * decode), FLOAT32_MAX)
    return np.asarray(blocks * factor[..., None])


def _error(
    blocks: Float32, codes: NDArray[Any], y: Float32, fmt: BlockFormat,
    tensor: tuple[np.float32, np.float32, np.float32], rounding: Rounding,
) -> Float32:  # fmt: skip
    """The error of a candidate, summed in order; NaN (in a void block) loses every comparison."""
    number = np.where(np.isnan(y), np.float32(0), y)
    element = fmt.element.decode(fmt.element.encode(number, rounding, fmt.overflow)).astype(np.float32)
    scale = fmt.scale.decode(codes).astype(np.float32)[..., None]
    unit = np.float32(fmt.scale_max) * np.float32(fmt.element.max_finite)
    difference = element * scale * tensor[2] / unit - blocks
    squared = fmt.four_over_six is FourOverSix.MSE
    each = difference * difference if squared else np.abs(difference)
    total = np.zeros(blocks.shape[:-1], dtype=np.float32)
    for at in range(blocks.shape[-1]):
        total = total + each[..., at]
    return total
