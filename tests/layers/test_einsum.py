"""Einsum as a matrix product against NumPy's einsum, with whole numbers, and which equations are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu.layers.einsum import is_product
from emu.layers.emulate import emulate
from emu.layers.lowering import lower
from emu.layers.plain import evaluate

from .test_emulate import exact_plan, plan

RNG = np.random.default_rng(5)
PRODUCTS = [
    ("ij,jk->ik", (3, 4), (4, 5)),
    ("ij,kj->ki", (3, 4), (5, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("bhid,bhjd->bhij", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("bihd,bjhd->bhij", (2, 4, 3, 5), (2, 6, 3, 5)),
    ("bhij,bjhd->bihd", (2, 3, 4, 6), (2, 6, 3, 5)),
    ("bhwc,hkc->bhwk", (2, 3, 4, 5), (3, 6, 5)),
    ("btc,chd->bthd", (2, 3, 4), (4, 5, 2)),
    ("bthd,hdc->btc", (2, 3, 4, 5), (4, 5, 6)),
    ("bxy, yxc -> cb", (2, 3, 4), (4, 3, 5)),  # two letters of K, in the first operand's order
    ("i,i->", (4,), (4,)),
    ("i,ij", (4,), (4, 3)),
    ("bA,Ac", (2, 3), (3, 4)),
    ("...ij,jk->...ik", (2, 3, 4, 5), (5, 6)),
    ("...ij,...jk->i...k", (7, 1, 3, 4), (2, 4, 5)),
    ("i...j,...jk", (3, 2, 4), (2, 4, 5)),
    ("b...j,bj...->b...", (2, 3, 4), (2, 4, 3)),
    ("ij,jk->ik", (3, 0), (0, 5)),
]


@pytest.mark.parametrize("constant", [(False, True), (True, False), (False, False)])
@pytest.mark.parametrize(("equation", "a", "b"), PRODUCTS)
def test_it_is_numpys(equation: str, a: tuple[int, ...], b: tuple[int, ...], constant: tuple[bool, bool]) -> None:
    x, y = (RNG.integers(-8, 9, shape).astype(np.float32) for shape in (a, b))
    lowered = lower("Einsum", (x, y), {"equation": equation}, constant=constant)
    want = np.einsum(equation, x.astype(np.float64), y.astype(np.float64))
    for got in (evaluate(lowered), emulate(lowered, exact_plan()).y):
        assert got.shape == want.shape
        assert np.array_equal(got, want)
    assert lowered.b_is_weights is any(constant)


@pytest.mark.parametrize("constant", [(False, True), (True, False), (False, False)])
def test_it_is_the_transposed_matmul_bit_for_bit(constant: tuple[bool, bool]) -> None:
    """Scales per row and per column, and the order of K, are those of the product that it stands for."""
    x, y = (RNG.normal(size=shape).astype(np.float32) for shape in ((2, 5, 3, 40), (2, 6, 3, 40)))
    how = plan("hopper-fp8-promoted")
    q, k = np.swapaxes(x, 1, 2), y.transpose(0, 2, 3, 1)
    want = emulate(lower("MatMul", (q, k), {}, constant=constant), how)
    got = emulate(lower("Einsum", (x, y), {"equation": "bihd,bjhd->bhij"}, constant=constant), how)
    assert np.array_equal(got.y.view(np.uint32), want.y.view(np.uint32))
    assert got.events == want.events


@pytest.mark.parametrize(
    ("equation", "operands"),
    [
        ("ij->ji", 2), ("ij,jk,kl->il", 3), ("ij,jk->ik", 3), ("ii,ij->j", 2), ("ij,ij->ij", 2), ("i,j->ij", 2),
        ("ij,jk->i", 2), ("ij,k->ik", 2), ("...ij,jk->ik", 2), ("ij,jk->ikz", 2), ("ij,jk->...ik", 2), ("i1,1k->ik", 2),
        ("ij,jk->ii", 2), ("", 2),
    ],
)  # fmt: skip
def test_what_is_no_product(equation: str, operands: int) -> None:
    assert not is_product(equation, operands)
    with pytest.raises(ValueError, match="not lowered"):
        lower("Einsum", [np.zeros((1, 1))] * max(operands, 2), {"equation": equation}, constant=(False, False))


@pytest.mark.parametrize(
    ("equation", "a", "b", "message"),
    [
        ("ij,jk->ik", (2, 3), (4, 5), "axis 'j' has sizes 3 and 4"),
        ("ij,jk->ik", (2, 3, 4), (4, 5), "2 letters do not fit"),
        ("xyi,yxj->ij", (2, 3, 1), (2, 3, 1), "axis 'x' has sizes|axis 'y' has sizes"),
        ("...ij,...jk->...ik", (2, 2, 3), (3, 3, 3), "do not broadcast"),
    ],
)
def test_shapes_that_do_not_fit(equation: str, a: Any, b: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lower("Einsum", (np.zeros(a), np.zeros(b)), {"equation": equation}, constant=(False, False))
