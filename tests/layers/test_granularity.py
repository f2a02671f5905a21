"""What shares a scale: groups along K, matrices, input channels; against loops written from the page alone."""

from __future__ import annotations

import numpy as np
import pytest

from emu import load_accelerator
from emu.formats import load_format
from emu.layers.emulate import emulate
from emu.layers.lowering import lower
from emu.layers.operands import operands_of, requantised_columns, requantised_source

RNG = np.random.default_rng(5)
F32 = np.float32


def plan(unit, activations="token", weights="channel", **matrix):
    return load_accelerator(
        {
            "matrix": {
                "unit": unit,
                "activations": {"scheme": "absmax", "per": activations},
                "weights": {"scheme": "absmax", "per": weights},
                **matrix,
            }
        }
    ).matrix


def normal(*shape):
    return RNG.standard_normal(shape).astype(F32)


def scale_of(values):
    top = np.abs(values).max()
    return F32(1) if top == 0 else F32(top) / F32(127)


def int8(values, scale):
    return np.clip(np.rint(values / scale), -127, 127)


@pytest.mark.parametrize("k", [64, 130, 200])
def test_groups_have_scales_of_their_own(k):
    """int8-group-dequant: an exact sum of each 64, then one FP32 multiply-add with s_a · s_b rounded to FP32."""
    x, w = normal(3, k), normal(k, 4)
    x[1, 64:128] = 0
    how = plan("int8-group-dequant", "group", "group")
    y = emulate(lower("MatMul", [x, w], {}, constant=(False, True)), how).y
    for i in range(3):
        for j in range(4):
            total = F32(0)
            for first in range(0, k, 64):
                a, b = x[i, first : first + 64], w[first : first + 64, j]
                s_a, s_b = scale_of(a), scale_of(b)
                dot = int((int8(a, s_a) * int8(b, s_b)).sum())
                exact = float(dot) * float(s_a * s_b) + float(total)  # 22 + 24 bits and a float32: exact in a double
                total = F32(exact)
            wanted = load_format("bfloat16")
            assert y[i, j] == wanted.decode(wanted.encode(np.array(total)))


def test_weights_of_a_convolution_are_grouped_along_its_im2col():
    x, w = normal(2, 20, 4, 4), normal(6, 20, 3, 3)
    how = plan("int8-group-dequant", "token", "group")
    lowered = lower("Conv", [x, w], {"pads": [1, 1, 1, 1]}, constant=(False, True))
    found = operands_of(lowered, how).b
    b = w.reshape(6, -1).T
    for first in range(0, 180, 64):
        for column in range(6):
            part = b[first : first + 64, column]
            scale = scale_of(part)
            assert found.unit_scale[0, first // 64, column] == scale.view(np.uint32)
            assert found.codes[0, first : first + 64, column].view(np.int8).tolist() == int8(part, scale).tolist()


def test_a_convolutions_rows_are_grouped_as_they_are_multiplied(monkeypatch):
    import emu.layers.gemm as gemm

    x, w = normal(2, 20, 4, 4), normal(6, 20, 3, 3)
    how = plan("int8-group-dequant", "group", "group")
    lowered = lower("Conv", [x, w], {"pads": [1, 1, 1, 1]}, constant=(False, True))
    rows = lowered.geometry.rows(x, F32(0))(0, lowered.geometry.m)
    flat = emulate(lower("MatMul", [rows[0], w.reshape(6, -1).T], {}, constant=(False, True)), how).y
    whole = emulate(lowered, how).y
    assert np.array_equal(whole, flat.reshape(2, 4, 4, 6).transpose(0, 3, 1, 2))
    monkeypatch.setattr(gemm, "TILE_ELEMENTS", 400)
    assert np.array_equal(emulate(lowered, how).y, whole)


def test_a_head_has_one_scale():
    q, k = normal(2, 3, 5, 8), normal(2, 3, 8, 7)
    how = plan("int8-int32", "matrix", "channel")
    y = emulate(lower("MatMul", [q, k], {}, constant=(False, False)), how).y
    for image in range(2):
        for head in range(3):
            s_a, s_b = scale_of(q[image, head]), scale_of(k[image, head])
            d = int8(q[image, head], s_a) @ int8(k[image, head], s_b)
            assert np.array_equal(y[image, head], d.astype(F32) * (s_a * s_b))


def test_matrices_of_a_folded_batch():
    x, w = normal(2, 5, 8), normal(8, 7)
    how = plan("int8-int32", "matrix", "tensor")
    y = emulate(lower("MatMul", [x, w], {}, constant=(False, True)), how).y
    s_b = scale_of(w)
    for image in range(2):
        s_a = scale_of(x[image])
        d = int8(x[image], s_a) @ int8(w, s_b)
        assert np.array_equal(y[image], d.astype(F32) * (s_a * s_b))


def test_input_channels_of_a_depthwise_convolution():
    x, w = normal(1, 4, 5, 5) * F32([1, 10, 100, 1000]).reshape(1, 4, 1, 1), normal(4, 1, 3, 3)
    how = plan("int8-int32", "channel", "channel")
    lowered = lower("Conv", [x, w], {"group": 4, "pads": [1, 1, 1, 1]}, constant=(False, True))
    y = emulate(lowered, how).y
    for c in range(4):
        s_a, s_b = scale_of(x[0, c]), scale_of(w[c])
        codes = np.pad(int8(x[0, c], s_a), 1)
        for i in range(5):
            for j in range(5):
                d = (codes[i : i + 3, j : j + 3] * int8(w[c, 0], s_b)).sum()
                assert y[0, c, i, j] == F32(d) * (s_a * s_b)


def test_input_channels_that_are_summed_need_a_scale_for_every_k():
    lowered = lower("MatMul", [normal(3, 8), normal(8, 2)], {}, constant=(False, True))
    with pytest.raises(ValueError, match=r"no scale for every k.*one input channel for each group"):
        emulate(lowered, plan("int8-int32", "channel", "channel"))


SHIFTED = {
    "name": "scaled products",
    "operands": {"a": "int8", "b": "int8", "d": "float64"},
    "scale": {"a": {"format": "e8m0", "block": 1}},
    "level": [{"input": {"multiply": "a_scale"}}],
    "output": {"format": "float64"},
}


def test_a_unit_with_a_scale_for_every_k_takes_input_channels():
    x, w = normal(3, 8) * F32(2) ** np.arange(8, dtype=F32), normal(8, 2)
    y = emulate(lower("MatMul", [x, w], {}, constant=(False, True)), plan(SHIFTED, "channel", "tensor")).y
    e8m0 = load_format("e8m0")
    s_a = e8m0.decode(e8m0.encode(np.array([scale_of(x[:, c]) for c in range(8)])))
    s_b = scale_of(w)
    d = (int8(x, s_a.astype(F32)) * s_a) @ int8(w, s_b)
    assert np.array_equal(y, d.astype(F32) * s_b)


@pytest.mark.parametrize("per", ["tensor", "token", "group"])
def test_values_of_what_was_quantised(per):
    x, w = normal(3, 130), normal(130, 4)
    how = plan("int8-group-dequant", per, "group" if per == "group" else "channel")
    lowered = lower("MatMul", [x, w], {}, constant=(False, True))
    found = requantised_source(lowered, how)
    size = {"tensor": None, "token": 130, "group": 64}[per]
    for i in range(3):
        for first in range(0, 130, size or 130):
            part = x[i, first : first + (size or 130)]
            scale = scale_of(x if size is None else part)
            assert np.array_equal(
                found[i, first : first + (size or 130)], (int8(part, scale) * float(scale)).astype(F32)
            )
    of_w = requantised_columns(lowered, how)
    assert of_w.shape == (1, 130, 4)
    assert np.abs(of_w[0] - w).max() < 0.02


@pytest.mark.parametrize("unit", ["int8-group-dequant", "flexq:exact-group.w6a6"])
def test_groups_of_all_backends(unit):
    x, w = normal(4, 300), normal(300, 5)
    lowered = lower("MatMul", [x, w], {}, constant=(False, True))
    how = plan(unit, "group", "group")
    wanted = emulate(lowered, how, backend="reference").y
    for backend in ("numba", "c"):
        assert np.array_equal(emulate(lowered, how, backend=backend).y, wanted)
