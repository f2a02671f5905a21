"""Lowering, schemes and epilogue against NumPy, where NumPy is exact or rounds at the same places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .lowering import layer
from .support import codes, formats, needs_units
from .units import Executor

INTEGER_UNIT = {"operands": {"a": "int8", "b": "int8", "c": "int32", "d": "int32"}}


@needs_units
@pytest.mark.parametrize("order", ["c_kh_kw", "kh_kw_c"])
@pytest.mark.parametrize(
    ("attrs", "channels"),
    [
        ({"pads": [1, 0, 2, 1]}, 3),
        ({"strides": [2, 1], "dilations": [1, 2], "group": 2}, 4),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, 3),
        ({"auto_pad": "SAME_LOWER", "group": 2}, 2),
    ],
)
def test_convolution_is_numpy(attrs: dict[str, Any], channels: int, order: str) -> None:
    random = np.random.default_rng(channels)
    group = attrs.get("group", 1)
    x = random.integers(-99, 100, (2, channels, 6, 7)).astype(np.float32)
    w = random.integers(-99, 100, (4, channels // group, 3, 2)).astype(np.float32)
    got = layer(
        "Conv",
        x,
        w,
        None,
        attrs,
        Executor(INTEGER_UNIT, formats()),
        "int8",
        "int8",
        None,
        None,
        "f32",
        k_order=order,
    )
    assert np.array_equal(got.values, _convolved(x, w, attrs))


def _convolved(x: np.ndarray, w: np.ndarray, attrs: dict[str, Any]) -> np.ndarray:
    """Sum over kernel positions of shifted, strided slices of the padded input (exact: small integers)."""
    group, (sh, sw) = attrs.get("group", 1), attrs.get("strides", (1, 1))
    dh, dw = attrs.get("dilations", (1, 1))
    pads = attrs.get("pads", (0, 0, 0, 0))
    if attrs.get("auto_pad") == "SAME_UPPER":  # ceil(6/2) = 3 rows of reach 3, ceil(7/2) = 4 columns of reach 2
        pads = (0, 0, 1, 1)
    if attrs.get("auto_pad") == "SAME_LOWER":
        pads = (1, 1, 1, 0)
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    oh, ow = (x.shape[2] - dh * 2 - 1) // sh + 1, (x.shape[3] - dw - 1) // sw + 1
    n, per = x.shape[1] // group, w.shape[0] // group
    out = np.zeros((x.shape[0], w.shape[0], oh, ow), np.float32)
    for o in range(w.shape[0]):
        own = x[:, o // per * n : (o // per + 1) * n]
        for i, j in np.ndindex(3, 2):
            part = own[:, :, i * dh : i * dh + oh * sh : sh, j * dw : j * dw + ow * sw : sw][:, :, :oh, :ow]
            out[:, o] += np.einsum("nchw,c->nhw", part, w[o, :, i, j])
    return out


@needs_units
def test_one_dimensional_convolution() -> None:
    x = np.array([[[1, 2, 3, 4]]], np.float32)
    w = np.array([[[1, -1]]], np.float32)
    got = layer(
        "Conv",
        x,
        w,
        np.array([0.5]),
        {"pads": [1, 0]},
        Executor(INTEGER_UNIT, formats()),
        "int8",
        "int8",
        None,
        None,
        "f32",
    )
    assert got.values.tolist() == [[[-0.5, -0.5, -0.5, -0.5]]]


@needs_units
def test_epilogue_rounds_once_per_step() -> None:
    random = np.random.default_rng(2)
    x, w = random.normal(size=(3, 2, 8)).astype(np.float32), random.normal(size=(8, 5)).astype(np.float32)
    bias = random.normal(size=5).astype(np.float32)
    got = layer(
        "MatMul",
        x,
        w,
        bias,
        {},
        Executor(INTEGER_UNIT, formats()),
        "int8",
        "int8",
        "token",
        "channel",
        "bf16",
    )
    s_a = np.max(np.abs(x), -1, keepdims=True) / np.float32(127)
    s_b = np.max(np.abs(w), 0, keepdims=True) / np.float32(127)
    total = np.rint(x / s_a).astype(int) @ np.rint(w / s_b).astype(int)
    y = total.astype(np.float32) * (s_a * s_b) + bias
    assert y.dtype == np.float32 and np.array_equal(got.y, y)
    assert np.array_equal(got.codes, codes(y, "bf16"))


@needs_units
def test_gemm_transposes() -> None:
    x, w = np.array([[1, 2], [3, 4], [5, 6]], np.float32), np.array([[1, 0, -1]], np.float32)
    got = layer(
        "Gemm",
        x,
        w,
        None,
        {"transA": 1, "transB": 1},
        Executor(INTEGER_UNIT, formats()),
        "int8",
        "int8",
        "tensor",
        "tensor",
        "f32",
    )
    assert got.d.shape == (2, 1) and float(got.y[0, 0]) < 0
