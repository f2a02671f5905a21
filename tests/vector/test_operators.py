"""Operators: their meaning against the reference engine, their roundings against steps written out on codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

import emu
from emu.accelerators import load_accelerator
from emu.formats import load_format
from emu.vector import run_node, takes, vector_unit
from emu.vector.node import KNOWN
from tests.replaying.small_models import FLOAT, model

CAST = {"scheme": "cast"}
MATRIX = {"unit": "bf16-fma-f32", "activations": CAST, "weights": CAST}


def unit(fmt="float32", **keys: Any):
    return vector_unit(load_accelerator({"name": "v", "matrix": MATRIX, "vector": {"format": fmt, **keys}}).vector)


RNG = np.random.default_rng(3)
X = RNG.standard_normal((2, 6, 5, 4)).astype(np.float32)
ROWS = RNG.standard_normal((3, 7)).astype(np.float32)
POSITIVE = np.abs(ROWS) + np.float32(0.1)
PER_CHANNEL = [RNG.standard_normal(6).astype(np.float32) for _ in range(3)] + [
    np.abs(RNG.standard_normal(6)).astype(np.float32)
]
CASES: list[tuple[str, list[np.ndarray], dict[str, Any]]] = [
    *((op, [ROWS, POSITIVE], {}) for op in ("Add", "Sub", "Mul", "Div", "PRelu")),
    ("Sum", [ROWS, POSITIVE, ROWS], {}), ("Mean", [ROWS, POSITIVE, ROWS], {}),
    *(("Pow", [POSITIVE, np.array(p, np.float32)], {}) for p in (1, 2, 3, 0.5, -1, -0.5)),
    *((op, [POSITIVE], {}) for op in ("Sqrt", "Reciprocal", "Log")),
    *((op, [ROWS], {}) for op in (
        "Exp", "Sin", "Cos", "Tanh", "Sigmoid", "Erf", "Softplus", "Softsign", "HardSwish", "HardSigmoid", "Elu",
        "LeakyRelu", "Gelu", "ReduceL1", "ReduceL2", "ReduceSumSquare", "LpNormalization",
    )),
    ("Gelu", [ROWS], {"approximate": "tanh"}), ("LpNormalization", [ROWS], {"p": 1, "axis": 0}),
    ("HardSigmoid", [ROWS], {"alpha": 0.3, "beta": 0.4}), ("LeakyRelu", [ROWS], {"alpha": 0.2}),
    ("Softmax", [ROWS], {}), ("Softmax", [X], {"axis": 1}), ("LogSoftmax", [X], {"axis": -2}),
    ("ReduceSum", [X, np.array([1, 3], np.int64)], {"keepdims": 0}),
    ("ReduceMean", [X, np.array([-1], np.int64)], {}),
    ("ReduceMean", [X], {"keepdims": 0}),
    ("LayerNormalization", [X, X[0, 0, 0], X[1, 1, 1]], {"epsilon": 1e-3}),
    ("LayerNormalization", [X, X[0, 0], X[1, 1]], {"axis": 2}),
    ("BatchNormalization", [X, *PER_CHANNEL], {"epsilon": 1e-2}),
    ("InstanceNormalization", [X, *PER_CHANNEL[:2]], {}),
    ("GroupNormalization", [X, *PER_CHANNEL[:2]], {"num_groups": 3}),
    ("RMSNormalization", [X, X[0, 0, 0]], {}),
    ("GlobalAveragePool", [X], {}),
    ("AveragePool", [X], {"kernel_shape": [2, 3], "strides": [2, 1], "pads": [1, 1, 0, 1]}),
    ("AveragePool", [X], {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "count_include_pad": 1}),
    ("AveragePool", [X], {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{list(case[2])}")
def test_meaning(case):
    """In float32 the steps give what the engine gives, but for a few last bits: this compares definitions, not bits."""
    import onnxruntime

    op, operands, attributes = case
    names = [f"x{i}" for i in range(len(operands))]
    opset = 23 if op == "RMSNormalization" else 21
    node = helper.make_node(op, names, ["y"], **attributes)
    kinds = {"f": FLOAT, "i": 7}
    inputs = {name: (kinds[x.dtype.kind], list(x.shape)) for name, x in zip(names, operands, strict=True)}
    proto = model([node], inputs, {"y": (FLOAT, 0)}, opset=opset)
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    proto.ir_version = 10
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    (wanted,) = session.run(None, dict(zip(names, operands, strict=True)))
    assert takes(op, attributes, {1: operands[1]} if len(operands) > 1 else {}, 1)
    found = run_node(unit(), op, operands, attributes, opset)
    assert found.shape == wanted.shape
    assert np.allclose(found, wanted, rtol=2e-5, atol=2e-6)


def test_every_operator_has_a_case():
    assert {case[0] for case in CASES} | {"SimplifiedLayerNormalization", "Swish"} == set(
        KNOWN
    )  # the engine has no Swish


def test_softmax_before_opset_13_is_one_of_rows():
    found = run_node(unit(), "Softmax", [X], {}, 11)
    flat = run_node(unit(), "Softmax", [X.reshape(2, -1)], {}, 13)
    assert np.array_equal(found, flat.reshape(X.shape))


def test_layer_norm_rounds_at_every_step():
    """All steps on codes: bfloat16, sums in float32, pairwise."""
    b, f = load_format("bfloat16"), load_format("float32")
    x, scale, bias = (b.encode(RNG.standard_normal(4)) for _ in range(3))

    def mean(codes):
        wide = emu.cast(codes, b, f)
        total = emu.add(emu.add(wide[0], wide[1], f), emu.add(wide[2], wide[3], f), f)
        return emu.div(total, f.encode(4.0), (f, f), to=b)

    d = emu.sub(x, mean(x), b)
    spread = emu.sqrt(emu.add(mean(emu.mul(d, d, b)), b.encode(1e-5), b), b)
    wanted = emu.add(emu.mul(emu.div(d, spread, b), scale, b), bias, b)
    tree = unit("bfloat16", sum={"order": "tree", "width": 4, "format": "float32"})
    operands = [b.decode(codes).astype(np.float32) for codes in (x, scale, bias)]
    found = run_node(tree, "LayerNormalization", operands, {}, 17)
    assert np.array_equal(b.encode(found), wanted)


def test_softmax_rounds_at_every_step():
    h = load_format("float16")
    x = h.encode(RNG.standard_normal(5) * 3)
    d = emu.sub(x, x[np.argmax(h.decode(x))], h)
    e = emu.exp(d, h)
    total = h.encode(0.0)
    for code in e:
        total = emu.add(total, code, h)
    wanted = emu.div(e, total, h)
    found = run_node(unit("float16"), "Softmax", [h.decode(x).astype(np.float32)], {}, 17)
    assert np.array_equal(h.encode(found), wanted)


def test_operands_are_rounded_into_the_format_first():
    found = run_node(unit("bfloat16"), "Add", [np.float32([1.005]), np.float32([1.005])], {}, 17)
    assert found[0] == 2 * 1.0078125


@pytest.mark.parametrize(
    ("op", "attributes", "constants", "outputs"),
    [
        ("Pow", {}, {}, 1), ("Pow", {}, {1: np.float32([1.7])}, 1), ("Pow", {}, {1: np.float32([2, 2])}, 1),
        ("LayerNormalization", {}, {}, 2), ("BatchNormalization", {"training_mode": 1}, {}, 1),
        ("AveragePool", {"ceil_mode": 1}, {}, 1), ("LSTM", {}, {}, 1), ("Relu", {}, {}, 1),
    ],
)  # fmt: skip
def test_what_is_not_taken(op, attributes, constants, outputs):
    assert not takes(op, attributes, constants, outputs)


@pytest.mark.parametrize(
    ("vector", "says"),
    [
        ({"format": "float64"}, "vector.format: vector operations need a float format"),
        ({"format": "int8"}, "vector.format"),
        ({"format": "float16", "rounding": "stochastic"}, "vector.rounding"),
        ({"format": "float16", "sum": {"order": "tree", "format": "float32"}}, "needs a width"),
        ({"format": "float16", "sum": {"order": "chain", "width": 3, "format": "float32"}}, "takes no width"),
        ({"format": "float16", "functions": {"tanhh": "nnpi-tanh"}}, "did you mean 'tanh'"),
        ({"format": "float16", "functions": {"exp": "nnpi-tanh"}}, "computes tanh"),
    ],
)
def test_what_is_refused(vector, says):
    with pytest.raises(emu.SpecError, match=says):
        load_accelerator({"name": "v", "matrix": MATRIX, "vector": vector})


def test_swish():
    h = load_format("float16")
    x = h.encode(RNG.standard_normal(9))
    values = [h.decode(x).astype(np.float32)]
    assert np.array_equal(h.encode(run_node(unit("float16"), "Swish", values, {}, 24)), emu.silu(x, h))
    inner = emu.sigmoid(emu.mul(x, h.encode(1.5), h), h)
    assert np.array_equal(
        h.encode(run_node(unit("float16"), "Swish", values, {"alpha": 1.5}, 24)), emu.mul(x, inner, h)
    )
