"""Activation functions of recurrent cells, as nodes.

* One node: Relu, Tanh, Sigmoid, Softsign, Softplus, LeakyRelu, Elu, HardSigmoid.
* Affine: alpha x, then + beta. ScaledTanh: alpha · tanh(beta x), beta x first. ThresholdedRelu: x where x > alpha,
  else 0. Every product and sum is a node.
* Names are compared without case. The values of `activation_alpha` (and `_beta`) go to the activations that have an
  alpha (a beta), one after the other, as the reference engine hands them out; an activation for which none is left has
  its operator's default. Affine, ScaledTanh and ThresholdedRelu have none that ONNX and the reference engine agree on:
  without their numbers they are not taken apart.

Source: ONNX operators RNN, GRU and LSTM, opset 22.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from emu.replaying.decompose.builder import Builder

PARAMETERS: dict[str, tuple[tuple[str, float | None], ...]] = {
    "Relu": (),
    "Tanh": (),
    "Sigmoid": (),
    "Softsign": (),
    "Softplus": (),
    "LeakyRelu": (("alpha", 0.01),),
    "Elu": (("alpha", 1.0),),
    "ThresholdedRelu": (("alpha", None),),
    "HardSigmoid": (("alpha", 0.2), ("beta", 0.5)),
    "Affine": (("alpha", None), ("beta", None)),
    "ScaledTanh": (("alpha", None), ("beta", None)),
}
"""What an activation can be told, with the defaults; None: there is none."""
_BY_NAME = {name.lower(): name for name in PARAMETERS}


@dataclass(frozen=True, kw_only=True)
class Activation:
    """One activation function."""

    name: str
    parameters: dict[str, float]

    def __call__(self, b: Builder, x: str, name: str, dtype: Any) -> str:
        """The function of a tensor; its last node has the name."""
        alpha, beta = (b.number(self.parameters.get(key, 0.0), dtype) for key in ("alpha", "beta"))
        match self.name:
            case "Affine":
                return b.op("Add", [b.op("Mul", [alpha, x], f"{name}_scaled"), beta], name)
            case "ScaledTanh":
                inner = b.op("Tanh", [b.op("Mul", [beta, x], f"{name}_scaled")], f"{name}_tanh")
                return b.op("Mul", [alpha, inner], name)
            case "ThresholdedRelu":  # x last: the engine's Where makes +0 of a -0 that it is given first
                below = b.op("Not", [b.op("Greater", [x, alpha], f"{name}_above")], f"{name}_below")
                return b.op("Where", [below, b.number(0.0, dtype), x], name)
            case _:
                return b.op(self.name, [x], name, "", **self.parameters)


def read_activations(
    names: Sequence[bytes | str], alphas: Iterable[float], betas: Iterable[float]
) -> tuple[Activation, ...] | None:
    """The activations of a node; None if one is not known, or has not all its numbers."""
    left = {"alpha": iter(alphas), "beta": iter(betas)}
    made = []
    for text in names:
        name = _BY_NAME.get((text.decode() if isinstance(text, bytes) else text).lower())
        if name is None:
            return None
        given = {key: next(left[key], default) for key, default in PARAMETERS[name]}
        parameters = {key: value for key, value in given.items() if value is not None}
        if len(parameters) < len(given):
            return None
        made.append(Activation(name=name, parameters=parameters))
    return tuple(made)
