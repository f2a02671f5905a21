"""Properties of casts and operations that hold whatever the format: no oracle, only the meaning of the words."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emu
from tests.oracle.scalar.decoding import decode, largest
from tests.oracle.scalar.directions import DETERMINISTIC
from tests.oracle.scalar.formats import describe
from tests.oracle.scalar.numbers import Nan, Num

from . import small_formats
from .drawing import codes
from .running import function

TARGETS = [
    "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float6_e3m2fn", "float4_e2m1fn", "binary8p3se", "binary8p1sf",
    "float16", "bfloat16", "dlfloat16", "float4_radix4", "int8", "int4", "no-subnormals", "normal-subnormals", "q3.3",
]  # fmt: skip
SYMMETRIC = [r for r in DETERMINISTIC if r.rpartition("_")[2] not in ("positive", "negative")]
SIGN = 1 << 31


def finite(code: int) -> bool:
    """Whether a float32 code is a number."""
    return code & 0x7F800000 != 0x7F800000


FLOAT32 = codes("float32").filter(finite)
NEAR_ONE = st.integers(-9 << 23, 9 << 23).map(lambda d: 0x3F800000 + d)
SOURCE = st.one_of(FLOAT32, NEAR_ONE, NEAR_ONE.map(lambda c: c | SIGN))


def cast(values: list[int], name: str, **how: Any) -> list[int]:
    """float32 codes into a format."""
    return emu.cast(np.array(values, np.uint32), "float32", small_formats.loaded(name), **how).tolist()


def real(name: str, code: int) -> Fraction | None:
    """The value of a code; None for NaN and infinities."""
    fmt = describe("float32") if name == "float32" else small_formats.oracle(name)
    x = decode(fmt, code)
    return x.value if isinstance(x, Num) else None


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60)
@given(x=st.lists(SOURCE, min_size=20, max_size=20), rounding=st.sampled_from(DETERMINISTIC))
def test_monotonic(name, x, rounding):
    """x <= y gives cast(x) <= cast(y). (Not under jamming and to_odd at the top, so overflow saturates.)"""
    x.sort(key=lambda code: real("float32", code))
    found = [real(name, code) for code in cast(x, name, rounding=rounding, overflow="saturate")]
    assert None not in found
    assert found == sorted(found)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60)
@given(x=st.lists(SOURCE, min_size=20, max_size=20), rounding=st.sampled_from(DETERMINISTIC))
def test_result_is_a_value_and_stays(name, x, rounding):
    """A cast value is one of the format's, within its range, and casting it again changes nothing."""
    fmt = small_formats.oracle(name)
    once = cast(x, name, rounding=rounding, overflow="saturate")
    for code in once:
        value = real(name, code)
        assert -largest(fmt, True) <= value <= largest(fmt)
    loaded = small_formats.loaded(name)
    if rounding != "jamming":
        twice, flags = emu.cast(
            np.array(once, np.uint64), loaded, loaded, rounding=rounding, overflow="saturate", flags=True
        )
        assert twice.tolist() == once and not flags.any()
    else:
        again = emu.cast(np.array(once, np.uint64), loaded, loaded, rounding="jamming", overflow="saturate")
        assert emu.cast(again, loaded, loaded, rounding="jamming", overflow="saturate").tolist() == again.tolist()


@pytest.mark.parametrize("name", [n for n in TARGETS if n not in ("int8", "int4", "q3.3")])
@settings(max_examples=60)
@given(x=st.lists(SOURCE, min_size=20, max_size=20), rounding=st.sampled_from(SYMMETRIC))
def test_sign_symmetry(name, x, rounding):
    """cast(-x) = -cast(x), with the same flags, for the roundings that do not look at the sign."""
    loaded = small_formats.loaded(name)
    codes_of = np.array(x, np.uint32)
    plus, flags = emu.cast(codes_of, "float32", loaded, rounding=rounding, overflow="saturate", flags=True)
    minus, same = emu.cast(
        codes_of ^ np.uint32(SIGN), "float32", loaded, rounding=rounding, overflow="saturate", flags=True
    )
    assert np.array_equal(flags, same)
    assert [real(name, a) for a in plus.tolist()] == [-real(name, b) for b in minus.tolist()]


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60)
@given(x=st.lists(SOURCE, min_size=20, max_size=20))
def test_directed_bounds(name, x):
    """toward_negative <= x <= toward_positive inside the range; they are equal iff neither is inexact."""
    fmt = small_formats.oracle(name)
    inside = [c for c in x if -largest(fmt, True) <= real("float32", c) <= largest(fmt)]
    codes_of, loaded = np.array(inside, np.uint32), small_formats.loaded(name)
    how = {"overflow": "saturate", "flags": True}
    down, flags = emu.cast(codes_of, "float32", loaded, rounding="toward_negative", **how)
    up, same = emu.cast(codes_of, "float32", loaded, rounding="toward_positive", **how)
    flushing = fmt.subnormals in ("none", "normal")
    below, above = down.tolist(), up.tolist()
    for i, code in enumerate(inside):
        low, high, exact = real(name, below[i]), real(name, above[i]), real("float32", code)
        assert flushing or low <= exact <= high
        assert (flags[i] & 1, same[i] & 1) == (low != exact, high != exact)
        toward_zero = cast([code], name, rounding="toward_zero", overflow="saturate")[0]
        assert real(name, toward_zero) in (low, high)


@pytest.mark.parametrize("variant", "ABC")
@pytest.mark.parametrize("name", ["float8_e4m3fn", "float6_e2m3fn", "binary8p3se", "int8", "float4_e2m1fn"])
@settings(max_examples=25)
@given(code=NEAR_ONE, bits=st.integers(1, 6))
def test_stochastic_expectation(name, variant, code, bits):
    """Over all R the number of roundings away is nu 2^N, quantised: floor, half up, ties to even."""
    fmt = small_formats.oracle(name)
    exact = real("float32", code)
    if exact >= largest(fmt):
        return
    low = real(name, cast([code], name, rounding="toward_zero")[0])
    high = real(name, cast([code], name, rounding="away_from_zero")[0])
    every = np.arange(1 << bits, dtype=np.uint64)
    found = emu.cast(
        np.full(every.shape, code, np.uint32), "float32", small_formats.loaded(name), rounding="stochastic",
        sr_bits=bits, sr_variant=variant, random=every,
    ).tolist()  # fmt: skip
    values = [real(name, c) for c in found]
    assert set(values) <= {low, high}
    if low == high:
        return
    scaled = (exact - low) / (high - low) * (1 << bits)
    away = sum(v == high for v in values)
    half_up = (2 * scaled).__floor__() + 1 >> 1
    assert away == {"A": scaled.__floor__(), "B": half_up, "C": round(scaled)}[variant]


@pytest.mark.parametrize("operation", ["add", "mul"])
@pytest.mark.parametrize("name", ["float32", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int8"])
@settings(max_examples=40)
@given(data=st.data())
def test_commutative(operation, name, data):
    pairs = data.draw(st.lists(st.tuples(codes(name), codes(name)), min_size=10, max_size=10))
    x, y = (np.array(side, np.uint32) for side in zip(*pairs, strict=True))
    rounding = data.draw(st.sampled_from(DETERMINISTIC))
    one = function(operation)(x, y, name, rounding=rounding, flags=True)
    two = function(operation)(y, x, name, rounding=rounding, flags=True)
    assert np.array_equal(one[0], two[0]) and np.array_equal(one[1], two[1])


@pytest.mark.parametrize("name", ["float16", "float32", "float8_e5m2"])
@settings(max_examples=40)
@given(data=st.data())
def test_identities(name, data):
    """x - y = x + (-y), x * 1 = x, x / 1 = x, fma(x, 1, y) = x + y, sqrt(x)^2 is near."""
    fmt = describe(name)
    pairs = data.draw(st.lists(st.tuples(codes(name), codes(name)), min_size=10, max_size=10))
    pairs = [p for p in pairs if not any(isinstance(decode(fmt, c), Nan) for c in p)] or [(0, 0)]
    x, y = (np.array(side, np.uint32) for side in zip(*pairs, strict=True))
    one = np.uint32(fmt.bias << fmt.man_bits)
    rounding = data.draw(st.sampled_from([r for r in DETERMINISTIC if r != "jamming"]))
    how = {"rounding": rounding}
    negative = y ^ np.uint32(1 << (fmt.bits - 1))
    assert np.array_equal(emu.sub(x, y, name, **how), emu.add(x, negative, name, **how))
    assert np.array_equal(emu.mul(x, one, name, **how), x)
    assert np.array_equal(emu.div(x, one, name, **how), x)
    assert np.array_equal(emu.fma(x, one, y, name, **how), emu.add(x, y, name, **how))


@pytest.mark.parametrize("operation", ["add", "sub", "mul", "div"])
@settings(max_examples=40)
@given(data=st.data())
def test_saturation_never_exceeds_max(operation, data):
    name = data.draw(st.sampled_from(TARGETS))
    fmt = small_formats.oracle(name)
    every = st.integers(0, (1 << fmt.bits) - 1)
    pairs = data.draw(st.lists(st.tuples(every, every), min_size=10, max_size=10))
    x, y = (np.array(side, np.uint32) for side in zip(*pairs, strict=True))
    rounding = data.draw(st.sampled_from(DETERMINISTIC))
    for code in function(operation)(x, y, small_formats.loaded(name), rounding=rounding, overflow="saturate").tolist():
        value = decode(fmt, code)
        assert isinstance(value, Nan) or -largest(fmt, True) <= value.value <= largest(fmt)
