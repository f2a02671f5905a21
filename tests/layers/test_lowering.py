"""Lowering: every variant of the three operators against plain loops, with integers, where equality is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu.accelerators import KOrder
from emu.layers import gemm
from emu.layers.lowering import lower
from emu.layers.plain import evaluate

from . import plain_loops

RNG = np.random.default_rng(1)


def integers(*shape: int) -> Any:
    """Small whole numbers as float32: sums of products are exact in any order."""
    return RNG.integers(-8, 9, shape).astype(np.float32)


CONVOLUTIONS = [
    # images, channels, spatial, out channels, kernel, strides, dilations, pads, group
    (1, 1, (5,), 1, (3,), (1,), (1,), (0, 0), 1),
    (2, 3, (9,), 4, (4,), (2,), (2,), (3, 1), 1),
    (2, 3, (6, 5), 4, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1),
    (1, 4, (7, 8), 6, (3, 2), (2, 3), (2, 1), (0, 1, 2, 3), 2),
    (2, 5, (6, 6), 5, (3, 3), (2, 1), (1, 1), (1, 1, 1, 1), 5),  # depthwise
    (1, 3, (5, 5), 6, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 3),  # depthwise with two outputs per channel
    (1, 8, (4, 4), 3, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1),  # pointwise
    (1, 2, (4, 3, 5), 3, (2, 2, 3), (1, 2, 1), (1, 1, 2), (1, 0, 2, 0, 1, 2), 1),
]


@pytest.mark.parametrize("order", list(KOrder))
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution_is_the_plain_loop(case: tuple[Any, ...], order: KOrder) -> None:
    images, channels, spatial, out, kernel, strides, dilations, pads, group = case
    x, w, bias = integers(images, channels, *spatial), integers(out, channels // group, *kernel), integers(out)
    attributes = {"strides": strides, "dilations": dilations, "pads": pads, "group": group}
    lowered = lower("Conv", (x, w, bias), attributes, constant=(False, True), k_order=order)
    want = plain_loops.conv(x, w, bias, strides=strides, dilations=dilations, pads=pads, group=group)
    assert np.array_equal(evaluate(lowered), want)


def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w, bias = integers(3, 4, 7, 6), integers(6, 2, 3, 3), integers(6)
    lowered = lower("Conv", (x, w, bias), {"group": 2, "pads": (1, 1, 1, 1)}, constant=(False, True))
    whole = evaluate(lowered)
    monkeypatch.setattr(gemm, "TILE_ELEMENTS", 200)
    assert len(list(lowered.tiles())) > 5
    assert np.array_equal(evaluate(lowered), whole)


@pytest.mark.parametrize("order", list(KOrder))
def test_order_of_k(order: KOrder) -> None:
    """Column kk of A and row kk of B belong together, in the order that the key names."""
    x, w = integers(1, 2, 4, 4), integers(1, 2, 2, 3)
    lowered = lower("Conv", (x, w), {}, constant=(False, True), k_order=order)
    first = lowered.geometry.rows(x, 0)(0, 1)[0, 0]
    patch, weights = x[0, :, :2, :3], w[0]
    if order is KOrder.KH_KW_C:
        patch, weights = patch.transpose(1, 2, 0), weights.transpose(1, 2, 0)
    assert np.array_equal(first, patch.ravel())
    assert np.array_equal(lowered.b[0, :, 0], weights.ravel())


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("size", [7, 8, 9, 10])
def test_auto_pad(auto_pad: str, size: int) -> None:
    x, w = integers(1, 1, size, size + 1), integers(1, 1, 3, 4)
    stride, dilation = 2, 2
    attributes = {"auto_pad": auto_pad, "strides": (stride,) * 2, "dilations": (dilation,) * 2}
    got = evaluate(lower("Conv", (x, w), attributes, constant=(False, True)))
    begin, end = [], []
    for length, kernel in zip(x.shape[2:], w.shape[2:], strict=True):
        total = max((-(-length // stride) - 1) * stride + (kernel - 1) * dilation + 1 - length, 0)
        total = 0 if auto_pad == "VALID" else total
        begin.append(total // 2 if auto_pad != "SAME_LOWER" else total - total // 2)
        end.append(total - begin[-1])
    want = plain_loops.conv(x, w, None, strides=(2, 2), dilations=(2, 2), pads=(*begin, *end))
    assert np.array_equal(got, want)


SHAPES = [
    ((3, 4), (4, 5)),
    ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (5, 4, 2)),
    ((1, 3, 4), (7, 4, 2)),
    ((6, 2, 3, 4), (1, 1, 4, 5)),
    ((2, 3, 0), (0, 5)),
    ((0, 4), (4, 5)),
]


@pytest.mark.parametrize("constant", [(False, True), (True, False), (False, False)])
@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_matmul_is_the_plain_loop(a: tuple[int, ...], b: tuple[int, ...], constant: tuple[bool, bool]) -> None:
    x, y = integers(*a), integers(*b)
    lowered = lower("MatMul", (x, y), {}, constant=constant)
    assert lowered.b_is_weights is any(constant)
    assert np.array_equal(evaluate(lowered), plain_loops.matmul(x, y))


VECTORS = [((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((4,), (2, 4, 5)), ((2, 3, 4), (4,))]


@pytest.mark.parametrize(("a", "b"), VECTORS)
@pytest.mark.parametrize("constant", [(False, True), (True, False)])
def test_matmul_of_vectors(a: tuple[int, ...], b: tuple[int, ...], constant: tuple[bool, bool]) -> None:
    x, y = integers(*a), integers(*b)
    got = evaluate(lower("MatMul", (x, y), {}, constant=constant))
    want = np.matmul(x.astype(np.float64), y.astype(np.float64))
    assert got.shape == want.shape
    assert np.array_equal(got, want)


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize("c", [None, (), (5,), (3, 1), (1, 5), (3, 5)])
@pytest.mark.parametrize("constant", [(False, True), (True, False)])
def test_gemm(trans_a: int, trans_b: int, c: tuple[int, ...] | None, constant: tuple[bool, bool]) -> None:
    a, b = integers(3, 4), integers(4, 5)
    bias = None if c is None else integers(*c)
    attributes = {"transA": trans_a, "transB": trans_b, "alpha": 0.5, "beta": 2.0}
    operands = (a.T.copy() if trans_a else a, b.T.copy() if trans_b else b, bias)
    got = evaluate(lower("Gemm", operands, attributes, constant=constant))
    want = 0.5 * plain_loops.matmul(a, b) + (0.0 if bias is None else 2.0 * bias)
    assert np.array_equal(got, want)


@pytest.mark.parametrize(
    ("op", "shapes", "attributes", "message"),
    [
        ("MatMul", ((2, 3), (4, 5)), {}, "inner sizes 3 and 4 differ"),
        ("MatMul", ((2, 2, 3), (3, 3, 5)), {}, "do not broadcast"),
        ("Gemm", ((2, 3, 4), (4, 5)), {}, "operands have two axes"),
        ("Conv", ((1, 3, 5, 5), (2, 4, 3, 3)), {}, "do not fit with group = 1"),
        ("Conv", ((1, 2, 2, 2), (2, 2, 3, 3)), {}, "does not fit the padded input"),
        ("Conv", ((1, 2, 5, 5), (2, 2, 3, 3)), {"strides": (1,)}, "strides"),
        ("Conv", ((1, 2, 5, 5), (2, 2, 3, 3)), {"pads": (1, 1)}, "pads"),
        ("Conv", ((1, 2, 5, 5), (3, 1, 3, 3)), {"group": 2}, "not multiples of group"),
    ],
)
def test_shapes_that_do_not_fit(
    op: str, shapes: tuple[tuple[int, ...], ...], attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        lower(op, [integers(*shape) for shape in shapes], attributes, constant=(False, True))


@pytest.mark.parametrize("k_order", list(KOrder))
@pytest.mark.parametrize("groups", [2, 6])
@pytest.mark.parametrize("step", [1, 4, 5, 23, 1000])
def test_rows_of_groups_are_those_of_single_channels(k_order: KOrder, groups: int, step: int) -> None:
    """Laid out for long runs, tile by tile, over several images; one group alone is gathered row by row."""
    r = np.random.default_rng(2)
    x = r.integers(0, 99, (3, 6, 7, 5)).astype(np.uint8)
    attributes = {"strides": [2, 1], "dilations": [1, 2], "pads": [1, 2, 0, 1]}
    size = 6 // groups

    def rows_of(source: np.ndarray, group: int) -> tuple[np.ndarray, Any]:
        w = np.zeros((2 * group, size, 3, 2), np.float32)
        lowered = lower("Conv", [source, w], attributes | {"group": group}, constant=(False, True), k_order=k_order)
        geometry = lowered.geometry
        rows = geometry.rows(source, 7)
        parts = [rows(start, min(start + step, geometry.m)) for start in range(0, geometry.m, step)]
        return np.concatenate(parts, axis=1), geometry

    found, geometry = rows_of(x, groups)
    assert found.shape == (groups, geometry.m, geometry.k)
    for group in range(groups):
        alone, _ = rows_of(x[:, group * size : (group + 1) * size], 1)
        assert np.array_equal(found[group], alone[0])
