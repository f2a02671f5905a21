"""ONNX operators as sequences of elementary operations of a vector unit.

* Every operand that is a tensor of floats is first rounded into the vector format (`VectorUnit.load`); a constant of
  an operator's definition (alpha, epsilon, …) too.
* An operator is taken apart as its ONNX definition is written, one rounding for each operation; sums are in the unit's
  order and format, and are rounded into the vector format by the operation that reads them.
* exp, tanh, sigmoid, erf, gelu, silu, … are one function each.
* Softmax: m = max x; d = x − m; e = exp d; y = e / Σ e. LogSoftmax: y = d − log Σ e.
* LayerNormalization: m = Σ x / n; d = x − m; v = Σ d² / n; y = d / √(v + ε) · scale + bias. RMSNormalization without m.
* Sources: ONNX operators, opset 23, and their function bodies.

`OPERATORS` maps an operator's name to the function that runs it; what is not there falls back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.functions import Function
from emu.vector.arithmetic import Floats
from emu.vector.unit import VectorUnit

Attributes = Mapping[str, Any]
Operands = Sequence[NDArray[Any] | None]
Operator = Callable[[VectorUnit, Operands, Attributes], tuple[Floats, ...]]


def _given(x: NDArray[Any] | None) -> NDArray[Any]:
    assert x is not None
    return x


def unary(function: Callable[[VectorUnit, Floats], Floats]) -> Operator:
    """An operator of one tensor."""
    return lambda unit, x, _: (function(unit, unit.load(_given(x[0]))),)


def binary(function: Callable[[VectorUnit, Floats, Floats], Floats]) -> Operator:
    """An operator of two tensors that broadcast."""
    return lambda unit, x, _: (function(unit, unit.load(_given(x[0])), unit.load(_given(x[1]))),)


def one(function: Function) -> Operator:
    """An operator that is one function."""
    return unary(lambda unit, x: unit.function(function, x))


def many(unit: VectorUnit, x: Operands, _: Attributes) -> tuple[Floats]:
    """Sum of any number of tensors, from the first on."""
    total = unit.load(_given(x[0]))
    for other in x[1:]:
        total = unit.add(total, unit.load(_given(other)))
    return (total,)


def mean_of_many(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """Mean: the sum, divided by the number of tensors."""
    (total,) = many(unit, x, attributes)
    return (unit.div(total, np.asarray(float(len(x)))),)


def power(unit: VectorUnit, x: Operands, _: Attributes) -> tuple[Floats]:
    """x^2 and x^3 are products, x^0.5 a root, x^1 x, x^-1 and x^-0.5 quotients. The exponent is one number."""
    base, exponent = unit.load(_given(x[0])), float(np.asarray(x[1]).ravel()[0])
    square = unit.mul(base, base) if exponent in (2, 3) else base
    match exponent:
        case 1:
            return (base,)
        case 2:
            return (square,)
        case 3:
            return (unit.mul(square, base),)
        case 0.5:
            return (unit.sqrt(base),)
        case -1:
            return (unit.div(np.ones(()), base),)
        case -0.5:
            return (unit.div(np.ones(()), unit.sqrt(base)),)
    raise AssertionError(exponent)


def takes_power(exponent: NDArray[Any] | None) -> bool:
    """Whether `power` knows this exponent; None: it is no constant."""
    known = (1, 2, 3, 0.5, -1, -0.5)
    return exponent is not None and exponent.size == 1 and float(exponent.ravel()[0]) in known


def gelu(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """Gelu: one function."""
    function = Function.GELU_TANH if attributes.get("approximate", "none") == "tanh" else Function.GELU
    return (unit.function(function, unit.load(_given(x[0]))),)


def hard_sigmoid(unit: VectorUnit, x: Floats, alpha: float, beta: float) -> Floats:
    """max(0, min(1, alpha x + beta))."""
    line = unit.add(unit.mul(unit.constant(alpha), x), unit.constant(beta))
    return np.clip(line, 0.0, 1.0)


def hard_sigmoid_op(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """HardSigmoid."""
    alpha, beta = float(attributes.get("alpha", 0.2)), float(attributes.get("beta", 0.5))
    return (hard_sigmoid(unit, unit.load(_given(x[0])), alpha, beta),)


def hard_swish(unit: VectorUnit, x: Operands, _: Attributes) -> tuple[Floats]:
    """x · HardSigmoid(x; 1/6, 1/2)."""
    value = unit.load(_given(x[0]))
    return (unit.mul(value, hard_sigmoid(unit, value, 1 / 6, 0.5)),)


def swish(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """x · sigmoid(alpha x); silu, one function, where alpha is 1."""
    value, alpha = unit.load(_given(x[0])), float(attributes.get("alpha", 1.0))
    if alpha == 1:
        return (unit.function(Function.SILU, value),)
    inner = unit.function(Function.SIGMOID, unit.mul(unit.constant(alpha), value))
    return (unit.mul(value, inner),)


def softplus(unit: VectorUnit, x: Floats) -> Floats:
    """log(1 + exp x)."""
    return unit.function(Function.LOG, unit.add(np.ones(()), unit.function(Function.EXP, x)))


def leaky_relu(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """x, or alpha x where x < 0."""
    value = unit.load(_given(x[0]))
    return (np.where(value < 0, unit.mul(unit.constant(float(attributes.get("alpha", 0.01))), value), value),)


def prelu(unit: VectorUnit, x: Floats, slope: Floats) -> Floats:
    """x, or slope x where x < 0."""
    return np.where(x < 0, unit.mul(slope, x), x)


def elu(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """x, or alpha (exp x − 1) where x < 0."""
    value = unit.load(_given(x[0]))
    below = unit.sub(unit.function(Function.EXP, value), np.ones(()))
    return (np.where(value < 0, unit.mul(unit.constant(float(attributes.get("alpha", 1.0))), below), value),)


OPERATORS: dict[str, Operator] = {
    "Add": binary(VectorUnit.add),
    "Sub": binary(VectorUnit.sub),
    "Mul": binary(VectorUnit.mul),
    "Div": binary(VectorUnit.div),
    "PRelu": binary(prelu),
    "Sum": many,
    "Mean": mean_of_many,
    "Pow": power,
    "Sqrt": unary(VectorUnit.sqrt),
    "Reciprocal": unary(lambda unit, x: unit.div(np.ones(()), x)),
    "Exp": one(Function.EXP),
    "Log": one(Function.LOG),
    "Sin": one(Function.SIN),
    "Cos": one(Function.COS),
    "Tanh": one(Function.TANH),
    "Sigmoid": one(Function.SIGMOID),
    "Erf": one(Function.ERF),
    "Gelu": gelu,
    "Swish": swish,
    "Softplus": unary(softplus),
    "Softsign": unary(lambda unit, x: unit.div(x, unit.add(np.ones(()), np.abs(x)))),
    "HardSigmoid": hard_sigmoid_op,
    "HardSwish": hard_swish,
    "LeakyRelu": leaky_relu,
    "Elu": elu,
}
"""Element by element; `emu.vector.reductions` adds those that sum."""
