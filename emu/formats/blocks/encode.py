"""Encoding of whole tensors: absmax of each block, its scale, the elements.

1. float64 values become float32 under the rule nvfp4; else they stay.
2. absmax of each block; NaN and infinities as `nan` and `inf` say (emu/formats/blocks/special.py).
3. The rule's scale code, and y = value / scale (power.py, quotients.py, nvfp4.py).
4. element = cast of y, with the format's rounding and overflow: one rounding.
5. `bump`: where a cast of step 4 overflowed and the scale is not the largest, twice the scale, and step 4 again (with
   the same random bits).
6. A void block has the NaN code as scale and +0 as elements.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import FormatError
from emu.formats.blocks.blocked import Blocked
from emu.formats.blocks.divide import scaled
from emu.formats.blocks.elements import Elements
from emu.formats.blocks.enums import BlockRule, TensorScale
from emu.formats.blocks.layout import check_axis, from_blocks, to_blocks
from emu.formats.blocks.model import BlockFormat
from emu.formats.blocks.nvfp4 import block_scales, tensor_scales
from emu.formats.blocks.power import exponent_range, exponents, scale_codes
from emu.formats.blocks.quotients import as_float32, divided, quotient_scales
from emu.formats.blocks.special import absmax_of
from emu.formats.cast import default_nan_code
from emu.formats.enums import Rounding
from emu.formats.fast.blocks import encode as fast_blocks

FLOATS = ("float16", "float32", "float64")
Made = tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_] | None]
"""Scale codes, element codes, void blocks."""


def encode(
    fmt: BlockFormat,
    x: Any,
    axis: int = -1,
    *,
    rounding: str | Rounding | None = None,
    tensor_scale: float | None = None,
    tensor_absmax: float | None = None,
    sr_bits: int | None = None,
    random: Any = None,
) -> Blocked:
    """Codes and scales of values.

    Args:
        fmt: the block format.
        x: array of float16, float32 or float64, at least one axis. The length of the blocked axis need not be a
            multiple of the block: the last block is short.
        axis: the axis that is cut into blocks.
        rounding: of the elements, instead of the format's.
        tensor_scale: of formats with one: a positive float32 that element * scale is to be multiplied by.
        tensor_absmax: of formats with tensor_scale = "nvfp4": a float32, the absmax to compute the tensor's scale
            from (a calibrated one) instead of that of x.
        sr_bits: with rounding = "stochastic": N, 1 to 32; default: the format's, else what `random` draws.
        random: with rounding = "stochastic": integers below 2^N, one for each value of x, or emu.Philox or emu.Lfsr.

    Special cases: an all-zero block has zeros of the values' signs, and the smallest power of two as its scale (code 0
    of E8M0); under the rules that give no powers of two, code 0 (a zero where the scale's format has one). NaN and
    infinities: the format's `nan` and `inf`.

    Raises:
        FormatError: NaN or an infinity that is an error; a tensor scale that the format lacks or needs; an unknown or
            unusable rounding.
        OverflowRaised: overflow = "raise", and an element overflows.
        ValueError: values that are no floats, no such axis, random bits of another shape or beyond N bits.
    """
    values = _floats(x)
    where = check_axis(axis, values.ndim)
    _check_tensor_keys(fmt, tensor_scale, tensor_absmax)
    elements = Elements.of(fmt, values.shape, rounding, sr_bits, random)
    if fmt.rule is BlockRule.NVFP4:
        values = as_float32(values)
    blocks = to_blocks(values, where, fmt.block)
    bits = None if elements.draws is None else to_blocks(elements.draws, where, fmt.block)
    quick = None if elements.draws is not None else fast_blocks(blocks, fmt, elements.rounding)
    if quick is not None:
        return _blocked(fmt, *quick, None, where, values.shape)
    absmax, void = absmax_of(blocks, fmt, values)
    tensor: np.float32 | None = None
    if fmt.rule.is_power:
        made = _by_power(blocks, absmax, void, fmt, elements, bits)
    elif fmt.rule is BlockRule.NVFP4:
        of_tensor = tensor_scales(absmax, fmt, tensor_scale, tensor_absmax)
        tensor = None if fmt.tensor_scale is TensorScale.NONE else of_tensor[1]
        codes, y = block_scales(blocks, absmax, fmt, of_tensor, elements.rounding)
        made = codes, elements.codes(_without(y, void), bits), void
    else:
        codes, lost = quotient_scales(absmax, fmt)
        void = _either(void, lost)
        made = codes, elements.codes(_without(divided(blocks, codes, fmt), void), bits), void
    scales, codes, void = made
    if void is not None and void.any():
        scales = np.where(void, default_nan_code(fmt.scale), scales).astype(fmt.scale.code_dtype)
    return _blocked(fmt, scales, codes, tensor, where, values.shape)


def _blocked(
    fmt: BlockFormat, scales: NDArray[Any], codes: NDArray[Any], tensor: np.float32 | None, where: int,
    shape: tuple[int, ...],
) -> Blocked:  # fmt: skip
    return Blocked(
        format=fmt,
        codes=from_blocks(codes, where, shape[where]),
        scales=np.ascontiguousarray(np.moveaxis(scales.astype(fmt.scale.code_dtype, copy=False), -1, where)),
        tensor_scale=tensor,
        axis=where,
        shape=shape,
    )


def _by_power(
    blocks: NDArray[Any], absmax: NDArray[Any], void: NDArray[np.bool_] | None, fmt: BlockFormat,
    elements: Elements, bits: NDArray[np.uint64] | None,
) -> Made:  # fmt: skip
    k, lost = exponents(absmax, fmt)
    void = _either(void, lost)
    y = _without(scaled(blocks, k[..., None]), void)
    if not fmt.bump:
        return scale_codes(k, fmt.scale), elements.codes(y, bits), void
    codes, overflowed = elements.codes_and_overflow(y, bits)
    _, high = exponent_range(fmt.scale)
    again = overflowed.any(axis=-1) & (k < high)
    if again.any():
        k = k + again
        y = _without(scaled(blocks[again], k[again][..., None]), None if void is None else void[again])
        codes[again] = elements.codes(y, None if bits is None else bits[again])
    return scale_codes(k, fmt.scale), codes, void


def _without(y: NDArray[Any], void: NDArray[np.bool_] | None) -> NDArray[Any]:
    """y with +0 in the void blocks."""
    return y if void is None or not void.any() else np.where(void[..., None], y.dtype.type(0), y)


def _either(void: NDArray[np.bool_] | None, lost: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    if not lost.any():
        return void
    return lost if void is None else void | lost


def _floats(x: Any) -> NDArray[Any]:
    values = np.asarray(x)
    if values.dtype.name not in FLOATS:
        raise ValueError(f"values of dtype {values.dtype} cannot be encoded in blocks: give {', '.join(FLOATS)}")
    if not values.ndim:
        raise ValueError("a single number has no axis to cut into blocks: give an array with at least one axis")
    return values


def _check_tensor_keys(fmt: BlockFormat, scale: float | None, absmax: float | None) -> None:
    if scale is not None and fmt.tensor_scale is TensorScale.NONE:
        raise FormatError(f'{fmt} has no tensor scale (tensor_scale = "none" in its file)')
    if absmax is not None and fmt.tensor_scale is not TensorScale.NVFP4:
        raise FormatError(f'{fmt}: tensor_absmax is for formats with tensor_scale = "nvfp4"')
    if scale is not None and absmax is not None:
        raise FormatError(f"{fmt}: give tensor_scale or tensor_absmax, not both")
