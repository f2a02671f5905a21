"""Codes of 17 to 32 bits: encoding and decoding against the general kernel, bit for bit, at every level."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import emu
from emu.errors import FormatError
from emu.formats import Format
from emu.formats.cast import Cast, check_cast
from emu.formats.codec import decode32
from emu.formats.enums import IntegerEncoding, Overflow, Rounding
from emu.formats.fast import by_numba
from emu.formats.fast.encode import encode
from emu.formats.fast.grid import grid_of
from emu.formats.fast.numbers import _checked, _some, numbers_of
from emu.formats.load import load_any, load_format
from emu.formats.native import general_cast

from .test_fast_encode import LEVELS, casts, general

FORMATS = (
    "tensorfloat32", "e8m13", "e8m15", "e7m10", "e6m12", "e8m22", "e8m23", "e5m18", "e9m20", "float32", "int24",
    "int32", "uint32", "uint20", {"kind": "fixed", "bits": 24, "frac_bits": 8},
    {"kind": "fixed", "bits": 32, "frac_bits": 31}, {"kind": "fixed", "bits": 18, "frac_bits": -3, "signed": False},
    {"kind": "integer", "bits": 20, "symmetric": True}, {"kind": "integer", "bits": 22, "encoding": "sign_magnitude"},
)  # fmt: skip
BINARY64 = ("e9m20",)
"""Floats whose exponents only float64 has."""


@cache
def formats() -> list[Format]:
    found = [load_any(name) for name in FORMATS]
    return [fmt for fmt in found if isinstance(fmt, Format)]


def plain(fmt: Format) -> Cast:
    """What encode does unless told otherwise."""
    return check_cast(fmt, overflow=Overflow.SATURATE if fmt.is_integral else None)


@cache
def codes_of(fmt: Format) -> np.ndarray:
    """Codes around all binades of an integer, or those of a float; the first, the last, and drawn ones."""
    rng, all_codes = np.random.default_rng(fmt.bits), 1 << fmt.bits
    powers = np.array([1 << i for i in range(fmt.bits + 1)])
    near = np.concatenate([powers + i for i in range(-3, 4)] + [all_codes - powers + i for i in range(-3, 4)])
    drawn = rng.integers(0, all_codes, 3000)
    own = [] if fmt.is_integral else [_some(fmt)[:: 1 if fmt.exp_bits <= 8 else 7].astype(np.int64)]
    return (np.concatenate([near, drawn, *own]) % all_codes).astype(np.uint64)


@cache
def numbers(fmt: Format) -> np.ndarray:
    """Values, midpoints, their neighbours in float64, what lies beyond, subnormal numbers, specials, any bits."""
    rng = np.random.default_rng(fmt.bits)
    words, _ = general_cast(codes_of(fmt), fmt, check_cast(load_format("float64")))
    values = np.unique(words.view(np.float64)[np.isfinite(words.view(np.float64))])
    whole = values[np.abs(values) < 2.0**31]
    half = np.ldexp(0.5, np.maximum(np.frexp(values)[1] - 1 - fmt.man_bits, -1000 if fmt.is_integral else fmt.lsb))
    half = np.full(values.size, np.ldexp(0.5, -fmt.frac_bits)) if fmt.is_integral else half
    points = np.concatenate([values, values + half, values - half, 2 * values[-3:], values[-3:] * 1.25, whole[::9] / 7])
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 5e-324, -5e-324, 1e-45, 3e38, -3e38, 1e300, 1.7e308, -1e308]
    near = [np.nextafter(points, np.inf), np.nextafter(points, -np.inf), points, -points]
    drawn = rng.integers(0, 1 << 32, 3000, dtype=np.uint32).view(np.float32).astype(np.float64)
    return np.concatenate([*near, special, drawn])


@cache
def singles(fmt: Format) -> np.ndarray:
    """The same as float32, and the neighbours there."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        near = numbers(fmt).astype(np.float32)
    ends = [np.nextafter(near[:9000], np.float32(end)) for end in (np.inf, -np.inf)]
    return np.concatenate([near, *ends, np.uint32([0x7F800001, 0xFFBFFFFF]).view(np.float32)])


@pytest.mark.parametrize("fmt", formats(), ids=lambda fmt: fmt.name)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_cast_has_the_bits_of_the_general_kernel(fmt):
    for how in casts(fmt):
        for x in (singles(fmt), numbers(fmt)):
            right = general(x, how)
            for isa in LEVELS:
                made, nan = encode(x, how, isa)
                assert nan and made.dtype == np.uint32
                assert np.array_equal(made, right), (how.rounding, how.overflow, isa)


def test_which_grids_are_within_float32():
    narrow = {fmt.name for fmt in formats() if grid_of(plain(fmt), 32) is not None}
    assert {"tensorfloat32", "e8m13", "e8m22"} <= narrow
    assert not narrow & {"float32", "int24", "int32", "e9m20", "e8m23"}
    assert all(grid_of(plain(fmt), 64) is not None for fmt in formats())
    assert grid_of(plain(load_format("int48")), 64) is None


@pytest.mark.parametrize("name", ["tensorfloat32", "e8m13", "float32", "int24"])
@pytest.mark.parametrize("n", [0, 1, 7, 255, 257, 1023, 1025, 3000])
def test_lengths_shapes_and_strides(name, n):
    fmt, rng = load_format(name), np.random.default_rng(n)
    how = plain(fmt)
    for dtype in (np.float32, np.float64):
        x = (rng.standard_normal(2 * n) * 1e5).astype(dtype)
        for given in (x[:n], x[::2], x.reshape(2, n).T):
            made = fmt.encode(given)
            assert made.shape == given.shape and np.array_equal(made, general(np.ascontiguousarray(given), how))
            wide = made.astype(np.uint64)
            right = general_cast(wide, fmt, check_cast(load_format("float64")))[0].view(np.float64)
            assert np.array_equal(fmt.decode(made), right) and np.array_equal(fmt.decode(wide), right)


@pytest.mark.parametrize("fmt", formats(), ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_have_the_bits_of_the_general_kernel(fmt, dtype):
    codes = codes_of(fmt)
    words, _ = general_cast(codes, fmt, check_cast(load_format(np.dtype(dtype).name)))
    ordinary = not fmt.symmetric and fmt.encoding is IntegerEncoding.TWOS_COMPLEMENT and fmt.name not in BINARY64
    fits = dtype == np.float64 or (fmt.bits - fmt.signed <= 24 if fmt.is_integral else fmt.name not in BINARY64)
    for isa in LEVELS:
        for end in (codes.size, 1, 255, 259):
            made = numbers_of(fmt, codes[:end].astype(np.uint32), dtype, isa)
            assert (made is None) == (not ordinary or not fits)
            if made is not None:
                assert np.array_equal(made.view(f"u{made.itemsize}"), words[:end])


def test_what_float32_does_not_hold_is_refused():
    with pytest.raises(FormatError, match="float32 cannot hold"):
        decode32(load_format("int32"), np.uint32([1]))
    assert decode32(load_format("tensorfloat32"), np.uint32([0x3F801FFF]))[0] == 1
    assert decode32(load_format("int24"), np.uint32([0xFFFFFF]))[0] == -1
    with pytest.raises(ValueError, match="does not fit"):
        load_format("int24").decode(np.uint32([1 << 24] * 100))


@pytest.mark.parametrize("change", [{"raise": 1 << 23}, {"most": 5}, {"shift": 7}, {"minus_zero": 0}])
def test_fields_that_are_wrong_are_found(change, monkeypatch):
    from emu.formats.fast import numbers as module

    fmt = load_format("e8m13")
    right = module.fields_of(fmt)
    assert _checked(fmt, None) == right
    monkeypatch.setattr(module, "fields_of", lambda _: right | change)
    assert _checked(fmt, None) is None


@pytest.mark.parametrize("name", ["tensorfloat32", "e8m13", "e8m22"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numba_has_the_bits_of_the_kernel_in_c(name):
    fmt = load_format(name)
    x = singles(fmt)
    for how in casts(fmt):
        made, right = by_numba.encode(x, how), encode(x, how)
        assert made is not None and made.dtype == np.uint32 and np.array_equal(made, right[0]), how
    assert by_numba.encode(x, check_cast(load_format("float32"))) is None


@pytest.mark.parametrize("backend", ["c", "numba"])
@pytest.mark.parametrize("source", ["float32", "float64"])
def test_casts_of_codes(source, backend):
    x = np.random.default_rng(7).standard_normal(5000).astype(source)
    for name in ("tensorfloat32", "float32", "int24"):
        for rounding in (Rounding.TIES_TO_EVEN, Rounding.TO_ODD):
            made = emu.cast(x, source, name, rounding=rounding, backend=backend)
            assert np.array_equal(made, emu.cast(x, source, name, rounding=rounding, flags=True)[0])
