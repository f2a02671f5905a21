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
INDICES = RNG.integers(0, 7, (3, 7))
CODES = RNG.integers(0, 256, (3, 7)).astype(np.uint8)
ANGLES = RNG.standard_normal((9, 2, 2)).astype(np.float32)
PLACES = RNG.integers(0, 9, (2, 5))
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
    ("AveragePool", [X], {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1}),
    ("AveragePool", [X], {"kernel_shape": [2, 2], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1}),
    ("AveragePool", [X], {"kernel_shape": [2, 2], "strides": [2, 3], "pads": [1, 0, 0, 0], "ceil_mode": 1,
                          "count_include_pad": 1}),
    ("LpPool", [X], {"kernel_shape": [2, 3], "strides": [2, 1], "pads": [1, 1, 0, 1]}),
    ("LpPool", [X], {"kernel_shape": [2, 2], "p": 1}), ("LpPool", [X], {"kernel_shape": [2, 2], "p": 3}),
    ("GlobalLpPool", [X], {}), ("GlobalLpPool", [X], {"p": 1}),
    ("LRN", [X], {"size": 3}), ("LRN", [X], {"size": 5, "alpha": 0.5, "beta": 0.6, "bias": 2.0}),
    *(("Pow", [POSITIVE, np.array(p, np.float32)], {}) for p in (0, 0.25, 1.7, -2.5)),
    ("Pow", [ROWS, np.array(5, np.float32)], {}), ("Pow", [ROWS, np.array(-2, np.float32)], {}),
    ("Pow", [POSITIVE, ROWS], {}), ("Pow", [ROWS, np.full((3, 1), 2, np.float32)], {}),
    *((op, [ROWS], {}) for op in ("Tan", "Sinh", "Cosh", "Celu", "Selu", "Mish", "Shrink", "ReduceProd")),
    ("Celu", [ROWS], {"alpha": 0.7}), ("Selu", [ROWS], {"alpha": 1.2, "gamma": 0.9}),
    ("Shrink", [ROWS], {"lambd": 0.3, "bias": 0.1}), ("Mod", [ROWS, POSITIVE], {"fmod": 1}),
    ("ReduceProd", [X, np.array([1, 3], np.int64)], {"keepdims": 0}),
    ("ReduceLogSum", [POSITIVE], {"keepdims": 0}), ("ReduceLogSumExp", [X, np.array([0, -1], np.int64)], {}),
    ("ReduceLogSumExp", [np.float32([[-np.inf, -np.inf], [np.inf, 1]]), np.array([1], np.int64)], {}),
    ("MeanVarianceNormalization", [X], {}), ("MeanVarianceNormalization", [X], {"axes": [1, 2]}),
    ("CumSum", [X, np.array(1, np.int64)], {}),
    ("CumSum", [X, np.array(-1, np.int64)], {"exclusive": 1, "reverse": 1}),
    ("ScatterElements", [ROWS, INDICES, POSITIVE], {"reduction": "add", "axis": 1}),
    ("ScatterElements", [ROWS, INDICES % 3, POSITIVE], {"reduction": "mul"}),
    ("ScatterND", [ROWS, np.array([[1], [-1], [1]]), POSITIVE], {"reduction": "add"}),
    ("ScatterND", [ROWS, np.array([[1, 2], [1, 2], [0, -1]]), POSITIVE[0, :3]], {"reduction": "mul"}),
    ("DequantizeLinear", [CODES, np.float32(0.3), np.uint8(7)], {}),
    ("DequantizeLinear", [CODES, np.float32([0.3, 0.1, 2]), np.uint8([7, 9, 200])], {"axis": 0}),
    ("DequantizeLinear", [CODES.astype(np.int32) * 999, np.float32(0.3)], {}),
    ("DequantizeLinear", [CODES, POSITIVE[:, :3], CODES[:, 2:5]], {"axis": 1, "block_size": 3}),
    *(("Resize", [X, None, np.float32(scales)], {"mode": mode, "coordinate_transformation_mode": how})
      for mode in ("linear", "cubic") for scales in ([1, 1, 2, 1.6], [1, 1, 0.6, 1])
      for how in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric")),
    ("Resize", [X, None, None, np.array([2, 6, 9, 3])], {"mode": "linear"}),
    ("Resize", [X, None, None, np.array([9, 3])], {"mode": "cubic", "axes": [2, -1], "exclude_outside": 1}),
    ("Resize", [X, None, np.float32([1, 1, 2, 1.6])], {"mode": "cubic", "cubic_coeff_a": -0.5}),
    ("Upsample", [X, np.float32([1, 1, 2, 3])], {"mode": "linear"}),
    ("RotaryEmbedding", [X, ANGLES[:, 0], ANGLES[:, 1], PLACES], {}),
    ("RotaryEmbedding", [X, ANGLES[:, 0], ANGLES[:, 1], PLACES], {"interleaved": 1}),
    ("RotaryEmbedding", [X[..., 0].swapaxes(1, 2), ANGLES[:, 0, :1], ANGLES[:, 1, :1], PLACES],
     {"num_heads": 3, "rotary_embedding_dim": 2}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{list(case[2])}")
def test_meaning(case):
    """In float32 the steps give what the engine gives, but for a few last bits: this compares definitions, not bits."""
    import onnxruntime

    op, operands, attributes = case
    names = [f"x{i}" if x is not None else "" for i, x in enumerate(operands)]
    opset = {"RMSNormalization": 23, "RotaryEmbedding": 23, "Upsample": 9}.get(op, 21)
    node = helper.make_node(op, names, ["y"], **attributes)
    fed = {name: np.asarray(x) for name, x in zip(names, operands, strict=True) if name}
    inputs = {name: (helper.np_dtype_to_tensor_dtype(x.dtype), list(x.shape)) for name, x in fed.items()}
    proto = model([node], inputs, {"y": (FLOAT, 0)}, opset=opset)
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    proto.ir_version = 10
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    (wanted,) = session.run(None, fed)
    assert takes(op, attributes, 1, opset)
    found = run_node(unit(), op, operands, attributes, opset)
    assert found.shape == wanted.shape
    assert np.allclose(found, wanted, rtol=2e-5, atol=3e-6)


def test_every_operator_has_a_case():
    without = {"SimplifiedLayerNormalization", "Swish", "SwiGLU", "CumProd"}  # the engine does not have them
    assert {case[0] for case in CASES} | without == set(KNOWN)


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
    ("op", "attributes", "outputs"),
    [
        ("LayerNormalization", {}, 2), ("BatchNormalization", {"training_mode": 1}, 1), ("LSTM", {}, 1),
        ("Relu", {}, 1), ("Resize", {}, 1), ("Resize", {"mode": "nearest"}, 1),
        ("Resize", {"mode": "linear", "antialias": 1}, 1),
        ("Resize", {"mode": "cubic", "keep_aspect_ratio_policy": "not_larger"}, 1),
        ("Resize", {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}, 1),
        ("ScatterND", {}, 1), ("ScatterElements", {"reduction": "max"}, 1), ("QuantizeLinear", {}, 1),
    ],
)  # fmt: skip
def test_what_is_not_taken(op, attributes, outputs):
    assert not takes(op, attributes, outputs, 21)


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
