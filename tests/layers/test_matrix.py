"""`emu.matmul`: real values in and out."""

from __future__ import annotations

import numpy as np
import pytest

from emu.accelerators import load_accelerator
from emu.errors import FormatError, SpecError
from emu.formats import load_format
from emu.layers.matrix import matmul
from emu.units import load_unit

RNG = np.random.default_rng(5)


def test_is_scheme_unit_epilogue() -> None:
    x, w = RNG.normal(size=(3, 20)).astype(np.float32), RNG.normal(size=(20, 4)).astype(np.float32)
    unit, e4m3, bf16 = load_unit("deepseek-fp8-promoted"), load_format("float8_e4m3fn"), load_format("bfloat16")
    s_x = np.abs(x).max(1, keepdims=True) / np.float32(448)
    s_w = np.abs(w).max(0, keepdims=True) / np.float32(448)
    d = unit.matmul(
        e4m3.encode(x / s_x, overflow="saturate"), e4m3.encode(w / s_w, overflow="saturate"),
        a_scale=s_x.view(np.uint32), b_scale=s_w.view(np.uint32),
    )  # fmt: skip
    want = bf16.decode(bf16.encode(unit.d.decode(d).astype(np.float32)))
    assert np.array_equal(matmul(x, w, accelerator="hopper-fp8-promoted"), want)


def test_batches_and_kinds_of_numbers() -> None:
    y = matmul([[1, 2], [3, 4]], np.ones((5, 2, 3)), accelerator="bf16-fma-f32")
    assert y.dtype == np.float32
    assert np.array_equal(y, np.broadcast_to(np.array([[3.0], [7.0]]), (5, 2, 3)))
    assert matmul(np.ones(4), np.ones((4, 2)), accelerator="bf16-fma-f32").tolist() == [4.0, 4.0]


def test_accelerator_objects_rules_and_backends() -> None:
    mixed = load_accelerator({"extends": "int8-int32", "rule": [{"match": {"layer": "head"}, "unit": "int8-sat16"}]})
    x, w = np.full((1, 8), 100.0), np.full((8, 1), 100.0)
    assert matmul(x, w, accelerator=mixed)[0, 0] > matmul(x, w, accelerator=mixed, layer="head")[0, 0]
    assert np.array_equal(matmul(x, w, accelerator=mixed, backend="reference"), matmul(x, w, accelerator=mixed))


def test_errors() -> None:
    with pytest.raises(ValueError, match="inner sizes 3 and 4 differ"):
        matmul(np.ones((2, 3)), np.ones((4, 2)), accelerator="int8-int32")
    with pytest.raises(FormatError, match=r"tensor 'x' holds NaN \(1 of 4 elements\), and int8 has none"):
        matmul(np.array([[np.nan, 1, 2, 3]]), np.ones((4, 2)), accelerator="int8-int32")
    static = {"extends": "int8-int32", "matrix": {"activations": {"scheme": "absmax", "range": "static"}}}
    with pytest.raises(SpecError, match="layer 'matmul' has a static range, which needs calibration data"):
        matmul(np.ones((2, 3)), np.ones((3, 2)), accelerator=static)
