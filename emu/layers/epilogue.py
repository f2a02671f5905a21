"""What happens to a unit's output before it is a tensor again.

In float32, ties to even, one rounding per step, in this order (DESIGN section 9):

1. y = decode(d), rounded once to float32 (exact unless d is wider, such as int32 beyond 2^24);
2. t = s_a · s_b, and · alpha if it is not 1 (Gemm); a scale that the unit applied itself is left out;
3. y = y · t;
4. y = y + bias, where bias = fl32(beta · C) if beta is not 1;
5. y = cast(y) to the output format, then decoded: the layer's output holds values of that format.

A bias in the accumulator (`bias = "c"`) replaces step 4: c = encode(fl32(bias / t)) before the unit runs, ties to even,
clamped to the largest finite value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import OutputCast
from emu.formats import Format, Overflow, Rounding
from emu.schemes.cast import Float32, OutOfRange


def scale_product(s_a: Float32 | None, s_b: Float32 | None, alpha: float) -> Float32 | None:
    """t = s_a · s_b · alpha in float32, one rounding each; None if there is nothing to multiply by."""
    t: Float32 | None = None
    with np.errstate(all="ignore"):
        for factor in (s_a, s_b, None if alpha == 1.0 else np.asarray(alpha, np.float32)):
            if factor is not None:
                t = factor if t is None else np.multiply(t, factor, dtype=np.float32)
    return t


def scaled_bias(bias: NDArray[Any], beta: float) -> Float32:
    """fl32(beta · C), or C itself."""
    values = bias.astype(np.float32)
    with np.errstate(all="ignore"):
        return values if beta == 1.0 else np.multiply(values, np.float32(beta), dtype=np.float32)


def bias_codes(bias: Float32, t: Float32 | None, fmt: Format) -> NDArray[Any]:
    """Codes of fl32(bias / t) for the unit's operand c."""
    with np.errstate(all="ignore"):
        values = bias if t is None else np.divide(bias, t, dtype=np.float32)
    codes: NDArray[Any] = fmt.encode(values, Rounding.TIES_TO_EVEN, Overflow.SATURATE)
    return codes


def finish(
    d: NDArray[Any], fmt: Format, t: Float32 | None, bias: Float32 | None, output: OutputCast
) -> tuple[Float32, OutOfRange]:
    """Steps 1 and 3 to 5.

    Args:
        d: the unit's output codes.
        fmt: their format.
        t: the scale product, broadcastable to d; None is 1.
        bias: broadcastable to d; None if there is none, or it is in c.
        output: the last cast.

    Returns:
        float32 values of d's shape, and how many lay beyond the output format's range.
    """
    with np.errstate(all="ignore"):
        y = fmt.decode(d).astype(np.float32)
        if t is not None:
            y = y * t
        if bias is not None:
            y = y + bias
    return output(y)
