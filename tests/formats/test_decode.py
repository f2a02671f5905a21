"""Decoding of every code: against ml_dtypes, gfloat, the independent executor, and the C library against Python."""

from __future__ import annotations

import math
from fractions import Fraction

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
import pytest

from emu import load_format
from emu.errors import FormatError
from emu.formats.codec import decode_exact, fits_float64
from emu.formats.decode import decode_code
from emu.formats.encode import encode_value
from emu.formats.enums import Subnormals
from tests.oracle.values import Inf, NaN

from .known import ALL, GFLOAT, ML_DTYPES, SMALL, oracle_format


def all_codes(bits: int) -> np.ndarray:
    return np.arange(1 << bits, dtype=np.uint8 if bits <= 8 else np.uint16)


def assert_same_values(actual, expected):
    assert np.array_equal(actual, expected, equal_nan=True)
    assert np.array_equal(np.signbit(actual) & (actual == 0), np.signbit(expected) & (expected == 0))


@pytest.mark.parametrize("name", [name for name in ML_DTYPES if name != "bfloat16"])
def test_ml_dtypes(name):
    codes = all_codes(load_format(name).bits)
    assert_same_values(load_format(name).decode(codes), codes.view(getattr(ml_dtypes, name)).astype(np.float64))


@pytest.mark.parametrize(("name", "dtype"), [("float16", np.float16), ("bfloat16", ml_dtypes.bfloat16)])
def test_sixteen_bits(name, dtype):
    codes = all_codes(16)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        values = codes.view(dtype).astype(np.float64)
    assert_same_values(load_format(name).decode(codes), values)


@pytest.mark.parametrize("name", GFLOAT)
def test_gfloat(name):
    codes = all_codes(load_format(name).bits)
    values = gfloat.decode_ndarray(getattr(gfloat.formats, GFLOAT[name]), codes)
    assert_same_values(load_format(name).decode(codes), values)


@pytest.mark.parametrize("name", [*SMALL, "int3", "int4", "int8", "uint5", "uint8", "e3m3", "e2m4", "dlfloat16"])
def test_every_code_by_the_rule_and_in_c(name):
    fmt, oracle = load_format(name), oracle_format(load_format(name))
    codes = all_codes(fmt.bits)
    in_c = fmt.decode(codes)
    for code in codes:
        x, wanted = decode_code(fmt, int(code)), oracle.decode(int(code))
        if isinstance(wanted, NaN):
            assert (x.nan, x.negative, x.payload | 1 << 63) == (True, wanted.negative, wanted.payload)
            assert np.isnan(in_c[code])
        elif isinstance(wanted, Inf):
            assert (x.inf, x.negative, in_c[code]) == (True, wanted.negative, -np.inf if wanted.negative else np.inf)
        else:
            assert (x.signed_sig, x.e, x.negative) == (wanted.m << max(wanted.q - x.q, 0), wanted.e, wanted.negative)
            assert in_c[code] == float(x.fraction())
            assert np.signbit(in_c[code]) == x.negative


@pytest.mark.parametrize("name", [name for name in ALL if load_format(name).bits <= 16])
def test_every_value_has_its_code(name):
    fmt = load_format(name)
    for code in range(1 << fmt.bits):
        x = decode_code(fmt, code)
        again = encode_value(fmt, x)
        assert decode_code(fmt, again) == x or x.nan
        assert again == code or x.nan or fmt.ignored_high_bits or (fmt.subnormals is Subnormals.NONE and x.is_zero)


def test_bits_that_a_format_ignores():
    tf32, unsigned = load_format("tf32"), load_format("ue4m3")
    assert tf32.decode(np.array([0x3F801FFF, 0x7F800001, 0x7F802000], np.uint32)).tolist()[:2] == [1.0, np.inf]
    assert np.isnan(tf32.decode(np.array([0x7F802000], np.uint32)))
    assert unsigned.decode(np.array([0x38, 0xB8], np.uint8)).tolist() == [1.0, 1.0]


def test_values_beyond_float64_need_decode_exact():
    wide = load_format("e15m40")
    assert not fits_float64(wide)
    with pytest.raises(FormatError, match=r"e15m40 has values that float64 cannot hold: use .*decode_exact"):
        wide.decode([1])
    exact = decode_exact(wide, np.array([1, 0x7FFF << 40, (0x7FFF << 40) + 1], np.uint64))
    assert exact[0].denominator == 2 ** (16382 + 40)
    assert exact[1] == np.inf
    assert np.isnan(exact[2])


WIDEST = {"exp_bits": 11, "man_bits": 53, "signed": False, "infinities": False, "nan": "none", "bias": 2047}


@pytest.mark.parametrize(
    ("keys", "code", "value"),
    [
        ({"exp_bits": 4, "man_bits": 3, "subnormals": "none"}, 0x07, 0.0),
        ({"exp_bits": 4, "man_bits": 3, "subnormals": "none"}, 0x87, -0.0),
        ({"exp_bits": 4, "man_bits": 3, "subnormals": "normal"}, 0x07, 2.0**-7 * 1.875),
        ({"exp_bits": 3, "man_bits": 2, "nan": "all_ones"}, 0x1E, np.inf),
        ({"exp_bits": 3, "man_bits": 2, "nan": "none"}, 0x1F, np.inf),
        ({"exp_bits": 3, "man_bits": 2, "nan": "negative_zero"}, 0x1F, np.inf),
        ({"exp_bits": 3, "man_bits": 2, "nan": "negative_zero"}, 0x20, np.nan),
        ({"exp_bits": 3, "man_bits": 2, "signed": False, "nan": "top_code", "infinities": False}, 0x1F, np.nan),
        ({"exp_bits": 3, "man_bits": 2, "nan": "all_ones", "negative_zero": False}, 0x20, 0.0),
        ({"exp_bits": 3, "man_bits": 2, "bias": -5}, 0x04, 2.0**6),
        (WIDEST, (1 << 64) - 1, 2 - Fraction(1, 1 << 53)),
        ({"kind": "integer", "bits": 4, "encoding": "sign_magnitude"}, 0x8, 0.0),
        ({"kind": "integer", "bits": 4, "encoding": "sign_magnitude"}, 0xF, -7.0),
        ({"kind": "fixed", "bits": 4, "frac_bits": 6}, 0x8, -0.125),
        ({"kind": "fixed", "bits": 4, "frac_bits": -2}, 0x7, 28.0),
        ({"kind": "log", "radix": 4, "exp_bits": 3, "bias": 4}, 0xF, -64.0),
        ({"kind": "log", "radix": 2, "exp_bits": 3, "bias": 0, "zero": False}, 0x0, 1.0),
    ],
)  # fmt: skip
def test_odd_rules(keys, code, value):
    (x,) = decode_exact(load_format(keys), np.array([code], np.uint64))
    if value != value:
        assert x != x
    else:
        assert x == value
        assert decode_code(load_format(keys), code).negative == (math.copysign(1.0, value) < 0)
