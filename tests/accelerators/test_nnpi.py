"""The public emulation of Facebook's first accelerator, end to end, against loops over one number at a time."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from emu.accelerators import load_accelerator
from emu.functions import Function, load_function
from emu.layers.calibrated import static_of
from emu.layers.emulate import emulate
from emu.layers.lowering import lower
from emu.vector import vector_unit
from tests.grids import half

RNG = np.random.default_rng(12)


def frac(x: Any) -> Fraction:
    return Fraction(float(x))


def parameters(values: Any, low: int, high: int) -> tuple[np.float32, int]:
    """FBGEMM's ChooseQuantizationParams, with the scale in FP32 throughout."""
    bottom, top = np.float32(min(values.min(), 0)), np.float32(max(values.max(), 0))
    scale = np.float32((top - bottom) / np.float32(high - low))
    ends = low - float(bottom) / float(scale), high - float(top) / float(scale)
    nearer = abs(low) + abs(float(bottom) / float(scale)) < abs(high) + abs(float(top) / float(scale))
    return scale, min(max(round(ends[0] if nearer else ends[1]), low), high)


def quantise_nnpi(x: Any, scale: np.float32, zero: int) -> int:
    t = half(half(frac(x)) * half(frac(np.float32(1) / scale)) + half(Fraction(zero)))
    return min(max((abs(t) + Fraction(1, 2)).__floor__() * (1 if t > 0 else -1), 0), 255)


def layer(bias: bool = True) -> tuple[Any, Any, Any]:
    x = np.maximum(RNG.normal(size=(6, 40)) + 0.5, -0.2).astype(np.float32)
    w = (RNG.normal(size=(40, 5)) + 0.2).astype(np.float32) * np.exp(RNG.normal(size=5)).astype(np.float32)
    return x, w, RNG.normal(size=5).astype(np.float32) * bias


def test_an_int8_layer() -> None:
    """Quantise, sums with zero points and an int32 bias, A = floor(M 2^N), ties up, dequantise by 1 / (1 / s)."""
    plan = load_accelerator("nnpi-int8").matrix
    x, w, bias = layer()
    got = emulate(lower("Gemm", (x, w, bias), {}, constant=(False, True)), plan).y
    s_x, z_x = parameters(x, 0, 255)
    of_w = [parameters(w[:, column], -128, 127) for column in range(5)]
    sums = np.empty((6, 5), object)
    floats = np.empty((6, 5), np.float32)
    for (row, column), _ in np.ndenumerate(floats):
        s_w, z_w = of_w[column]
        t = np.float32(s_x * s_w)
        total = round(float(np.float32(bias[column] / t)))
        for k in range(40):
            q = min(max(round(float(w[k, column] / s_w)) + z_w, -128), 127)
            total += (quantise_nnpi(x[row, k], s_x, z_x) - z_x) * (q - z_w)
        sums[row, column], floats[row, column] = total, np.float32(total) * t
    s_y, z_y = parameters(floats, 0, 255)
    for (row, column), total in np.ndenumerate(sums):
        m = frac(np.float32(s_x * of_w[column][0]) / s_y)
        n = (255 / m).__floor__().bit_length() - 1
        q = ((total * (m * 2**n).__floor__() + (1 << (n - 1))) >> n) + z_y
        value = np.float32(min(max(q, 0), 255) - z_y) / (np.float32(1) / s_y)
        assert frac(got[row, column]) == half(frac(value))
    assert 0 < z_x < 255
    assert len({z for _, z in of_w}) > 1
    assert np.unique(got).size > 15


def test_static_scales_are_kept_for_other_data() -> None:
    base: dict[str, Any] = {
        "extends": "nnpi-int8",
        "matrix": {"activations": {"scheme": "nnpi-quantize", "range": "static"}},
    }
    base["matrix"]["epilogue"] = {"requantize": {"range": "static"}}
    plan = load_accelerator(base).matrix
    x, w, bias = layer()
    lowered = lower("Gemm", (x, w, bias), {}, constant=(False, True))
    static = static_of(lowered, plan)
    assert static.y is not None
    assert static.y.zero is not None
    larger = emulate(lower("Gemm", (x * 4, w, bias), {}, constant=(False, True)), plan, static=static)
    top = (np.float32(255 - int(static.y.zero)) / (np.float32(1) / static.y.scale)).astype(np.float16)
    assert larger.y.max() == top
    assert larger.output.saturated > 0
    assert larger.quantiser.saturated > 0


def test_an_fp16_layer() -> None:
    """Fp16FCAcc16: products and operands flushed, blocks of 128, an FP16 bias afterwards."""
    plan = load_accelerator("nnpi-fp16").matrix
    k = 300
    x = (RNG.normal(size=(3, k)) * 2.0**-7).astype(np.float32)
    w = (RNG.normal(size=(k, 4)) * 2.0**-6).astype(np.float32)
    bias = (RNG.normal(size=4) * 2.0**-10).astype(np.float32)
    least = Fraction(2) ** -14

    def flushed(value: Fraction) -> Fraction:
        return value if abs(value) >= least else Fraction(0)

    got = emulate(lower("Gemm", (x, w, bias), {}, constant=(False, True)), plan).y
    unflushed = 0
    for (row, column), y in np.ndenumerate(got):
        total = Fraction(0)
        for start in range(0, k, 128):
            part = Fraction(0)
            for at in range(start, min(start + 128, k)):
                a, b = flushed(half(frac(x[row, at]))), flushed(half(frac(w[at, column])))
                part = half(part + flushed(half(a * b)))
            total = half(flushed(total) + part) if start else part
        unflushed += total != half(sum((frac(x[row, i]) * frac(w[i, column]) for i in range(k)), Fraction(0)))
        assert frac(y) == half(total + half(frac(bias[column])))
    assert unflushed > 6


@pytest.mark.parametrize("name", ["nnpi-int8", "nnpi-fp16"])
@pytest.mark.parametrize("function", [Function.SIGMOID, Function.TANH])
def test_functions_are_the_tables(name: str, function: Function) -> None:
    vector = load_accelerator(name).vector
    assert vector is not None
    codes = np.arange(0x7C00, dtype=np.uint16)
    x = codes.view(np.float16).astype(np.float64)
    made = vector_unit(vector).function(function, x)
    table = load_function(f"nnpi-{function.value}")
    assert np.array_equal(made, table.output.decode(table.apply(codes)))
    exact = np.tanh(x) if function is Function.TANH else 1 / (1 + np.exp(-x))
    assert not np.array_equal(made.astype(np.float16), exact.astype(np.float16))
