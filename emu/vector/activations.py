"""ONNX's activations as sequences of elementary operations; see `emu.vector.operators` for the rules.

* HardSigmoid: max(0, min(1, alpha x + beta)). HardSwish: x · HardSigmoid(x; 1/6, 1/2). Softplus: log(1 + exp x).
* Mish: x · tanh(softplus x). Swish: x · sigmoid(alpha x), silu where alpha is 1. SwiGLU: Swish(a) · b.
* Elu: alpha (exp x − 1) where x < 0, else x. Celu: alpha (exp(x / alpha) − 1). Selu: gamma (alpha exp x − alpha) where
  x < 0, else gamma x.
* Shrink: x + bias where x < −lambd, x − bias where x > lambd, else 0.
"""

from __future__ import annotations

import numpy as np

from emu.arithmetic.rounded import Floats
from emu.functions import Function
from emu.vector.operators import Attributes, Operands, Operator, binary, given, unary
from emu.vector.unit import VectorUnit


def number(unit: VectorUnit, attributes: Attributes, name: str, default: float) -> Floats:
    """A constant of the operator, rounded into the vector format."""
    return unit.constant(float(attributes.get(name, default)))


def gelu(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """Gelu: one function."""
    function = Function.GELU_TANH if attributes.get("approximate", "none") == "tanh" else Function.GELU
    return (unit.function(function, unit.load(given(x[0]))),)


def hard_sigmoid(unit: VectorUnit, x: Floats, alpha: float, beta: float) -> Floats:
    """max(0, min(1, alpha x + beta))."""
    line = unit.add(unit.mul(unit.constant(alpha), x), unit.constant(beta))
    return np.clip(line, 0.0, 1.0)


def hard_sigmoid_op(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """HardSigmoid."""
    alpha, beta = float(attributes.get("alpha", 0.2)), float(attributes.get("beta", 0.5))
    return (hard_sigmoid(unit, unit.load(given(x[0])), alpha, beta),)


def hard_swish(unit: VectorUnit, x: Operands, _: Attributes) -> tuple[Floats]:
    """x · HardSigmoid(x; 1/6, 1/2)."""
    value = unit.load(given(x[0]))
    return (unit.mul(value, hard_sigmoid(unit, value, 1 / 6, 0.5)),)


def swish(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """x · sigmoid(alpha x); silu, one function, where alpha is 1."""
    value, alpha = unit.load(given(x[0])), float(attributes.get("alpha", 1.0))
    if alpha == 1:
        return (unit.function(Function.SILU, value),)
    inner = unit.function(Function.SIGMOID, unit.mul(unit.constant(alpha), value))
    return (unit.mul(value, inner),)


def softplus(unit: VectorUnit, x: Floats) -> Floats:
    """log(1 + exp x)."""
    return unit.function(Function.LOG, unit.add(np.ones(()), unit.function(Function.EXP, x)))


def leaky_relu(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """x, or alpha x where x < 0."""
    value = unit.load(given(x[0]))
    return (np.where(value < 0, unit.mul(unit.constant(float(attributes.get("alpha", 0.01))), value), value),)


def prelu(unit: VectorUnit, x: Floats, slope: Floats) -> Floats:
    """x, or slope x where x < 0."""
    return np.where(x < 0, unit.mul(slope, x), x)


def elu(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """x, or alpha (exp x − 1) where x < 0."""
    value = unit.load(given(x[0]))
    below = unit.sub(unit.function(Function.EXP, value), np.ones(()))
    return (np.where(value < 0, unit.mul(unit.constant(float(attributes.get("alpha", 1.0))), below), value),)


def celu(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """x, or alpha (exp(x / alpha) − 1) where x < 0."""
    value, alpha = unit.load(given(x[0])), number(unit, attributes, "alpha", 1.0)
    below = unit.sub(unit.function(Function.EXP, unit.div(value, alpha)), np.ones(()))
    return (np.where(value < 0, unit.mul(alpha, below), value),)


SELU = (1.67326319217681884765625, 1.05070102214813232421875)
"""ONNX's alpha and gamma."""


def selu(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """gamma x, or gamma (alpha exp x − alpha) where x < 0."""
    value = unit.load(given(x[0]))
    alpha, gamma = number(unit, attributes, "alpha", SELU[0]), number(unit, attributes, "gamma", SELU[1])
    below = unit.sub(unit.mul(alpha, unit.function(Function.EXP, value)), alpha)
    return (unit.mul(gamma, np.where(value < 0, below, value)),)


def mish(unit: VectorUnit, x: Floats) -> Floats:
    """x · tanh(softplus x)."""
    return unit.mul(x, unit.function(Function.TANH, softplus(unit, x)))


def shrink(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """x moved toward zero by `bias` where it is beyond `lambd`, else 0."""
    value = unit.load(given(x[0]))
    bias, bound = number(unit, attributes, "bias", 0.0), number(unit, attributes, "lambd", 0.5)
    inner = np.where(value > bound, unit.sub(value, bias), np.zeros(()))
    return (np.where(value < -bound, unit.add(value, bias), inner),)


def swiglu(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """Swish of the first operand, times the second."""
    (gate,) = swish(unit, x, attributes)
    return (unit.mul(gate, unit.load(given(x[1]))),)


ACTIVATIONS: dict[str, Operator] = {
    "PRelu": binary(prelu),
    "Gelu": gelu,
    "Swish": swish,
    "SwiGLU": swiglu,
    "Softplus": unary(softplus),
    "Softsign": unary(lambda unit, x: unit.div(x, unit.add(np.ones(()), np.abs(x)))),
    "HardSigmoid": hard_sigmoid_op,
    "HardSwish": hard_swish,
    "LeakyRelu": leaky_relu,
    "Elu": elu,
    "Celu": celu,
    "Selu": selu,
    "Mish": unary(mish),
    "Shrink": shrink,
}
