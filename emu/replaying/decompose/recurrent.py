"""RNN, LSTM and GRU as what they are made of: matrix products, sums and functions, step by step.

* A node is taken apart if its sequence length is known (static shapes, a fixed input, the shapes of the inputs at
  hand), at most `MOST_STEPS`, its weights are constants and every activation is one of
  `emu.replaying.decompose.activations`. Any direction, either layout, peepholes, clip, coupled gates, sequence lengths.
  Other nodes stay as they are, and are fallbacks.
* The inputs of all steps are one Gemm [steps · batch, inputs] × Wᵀ + Wb for each direction; every step has a Gemm
  H × Rᵀ + Rb. So a scale per tensor covers all steps of the input, and one step of the state. A GRU that resets before
  the product has two Gemms per step: update and reset gates, then the candidate on r · H.
* The state before the first step is `initial_h`, `initial_c`, or zeros: products with them are computed.
* What a step computes: `emu.replaying.decompose.cells`.
* Sequence lengths, constant or not: a sequence's state stays as it is in the steps past its length, and its outputs
  there are zeros; so the last state is the state at its length, and backwards a sequence starts at its own last step.
  A sequence without steps ends with zeros, as in the reference engine; ONNX does not say. The products of those steps
  are computed all the same, of whatever stands there, and count: in the scale of a tensor, and in events.
* From there on these are nodes like any: the unit runs the Gemms, the vector unit the rest. They are named
  NODE/inputs, NODE/step3/state, and so on. The reference engine runs them too, so float32 truth differs from its fused
  operator in the order of sums.

Source: ONNX operators RNN, GRU and LSTM, opset 22.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from emu.replaying.decompose import cells
from emu.replaying.decompose.activations import read_activations
from emu.replaying.decompose.builder import Builder

MOST_STEPS = 256
"""Longer sequences are not taken apart: every step has a dozen nodes."""
DIRECTIONS = {"forward": "f", "reverse": "r", "bidirectional": "fr"}
"""In the order of the weights: forward and reverse."""
X, W, R, B, LENGTHS, H, C, PEEPHOLES = range(8)
"""Positions of the inputs; an RNN and a GRU end with H."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One of the operators."""

    gates: int
    states: tuple[int, ...]
    """positions of the inputs with the states before the first step"""
    activations: tuple[str, ...]
    step: Callable[[Builder, cells.Direction, str, str, tuple[str, ...]], tuple[str, ...]]


KINDS = {
    "RNN": Kind(gates=1, states=(H,), activations=("Tanh",), step=cells.rnn),
    "GRU": Kind(gates=3, states=(H,), activations=("Sigmoid", "Tanh"), step=cells.gru),
    "LSTM": Kind(gates=4, states=(H, C), activations=("Sigmoid", "Tanh", "Tanh"), step=cells.lstm),
}


def take_apart(b: Builder) -> bool:
    """Build a cell, if it can be."""
    kind = KINDS[b.node.op_type]
    steps = _steps(b)
    if steps is None or not _weights_fit(b, kind):
        return False
    directions = _directions(b, kind)
    lengths = _Lengths.of(b, steps)
    if directions is None or lengths is None:
        return False
    _Unrolled(b=b, kind=kind, steps=steps, lengths=lengths).build(directions)
    return True


def _batch_first(b: Builder) -> bool:
    return bool(b.attributes.get("layout", 0))


def _steps(b: Builder) -> int | None:
    """How many steps a node has, if that is known and not too many."""
    shape = b.tensor(X).shape
    steps = None if shape is None or len(shape) != 3 else shape[1 if _batch_first(b) else 0]
    return steps if steps and steps <= MOST_STEPS else None


def _weights_fit(b: Builder, kind: Kind) -> bool:
    """Whether the weights are constants of the right shapes; the engine says what is wrong with others."""
    dims = {}
    for which in (W, R, B, PEEPHOLES):
        name = b.given(which)
        if name and name not in b.graph.constants:
            return False
        dims[which] = tuple(b.graph.constants[name].dims) if name else None
    w, r = dims[W], dims[R]
    direction = b.attributes.get("direction", "forward")
    if w is None or r is None or len(w) != 3 or len(r) != 3 or direction not in DIRECTIONS:
        return False
    count, width = len(DIRECTIONS[direction]), kind.gates * r[2]
    fits = w[:2] == r[:2] == (count, width) and dims[B] in (None, (count, 2 * width))
    return fits and dims[PEEPHOLES] in (None, (count, 3 * r[2]))


def _directions(b: Builder, kind: Kind) -> list[cells.Direction] | None:
    """The directions of a node, forward first; None if an activation is not known."""
    letters = DIRECTIONS[b.attributes.get("direction", "forward")]
    names = b.attributes.get("activations") or kind.activations * len(letters)
    activations = read_activations(
        names, b.attributes.get("activation_alpha", ()), b.attributes.get("activation_beta", ())
    )
    if activations is None or len(activations) != len(kind.activations) * len(letters):
        return None
    bound = float(b.attributes.get("clip", 0.0))
    arrays = {which: b.graph.array(b.given(which)) if b.given(which) else None for which in (W, R, B, PEEPHOLES)}
    own = len(kind.activations)
    return [
        cells.Direction(
            prefix=f"{'forward' if letter == 'f' else 'backward'}/" if len(letters) > 1 else "",
            w=_of(arrays[W], at), r=_of(arrays[R], at), bias=_of(arrays[B], at), peepholes=_of(arrays[PEEPHOLES], at),
            activations=activations[at * own : (at + 1) * own], clip=bound if "clip" in b.attributes else None,
            coupled=bool(b.attributes.get("input_forget", 0)), linear=bool(b.attributes.get("linear_before_reset", 0)),
        )
        for at, letter in enumerate(letters)
    ]  # fmt: skip


def _of(weights: Any, direction: int) -> Any:
    return None if weights is None else weights[direction]


@dataclass(frozen=True, kw_only=True)
class _Lengths:
    """Where the sequences of a batch end."""

    name: str
    """a tensor of the lengths; empty if all are whole"""
    shortest: int
    """steps that every sequence surely has"""

    @classmethod
    def of(cls, b: Builder, steps: int) -> _Lengths | None:
        """None if they are constants that make no sense: the engine says what is wrong."""
        name = b.given(LENGTHS)
        if not name or name not in b.graph.constants:
            return cls(name=name, shortest=0 if name else steps)
        known = b.graph.array(name)
        if not known.size or known.min() < 0 or known.max() > steps:
            return None
        shortest = int(known.min())
        return cls(name="" if shortest == steps else name, shortest=shortest)

    def ends_by(self, step: int) -> bool:
        """Whether a sequence may end before this step."""
        return bool(self.name) and step >= self.shortest

    def chosen(self, b: Builder, step: int, batch: str) -> str:
        """[batch]: the rows of two tensors in one: of the second for sequences that have this step, else the first."""
        name = f"step{step}/chosen"
        if not b.made(name):  # once for both directions
            at = b.constant(f"step{step}", np.array(step, np.int32))
            inside = b.op("Less", [at, self.name], f"step{step}/inside")
            second = b.op("Add", [_rows(b, batch), batch], f"step{step}/second")
            b.op("Where", [inside, second, _rows(b, batch)], name)
        return f"{b.unique}/{name}"


def _rows(b: Builder, batch: str) -> str:
    """0, 1, … for a batch."""
    if not b.made("batch_rows"):
        zero, one = (b.constant(f"int{at}", np.array(at, np.int64)) for at in (0, 1))
        count = b.op("Gather", [batch, zero], "batch_count", axis=0)
        b.op("Range", [zero, count, one], "batch_rows")
    return f"{b.unique}/batch_rows"


@dataclass(frozen=True, kw_only=True)
class _Unrolled:
    """One node, step by step."""

    b: Builder
    kind: Kind
    steps: int
    lengths: _Lengths

    def build(self, directions: list[cells.Direction]) -> None:
        """All nodes, and the outputs under the names that the node gave them."""
        b = self.b
        rows, last = [], []
        letters = DIRECTIONS[b.attributes.get("direction", "forward")]
        for number, (d, letter) in enumerate(zip(directions, letters, strict=True)):
            made, state = self._direction(number, d, backwards=letter == "r")
            rows.append(made)
            last.append(state)
        hidden = directions[0].hidden
        if b.wanted(0):
            inner, time = ([-1, 1, 1], 1) if _batch_first(b) else ([1, 1, -1], 0)
            joined = []
            for number, made in enumerate(rows):
                each = [b.reshape(h, [*inner, hidden], f"y{number}_{t}") for t, h in enumerate(made)]
                joined.append(b.op("Concat", each, f"y{number}", axis=time))
            b.op("Concat", joined, "y", b.wanted(0), axis=time + 1)
        inner, axis = ([-1, 1], 1) if _batch_first(b) else ([1, -1], 0)
        for which, letter in zip(range(len(self.kind.states)), "hc", strict=False):
            output = b.wanted(1 + which)
            if output:
                ends = [self._ended(s[which], directions[0], f"{letter}{i}") for i, s in enumerate(last)]
                each = [b.reshape(end, [*inner, hidden], f"last_{letter}{i}") for i, end in enumerate(ends)]
                b.op("Concat", each, f"last_{letter}", output, axis=axis)

    def _direction(self, number: int, d: cells.Direction, *, backwards: bool) -> tuple[list[str], tuple[str, ...]]:
        """One direction: its outputs in the order of time, and its last state."""
        b, width = self.b, len(d.r)
        flat = b.reshape(b.given(X), [-1, d.w.shape[1]], f"{d.prefix}rows")
        operands = [flat, b.constant(f"{d.prefix}w", d.w)]
        if d.bias is not None:
            operands.append(b.constant(f"{d.prefix}wb", d.bias[:width]))
        product = b.op("Gemm", operands, f"{d.prefix}inputs", transB=1)
        shape, time = ([-1, self.steps, width], 1) if _batch_first(b) else ([self.steps, -1, width], 0)
        every = b.reshape(product, shape, f"{d.prefix}steps")
        state = tuple(self._initial(number, d))
        made = [""] * self.steps
        for t in range(self.steps - 1, -1, -1) if backwards else range(self.steps):
            step = f"{d.prefix}step{t}"
            x = b.pick(every, t, time, f"{step}/input")
            after = self.kind.step(b, d, step, x, state)
            made[t], state = self._masked(d, t, step, state, after)
        return made, state

    def _masked(
        self, d: cells.Direction, t: int, step: str, before: tuple[str, ...], after: tuple[str, ...]
    ) -> tuple[str, tuple[str, ...]]:
        """The output of a step and the state behind it, for sequences of any length."""
        if not self.lengths.ends_by(t):
            return after[0], after
        pairs = zip("hc", before, after, strict=False)
        state = tuple(self._chosen(t, old, new, f"{step}/{letter}_now") for letter, old, new in pairs)
        return self._chosen(t, self._zeros(d), after[0], f"{step}/y"), state

    def _chosen(self, t: int, old: str, new: str, name: str) -> str:
        """The new rows of sequences that have a step, the old ones of others.

        By Gather: the reference engine's Where makes +0 of -0.
        """
        b = self.b
        both = b.op("Concat", [old, new], f"{name}_both", axis=0)
        return b.op("Gather", [both, self.lengths.chosen(b, t, self._batch())], name, axis=0)

    def _ended(self, state: str, d: cells.Direction, name: str) -> str:
        """The last state; zeros for a sequence without steps."""
        return self._chosen(0, self._zeros(d), state, f"ended_{name}") if self.lengths.ends_by(0) else state

    def _batch(self) -> str:
        """The size of the batch, a list of one integer."""
        if not self.b.made("batch"):
            self.b.size(self.b.given(X), 0 if _batch_first(self.b) else 1, "batch")
        return f"{self.b.unique}/batch"

    def _zeros(self, d: cells.Direction) -> str:
        """[batch, hidden] of zeros."""
        if not self.b.made("zeros"):
            size = self.b.op("Concat", [self._batch(), self.b.integers(d.hidden)], "zeros_size", axis=0)
            self.b.op("Expand", [self.b.constant("zero", np.zeros((), d.dtype)), size], "zeros")
        return f"{self.b.unique}/zeros"

    def _initial(self, number: int, d: cells.Direction) -> Iterator[str]:
        """The state before the first step, [batch, hidden] each."""
        b = self.b
        for letter, which in zip("hc", self.kind.states, strict=False):
            name, given = f"{d.prefix}{letter}", b.given(which)
            yield b.pick(given, number, 1 if _batch_first(b) else 0, f"{name}_first") if given else self._zeros(d)
