"""LSTM and GRU as what they are made of: matrix products, sums and functions, step by step.

* A node is taken apart if its sequence length is known (static shapes, or a fixed input), at most `MOST_STEPS`, its
  weights are constants and its options are the defaults: activations Sigmoid and Tanh, no peepholes, no clip, no
  coupled gates, and no sequence lengths but the whole one. Any direction, either layout, any `linear_before_reset`.
  Other nodes stay as they are, and are fallbacks.
* The inputs of all steps are one Gemm [steps · batch, inputs] × Wᵀ + Wb for each direction; every step has a Gemm
  H × Rᵀ + Rb. So a scale per tensor covers all steps of the input, and one step of the state. A GRU that resets before
  the product has two Gemms per step: update and reset gates, then the candidate on r · H.
* The state before the first step is `initial_h`, `initial_c`, or zeros: products with them are computed.
* Per step, with x and h the rows of both products, biases included, one operation after the other as they are written:
  - LSTM: i, o, f = sigmoid(x + h), g = tanh(x + h); C = f · C + i · g; H = o · tanh(C).
  - GRU: z, r = sigmoid(x + h); g = tanh(x + h), with h from r · H, or tanh(x + r · h) if linear before reset;
    H = (1 − z) · g + z · H.
* From there on these are nodes like any: the unit runs the Gemms, the vector unit the rest. They are named
  NODE/inputs, NODE/step3/state, and so on. The reference engine runs them too, so float32 truth differs from its fused
  operator in the order of sums.

Source: ONNX operators LSTM and GRU, opset 22.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emu.layers.gemm import Array
from emu.replaying.sizes import inferred_shapes
from emu.replaying.walk import attributes_of, node_label

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

    from emu.replaying.graph import Graph

MOST_STEPS = 256
"""Longer sequences are not taken apart: every step has a dozen nodes."""
SLICE_INPUTS = 10
"""Since this opset, Slice has its bounds as inputs."""
ACTIVATIONS = {"LSTM": ["sigmoid", "tanh", "tanh"], "GRU": ["sigmoid", "tanh"]}
GATES = {"LSTM": 4, "GRU": 3}
DIRECTIONS = {"forward": "f", "reverse": "r", "bidirectional": "fr"}
"""In the order of the weights: forward and reverse."""
X, W, R, B, LENGTHS, H, C, PEEPHOLES = range(8)
"""Positions of the inputs; a GRU ends with H."""


def decomposed(graph: Graph) -> Graph | None:
    """The graph with every LSTM and GRU taken apart that can be; None if there is none."""
    if not any(_is_cell(node) for node in graph.nodes) or graph.opsets.get("", 1) < SLICE_INPUTS:
        return None
    shapes = inferred_shapes(graph, graph.nodes, graph.inputs)
    nodes: list[NodeProto] = []
    constants: dict[str, TensorProto] = {}
    for node in graph.nodes:
        steps = _steps(graph, node, shapes.get(node.input[X])) if _is_cell(node) else None
        if steps is None:
            nodes.append(node)
            continue
        made = _Unrolled(graph=graph, node=node, steps=steps)
        made.build()
        nodes += made.nodes
        constants |= made.constants
    if not constants:
        return None
    return replace(graph, nodes=tuple(nodes), constants=graph.constants | constants)


def _is_cell(node: NodeProto) -> bool:
    return node.op_type in GATES and node.domain in ("", "ai.onnx")


def _given(node: NodeProto, position: int) -> str:
    """The name of an input; empty if it is left out."""
    return str(node.input[position]) if len(node.input) > position else ""


def _steps(graph: Graph, node: NodeProto, shape: tuple[int | None, ...] | None) -> int | None:
    """How many steps a node has, if it can be taken apart."""
    attributes = attributes_of(node)
    names = [name.decode() if isinstance(name, bytes) else name for name in attributes.get("activations", [])]
    default = ACTIVATIONS[node.op_type] * (2 if attributes.get("direction") == "bidirectional" else 1)
    if names and [name.lower() for name in names] != default:
        return None
    if any(attributes.get(key) for key in ("activation_alpha", "activation_beta", "input_forget")):
        return None
    if "clip" in attributes or _given(node, PEEPHOLES):
        return None
    if not _weights_fit(graph, node, attributes.get("direction", "forward")):
        return None
    steps = None if shape is None or len(shape) != 3 else shape[1 if attributes.get("layout", 0) else 0]
    if not steps or steps > MOST_STEPS:
        return None
    lengths = _given(node, LENGTHS)
    if lengths and (lengths not in graph.constants or not np.all(graph.array(lengths) == steps)):
        return None
    return steps


def _weights_fit(graph: Graph, node: NodeProto, direction: str) -> bool:
    """Whether the weights are constants of the right shapes; the engine says what is wrong with others."""
    dims = {}
    for which in (W, R, B):
        name = _given(node, which)
        if name and name not in graph.constants:
            return False
        dims[which] = tuple(graph.constants[name].dims) if name else None
    w, r, b = dims[W], dims[R], dims[B]
    if w is None or r is None or len(w) != 3 or len(r) != 3 or direction not in DIRECTIONS:
        return False
    count, width = len(DIRECTIONS[direction]), GATES[node.op_type] * r[2]
    return w[:2] == r[:2] == (count, width) and b in (None, (count, 2 * width))


@dataclass(kw_only=True)
class _Unrolled:
    """One node, taken apart."""

    graph: Graph
    node: NodeProto
    steps: int
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, TensorProto] = field(default_factory=dict)

    def __post_init__(self) -> None:
        attributes = attributes_of(self.node)
        self.attributes = attributes
        self.label = node_label(self.node)
        self.unique = next(name for name in self.node.output if name)
        self.batch_first = bool(attributes.get("layout", 0))
        r = self.graph.array(_given(self.node, R))
        self.hidden, self.dtype = r.shape[2], r.dtype
        self.directions = DIRECTIONS[attributes.get("direction", "forward")]

    def op(self, op: str, inputs: Sequence[str], name: str, output: str = "", **attributes: Any) -> str:
        """Append a node and return its output."""
        from onnx import helper

        output = output or f"{self.unique}/{name}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], f"{self.label}/{name}", **attributes))
        return output

    def constant(self, name: str, value: Array) -> str:
        """Store a constant and return its name; equal names have equal values."""
        from onnx import numpy_helper

        name = f"{self.unique}/{name}"
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(value.copy(), name)
        return name

    def integers(self, *values: int) -> str:
        """A constant list of integers."""
        return self.constant("ints" + "_".join(map(str, values)), np.array(values, np.int64))

    def pick(self, tensor: str, at: int, axis: int, name: str) -> str:
        """One place of an axis, without the axis."""
        return self.op("Gather", [tensor, self.constant(f"int{at}", np.array(at, np.int64))], name, axis=axis)

    def reshape(self, tensor: str, shape: Sequence[int], name: str) -> str:
        """Another shape."""
        return self.op("Reshape", [tensor, self.integers(*shape)], name)

    def gate(self, tensor: str, which: int, name: str, count: int = 1) -> str:
        """Columns of one gate, or of some next to each other."""
        bounds = [self.integers(i * self.hidden) for i in (which, which + count)]
        return self.op("Slice", [tensor, *bounds, self.integers(1)], name)

    def build(self) -> None:
        """All nodes, and the outputs under the names that the node gave them."""
        rows, last_h, last_c = [], [], []
        for number, letter in enumerate(self.directions):
            prefix = f"{'forward' if letter == 'f' else 'backward'}/" if len(self.directions) > 1 else ""
            made, h, c = self._direction(number, prefix, backwards=letter == "r")
            rows.append(made)
            last_h.append(h)
            last_c.append(c)
        outputs = [*self.node.output, "", "", ""]
        if outputs[0]:
            inner, time = ([-1, 1, 1], 1) if self.batch_first else ([1, 1, -1], 0)
            joined = []
            for number, made in enumerate(rows):
                each = [self.reshape(h, [*inner, self.hidden], f"y{number}_{t}") for t, h in enumerate(made)]
                joined.append(self.op("Concat", each, f"y{number}", axis=time))
            self.op("Concat", joined, "y", outputs[0], axis=time + 1)
        inner, axis = ([-1, 1], 1) if self.batch_first else ([1, -1], 0)
        for kind, last, output in (("h", last_h, outputs[1]), ("c", last_c, outputs[2])):
            if output:
                each = [self.reshape(one, [*inner, self.hidden], f"last_{kind}{i}") for i, one in enumerate(last)]
                self.op("Concat", each, f"last_{kind}", output, axis=axis)

    def _direction(self, number: int, prefix: str, *, backwards: bool) -> tuple[list[str], str, str]:
        """One direction: the states H in the order of time, the last H and the last C."""
        w, r = (self.graph.array(_given(self.node, which))[number] for which in (W, R))
        bias = self.graph.array(_given(self.node, B))[number] if _given(self.node, B) else None
        width = GATES[self.node.op_type] * self.hidden
        flat = self.reshape(_given(self.node, X), [-1, w.shape[1]], f"{prefix}rows")
        operands = [flat, self.constant(f"{prefix}w", w)]
        if bias is not None:
            operands.append(self.constant(f"{prefix}wb", bias[:width]))
        product = self.op("Gemm", operands, f"{prefix}inputs", transB=1)
        shape, time = ([-1, self.steps, width], 1) if self.batch_first else ([self.steps, -1, width], 0)
        every = self.reshape(product, shape, f"{prefix}steps")
        h = self._initial(H, number, f"{prefix}h")
        c = self._initial(C, number, f"{prefix}c") if self.node.op_type == "LSTM" else ""
        made = [""] * self.steps
        for t in range(self.steps - 1, -1, -1) if backwards else range(self.steps):
            step = f"{prefix}step{t}"
            x = self.pick(every, t, time, f"{step}/input")
            rb = None if bias is None else bias[width:]
            if self.node.op_type == "LSTM":
                h, c = self._lstm(x, h, c, (prefix, step), r, rb)
            else:
                h = self._gru(x, h, (prefix, step), r, rb)
            made[t] = h
        return made, h, c

    def _initial(self, which: int, number: int, name: str) -> str:
        """The state before the first step, [batch, hidden]."""
        given = _given(self.node, which)
        if given:
            return self.pick(given, number, 1 if self.batch_first else 0, f"{name}_first")
        shape = self.op("Shape", [_given(self.node, X)], f"{name}_shape")
        batch = self.op("Gather", [shape, self.integers(0 if self.batch_first else 1)], f"{name}_batch", axis=0)
        size = self.op("Concat", [batch, self.integers(self.hidden)], f"{name}_size", axis=0)
        return self.op("Expand", [self.constant("zero", np.zeros((), self.dtype)), size], f"{name}_first")

    def _state(self, h: str, names: tuple[str, str, str], r: Array, bias: Array | None) -> str:
        """H × Rᵀ + Rb; `names` are those of the direction, of the step and of the product."""
        prefix, step, name = names
        operands = [h, self.constant(f"{prefix}r_{name}", r)]
        if bias is not None:
            operands.append(self.constant(f"{prefix}rb_{name}", bias))
        return self.op("Gemm", operands, f"{step}/{name}", transB=1)

    def _lstm(self, x: str, h: str, c: str, names: tuple[str, str], r: Array, bias: Array | None) -> tuple[str, str]:
        step = names[1]
        total = self.op("Add", [x, self._state(h, (*names, "state"), r, bias)], f"{step}/gates")
        gates = self.op("Sigmoid", [self.gate(total, 0, f"{step}/iof_in", 3)], f"{step}/iof")
        i, o, f = (self.gate(gates, which, f"{step}/{name}") for which, name in enumerate("iof"))
        g = self.op("Tanh", [self.gate(total, 3, f"{step}/g_in")], f"{step}/g")
        kept = self.op("Mul", [f, c], f"{step}/kept")
        c = self.op("Add", [kept, self.op("Mul", [i, g], f"{step}/new")], f"{step}/c")
        return self.op("Mul", [o, self.op("Tanh", [c], f"{step}/tanh_c")], f"{step}/h"), c

    def _gru(self, x: str, h: str, names: tuple[str, str], r: Array, bias: Array | None) -> str:
        step, two = names[1], 2 * self.hidden
        linear = bool(self.attributes.get("linear_before_reset", 0))
        first = self._state(
            h, (*names, "state"), r if linear else r[:two], bias if linear or bias is None else bias[:two]
        )
        both = self.gate(first, 0, f"{step}/zr_state", 2) if linear else first
        total = self.op("Add", [self.gate(x, 0, f"{step}/zr_input", 2), both], f"{step}/zr_in")
        gates = self.op("Sigmoid", [total], f"{step}/zr")
        z, reset = (self.gate(gates, which, f"{step}/{name}") for which, name in enumerate("zr"))
        if linear:
            second = self.op("Mul", [reset, self.gate(first, 2, f"{step}/g_state")], f"{step}/reset")
        else:
            kept = self.op("Mul", [reset, h], f"{step}/reset")
            second = self._state(kept, (*names, "candidate"), r[two:], None if bias is None else bias[two:])
        g_in = self.op("Add", [self.gate(x, 2, f"{step}/g_input"), second], f"{step}/g_in")
        g = self.op("Tanh", [g_in], f"{step}/g")
        rest = self.op("Sub", [self.constant("one", np.ones((), self.dtype)), z], f"{step}/rest")
        new = self.op("Mul", [rest, g], f"{step}/new")
        return self.op("Add", [new, self.op("Mul", [z, h], f"{step}/kept")], f"{step}/h")
