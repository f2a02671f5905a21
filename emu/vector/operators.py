"""ONNX operators as sequences of elementary operations of a vector unit.

* Every operand that is a tensor of floats is first rounded into the vector format (`VectorUnit.load`); a constant of
  an operator's definition (alpha, epsilon, …) too.
* An operator is taken apart as its ONNX definition is written, one rounding for each operation; sums are in the unit's
  order and format, and are rounded into the vector format by the operation that reads them.
* exp, tanh, sigmoid, erf, gelu, silu, … are one function each; sinh and cosh are made of exp, tan of sin and cos.
* x^p: see `powered`.
* Softmax: m = max x; d = x − m; e = exp d; y = e / Σ e. LogSoftmax: y = d − log Σ e.
* LayerNormalization: m = Σ x / n; d = x − m; v = Σ d² / n; y = d / √(v + ε) · scale + bias. RMSNormalization without m.
  With `norm = "l1"` Σ |d| / n + ε takes the place of √(v + ε), in all norms that compute it.
* Sources: ONNX operators, opset 23, and their function bodies.

`OPERATORS` maps an operator's name to the function that runs it; `emu.vector.node` puts all such tables together, and
what is in none falls back (`emu.replaying.fallback` says why).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.rounded import Floats
from emu.functions import Function
from emu.vector.unit import VectorUnit

Attributes = Mapping[str, Any]
Operands = Sequence[NDArray[Any] | None]
Operator = Callable[[VectorUnit, Operands, Attributes], tuple[Floats, ...]]


def given(x: NDArray[Any] | None) -> NDArray[Any]:
    """An operand that is there."""
    assert x is not None
    return x


def unary(function: Callable[[VectorUnit, Floats], Floats]) -> Operator:
    """An operator of one tensor."""
    return lambda unit, x, _: (function(unit, unit.load(given(x[0]))),)


def binary(function: Callable[[VectorUnit, Floats, Floats], Floats]) -> Operator:
    """An operator of two tensors that broadcast."""
    return lambda unit, x, _: (function(unit, unit.load(given(x[0])), unit.load(given(x[1]))),)


def one(function: Function) -> Operator:
    """An operator that is one function."""
    return unary(lambda unit, x: unit.function(function, x))


def many(unit: VectorUnit, x: Operands, _: Attributes) -> tuple[Floats]:
    """Sum of any number of tensors, from the first on."""
    total = unit.load(given(x[0]))
    for other in x[1:]:
        total = unit.add(total, unit.load(given(other)))
    return (total,)


def mean_of_many(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """Mean: the sum, divided by the number of tensors."""
    (total,) = many(unit, x, attributes)
    return (unit.div(total, np.asarray(float(len(x)))),)


def powered(unit: VectorUnit, base: Floats, exponent: float) -> Floats:
    """x to a power that is one number: x^2 and x^3 are products, x^0.5 a root, x^1 x, x^-1 and x^-0.5 quotients; others
    by `any_power`.
    """
    match exponent:
        case 1:
            return base
        case 2:
            return unit.mul(base, base)
        case 3:
            return unit.mul(unit.mul(base, base), base)
        case 0.5:
            return unit.sqrt(base)
        case -1:
            return unit.div(np.ones(()), base)
        case -0.5:
            return unit.div(np.ones(()), unit.sqrt(base))
    return any_power(unit, base, unit.constant(exponent))


def any_power(unit: VectorUnit, base: Floats, exponent: Floats) -> Floats:
    """2^(p · log2 |x|), three operations; 1 where p is 0; of x < 0 negative where p is odd, NaN where it is no
    integer.
    """
    logarithm = unit.function(Function.LOG2, np.abs(base))
    out = unit.function(Function.EXP2, unit.mul(exponent, logarithm))
    with np.errstate(invalid="ignore"):
        odd, whole = np.fmod(exponent, 2) != 0, np.fmod(exponent, 1) == 0
    below = np.signbit(base)
    out = np.where(below & odd & whole, -out, out)
    out = np.where((base < 0) & ~whole & np.isfinite(base) & np.isfinite(exponent), np.nan, out)
    return np.where(exponent == 0, 1.0, out)


def power(unit: VectorUnit, x: Operands, _: Attributes) -> tuple[Floats]:
    """Pow: an exponent that is one number, or a tensor of them."""
    base, exponent = unit.load(given(x[0])), given(x[1])
    if exponent.size == 1:
        shape = np.broadcast_shapes(base.shape, exponent.shape)
        return (powered(unit, base, float(exponent.ravel()[0])).reshape(shape),)
    return (any_power(unit, base, unit.load(exponent)),)


def halved(unit: VectorUnit, x: Floats, join: Callable[[VectorUnit, Floats, Floats], Floats]) -> Floats:
    """Sinh and Cosh: (e^x ∓ e^-x) · 1/2."""
    up, down = unit.function(Function.EXP, x), unit.function(Function.EXP, np.negative(x))
    return unit.mul(join(unit, up, down), np.asarray(0.5))


def modulo(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """Mod of floats: the remainder of a quotient toward zero (`fmod` = 1) is exact; of one toward -infinity it is that,
    or that + y, rounded, where the signs differ.
    """
    value, by = unit.load(given(x[0])), unit.load(given(x[1]))
    with np.errstate(invalid="ignore"):
        rest = np.fmod(value, by)
    if attributes.get("fmod", 0):
        return (rest,)
    other = (rest != 0) & (np.signbit(rest) != np.signbit(by))
    return (np.where(rest == 0, np.copysign(0.0, by), np.where(other, unit.add(rest, by), rest)),)


OPERATORS: dict[str, Operator] = {
    "Add": binary(VectorUnit.add),
    "Sub": binary(VectorUnit.sub),
    "Mul": binary(VectorUnit.mul),
    "Div": binary(VectorUnit.div),
    "Sum": many,
    "Mean": mean_of_many,
    "Pow": power,
    "Mod": modulo,
    "Sqrt": unary(VectorUnit.sqrt),
    "Reciprocal": unary(lambda unit, x: unit.div(np.ones(()), x)),
    "Exp": one(Function.EXP),
    "Log": one(Function.LOG),
    "Sin": one(Function.SIN),
    "Cos": one(Function.COS),
    "Tan": unary(lambda unit, x: unit.div(unit.function(Function.SIN, x), unit.function(Function.COS, x))),
    "Sinh": unary(lambda unit, x: halved(unit, x, VectorUnit.sub)),
    "Cosh": unary(lambda unit, x: halved(unit, x, VectorUnit.add)),
    "Tanh": one(Function.TANH),
    "Sigmoid": one(Function.SIGMOID),
    "Erf": one(Function.ERF),
}
"""Element by element; `emu.vector.activations`, `emu.vector.reductions` and others add to them."""
