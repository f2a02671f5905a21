"""Recurrent layers (LSTM, GRU, RNN and their cells), taken apart as `emu.replaying` takes apart ONNX's.

* The inputs of all steps are one Gemm, `NAME/l0/inputs`; every step has a Gemm of the state, a call of `NAME/l0/state`.
  The backward direction is `l0_reverse`; a cell has `NAME/inputs` and `NAME/state`.
* Per step, with x and h the rows of both products, biases included, each operation in the vector unit if there is one:
  - LSTM: i, f, o = sigmoid(x + h), g = tanh(x + h); C = f · C + i · g; H = o · tanh(C).
  - GRU: z, r = sigmoid(x + h), g = tanh(x + r · h); H = (1 − z) · g + z · H.
  - RNN: H = tanh(x + h), or relu.
* Packed sequences and projections (`proj_size`) are left to PyTorch, and are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from emu.torch.matrices import linear_as
from emu.torch.vectors import apply

if TYPE_CHECKING:
    from emu.torch.emulation import Emulation

State = tuple[Tensor, ...]
Weights = Sequence[Tensor]
"""Of the input and of the state, and, if there are any, their biases."""
Step = Callable[["Emulation", Tensor, Tensor, State], State]
"""From the rows of both products and the state to the next state, H first."""


def _lstm(emulation: Emulation, x: Tensor, h: Tensor, state: State) -> State:
    run = partial(apply, emulation)
    total = run(torch.add, x, h)
    i, f, g, o = total.chunk(4, -1)
    i, f, o = run(torch.sigmoid, torch.cat([i, f, o], -1)).chunk(3, -1)
    g = run(torch.tanh, g)
    c = run(torch.add, run(torch.mul, f, state[1]), run(torch.mul, i, g))
    return run(torch.mul, o, run(torch.tanh, c)), c


def _gru(emulation: Emulation, x: Tensor, h: Tensor, state: State) -> State:
    run = partial(apply, emulation)
    width = state[0].shape[-1]
    both = run(torch.sigmoid, run(torch.add, x[..., : 2 * width], h[..., : 2 * width]))
    r, z = both.chunk(2, -1)
    g = run(torch.tanh, run(torch.add, x[..., 2 * width :], run(torch.mul, r, h[..., 2 * width :])))
    kept = run(torch.mul, z, state[0])
    return (run(torch.add, run(torch.mul, run(torch.rsub, z, 1), g), kept),)


def _rnn(function: Callable[[Tensor], Tensor], emulation: Emulation, x: Tensor, h: Tensor, state: State) -> State:
    del state
    total = apply(emulation, torch.add, x, h)
    return (total.relu() if function is torch.relu else apply(emulation, function, total),)


STEPS: dict[str, Step] = {
    "lstm": _lstm, "gru": _gru, "rnn_tanh": partial(_rnn, torch.tanh), "rnn_relu": partial(_rnn, torch.relu),
}  # fmt: skip
"""By PyTorch's name."""


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """One layer in one direction."""

    emulation: Emulation
    step: Step
    name: str
    weights: Weights

    def product(self, name: str, which: int, x: Tensor) -> Tensor:
        """Rows times the weights of the input (0) or of the state (1)."""
        bias = self.weights[2 + which] if len(self.weights) > 2 else None
        return linear_as(self.emulation, f"{self.name}{name}", x, self.weights[which], bias)

    def run(self, x: Tensor, state: State, *, backwards: bool) -> tuple[Tensor, State]:
        """All steps of [steps, batch, inputs]: every H, and the last state."""
        inputs = self.product("inputs", 0, x)
        made = [state[0]] * len(x)
        for t in range(len(x) - 1, -1, -1) if backwards else range(len(x)):
            state = self.step(self.emulation, inputs[t], self.product("state", 1, state[0]), state)
            made[t] = state[0]
        return torch.stack(made), state


def recurrent(kind: str, emulation: Emulation, *args: Any) -> Any:
    """torch.lstm, gru, rnn_tanh, rnn_relu; NotImplemented for packed sequences and projections."""
    x, hx, flat, bias, layers, dropout, training, both, batch_first = args
    if not isinstance(flat, list | tuple) or isinstance(bias, list | tuple):
        return NotImplemented  # (data, batch sizes, …)
    states: State = tuple(hx) if kind == "lstm" else (hx,)
    each, ways = 4 if bias else 2, 2 if both else 1
    if len(flat) != each * layers * ways or any(one.shape[-1] != states[0].shape[-1] for one in flat[1::each]):
        return NotImplemented
    x = x.transpose(0, 1) if batch_first else x
    place = emulation.place()
    last: list[State] = []
    for number in range(layers):
        made = []
        for way in range(ways):
            at = number * ways + way
            name = f"{place}/" if place else ""
            name += f"l{number}{'_reverse' if way else ''}/"
            layer = _Layer(emulation=emulation, step=STEPS[kind], name=name, weights=flat[each * at : each * (at + 1)])
            rows, end = layer.run(x, tuple(one[at] for one in states), backwards=way == 1)
            made.append(rows)
            last.append(end)
        x = torch.cat(made, -1)
        if number < layers - 1:
            x = torch.nn.functional.dropout(x, dropout, training)
    x = x.transpose(0, 1) if batch_first else x
    return x, *(torch.stack(one) for one in zip(*last, strict=True))


def cell(kind: str, emulation: Emulation, *args: Any) -> Any:
    """torch.lstm_cell, gru_cell, rnn_tanh_cell, rnn_relu_cell: (input, state, weights, biases)."""
    x, hx, *weights = args
    state: State = tuple(hx) if kind == "lstm" else (hx,)
    place = emulation.place()
    given = [one for one in weights if one is not None]
    layer = _Layer(emulation=emulation, step=STEPS[kind], name=f"{place}/" if place else "", weights=given)
    made = STEPS[kind](emulation, layer.product("inputs", 0, x), layer.product("state", 1, state[0]), state)
    return made if kind == "lstm" else made[0]


BY_NAME: dict[str, Callable[..., Any]] = {
    **{kind: partial(recurrent, kind) for kind in STEPS},
    **{f"{kind}_cell": partial(cell, kind) for kind in STEPS},
}
"""By PyTorch's name."""
