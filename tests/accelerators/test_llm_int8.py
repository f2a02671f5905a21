"""LLM.int8() end to end, against its library's code written out in NumPy and fractions."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from emu import load_accelerator, load_format, load_unit
from emu.attribution import attribute
from emu.layers.calibrated import static_of
from emu.layers.emulate import emulate
from emu.layers.lowering import lower
from emu.schemes import Target, load_scheme

F32, F16 = np.float32, np.float16
MMA = "nvidia-ampere:mma.sync.m16n8k16.f32.f16.f16.f32"
CUDA, DEFAULT, PAPER = (load_accelerator(name).matrix for name in ("llm-int8", "llm-int8-default", "llm-int8-paper"))
INT8 = load_format("int8")


def data(rows=7, k=40, n=6, outliers=True):
    rng = np.random.default_rng(rows)
    x = rng.standard_normal((rows, k)).astype(F16).astype(F32)
    if outliers:
        x[:, [3, 17]] *= 8
        x[0, 3], x[rows - 1, 17] = 7.5, -30
        x[1 % rows, 3] = 5.5  # the largest below the threshold is in a column that leaves
    w = rng.standard_normal((k, n)).astype(F32)
    bias = rng.standard_normal(n).astype(F16).astype(F32)
    return x, w, bias


def layer(x, w, bias=None):
    return lower("Gemm", [x, w] if bias is None else [x, w, bias], {}, constant=(False, True, True))


def vectors(values, stats):
    return np.rint((values * (F32(127) / stats)).astype(F32)).astype(np.int64)


def parts(x, w, threshold=6.0):
    """Codes and ranges of both operands, and the columns of outliers: bitsandbytes' int8_vectorwise_quant."""
    x, w = x.astype(F16).astype(F32), w.astype(F16).astype(F32)
    outliers = np.abs(x) >= threshold
    columns = outliers.any(axis=0)
    row = np.abs(np.where(outliers, F32(0), x)).max(axis=1, keepdims=True)
    of_x = vectors(np.where(outliers, F32(0), x), row)
    of_x[:, columns] = 0
    col = np.abs(w).max(axis=0, keepdims=True)
    return of_x, row, vectors(w, col), col, np.flatnonzero(columns), x


def single(x: Fraction) -> np.float32:
    """FP32, ties to even; nothing here overflows."""
    codes = load_format("float32").encode(np.array([x], object))
    return np.asarray(codes, np.uint32).view(F32)[0]


def with_outliers(y, x, columns, weights):
    """addmm: FP16 products with FP32 sums, one rounding to FP16."""
    if not len(columns):
        return y
    half = load_format("float16")
    a, b = (half.encode(part.astype(F32)) for part in (x[:, columns], weights[columns].astype(F16)))
    unit = load_unit(MMA)
    more = unit.d.decode(unit.matmul(a, b)).astype(F32)
    return (y.astype(F32) + more).astype(F16)


@pytest.mark.parametrize("outliers", [True, False])
@pytest.mark.parametrize("rows", [1, 7])
def test_cuda(rows, outliers):
    x, w, bias = data(rows, outliers=outliers)
    of_x, row, of_w, col, columns, x16 = parts(x, w)
    assert bool(len(columns)) is outliers
    acc = of_x @ of_w
    scaled = (acc.astype(F32) * row).astype(F32) * col
    constant = Fraction(float(F32(6.200012e-05)))
    y = np.array([
        [single(Fraction(float(one)) * constant + Fraction(float(b))) for one, b in zip(line, bias, strict=True)]
        for line in scaled
    ]).astype(F16)  # fmt: skip
    dequantised = (of_w * (col.astype(float) / 127)).astype(F32)
    want = with_outliers(y, x16, columns, dequantised)
    assert np.array_equal(emulate(layer(x, w, bias), CUDA).y, want.astype(F32))


@pytest.mark.parametrize("rows", [1, 7])
def test_default_backend(rows):
    x, w, bias = data(rows)
    of_x, row, of_w, col, columns, x16 = parts(x, w)
    y = ((of_x @ of_w).astype(F32) * (row * col) * F32(6.200124e-05) + bias).astype(F16)
    want = with_outliers(y, x16, columns, (of_w * (col.astype(float) / 127)).astype(F32))
    assert np.array_equal(emulate(layer(x, w, bias), DEFAULT).y, want.astype(F32))


def test_the_constants():
    """numerics E.1: 6.200012e-05f is 1/127² correctly rounded; the other is 1.8e-5 larger."""
    assert F32(6.200012e-05) == single(Fraction(1, 127**2))
    assert pytest.approx(1.8e-5, rel=0.01) == 6.200124e-05 * 127**2 - 1


def test_the_epilogue_can_do_what_the_unit_does():
    x, w, bias = data()
    keys = {
        "matrix": {
            "unit": "int8-int32",
            "activations": {"scheme": "llm-int8", "per": "token"},
            "weights": {"scheme": "llm-int8", "per": "channel"},
            "output": "float16",
            "epilogue": {"scales": "a_then_b", "constant": 1 / 127**2, "fused": True},
        }
    }
    plain = replace(CUDA, transforms=())
    assert np.array_equal(
        emulate(layer(x, w, bias), load_accelerator(keys).matrix).y, emulate(layer(x, w, bias), plain).y
    )


def test_the_paper_multiplies_outliers_by_the_weights():
    x, w, _ = data()
    got = emulate(layer(x, w), PAPER).y
    x16, w16 = x.astype(F16).astype(F32), w.astype(F16).astype(F32)
    columns = (np.abs(x16) >= 6).any(axis=0)
    rest = emulate(layer(np.where(columns, F32(0), x16), w16), replace(CUDA, transforms=())).y
    assert np.array_equal(got, with_outliers(rest.astype(F16), x16, np.flatnonzero(columns), w16).astype(F32))


def test_without_outliers_a_split_changes_no_bit():
    x, w, bias = data(outliers=False)
    assert np.abs(x).max() < 6
    alone = replace(CUDA, transforms=CUDA.transforms[:1])
    assert np.array_equal(emulate(layer(x, w, bias), CUDA).y, emulate(layer(x, w, bias), alone).y)


def test_the_worked_example():
    """numerics E.1: row [0.5, -1, 2] of range 2."""
    made = load_scheme("llm-int8").quantise(np.array([[0.5, -1, 2, 0]], F32), Target(format=INT8, axes=(-1,)))
    assert INT8.decode(made.codes).tolist() == [[32, -64, 127, 0]]
    assert made.scale.tolist() == [[2]]


def test_a_threshold_is_compared_with_fp16():
    """5.9995 is 6 in FP16."""
    x, w, _ = data(outliers=False)
    x[2, 9] = 5.9995
    plain = replace(CUDA, transforms=CUDA.transforms[:1])
    assert not np.array_equal(emulate(layer(x, w), CUDA).y, emulate(layer(x, w), plain).y)


def test_static_ranges_are_ranges():
    """What calibration keeps of the scheme is the range, so that codes are those of the same data at hand."""
    keys = {
        "matrix": {
            "unit": "llm-int8",
            "activations": {"scheme": "llm-int8", "range": "static"},
            "weights": {"scheme": "llm-int8", "per": "channel"},
        }
    }
    static = load_accelerator(keys).matrix
    keys["matrix"]["activations"]["range"] = "dynamic"
    x, w, _ = data()
    made = static_of(layer(x, w), static)
    assert made.a.scale == np.abs(x).max()
    assert np.array_equal(
        emulate(layer(x, w), static, static=made).y, emulate(layer(x, w), load_accelerator(keys).matrix).y
    )


def test_no_ladder():
    x, w, _ = data(outliers=False)
    with pytest.raises(ValueError, match="scales are ranges"):
        attribute(layer(x, w), CUDA, emulate(layer(x, w), CUDA).y)
