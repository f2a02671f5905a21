"""What happens to a unit's output before it is a tensor again.

Unless the accelerator says otherwise: in float32, ties to even, one rounding per step, in this order (DESIGN section
9):

1. y = decode(d), rounded once to float32 (exact unless d is wider, such as int32 beyond 2^24);
2. t = s_a · s_b, and · alpha if it is not 1 (Gemm); a scale that the unit applied itself is left out;
3. y = y · t;
4. y = y + bias, where bias = fl32(beta · C) if beta is not 1;
5. y = cast(y) to the output format, then decoded: the layer's output holds values of that format.

A bias in the accumulator (`bias = "c"`) replaces step 4: c = encode(fl32(bias / t)) before the unit runs, ties to even,
clamped to the largest finite value. Where t has a zero (alpha = 0), step 4 stays.

`[matrix.epilogue]` says otherwise:

* `format` and `rounding` of the steps: d, scales, constant, bias and beta are rounded into the format first.
* `scales`: y · s_a, then · s_b (or the other way round) instead of steps 2 and 3; then · alpha if it is not 1.
* `constant`: one more factor, before step 2 (`first`), of t after alpha (`scales`), or after step 3 (`last`).
* `fused`: the last multiplication and step 4 round once.
* The t that divides a bias in the accumulator is float32's s_a · s_b · alpha · constant.
* `requantize`: see `emu.layers.requantize`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import BiasPlacement, OutputCast
from emu.accelerators.epilogue import ConstantPlace, Epilogue, ScaleOrder
from emu.arithmetic.rounded import Arithmetic, Floats
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


def accumulator_bias(
    bias: Float32 | None, scale: Callable[[], Float32 | None], placement: BiasPlacement, fmt: Format | None
) -> NDArray[Any] | None:
    """Codes of fl32(bias / t) for the unit's operand c.

    Args:
        bias: times beta already.
        scale: makes t, what d is multiplied by (None is 1), which may be as large as d: asked only if it is needed.
        placement: where the accelerator adds it.
        fmt: of the operand c; None if the unit has none.

    Returns:
        None if nothing is in c: no bias, not placed there, no operand c, or t has a zero (Gemm's alpha = 0, or scales
        whose product underflows), which takes with it whatever is in the accumulator.
    """
    if bias is None or placement is not BiasPlacement.C or fmt is None:
        return None
    t = scale()
    if t is not None and not np.all(t):
        return None
    with np.errstate(all="ignore"):
        values = bias if t is None else np.divide(bias, t, dtype=np.float32)
    codes: NDArray[Any] = fmt.encode(values, Rounding.TIES_TO_EVEN, Overflow.SATURATE)
    return codes


def bias_scale(s_a: Float32 | None, s_b: Float32 | None, alpha: float, epilogue: Epilogue) -> Float32 | None:
    """The t that a bias in the accumulator is divided by."""
    t = scale_product(s_a, s_b, alpha)
    return t if epilogue.constant == 1.0 else scale_product(t, np.asarray(epilogue.constant, np.float32), 1.0)


def floats(
    d: NDArray[Any], fmt: Format, s_a: Float32 | None, s_b: Float32 | None, alpha: float, bias: Float32 | None,
    epilogue: Epilogue,
) -> Float32:  # fmt: skip
    """Steps 1 to 4, as the epilogue has them."""
    if epilogue.plain:
        return plain_floats(d, fmt, scale_product(s_a, s_b, alpha), bias)
    return made_floats(fmt.decode(d), s_a, s_b, alpha, bias, epilogue)


def made_floats(
    y: Floats, s_a: Float32 | None, s_b: Float32 | None, alpha: float, bias: NDArray[Any] | None, epilogue: Epilogue
) -> Float32:
    """Steps 1 to 4 as an epilogue has them.

    Args:
        y: the values of d.
        s_a, s_b: the epilogue's scales; None is 1.
        alpha: Gemm's factor.
        bias: broadcastable to y, times beta already; None if there is none, or it is in c.
        epilogue: the steps.
    """
    exact = Arithmetic(format=epilogue.format, rounding=epilogue.rounding)
    scales = [None if s is None else exact.round(s.astype(np.float64)) for s in (s_a, s_b)]
    factors = [s for s in (scales if epilogue.scales is not ScaleOrder.B_THEN_A else scales[::-1]) if s is not None]
    if alpha != 1.0:
        factors.append(_number(alpha, exact))
    constant = [] if epilogue.constant == 1.0 else [_number(epilogue.constant, exact)]
    if epilogue.constant_at is ConstantPlace.SCALES:
        factors, constant = [*factors, *constant], []
    if epilogue.scales is ScaleOrder.PRODUCT and factors:
        t = factors[0]
        for factor in factors[1:]:
            t = exact.mul(t, factor)
        factors = [t]
    first = epilogue.constant_at is ConstantPlace.FIRST
    factors = [*constant, *factors] if first else [*factors, *constant]
    y = exact.round(y)
    beta = None if bias is None else exact.round(bias.astype(np.float64))
    last = factors.pop() if factors and epilogue.fused and beta is not None else None
    for factor in factors:
        y = exact.mul(y, factor)
    if beta is not None:
        y = exact.add(y, beta) if last is None else exact.fma(y, last, beta)
    return y.astype(np.float32)


def _number(x: float, exact: Arithmetic) -> Floats:
    """A factor in the epilogue's format, by way of float32 as everywhere."""
    return exact.round(np.asarray(np.float32(x), np.float64))


def plain_floats(d: NDArray[Any], fmt: Format, t: Float32 | None, bias: Float32 | None) -> Float32:
    """Steps 1, 3 and 4 in float32.

    Args:
        d: the unit's output codes.
        fmt: their format.
        t: the scale product, broadcastable to d; None is 1.
        bias: broadcastable to d; None if there is none, or it is in c.
    """
    with np.errstate(all="ignore"):
        y = fmt.decode(d).astype(np.float32)
        if t is not None:
            y = y * t
        if bias is not None:
            y = y + bias
    return y


def finish(
    d: NDArray[Any], fmt: Format, t: Float32 | None, bias: Float32 | None, output: OutputCast
) -> tuple[Float32, OutOfRange]:
    """Steps 1 and 3 to 5 of the default; how many lay beyond the output format's range."""
    return output(plain_floats(d, fmt, t, bias))
