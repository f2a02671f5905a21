"""Encoding into every format of at most 16 bits, against a table of values, the independent executor and ml_dtypes.

Inputs: all float16 codes; 100,000 random float32 and float64 bit patterns; every value, midpoint and border of the
format with its neighbours in float32 and float64.
"""

from __future__ import annotations

from functools import cache

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from emu import load_format
from emu.formats.cast import default_nan_code
from emu.formats.enums import FormatKind, Subnormals
from tests.compare import assert_same_bits
from tests.oracle.rounding import encode as oracle_encode

from .known import ML_DTYPES, TARGETS, oracle_format
from .numbers import boundaries, float16s, random_bits
from .table_oracle import ROUNDINGS, Table

KEPT_NAN = {"nan_to": "zero"}


@cache
def table(name: str) -> Table:
    return Table(oracle_format(load_format(name)))


def expected(name: str, x: np.ndarray, rounding: str = "ties_to_even") -> np.ndarray:
    nan = np.isnan(x)
    codes = table(name).encode(np.where(nan, 0, x).astype(np.float64), rounding)
    return np.where(nan, default_nan_code(load_format(name)), codes)


def check(name: str, x: np.ndarray, rounding: str = "ties_to_even") -> None:
    fmt = load_format(name)
    codes = fmt.encode(x, rounding, **KEPT_NAN)
    assert codes.dtype == fmt.code_dtype
    assert_same_bits(codes, expected(name, x, rounding), fmt, f"{x.dtype} -> {name}, {rounding}")


@pytest.mark.parametrize("name", TARGETS)
def test_nearest_even(name):
    check(name, float16s())
    for dtype in ("float32", "float64"):
        check(name, random_bits(dtype))
        check(name, boundaries(table(name), dtype))


@pytest.mark.parametrize("rounding", ROUNDINGS[1:])
@pytest.mark.parametrize("name", TARGETS)
def test_other_roundings(name, rounding):
    check(name, boundaries(table(name), "float64")[::7], rounding)
    check(name, random_bits("float32")[::50], rounding)


@cache
def halves_and_a_million() -> np.ndarray:
    """All float16 and bfloat16 numbers, and 2^20 random float32 bit patterns."""
    bfloat16s = (np.arange(1 << 16, dtype=np.uint32) << 16).view(np.float32)
    words = np.random.default_rng(20).integers(0, 1 << 32, 1 << 20, dtype=np.uint32)
    with np.errstate(invalid="ignore"):
        return np.concatenate([float16s().astype(np.float32), bfloat16s, words.view(np.float32)])


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_million_numbers_in_every_rounding(name):
    x = np.concatenate([halves_and_a_million(), boundaries(table(name), "float32")])
    for rounding in ROUNDINGS:
        check(name, x, rounding)


@pytest.mark.parametrize("name", TARGETS)
def test_the_executor_agrees_with_the_table(name):
    fmt = oracle_format(load_format(name))
    x = np.concatenate([boundaries(table(name), "float64")[::97], random_bits("float64")[::500]])
    x = x[~np.isnan(x)]
    for rounding in ("ties_to_even", "toward_negative", "to_odd"):
        codes = [oracle_encode(float(value), fmt, rounding) for value in x]
        assert_same_bits(codes, expected(name, x, rounding), load_format(name), rounding)


@pytest.mark.parametrize("name", [name for name in ML_DTYPES if name in TARGETS])
def test_ml_dtypes_from_float32(name):
    x = np.concatenate([random_bits("float32"), boundaries(table(name), "float32"), float16s().astype(np.float32)])
    x = x[np.isfinite(x)]
    with np.errstate(all="ignore"):
        theirs = x.astype(getattr(ml_dtypes, name))
    fmt = load_format(name)  # an overflow gives ml_dtypes' NaN the sign of the number; ours is always positive
    assert_same_bits(fmt.encode(x), theirs.view(fmt.code_dtype), fmt, any_nan=True)


@pytest.mark.parametrize("name", ["float16", "float32"])
def test_numpy_from_float64(name):
    x = random_bits("float64")
    x = x[~np.isnan(x)]
    with np.errstate(all="ignore"):
        theirs = x.astype(name)
    assert_same_bits(load_format(name).encode(x), theirs.view(load_format(name).code_dtype), load_format(name))


@pytest.mark.parametrize("name", [*TARGETS, "float32", "float64", "tf32"])
def test_round_trip(name):
    fmt = load_format(name)
    bits = np.random.default_rng(7).integers(
        0, 1 << fmt.bits if fmt.bits < 64 else (1 << 64) - 1, 50_000, dtype=np.uint64
    )
    codes = np.arange(1 << fmt.bits, dtype=np.uint64) if fmt.bits <= 16 else bits
    if fmt.symmetric:  # its lowest code decodes to a number out of range
        codes = codes[codes != 1 << (fmt.bits - 1)]
    values = fmt.decode(codes)
    again = fmt.encode(values, **KEPT_NAN)
    back = fmt.decode(again)
    assert np.array_equal(back, values, equal_nan=True)
    assert np.array_equal(np.signbit(back), np.signbit(values) & ~np.isnan(values))
    assert_same_bits(fmt.encode(back, **KEPT_NAN), again, fmt)


NUMBERS = st.floats(allow_nan=False)


@given(st.sampled_from(TARGETS), st.sampled_from(ROUNDINGS), NUMBERS, NUMBERS)
def test_monotonic(name, rounding, x, y):
    fmt = load_format(name)
    x, y = min(x, y), max(x, y)
    if not fmt.signed and fmt.kind is FormatKind.FLOAT:
        x, y = abs(x), abs(x) + abs(y)  # a negative number has no place there
    low, high = fmt.decode(fmt.encode(np.array([x, y]), rounding))
    assert not low > high


@given(st.sampled_from(TARGETS), st.sampled_from(ROUNDINGS), NUMBERS)
def test_idempotent(name, rounding, x):
    fmt = load_format(name)
    once = fmt.encode(np.array([x]), rounding)
    value = fmt.decode(once)
    if not np.isnan(value).any():
        assert_same_bits(fmt.encode(value, rounding), once, fmt)


@given(st.sampled_from(TARGETS), st.floats(allow_nan=False, allow_infinity=False))
def test_roundings_bracket_the_number(name, x):
    fmt = load_format(name)
    assume(
        fmt.subnormals is not Subnormals.NORMAL or abs(x) >= 2.0 ** (fmt.emin + 1)
    )  # DLFloat flushes below its least
    down, up = (fmt.decode(fmt.encode(np.array([x]), r, "saturate"))[0] for r in ("toward_negative", "toward_positive"))
    if abs(x) <= fmt.max_finite and (x >= 0 or fmt.signed):
        assert down <= x <= up
        for rounding in ROUNDINGS:
            assert fmt.decode(fmt.encode(np.array([x]), rounding, "saturate"))[0] in (down, up)
