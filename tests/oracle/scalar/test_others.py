"""The oracle against other people's: ml_dtypes (decode, cast), gfloat (P3109, every rounding), NumPy, TestFloat."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import gfloat
import ml_dtypes
import numpy as np
import pytest
from gfloat.formats import format_info_p3109
from gfloat.types import Domain, RoundMode, Signedness

from tests.operations import vectors

from .casting import How, cast
from .decoding import decode
from .exact import cast_to_integral, operate
from .formats import Format, describe, p3109
from .numbers import Inf, Nan, Num, Value, number
from .places import table
from .relations import relation

ML_DTYPES = [
    "float8_e3m4", "float8_e4m3", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz",
    "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn", "bfloat16", "float8_e8m0fnu",
]  # fmt: skip
ROUNDINGS = {
    "ties_to_even": RoundMode.TiesToEven, "ties_to_away": RoundMode.TiesToAway, "toward_zero": RoundMode.TowardZero,
    "toward_positive": RoundMode.TowardPositive, "toward_negative": RoundMode.TowardNegative,
}  # fmt: skip
STOCHASTIC = {"A": RoundMode.StochasticFastest, "B": RoundMode.StochasticFast, "C": RoundMode.Stochastic}
P3109 = [(k, p, s, e) for k in range(3, 9) for s in (True, False) for p in range(1, k + (not s)) for e in (True, False)]


def real(x: Value) -> float:
    """A value as a float, which holds those of small formats."""
    if isinstance(x, Nan):
        return math.nan
    size = math.inf if isinstance(x, Inf) else float(x.size)
    return -size if x.negative else size


def of(x: float) -> Value:
    """A float as a value."""
    if math.isnan(x):
        return Nan()
    return Inf(x < 0) if math.isinf(x) else Num(math.copysign(1, x) < 0, abs(Fraction(x)))


def same(x: float, y: float) -> bool:
    return (math.isnan(x) and math.isnan(y)) or (x == y and math.copysign(1, x) == math.copysign(1, y))


def info(k: int, p: int, signed: bool, extended: bool) -> gfloat.FormatInfo:
    return format_info_p3109(
        k, p, Signedness.Signed if signed else Signedness.Unsigned, Domain.Extended if extended else Domain.Finite
    )


def named(k: int, p: int, signed: bool, extended: bool) -> Format:
    return describe(f"binary{k}p{p}{'s' if signed else 'u'}{'e' if extended else 'f'}")


@pytest.mark.parametrize("name", ML_DTYPES)
def test_ml_dtypes(name):
    """Every code; casts of every bfloat16 (E8M0: but for its ties, its sign and its subnormal sources)."""
    fmt, dtype = describe(name), np.dtype(getattr(ml_dtypes, name))
    codes = np.arange(1 << fmt.bits, dtype=f"u{dtype.itemsize}")
    with np.errstate(all="ignore"):
        values = codes.view(dtype).astype(np.float64).tolist()
    for code, value in enumerate(values):
        assert same(real(decode(fmt, code)), value), code
    if name == "bfloat16":
        return
    with np.errstate(all="ignore"):
        sources = np.arange(0, 1 << 16, 7, dtype=np.uint16).view(ml_dtypes.bfloat16).astype(np.float64)
        expected = sources.astype(dtype).view(f"u{dtype.itemsize}").tolist()
    how = How(fmt=fmt)
    for x, code in zip(sources.tolist(), expected, strict=True):
        if (math.isnan(x) and not fmt.has_nan) or (name == "float8_e8m0fnu" and not x > 2.0**-126):
            continue
        if name == "float8_e8m0fnu" and math.isfinite(x) and math.frexp(x)[0] == 0.75:
            continue
        assert same(real(decode(fmt, cast(of(x), how)[0])), real(decode(fmt, code))), x


@pytest.mark.parametrize("shape", P3109, ids=lambda s: named(*s).name)
def test_p3109(shape):
    """Every code and, around every value and boundary, every rounding that gfloat has."""
    fmt, theirs = named(*shape), info(*shape)
    assert p3109(*shape)["bias"] == theirs.bias
    for code in range(1 << fmt.bits):
        assert same(real(decode(fmt, code)), gfloat.decode_float(theirs, code).fval), code
    sizes = table(fmt, negative=False).sizes
    points = [float(s) for s in sizes] + [float((a + b) / 2) for a, b in pairwise(sizes)]
    # 2^-20 away and not the next float: gfloat adds 0.5 to the discarded fraction in float64, which rounds
    near = [y for x in points for y in (x, x * (1 + 2.0**-20), x * (1 - 2.0**-20))] + [math.inf]
    every = max(1, len(near) // 60)
    for x in [s for y in near[::every] if y for s in ((y, -y) if fmt.signed else (y,))]:
        for rounding, mode in ROUNDINGS.items():
            for overflow, sat in (("infinity", False), ("saturate", True)):
                code, _ = cast(of(x), How(fmt=fmt, rounding=rounding, overflow=overflow))
                assert same(real(decode(fmt, code)), gfloat.round_float(theirs, x, mode, sat)), (x, rounding, overflow)
        if math.isinf(x) or abs(x) < 1e-300:
            continue
        for variant, mode in STOCHASTIC.items():
            for random in range(8):
                how = How(fmt=fmt, rounding="stochastic", sr_bits=3, sr_variant=variant, random=random)
                code, _ = cast(of(x), how)
                expected = gfloat.round_float(theirs, x, mode, False, random, 3)
                assert same(real(decode(fmt, code)), expected), (x, variant, random)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_numpy(dtype):
    """float64 into float16 and float32, ties among them."""
    fmt = describe(np.dtype(dtype).name)
    bits = np.random.default_rng(5).integers(0, 1 << 64, 20_000, dtype=np.uint64)
    x = bits.view(np.float64)
    low = np.random.default_rng(6).integers(0, 1 << (8 * dtype(0).itemsize), 5_000).astype(f"u{dtype(0).itemsize}")
    with np.errstate(all="ignore"):
        values = low.view(dtype).astype(np.float64)
        halves = (values + np.nextafter(low.view(dtype), dtype(np.inf)).astype(np.float64)) / 2
        x = np.concatenate([x, halves])
        expected = x.astype(dtype).view(f"u{dtype(0).itemsize}")
    for value, code in zip(x.tolist(), expected.tolist(), strict=True):
        if not math.isnan(value):
            assert cast(of(value), How(fmt=fmt))[0] == code, value


@pytest.mark.parametrize("file", vectors.files())
def test_testfloat(file):
    """Values and flags of a sample of every file; the whole of them agrees too (1.9 million checks, by hand)."""
    source, operation = vectors.parts(file)
    fmt, recorded = describe(vectors.FORMATS[source]), vectors.load(file)
    for run in recorded.runs:
        every = slice(hash_of(file) % 50, None, 50)
        columns = [column[every].tolist() for column in (*recorded.operands, run.out, run.flags)]
        for *codes, out, flags in zip(*columns, strict=True):
            if operation in vectors.COMPARISONS:
                name, signaling = vectors.COMPARISONS[operation]
                found = relation(name, fmt, *codes, signaling)
            elif operation.startswith("to_"):
                how = How(fmt=describe(vectors.FORMATS[operation[3:]]), rounding=run.rounding, tininess=run.tininess)
                to_whole = how.fmt.is_integral
                found = (
                    cast_to_integral(fmt, *codes, how, exact=run.exact) if to_whole
                    else operate("cast", [fmt], codes, how)
                )  # fmt: skip
            else:
                how = How(fmt=fmt, rounding=run.rounding, tininess=run.tininess)
                found = operate(vectors.OPERATIONS[operation], [fmt] * len(codes), codes, how, exact=run.exact)
            assert found == (out, flags), (run.label, [hex(code) for code in codes])


def hash_of(text: str) -> int:
    """A number that does not change from run to run."""
    return sum(text.encode())


def test_numbers():
    """A few results that can be checked by eye."""
    fp8 = describe("float8_e4m3fn")
    for x, code in (("463.9", 0x7E), ("464", 0x7E), ("464.1", 0x7F), ("247.9", 0x77), ("248", 0x78)):
        assert cast(number(Fraction(x)), How(fmt=fp8))[0] == code, x
