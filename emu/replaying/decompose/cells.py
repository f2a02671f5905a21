"""One step of a recurrent cell: ONNX's equations, one operation after the other as they are written.

With x and h the rows of both products, biases included; f, g, h the node's activations (Sigmoid, Tanh, Tanh):

* RNN: H = f(x + h).
* LSTM: i, o, f = f(x + h), g = g(x + h); C = f · C + i · g; H = o · h(C).
  - Peepholes: i and f of (x + h) + P · C with the C before the step, o with the C after it.
  - Coupled gates (`input_forget`): f = 1 − i, and the forget gate's own rows are not read.
* GRU: z, r = f(x + h); g = g(x + h), with h from r · H, or g(x + r · h) if linear before reset;
  H = (1 − z) · g + z · H.
* Clip: the input of every activation is bounded to ±clip, but for h's, which is C.

Source: ONNX operators RNN, GRU and LSTM, opset 22. Where they do not say, as in the reference engine: coupled gates,
and that C is not clipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emu.layers.gemm import Array
from emu.replaying.decompose.activations import Activation
from emu.replaying.decompose.builder import Builder

OF_STATE = 2
"""The activation, of an LSTM, that is of C."""


@dataclass(frozen=True, kw_only=True)
class Direction:
    """The weights and options of one direction of a cell."""

    prefix: str
    """of its nodes' names"""
    w: Array
    r: Array
    bias: Array | None
    """of the input's product, then of the state's"""
    peepholes: Array | None
    activations: tuple[Activation, ...]
    clip: float | None
    coupled: bool
    linear: bool
    """linear before reset"""

    @property
    def hidden(self) -> int:
        """The size of the state."""
        return int(self.r.shape[1])

    @property
    def dtype(self) -> Any:
        """Of everything."""
        return self.r.dtype

    def gate(self, b: Builder, tensor: str, which: int, name: str, count: int = 1) -> str:
        """Columns of one gate, or of some next to each other."""
        return b.cut(tensor, (which * self.hidden, (which + count) * self.hidden), 1, name)

    def state(self, b: Builder, h: str, step: str, name: str, gates: slice) -> str:
        """H × Rᵀ + Rb for some of the gates."""
        width, hidden = len(self.r), self.hidden
        rows = slice(*(at * hidden for at in gates.indices(width // hidden)[:2]))
        operands = [h, b.constant(f"{self.prefix}r_{name}", self.r[rows])]
        if self.bias is not None:
            operands.append(b.constant(f"{self.prefix}rb_{name}", self.bias[width:][rows]))
        return b.op("Gemm", operands, f"{step}/{name}", transB=1)

    def activate(self, b: Builder, which: int, x: str, name: str) -> str:
        """An activation, of its clipped input (of C itself)."""
        if self.clip is not None and which < OF_STATE:
            low = b.op("Max", [x, b.number(-self.clip, self.dtype)], f"{name}_low")
            x = b.op("Min", [low, b.number(self.clip, self.dtype)], f"{name}_clipped")
        return self.activations[which](b, x, name, self.dtype)

    def peep(self, b: Builder, x: str, c: str, which: int, name: str) -> str:
        """x + P · C; x without peepholes."""
        if self.peepholes is None:
            return x
        p = b.constant(f"{self.prefix}p{which}", self.peepholes[which * self.hidden : (which + 1) * self.hidden])
        return b.op("Add", [x, b.op("Mul", [p, c], f"{name}_peep")], f"{name}_in")

    def rest(self, b: Builder, gate: str, name: str) -> str:
        """1 − a gate."""
        return b.op("Sub", [b.constant("one", np.ones((), self.dtype)), gate], name)


def rnn(b: Builder, d: Direction, step: str, x: str, state: tuple[str, ...]) -> tuple[str, ...]:
    """The next (H,)."""
    total = b.op("Add", [x, d.state(b, state[0], step, "state", slice(None))], f"{step}/h_in")
    return (d.activate(b, 0, total, f"{step}/h"),)


def lstm(b: Builder, d: Direction, step: str, x: str, state: tuple[str, ...]) -> tuple[str, ...]:
    """The next (H, C)."""
    h, c = state
    total = b.op("Add", [x, d.state(b, h, step, "state", slice(None))], f"{step}/gates")
    o = ""
    if d.peepholes is None:
        count = 2 if d.coupled else 3
        letters = "iof"[:count]
        both = d.activate(b, 0, d.gate(b, total, 0, f"{step}/{letters}_in", count), f"{step}/{letters}")
        i, o, *others = (d.gate(b, both, which, f"{step}/{letter}") for which, letter in enumerate(letters))
        f = others[0] if others else d.rest(b, i, f"{step}/f")
    else:
        i = d.activate(b, 0, d.peep(b, d.gate(b, total, 0, f"{step}/i_sum"), c, 0, f"{step}/i"), f"{step}/i")
        if d.coupled:
            f = d.rest(b, i, f"{step}/f")
        else:
            f = d.activate(b, 0, d.peep(b, d.gate(b, total, 2, f"{step}/f_sum"), c, 2, f"{step}/f"), f"{step}/f")
    g = d.activate(b, 1, d.gate(b, total, 3, f"{step}/g_in"), f"{step}/g")
    kept = b.op("Mul", [f, c], f"{step}/kept")
    c = b.op("Add", [kept, b.op("Mul", [i, g], f"{step}/new")], f"{step}/c")
    if not o:
        o = d.activate(b, 0, d.peep(b, d.gate(b, total, 1, f"{step}/o_sum"), c, 1, f"{step}/o"), f"{step}/o")
    return b.op("Mul", [o, d.activate(b, 2, c, f"{step}/act_c")], f"{step}/h"), c


def gru(b: Builder, d: Direction, step: str, x: str, state: tuple[str, ...]) -> tuple[str, ...]:
    """The next (H,)."""
    (h,) = state
    first = d.state(b, h, step, "state", slice(None) if d.linear else slice(2))
    both = d.gate(b, first, 0, f"{step}/zr_state", 2) if d.linear else first
    total = b.op("Add", [d.gate(b, x, 0, f"{step}/zr_input", 2), both], f"{step}/zr_in")
    gates = d.activate(b, 0, total, f"{step}/zr")
    z, reset = (d.gate(b, gates, which, f"{step}/{name}") for which, name in enumerate("zr"))
    if d.linear:
        second = b.op("Mul", [reset, d.gate(b, first, 2, f"{step}/g_state")], f"{step}/reset")
    else:
        second = d.state(b, b.op("Mul", [reset, h], f"{step}/reset"), step, "candidate", slice(2, 3))
    g_in = b.op("Add", [d.gate(b, x, 2, f"{step}/g_input"), second], f"{step}/g_in")
    g = d.activate(b, 1, g_in, f"{step}/g")
    new = b.op("Mul", [d.rest(b, z, f"{step}/rest"), g], f"{step}/new")
    return (b.op("Add", [new, b.op("Mul", [z, h], f"{step}/kept")], f"{step}/h"),)
