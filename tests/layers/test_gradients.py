"""Backward products: adjoint to the forward product, in exact integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu.layers.gradients import gradients
from emu.layers.lowering import lower
from emu.layers.plain import evaluate

RNG = np.random.default_rng(11)

CASES: list[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ("MatMul", (3, 4), (4, 5), {}),
    ("MatMul", (2, 3, 4), (4, 5), {}),
    ("MatMul", (3, 4), (2, 4, 5), {}),
    ("MatMul", (2, 1, 3, 4), (3, 4, 5), {}),
    ("MatMul", (2, 3, 4), (2, 4, 1), {}),
    ("MatMul", (1, 3, 4), (5, 4, 2), {}),
    ("MatMul", (4,), (4, 5), {}),
    ("MatMul", (3, 4), (4,), {}),
    ("MatMul", (4,), (4,), {}),
    ("MatMul", (2, 3, 4), (4,), {}),
    ("MatMul", (4,), (2, 4, 3), {}),
    ("Gemm", (3, 4), (5, 4), {"transB": 1}),
    ("Gemm", (3, 4), (4, 5), {"alpha": 0.5}),
    ("Einsum", (2, 3, 4), (2, 5, 4), {"equation": "bij,bkj->ikb"}),
    ("Einsum", (3, 4, 5), (5, 4), {"equation": "abc,cb->a"}),
    ("Einsum", (2, 3, 4), (2, 3, 4), {"equation": "abc,abc->ab"}),
    ("Einsum", (2, 3, 4), (4, 5), {"equation": "...k,kn->n..."}),
    ("Einsum", (1, 2, 3, 4), (3, 1, 4, 5), {"equation": "...mk,...kn->...nm"}),
    ("Conv", (2, 3, 9), (4, 3, 3), {}),
    ("Conv", (2, 4, 9), (6, 2, 3), {"group": 2, "strides": (2,), "pads": (1, 1)}),
    ("Conv", (2, 3, 7, 8), (4, 3, 3, 2), {"strides": (3, 2), "pads": (1, 0, 2, 1), "dilations": (2, 1)}),
    ("Conv", (1, 4, 6, 6), (4, 1, 3, 3), {"group": 4, "pads": (1, 1, 1, 1)}),
    ("Conv", (1, 2, 5, 5), (3, 2, 1, 1), {"strides": (2, 2)}),
    ("Conv", (1, 2, 5, 5), (3, 2, 1, 1), {"strides": (3, 3)}),
    ("Conv", (1, 2, 4, 5, 4), (3, 2, 2, 3, 2), {"strides": (1, 2, 2)}),
    ("Conv", (1, 1, 4), (2, 1, 2), {"pads": (3, 3)}),
    ("ConvTranspose", (2, 3, 5), (3, 4, 3), {}),
    ("ConvTranspose", (2, 4, 5), (4, 3, 4), {"group": 2, "strides": (2,), "pads": (1, 1)}),
    ("ConvTranspose", (1, 3, 4, 5), (3, 2, 3, 3), {"strides": (2, 3), "pads": (1, 0, 1, 0), "output_padding": (1, 2)}),
    ("ConvTranspose", (1, 2, 4), (2, 3, 2), {"dilations": (3,), "output_padding": (2,)}),
    ("ConvTranspose", (1, 2, 4), (2, 3, 2), {"strides": (3,), "output_padding": (2,)}),
    ("ConvTranspose", (1, 2, 3, 3, 2), (2, 2, 2, 3, 2), {"strides": (2, 1, 2)}),
]  # fmt: skip


def draw(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.integers(-4, 5, shape).astype(np.float32)


def made(op: str, first: Any, second: Any, attributes: dict[str, Any]) -> Any:
    return evaluate(lower(op, (first, second), attributes, constant=(False, True)))


@pytest.mark.parametrize(("op", "first", "second", "attributes"), CASES)
def test_gradients_are_adjoint(
    op: str, first: tuple[int, ...], second: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    """⟨G, Y(u, B)⟩ = ⟨A', u⟩ for every u, and ⟨G, Y(A, v)⟩ = ⟨B', v⟩ for every v, says what the gradients are."""
    a, b = draw(*first), draw(*second)
    g = draw(*made(op, a, b, attributes).shape)
    of_first, of_second = gradients(op, a, b, attributes, g)
    da, db = (part.finish(evaluate(part.lowered)) for part in (of_first(), of_second()))
    assert da.shape == a.shape and db.shape == b.shape
    for place in np.ndindex(a.shape):
        unit = np.zeros_like(a)
        unit[place] = 1
        assert (g * made(op, unit, b, attributes)).sum() == da[place]
    for place in np.ndindex(b.shape):
        unit = np.zeros_like(b)
        unit[place] = 1
        assert (g * made(op, a, unit, attributes)).sum() == db[place]


def test_the_gradient_is_at_operand_a_and_batches_of_weights_are_part_of_k() -> None:
    x, w = draw(2, 3, 4), draw(4, 5)
    g = draw(2, 3, 5)
    of_first, of_second = (part().lowered for part in gradients("MatMul", x, w, {}, g))
    assert np.array_equal(of_first.source.reshape(g.shape), g)
    assert of_second.geometry.k == 6
    assert np.array_equal(of_second.source, g.reshape(6, 5).T) and np.array_equal(of_second.b[0], x.reshape(6, 4))
    assert of_first.b_is_weights and of_second.b_is_weights  # so that `LayerPlan.backward` says the scheme of each


def test_convolutions_gradients_are_those_of_the_other_kind() -> None:
    x, w = draw(1, 2, 6, 6), draw(3, 2, 3, 3)
    of_first, of_second = (part().lowered for part in gradients("Conv", x, w, {}, draw(1, 3, 4, 4)))
    assert of_first.op == "ConvTranspose"
    assert (of_second.geometry.m, of_second.geometry.k, of_second.geometry.n) == (3, 16, 18)
    of_first, _ = (part().lowered for part in gradients("ConvTranspose", draw(1, 3, 4, 4), w, {}, x))
    assert of_first.op == "Conv"
