"""Row-wise quantised tables and their sums, against loops over one number at a time, written from the sources."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from emu.accelerators import load_accelerator
from emu.vector import embedding_bag, vector_unit
from emu.vector.rowwise import quantise_rows
from tests.grids import half, single

CAST = {"scheme": "cast"}
MATRIX = {"unit": "bf16-fma-f32", "activations": CAST, "weights": CAST}
E8M10 = {"exp_bits": 8, "man_bits": 10, "bias": 15}
FOUR = {
    "bits": 4, "scale": "float16", "format": "float16", "accumulator": E8M10, "accumulators": 2, "widest": 96,
    "multiple": 4,
}  # fmt: skip
EIGHT = {**FOUR, "bits": 8, "scale": "float32", "epsilon": 1e-8, "multiple": 2}
EIGHT_32 = {"bits": 8, "scale": "float32", "epsilon": 1e-8, "format": "float32", "order": "rows"}
RNG = np.random.default_rng(4)
INDICES = RNG.integers(0, 50, 41)
OFFSETS = np.array([0, 7, 7, 8, 25])
ENDS = [*OFFSETS[1:], 41]


def unit(fmt: str = "float16", **embedding: Any) -> Any:
    vector = load_accelerator({"name": "v", "matrix": MATRIX, "vector": {"format": fmt, "embedding": embedding}}).vector
    assert vector is not None
    return vector_unit(vector)


def table(width: int) -> Any:
    made = RNG.normal(size=(50, width)) * np.exp(RNG.normal(size=(50, 1)) * 2)
    made[3] = 0.25
    made[4] = 0
    return made.astype(np.float32)


def frac(x: Any) -> Fraction:
    return Fraction(float(x))


def quantise_4(row: Any) -> tuple[list[int], Fraction, Fraction]:
    """FloatOrHalfToFusedNBitRowwiseQuantizedSBHalfRef, for 4 bits."""
    bias = half(frac(min(row)))
    extent = single(frac(max(row)) - bias)
    scale = half(single(extent / 15)) if extent else Fraction(1)
    scale = scale or Fraction(1)
    inverse = single(1 / scale)
    q = [min(max(round(single(single(frac(x) - bias) * inverse)), 0), 15) for x in row]
    return q, scale, bias


def quantise_8(row: Any) -> tuple[list[int], Fraction, Fraction]:
    """FloatOrHalfToFused8BitRowwiseQuantizedSBFloatRef."""
    bias = frac(min(row))
    extent = single(frac(max(row)) - bias)
    inverse = single(255 / single(extent + frac(np.float32(1e-8))))
    return [round(single(single(frac(x) - bias) * inverse)) for x in row], single(extent / 255), bias


@pytest.mark.parametrize(("keys", "quantise"), [(FOUR, quantise_4), (EIGHT, quantise_8)])
def test_rows_are_quantised_as_the_source_does(keys: dict[str, Any], quantise: Any) -> None:
    values = table(12)
    made = quantise_rows(values, unit(**keys).embedding)
    for row, codes, scale, bias in zip(values, made.codes, made.scale, made.bias, strict=True):
        assert (codes.tolist(), frac(scale), frac(bias)) == quantise(row)
    assert len(np.unique(made.codes)) >= 16


@pytest.mark.parametrize("width", [6, 8, 96, 100])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("keys", [FOUR, EIGHT], ids=["4", "8"])
def test_sums_are_the_fakes(keys: dict[str, Any], weighted: bool, width: int) -> None:
    """SparseLengths(Weighted)SumFused{4,8}BitRowwiseFakeFP16NNPI: FMAs in FP16's precision, two accumulators."""
    values = table(width)
    weights = RNG.normal(size=41) if weighted else None
    found = embedding_bag(values, INDICES, OFFSETS, unit(**keys), per_sample_weights=weights)
    rows = [(quantise_4 if keys is FOUR else quantise_8)(row) for row in values]
    fused_bytes = width // 2 + 4 if keys is FOUR else width  # the code looks at the bytes of a row
    two = width <= 96 and width % 2 == 0 and fused_bytes % 2 == 0
    assert two == (width in ((8, 96) if keys is FOUR else (6, 8, 96)))
    for bag, (start, stop) in enumerate(zip(OFFSETS, ENDS, strict=True)):
        for column in {0, 1, 5, width - 1}:
            sums = [Fraction(0), Fraction(0)]
            for place, at in enumerate(range(start, stop)):
                q, scale, bias = rows[INDICES[at]]
                weight = Fraction(1) if weights is None else half(frac(weights[at]))
                own = place % 2 if two else 0
                sums[own] = half(half(bias) * weight + sums[own])
                sums[own] = half(half(half(scale) * weight) * q[column] + sums[own])
            assert frac(found[bag, column]) == half(sums[0] + sums[1]), (bag, column)


def test_one_accumulator_is_another_sum() -> None:
    values = table(8)
    one = embedding_bag(values, INDICES, OFFSETS, unit(**{**FOUR, "accumulators": 1}))
    assert not np.array_equal(one, embedding_bag(values, INDICES, OFFSETS, unit(**FOUR)))


def test_eight_bits_in_float32() -> None:
    """use_acc_fp32: the row's number in one FMA, into the sum in another."""
    values = table(6)
    weights = RNG.normal(size=41).astype(np.float32)
    found = embedding_bag(values, INDICES, OFFSETS, unit("float32", **EIGHT_32), per_sample_weights=weights)
    rows = [quantise_8(row) for row in values]
    for bag, (start, stop) in enumerate(zip(OFFSETS, ENDS, strict=True)):
        for column in range(6):
            total = Fraction(0)
            for at in range(start, stop):
                q, scale, bias = rows[INDICES[at]]
                total = single(single(scale * q[column] + bias) * frac(weights[at]) + total)
            assert frac(found[bag, column]) == total


def test_means_and_maxima() -> None:
    values = table(8)
    how = unit(**FOUR)
    bags = INDICES[:40].reshape(8, 5)
    total = embedding_bag(values, bags, None, how)
    mean = embedding_bag(values, bags, None, how, mode="mean")
    assert [frac(x) for x in mean.ravel()] == [half(frac(x) / 5) for x in total.ravel()]
    rows = [quantise_4(row) for row in values]
    top = embedding_bag(values, bags, None, how, mode="max")
    for bag, indices in enumerate(bags):
        wanted = [max(half(rows[i][0][column] * rows[i][1] + rows[i][2]) for i in indices) for column in range(8)]
        assert [frac(x) for x in top[bag]] == wanted


def test_errors_against_float64() -> None:
    """Normal rows of 64, bags of 40: the figures of spec/studies/README.md, the codes' own noise beside them."""
    rng = np.random.default_rng(0)
    values, bags = rng.normal(size=(1000, 64)).astype(np.float32), rng.integers(0, 1000, (500, 40))
    exact = values.astype(np.float64)[bags].sum(axis=1)
    noise = {}
    for bits, fmt, keys in ((4, "float16", FOUR), (8, "float16", EIGHT), (8, "float32", EIGHT_32)):
        how = unit(fmt, **keys)
        error = np.linalg.norm(embedding_bag(values, bags, None, how) - exact) / np.linalg.norm(exact)
        codes = quantise_rows(values, how.embedding).dequantised()[bags].sum(axis=1) - exact
        noise[bits, fmt] = error, np.linalg.norm(codes) / np.linalg.norm(exact)
    assert 0.085 < noise[4, "float16"][0] < 0.095
    assert 0.005 < noise[8, "float32"][0] < noise[8, "float16"][0] < 0.006
    for error, own in noise.values():  # FP16 sums add little to what the codes lose
        assert abs(error / own - 1) < 0.05


def test_what_has_no_code_is_refused() -> None:
    with pytest.raises(ValueError, match="infinities or NaN"):
        quantise_rows(np.array([[1.0, np.inf]]), unit(**FOUR).embedding)
