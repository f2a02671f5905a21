"""Operators beside steps written out on codes: every rounding and the order of sums, in bfloat16 and float16."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import emu
from emu.formats import load_format
from emu.vector import run_node

from .test_operators import unit

RNG = np.random.default_rng(11)
B, H, F = (load_format(name) for name in ("bfloat16", "float16", "float32"))
X = B.encode(RNG.standard_normal(40) * 2)
Y = B.encode(RNG.standard_normal(40) * 2)


def value(codes: np.ndarray) -> np.ndarray:
    return B.decode(codes).astype(np.float32)


def node(op: str, *operands: Any, one: Any = None, opset: int = 21, **attributes: Any) -> np.ndarray:
    """The node's output as bfloat16 codes."""
    return B.encode(run_node(one or unit("bfloat16"), op, operands, attributes, opset))


def constant(x: float) -> np.ndarray:
    return B.encode(np.float64(x))


def test_selu_celu_mish_shrink() -> None:
    below = value(X) < 0
    alpha, gamma = constant(1.6732632), constant(1.050701)
    inner = emu.sub(emu.mul(alpha, emu.exp(X, B), B), alpha, B)
    assert np.array_equal(node("Selu", value(X)), np.where(below, emu.mul(gamma, inner, B), emu.mul(gamma, X, B)))
    a = constant(0.7)
    inner = emu.mul(a, emu.sub(emu.exp(emu.div(X, a, B), B), constant(1), B), B)
    assert np.array_equal(node("Celu", value(X), alpha=0.7), np.where(below, inner, X))
    softplus = emu.log(emu.add(constant(1), emu.exp(X, B), B), B)
    assert np.array_equal(node("Mish", value(X)), emu.mul(X, emu.tanh(softplus, B), B))
    bias, bound = constant(0.3), 0.5
    moved = np.where(value(X) > bound, emu.sub(X, bias, B), np.where(value(X) < -bound, emu.add(X, bias, B), 0))
    assert np.array_equal(node("Shrink", value(X), lambd=bound, bias=0.3), moved)


def test_swiglu() -> None:
    assert np.array_equal(node("SwiGLU", value(X), value(Y), opset=28), emu.mul(emu.silu(X, B), Y, B))


def test_powers_are_three_operations_unless_products() -> None:
    p = constant(1.7)
    wanted = emu.exp2(emu.mul(p, emu.log2(X & 0x7FFF, B), B), B)
    found = node("Pow", np.abs(value(X)), np.float32(1.7))
    assert np.array_equal(found, wanted)
    assert np.array_equal(node("Pow", value(X), np.float32(3)), emu.mul(emu.mul(X, X, B), X, B))
    signed = node("Pow", np.float32([-2, -2, -2, 0, -0.0, -2, 0]), np.float32([5, 4, 0.5, -1, -3, 0, 0]))
    assert B.decode(signed).tolist()[:2] == [-32.0, 16.0]
    assert np.isnan(B.decode(signed)[2])
    assert B.decode(signed).tolist()[3:] == [np.inf, -np.inf, 1.0, 1.0]


def test_modulo_rounds_where_the_signs_differ() -> None:
    """x − floor(x / y) y in exact arithmetic, rounded once."""
    x, y = (np.float64(value(one)) for one in (X, Y))
    assert np.array_equal(node("Mod", value(X), value(Y), fmod=1), B.encode(np.fmod(x, y)))
    exact = x - np.floor(x / y) * y  # short numbers: exact in float64
    assert np.array_equal(node("Mod", value(X), value(Y), opset=28), B.encode(exact))
    edges = run_node(
        unit("bfloat16"), "Mod", [np.float32([0, -0.0, 3, -3]), np.float32([-1, 1, np.inf, np.inf])], {}, 28
    )
    assert edges.tolist() == [0, 0, 3, np.inf]
    assert np.signbit(edges).tolist() == [True, False, False, False]


@pytest.mark.parametrize("order", [{}, {"sum": {"order": "tree", "width": 4, "format": "float32"}}])
def test_running_sums_are_chains_in_the_sums_format(order: dict[str, Any]) -> None:
    fmt = F if order else B
    total, wanted = fmt.encode(np.float64(0)), []
    for code in X:
        total = emu.add(total, emu.cast(code, B, fmt), fmt)
        wanted.append(int(emu.cast(total, fmt, B)))
    assert node("CumSum", value(X), np.int64(0), one=unit("bfloat16", **order)).tolist() == wanted
    product, out = constant(1), []
    for code in X:
        out.append(int(product))
        product = emu.mul(product, code, B)
    assert node("CumProd", value(X), np.int64(0), opset=26, exclusive=1).tolist() == out
    assert node("ReduceProd", value(X), keepdims=0) == product


def test_scatters_add_in_the_order_of_the_updates() -> None:
    places = RNG.integers(0, 5, 40)
    out = X[:5].copy()
    for place, update in zip(places, Y, strict=True):
        out[place] = emu.add(out[place], update, B)
    found = node("ScatterElements", value(X[:5]), places, value(Y), reduction="add")
    assert np.array_equal(found, out)
    assert np.array_equal(node("ScatterND", value(X[:5]), places[:, None], value(Y), reduction="add"), out)
    backwards = node("ScatterElements", value(X[:5]), places[::-1], value(Y[::-1]), reduction="add")
    assert not np.array_equal(backwards, out), "the order is seen"


def test_dequantised_integers_are_one_product() -> None:
    q, scale = RNG.integers(-128, 128, 40).astype(np.int8), constant(0.037)
    wanted = emu.mul(B.encode(q.astype(np.float64) - 3), scale, B)
    assert np.array_equal(node("DequantizeLinear", q, np.float32(0.037), np.int8(3)), wanted)


def test_resize_sums_weighted_neighbours_in_index_order() -> None:
    """Two rows of three become four of six: 1/4 and 3/4 along each axis; products, then a chain of four."""
    x = X[:6].reshape(1, 1, 2, 3)
    found = node("Resize", value(x), None, np.float32([1, 1, 2, 2]), mode="linear")
    for row in range(4):
        for column in range(6):
            total = constant(0)
            (top, down), (left, right) = _part(row), _part(column)
            for i, wi in ((top, 1 - down), (top + 1, down)):
                for j, wj in ((left, 1 - right), (left + 1, right)):
                    neighbour = x[0, 0, np.clip(i, 0, 1), np.clip(j, 0, 2)]
                    total = emu.add(total, emu.mul(constant(wi * wj), neighbour, B), B)
            assert found[0, 0, row, column] == total


def test_the_size_of_a_scaled_axis_is_made_in_float32() -> None:
    """0.7 in float32 is less than 7/10, but ten times that rounds to 7: so do shape inference and the engine."""
    x = value(X[:10]).reshape(1, 1, 1, 10)
    assert node("Resize", x, None, np.float32([1, 1, 1, 0.7]), mode="linear").shape == (1, 1, 1, 7)
    assert node("Upsample", x, np.float32([1, 1, 1, 0.7]), mode="linear", opset=9).shape == (1, 1, 1, 7)


def _part(place: int) -> tuple[int, float]:
    """The input place before an output place, and how far behind it that is."""
    at = (place + 0.5) / 2 - 0.5
    return int(np.floor(at)), at - np.floor(at)


def test_pools_of_powers_and_local_response() -> None:
    x = X.reshape(1, 4, 10)
    squares = emu.mul(x, x, B)
    total = np.zeros((1, 4), np.uint16)
    for i in range(10):
        total = emu.add(total, squares[..., i], B)
    assert np.array_equal(node("GlobalLpPool", value(x))[..., 0], emu.sqrt(total, B))
    found = node("LRN", value(x), size=3, alpha=0.6, beta=0.5, bias=2.0)
    padded = np.pad(squares, ((0, 0), (1, 1), (0, 0)))
    total = np.zeros_like(x)
    for i in range(3):
        total = emu.add(total, padded[:, i : i + 4], B)
    base = emu.add(constant(2), emu.mul(constant(0.2), total, B), B)
    assert np.array_equal(found, emu.div(x, emu.sqrt(base, B), B))


def test_rotary_embedding() -> None:
    x, cos, sin = X[:8].reshape(1, 1, 2, 4), Y[:4].reshape(1, 2, 2), Y[4:8].reshape(1, 2, 2)
    found = node("RotaryEmbedding", value(x), value(cos), value(sin), opset=23)
    first, second = x[0, 0, :, :2], x[0, 0, :, 2:]
    assert np.array_equal(found[0, 0, :, :2], emu.sub(emu.mul(first, cos[0], B), emu.mul(second, sin[0], B), B))
    assert np.array_equal(found[0, 0, :, 2:], emu.add(emu.mul(first, sin[0], B), emu.mul(second, cos[0], B), B))


def test_variance_from_squares() -> None:
    x = X[:36].reshape(1, 1, 6, 6)
    total = squares = constant(0)
    for code in X[:36]:
        total, squares = emu.add(total, code, B), emu.add(squares, emu.mul(code, code, B), B)
    n = constant(36)
    mean, wide = emu.div(total, n, B), emu.div(squares, n, B)
    spread = emu.add(emu.sqrt(emu.sub(wide, emu.mul(mean, mean, B), B), B), constant(1e-9), B)
    assert np.array_equal(node("MeanVarianceNormalization", value(x)), emu.div(emu.sub(x, mean, B), spread, B))


def test_group_norm_with_a_scale_for_each_group() -> None:
    x = RNG.standard_normal((2, 6, 5)).astype(np.float32)
    scale, bias = (RNG.standard_normal(3).astype(np.float32) for _ in range(2))
    by_channel = node("GroupNormalization", x, np.repeat(scale, 2), np.repeat(bias, 2), num_groups=3)
    assert np.array_equal(node("GroupNormalization", x, scale, bias, num_groups=3, opset=18), by_channel)


def test_log_of_a_sum_of_exponentials() -> None:
    h = H.encode(np.float64([11.5, 12, 9, -70]))
    d = emu.sub(h, h[1], H)
    total = H.encode(np.float64(0))
    for code in emu.exp(d, H):
        total = emu.add(total, code, H)
    found = run_node(unit("float16"), "ReduceLogSumExp", [H.decode(h).astype(np.float32)], {"keepdims": 0}, 18)
    assert H.encode(found) == emu.add(h[1], emu.log(total, H), H)


@pytest.mark.parametrize(
    ("op", "shape", "more", "attributes", "made"),
    [
        ("Softmax", (0, 4), [], {}, (0, 4)),
        ("Softmax", (4, 0), [], {}, (4, 0)),
        ("LogSoftmax", (4, 0), [], {}, (4, 0)),
        ("LayerNormalization", (0, 4), [np.ones(4, np.float32)], {}, (0, 4)),
        ("ReduceProd", (0, 4), [], {"axes": [1]}, (0, 1)),
        ("ReduceSum", (0, 4), [], {"axes": [1]}, (0, 1)),
        ("AveragePool", (0, 2, 4, 4), [], {"kernel_shape": [2, 2]}, (0, 2, 3, 3)),
        ("GroupNormalization", (0, 4, 3), [np.ones(4, np.float32)] * 2, {"num_groups": 2}, (0, 4, 3)),
    ],
)
def test_tensors_without_elements(op: str, shape: Any, more: Any, attributes: Any, made: Any) -> None:
    assert node(op, np.zeros(shape, np.float32), *more, **attributes).shape == made
