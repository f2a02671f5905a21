"""Models of one recurrent cell, and ONNX's equations as a plain loop over NumPy arrays of any type."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from . import small_models
from .small_models import FLOAT

STEPS, BATCH, INPUTS, HIDDEN = 4, 2, 3, 5
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
DEFAULTS = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}
Case = dict[str, Any]


def eighths(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Small multiples of 1/8: sums of their products are exact in float32."""
    return (rng.integers(-8, 9, shape) / 8).astype(np.float32)


def cell(
    rng: np.random.Generator, op: str, *, bias: bool = True, initial: bool = True, steps: Any = STEPS,
    lengths: list[int] | None = None, dynamic: bool = False, peepholes: bool = False, **attributes: Any,
) -> tuple[Any, Case]:  # fmt: skip
    """A model of one cell with all its outputs, and its tensors.

    Args:
        rng: draws weights and inputs.
        op: RNN, LSTM or GRU.
        bias: give it one.
        initial: give it a state before the first step.
        steps: of the model's input; the tensor always has STEPS.
        lengths: of the sequences.
        dynamic: they are an input, not a constant.
        peepholes: give it those.
        attributes: of the node.
    """
    directions, layout = 1 + (attributes.get("direction") == "bidirectional"), attributes.get("layout", 0)
    width = GATES[op] * HIDDEN
    constants: Case = {"w": eighths(rng, directions, width, INPUTS), "r": eighths(rng, directions, width, HIDDEN)}
    if bias:
        constants["b"] = eighths(rng, directions, 2 * width)
    if peepholes:
        constants["p"] = eighths(rng, directions, 3 * HIDDEN)
    state = (BATCH, directions, HIDDEN) if layout else (directions, BATCH, HIDDEN)
    values: Case = {"x": eighths(rng, *((BATCH, STEPS) if layout else (STEPS, BATCH)), INPUTS)}
    given: Any = {"x": (FLOAT, ["batch", steps, INPUTS] if layout else [steps, "batch", INPUTS])}
    states = ("h", "c") if op == "LSTM" else ("h",)
    for name in states if initial else ():
        values[name], given[name] = eighths(rng, *state), (FLOAT, list(state))
    if lengths is not None:
        (values if dynamic else constants)["lengths"] = np.array(lengths, np.int32)
        given |= {"lengths": (helper.np_dtype_to_tensor_dtype(np.dtype(np.int32)), [BATCH])} if dynamic else {}
    tensors = values | constants
    inputs = [name if name in tensors else "" for name in ("x", "w", "r", "b", "lengths", *states)]
    inputs += ["p"] if peepholes else []
    outputs = {"y": (FLOAT, 4), "yh": (FLOAT, 3)} | ({"yc": (FLOAT, 3)} if op == "LSTM" else {})
    node = helper.make_node(op, inputs, list(outputs), "cell", hidden_size=HIDDEN, **attributes)
    return small_models.model([node], given, outputs, constants), tensors


def inputs_of(proto: Any, tensors: Case) -> Case:
    """What a run of the model must be given."""
    return {value.name: tensors[value.name] for value in proto.graph.input}


def sigmoid(x: Any) -> Any:
    return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(x.dtype)


def tanh(x: Any) -> Any:
    return np.tanh(x.astype(np.float64)).astype(x.dtype)


def exp(x: Any) -> Any:
    return np.exp(x.astype(np.float64)).astype(x.dtype)


def log(x: Any) -> Any:
    return np.log(x.astype(np.float64)).astype(x.dtype)


def activation(name: str, x: Any, alpha: float, beta: float) -> Any:
    """One of ONNX's activations, every operation in x's type; its numbers are float32, as ONNX stores them."""
    a, b = (np.float32(value).astype(x.dtype) for value in (alpha, beta))
    one, zero = x.dtype.type(1), x.dtype.type(0)
    return {
        "Tanh": lambda: tanh(x),
        "Sigmoid": lambda: sigmoid(x),
        "Relu": lambda: np.maximum(x, zero),
        "Affine": lambda: a * x + b,
        "LeakyRelu": lambda: np.where(x < 0, a * x, x),
        "ThresholdedRelu": lambda: np.where(x > a, x, zero),
        "ScaledTanh": lambda: a * tanh(b * x),
        "HardSigmoid": lambda: np.clip(a * x + b, zero, one),
        "Elu": lambda: np.where(x < 0, a * (exp(x) - one), x),
        "Softsign": lambda: x / (one + np.abs(x)),
        "Softplus": lambda: log(one + exp(x)),
    }[name]()


def product(a: Any, b: Any) -> Any:
    """A matrix product made in float64, which is exact enough to be rounded once."""
    return (a.astype(np.float64) @ b.astype(np.float64)).astype(a.dtype)


def loop(op: str, tensors: Case, kind: Any, attributes: Case) -> Any:
    """ONNX's equations, one operation after the other in `kind`: outputs Y, Y_h and, of an LSTM, Y_c.

    Every activation has the node's first alpha and beta: cases use one that has them."""
    t = {name: value if name == "lengths" else value.astype(kind) for name, value in tensors.items()}
    if attributes.get("layout"):
        t |= {name: np.swapaxes(t[name], 0, 1) for name in ("x", "h", "c") if name in t}
    lengths = t.get("lengths", np.full(BATCH, STEPS))
    bound = np.float32(attributes.get("clip", np.inf)).astype(kind)
    numbers = [attributes.get(f"activation_{key}", [0])[0] for key in ("alpha", "beta")]
    every, last_h, last_c = [], [], []
    directions = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}
    for d, backwards in enumerate(directions[attributes.get("direction", "forward")]):
        names = attributes.get("activations", DEFAULTS[op] * 2)[d * len(DEFAULTS[op]) :]

        def act(which: int, x: Any, names: Any = names) -> Any:
            return activation(names[which], x if which == 2 else np.clip(x, -bound, bound), *numbers)

        w, r = t["w"][d], t["r"][d]
        wb, rb = np.split(t["b"][d], 2) if "b" in t else np.zeros((2, len(w)), kind)
        pi, po, pf = np.split(t["p"][d], 3) if "p" in t else np.zeros((3, HIDDEN), kind)
        h, c = (t[name][d] if name in t else np.zeros((BATCH, HIDDEN), kind) for name in "hc")
        made = {}
        for step in reversed(range(STEPS)) if backwards else range(STEPS):
            x = (product(t["x"][step], w.T) + wb).reshape(BATCH, -1, HIDDEN)
            s = (product(h, r.T) + rb).reshape(BATCH, -1, HIDDEN)
            old = h, c
            if op == "RNN":
                h = act(0, x[:, 0] + s[:, 0])
            elif op == "LSTM":
                i = act(0, x[:, 0] + s[:, 0] + pi * c)
                f = 1 - i if attributes.get("input_forget") else act(0, x[:, 2] + s[:, 2] + pf * c)
                c = f * c + i * act(1, x[:, 3] + s[:, 3])
                h = act(0, x[:, 1] + s[:, 1] + po * c) * act(2, c)
            else:
                z, reset = (act(0, x[:, k] + s[:, k]) for k in range(2))
                linear = attributes.get("linear_before_reset")
                rows = slice(2 * HIDDEN, None)
                second = reset * s[:, 2] if linear else product(reset * h, r[rows].T) + rb[rows]
                h = (1 - z) * act(1, x[:, 2] + second) + z * h
            inside = (step < lengths)[:, None]
            made[step] = np.where(inside, h, kind(0))
            h, c = (np.where(inside, *pair) for pair in zip((h, c), old, strict=True))
        some = (lengths > 0)[:, None]
        every.append(np.stack([made[step] for step in range(STEPS)]))
        last_h.append(np.where(some, h, kind(0)))
        last_c.append(np.where(some, c, kind(0)))
    outs = [np.stack(every, 1), np.stack(last_h), np.stack(last_c)][: 3 if op == "LSTM" else 2]
    flipped = [outs[0].transpose(2, 0, 1, 3), *(np.swapaxes(o, 0, 1) for o in outs[1:])]
    return flipped if attributes.get("layout") else outs
