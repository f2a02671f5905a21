"""Operators that the reference engine's optimiser makes of others (domain com.microsoft); see `emu.vector.operators`.

* Gelu: one function. BiasGelu: x + bias, then Gelu. FastGelu: x + bias if there is one, then Gelu's tanh form.
  QuickGelu: x · sigmoid(alpha x).
* SkipLayerNormalization, SkipSimplifiedLayerNormalization: x + skip, + bias if there is one, then the norm. Only where
  the sum itself is no output.

Not meant: what multiplies and accumulates (Attention, MatMulNBits, …), and GatherBlockQuantized, whose packed forms
`emu.vector.embedding` takes as arrays.

Source: the engine's list of contrib operators.
"""

from __future__ import annotations

from emu.functions import Function
from emu.vector.activations import swish
from emu.vector.arithmetic import Floats
from emu.vector.operators import Attributes, Operands, Operator, given, one
from emu.vector.reductions import layer_norm, rms_norm
from emu.vector.unit import VectorUnit

DOMAIN = "com.microsoft"
QUICK_ALPHA = 1.702


def biased(function: Function) -> Operator:
    """A function of x + bias; without a bias, of x."""

    def run(unit: VectorUnit, x: Operands, _: Attributes) -> tuple[Floats]:
        return (unit.function(function, _sum(unit, x[:2])),)

    return run


def _sum(unit: VectorUnit, terms: Operands) -> Floats:
    """The terms that are there, one after the other."""
    total = unit.load(given(terms[0]))
    for term in terms[1:]:
        if term is not None:
            total = unit.add(total, unit.load(term))
    return total


def quick_gelu(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """x · sigmoid(alpha x)."""
    (made,) = swish(unit, x, {"alpha": QUICK_ALPHA, **attributes})
    return (made,)


def skip_layer_norm(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """Operands: x, skip, scale, and perhaps the norm's bias and the sum's."""
    total = _sum(unit, [x[0], x[1], x[4] if len(x) > 4 else None])
    (made,) = layer_norm(unit, [total, x[2], x[3] if len(x) > 3 else None], attributes)
    return (made,)


def skip_rms_norm(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """Operands: x, skip, scale, and perhaps the sum's bias."""
    total = _sum(unit, [x[0], x[1], x[3] if len(x) > 3 else None])
    (made,) = rms_norm(unit, [total, x[2]], attributes)
    return (made,)


CONTRIB: dict[str, Operator] = {
    "Gelu": one(Function.GELU),
    "BiasGelu": biased(Function.GELU),
    "FastGelu": biased(Function.GELU_TANH),
    "QuickGelu": quick_gelu,
    "SkipLayerNormalization": skip_layer_norm,
    "SkipSimplifiedLayerNormalization": skip_rms_norm,
}
