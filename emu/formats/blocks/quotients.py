"""The rules whose scale is a quotient or absmax itself, rounded to the scale's format.

* absmax: X = round(A / M), M the largest element; y = value / X. `quotient` says how both quotients are formed:
  float32 operations with one rounding each (values and A first rounded to float32), or exactly.
* max_abs_finite: X = round(A); y = value / X exactly (P3109 v4.0, BlockProject).
* Rounding of X is `scale_rounding`, then `scale_overflow`. Where A is zero X has code 0, which is zero where the format
  has one; where X is zero every y but NaN is a zero of its value's sign.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.blocks.divide import quotient
from emu.formats.blocks.enums import BlockRule, Quotient
from emu.formats.blocks.model import BlockFormat
from emu.formats.enums import Overflow

Float32 = NDArray[np.float32]
FLOAT32_MAX = np.finfo(np.float32).max
QUIETLY = {"divide": "ignore", "over": "ignore", "under": "ignore", "invalid": "ignore"}


def as_float32(x: NDArray[Any]) -> Float32:
    """Values rounded to float32, ties to even; beyond its range they are infinities."""
    with np.errstate(over="ignore", under="ignore"):
        return x.astype(np.float32)


def float32_quotient(x: NDArray[Any], divisor: NDArray[Any] | float, how: Quotient) -> Float32:
    """x / divisor in float32 (one operation), or times the clamped reciprocal (two)."""
    numerator, denominator = as_float32(x), np.float32(divisor)
    with np.errstate(**QUIETLY):  # type: ignore[arg-type]
        if how is Quotient.DIVIDE:
            return np.asarray(numerator / denominator)
        return np.asarray(numerator * np.minimum(np.float32(1) / denominator, FLOAT32_MAX))


def quotient_scales(absmax: NDArray[Any], fmt: BlockFormat) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The scale code of each block, and which of them are NaN.

    Args:
        absmax: not negative, not NaN; may be infinite.
        fmt: with the rule absmax or max_abs_finite.
    """
    ratio = absmax
    if fmt.rule is BlockRule.ABSMAX:
        exact = fmt.quotient is Quotient.EXACT
        most = fmt.element.max_finite
        ratio = quotient(absmax, most) if exact else float32_quotient(absmax, most, fmt.quotient)
    zero = absmax == 0
    codes = fmt.scale.encode(np.where(zero, 1, ratio), fmt.scale_rounding, fmt.scale_overflow)
    codes = np.where(zero, 0, codes).astype(fmt.scale.code_dtype)
    lost = np.zeros(absmax.shape, dtype=np.bool_)
    if fmt.scale_overflow is Overflow.NAN:
        lost = np.isnan(fmt.scale.decode(codes))
    return codes, lost


def divided(blocks: NDArray[Any], codes: NDArray[Any], fmt: BlockFormat) -> NDArray[Any]:
    """value / X of every value of [..., block]: what is cast to elements."""
    scales = fmt.scale.decode(codes)
    zero = ~(scales > 0)  # NaN too: the caller voids those blocks
    divisors = np.where(zero, 1.0, scales)[..., None]
    if fmt.rule is BlockRule.ABSMAX and fmt.quotient is not Quotient.EXACT:
        y: NDArray[Any] = float32_quotient(blocks, divisors.astype(np.float32), fmt.quotient)
    else:
        y = quotient(blocks, divisors)
    if not zero.any():
        return y
    return np.where(zero[..., None] & ~np.isnan(blocks), np.copysign(0.0, blocks), y)
