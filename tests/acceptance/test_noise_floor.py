"""An exact unit of float64 operands loses nothing but the last rounding: SQNR is at float64's own noise floor.

The unit adds all products exactly and rounds once, so it is off by at most u |y|, u = 2^-53. The truth it is compared
with is NumPy's float64 product of K terms, off by at most K u Σ |a b| to first order, whatever its order of summation.
With C² = Σ (Σ |a b|)² / Σ y² over the tensor, the noise is at most u (1 + K C) times the signal:

    SQNR >= -20 log10(u (1 + K C))        (K = 1, 64, 500: at least 313, 267, 238 dB; seen are infinity, 312, 307)

and float32's floor, one rounding by 2^-24, is near 150 dB, so the two cannot be taken for each other.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

import emu
from emu.deviation.metrics import finite_pairs, sqnr_db
from emu.replaying.driver import run
from tests.replaying.small_models import FLOAT, model, save

U = 2.0**-53
FLOAT64 = {"name": "float64-exact", "operands": dict.fromkeys("abcd", "float64"), "level": [{}]}
MACHINE = {
    "name": "float64",
    "matrix": {"unit": FLOAT64, "activations": {"scheme": "cast"}, "weights": {"scheme": "cast"}, "output": "float32"},
}
SHAPES = [(8, 1, 8), (7, 64, 9), (3, 500, 4)]


def operands(shape: tuple[int, int, int], dtype: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(shape)
    m, k, n = shape
    return rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)


def floor(a: Any, b: Any) -> float:
    """The bound above, in dB."""
    y, sizes = a.astype(np.float64) @ b, np.abs(a).astype(np.float64) @ np.abs(b)
    condition = np.linalg.norm(sizes) / np.linalg.norm(y)
    return -20 * math.log10(U * (1 + a.shape[1] * condition))


def exact(a: Any, b: Any) -> list[Fraction]:
    """The product without any rounding, row by row."""
    columns = list(zip(*([Fraction(float(x)) for x in row] for row in b), strict=True))
    rows = [[Fraction(float(x)) for x in row] for row in a]
    return [sum((x * y for x, y in zip(row, column, strict=True)), Fraction(0)) for row in rows for column in columns]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_unit_is_at_the_floor(shape: tuple[int, int, int], backend: str) -> None:
    """And every element is the exact sum, rounded once."""
    a, b = operands(shape, np.float64)
    unit = emu.load_unit(FLOAT64)
    y = unit.d.decode(unit.matmul(a.view(np.uint64), b.view(np.uint64), backend=backend))
    assert y.ravel().tolist() == [float(x) for x in exact(a, b)]
    found = sqnr_db(finite_pairs(a @ b, y))
    assert found >= floor(a, b) > 230


@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_a_replayed_layer_is_at_the_floor(mode: str, tmp_path: Path) -> None:
    """Tensors between layers are float32, so the layer is asked for what is left after its two leading parts.

    A third of K holds a b; then come −1 and a part of y that float32 can hold, twice: y = y1 + y2 + (what the layer
    gives), of which the last is rounded by 2^-24 of 2^-48.
    """
    a, b = operands((7, 64, 9), np.float32)
    sums = exact(a, b)
    y1 = np.array([float(x) for x in sums]).astype(np.float32).reshape(7, 9)
    y2 = np.array([float(x - Fraction(float(y))) for x, y in zip(sums, y1.ravel(), strict=True)]).astype(np.float32)
    # element [i, j] needs parts of its own: row i takes part i of column j
    one = -np.eye(7, dtype=np.float32)
    x, w = np.hstack([a, one, one]), np.vstack([b, y1, y2.reshape(7, 9)])
    proto = model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": (FLOAT, [7, 78])}, {"y": (FLOAT, 2)}, {"w": w})
    (layer,) = run(save(proto, tmp_path), {"x": x}, MACHINE, mode=mode).layers
    parts = zip(y1.ravel(), y2.ravel(), layer.emulated.ravel(), strict=True)
    y = np.array([float(sum(map(Fraction, map(float, three)), Fraction(0))) for three in parts]).reshape(7, 9)
    assert sqnr_db(finite_pairs(a.astype(np.float64) @ b, y)) >= floor(a, b) > 230
    assert sqnr_db(finite_pairs(np.array([float(s) for s in sums]).reshape(7, 9), y)) > 20 * math.log10(2.0**53)


def test_a_replayed_layer_is_the_truth_rounded_once(tmp_path: Path) -> None:
    """As it is, the layer's float32 output is the correctly rounded truth, and its SQNR at float32's floor."""
    a, b = operands((7, 64, 9), np.float32)
    proto = model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": (FLOAT, [7, 64])}, {"y": (FLOAT, 2)}, {"w": b})
    run_ = emu.replay(save(proto, tmp_path), {"x": a}, accelerator=MACHINE)
    (layer,) = run_.run.layers
    assert layer.emulated.ravel().tolist() == [float(np.float32(float(x))) for x in exact(a, b)]
    (row,) = run_.result.rows
    assert row.max_ulp == 0
    assert 20 * math.log10(2.0**24) <= row.sqnr_db < 170
