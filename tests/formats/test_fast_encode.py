"""The fast encoder against the general kernel, bit for bit: all formats and modes that it takes, all levels."""

from functools import cache

import numpy as np
import pytest

from cemu import lib
from emu.errors import FormatError, SpecError
from emu.formats import Format, load_format
from emu.formats.cast import Cast, check_cast
from emu.formats.codec import encode as codec_encode
from emu.formats.enums import NanTo, Overflow, Rounding
from emu.formats.fast import chunks
from emu.formats.fast.encode import encode
from emu.formats.fast.grid import grid_of
from emu.formats.isa import Isa
from emu.formats.load import load_any
from emu.formats.native import general_cast
from emu.spec import builtin_names

ROUNDINGS = [mode for mode in Rounding if mode not in (Rounding.STOCHASTIC, Rounding.EXACT)]
OVERFLOWS = [mode for mode in Overflow if mode not in (Overflow.WRAP, Overflow.RAISE)]
RULES = ("int3", "int8", "uint8", "int16", "uint16", "e6m9", "e2m1", "e3m0", "e5m10", "e7m8", "e8m3", "binary8p3se",
         "binary8p4sf", "binary8p3uf", "binary16p12ue")  # fmt: skip
SPECS = (
    {"kind": "fixed", "bits": 12, "frac_bits": 5}, {"kind": "fixed", "bits": 8, "frac_bits": 10, "signed": False},
    {"kind": "fixed", "bits": 16, "frac_bits": -4}, {"kind": "integer", "bits": 8, "symmetric": True},
    {"kind": "integer", "bits": 8, "encoding": "sign_magnitude"},
)  # fmt: skip
LEVELS = list(Isa)[: lib.cemu_isa_level() + 1]
REFUSED = {
    "binary", "bnb_fp4", "nf4", "float4_radix4", "float4_radix4_odd", "float8_e8m0fnu",  # no regular grid
    "float4_log2", "float5_log2", "int4_odd",  # likewise
    "cfloat8_1_4_3_literal", "cfloat8_1_5_2_literal",  # nor these: a gap below the normal numbers
}  # fmt: skip


@cache
def formats() -> list[Format]:
    found = [load_any(name) for name in (*builtin_names("formats"), *RULES, *SPECS)]
    return [fmt for fmt in found if isinstance(fmt, Format) and fmt.bits <= 16]


@cache
def numbers(fmt: Format) -> np.ndarray:
    """Values and midpoints of a format, their neighbours in float64, what lies beyond, specials, any bits."""
    rng = np.random.default_rng(fmt.bits)
    values = fmt.decode(np.arange(1 << fmt.bits, dtype=fmt.code_dtype))
    values = np.unique(values[np.isfinite(values)])
    if values.size > 2000:
        values = np.concatenate([values[::37], values[:100], values[-100:]])
    points = np.concatenate([values, (values[1:] + values[:-1]) / 2, 2 * values[-3:], values[-3:] * 1.25])
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 5e-324, -5e-324, 1e-45, 3e38, -3e38, 1e300]
    near = [np.nextafter(points, np.inf), np.nextafter(points, -np.inf), points, -points]
    drawn = rng.integers(0, 1 << 32, 3000, dtype=np.uint32).view(np.float32).astype(np.float64)
    return np.concatenate([*near, special, drawn])


@cache
def singles(fmt: Format) -> np.ndarray:
    """The same as float32, and the neighbours there."""
    with np.errstate(over="ignore", under="ignore"):
        near = numbers(fmt).astype(np.float32)
    up, down = (np.nextafter(near[:20_000], np.float32(end)) for end in (np.inf, -np.inf))
    return np.concatenate([near, up, down])


def casts(fmt: Format) -> list[Cast]:
    found = []
    for rounding in ROUNDINGS:
        for overflow in OVERFLOWS:
            try:
                found.append(check_cast(fmt, rounding=rounding, overflow=overflow))
            except SpecError:
                continue
    return found


def general(x: np.ndarray, how: Cast) -> np.ndarray:
    words = x.view(f"u{x.itemsize}").astype(np.uint64)
    return general_cast(words, load_format(x.dtype.name), how, default_nan=True)[0]


@pytest.mark.parametrize("fmt", formats(), ids=lambda fmt: fmt.name)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_cast_to_a_format_has_the_bits_of_the_general_kernel(fmt):
    taken = 0
    for how in casts(fmt):
        for x in (singles(fmt), numbers(fmt)):
            if grid_of(how, 8 * x.itemsize) is None:
                continue
            taken += 1
            right = general(x, how)
            for isa in LEVELS:
                made, nan = encode(x, how, isa)
                assert nan
                assert made.dtype == fmt.code_dtype
                assert np.array_equal(made, right), (how.rounding, how.overflow, isa)
    assert taken == (0 if fmt.name in REFUSED else 2 * len(casts(fmt)))


@pytest.mark.parametrize("source", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    "target", ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float6_e2m3fn", "dlfloat16", "int8"]
)
def test_all_numbers_of_sixteen_bits_widened(source, target):
    wide = load_format(source).decode(np.arange(1 << 16, dtype=np.uint16)).astype(np.float32)
    fmt = load_format(target)
    for rounding in (Rounding.TIES_TO_EVEN, Rounding.TOWARD_ZERO, Rounding.TOWARD_NEGATIVE):
        overflow = Overflow.SATURATE if fmt.is_integral else None
        how = check_cast(fmt, rounding=rounding, overflow=overflow)
        assert np.array_equal(encode(wide, how)[0], general(wide, how))


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "float16", "bfloat16", "float6_e3m2fn"])
def test_a_million_halves_and_any_bits(name):
    fmt, rng = load_format(name), np.random.default_rng(5)
    bits = rng.integers(0, 1 << 32, 1_000_000, dtype=np.uint32)
    bits[::2] &= np.uint32(0xFFFFFFFF << (22 - fmt.man_bits) & 0xFFFFFFFF)  # halves of the last place
    bits[::3] += rng.integers(-1, 2, bits[::3].size).astype(np.uint32)
    x = bits.view(np.float32)
    how = check_cast(fmt)
    assert np.array_equal(encode(x, how)[0], general(x, how))


@pytest.mark.parametrize("n", [0, 1, 7, 255, 256, 257, 5000])
def test_lengths_shapes_and_strides(n):
    fmt, how = load_format("float8_e4m3fn"), check_cast(load_format("float8_e4m3fn"))
    x = np.random.default_rng(n).standard_normal(2 * n).astype(np.float32)
    for given in (x[:n], x[::2], x.reshape(2, n), x.reshape(2, n).T):
        made = fmt.encode(given)
        assert made.shape == given.shape
        assert np.array_equal(made, general(np.ascontiguousarray(given), how))
    assert fmt.encode(np.float32(1.5)).shape == ()


def test_chunks_on_threads_give_the_same_codes(monkeypatch):
    fmt, x = load_format("float8_e5m2"), np.random.default_rng(1).standard_normal(100_003).astype(np.float32)
    whole = fmt.encode(x)
    monkeypatch.setattr(chunks, "CHUNK", 1000)
    monkeypatch.setattr(chunks.os, "sched_getaffinity", lambda _: set(range(5)))
    assert np.array_equal(fmt.encode(x), whole)
    assert np.array_equal(fmt.decode(whole), load_format("float8_e5m2").decode(whole.astype(np.int64)))


@pytest.mark.parametrize("x", [np.float32([1, np.nan]), np.float64([1, np.nan]), np.float32([[0, 1], [np.nan, 2]])])
def test_nan_without_a_code(x):
    fmt = load_format("float6_e2m3fn")
    with pytest.raises(FormatError, match="NaN at index"):
        fmt.encode(x)
    for nan_to in NanTo:
        how = check_cast(load_format("float6_e2m3fn"))
        codes = codec_encode(fmt, x, nan_to=nan_to)
        alone = codec_encode(fmt, x.astype(object), nan_to=nan_to)
        assert how.format is fmt
        assert np.array_equal(codes, alone)


@pytest.mark.parametrize("overflow", [Overflow.WRAP, Overflow.RAISE])
def test_what_wraps_or_raises_is_refused(overflow):
    assert grid_of(check_cast(load_format("int8"), overflow=overflow), 32) is None


def test_random_flushing_and_wide_casts_are_refused():
    half = load_format("float16")
    assert grid_of(check_cast(half, rounding=Rounding.STOCHASTIC, sr_bits=8), 32) is None
    assert grid_of(check_cast(half, rounding=Rounding.EXACT), 32) is None
    assert grid_of(check_cast(load_format("float32")), 32) is None
    assert encode(np.zeros(3, np.float16), check_cast(half)) is None


def test_a_grid_beyond_the_exponents_of_float32_goes_through_float64():
    fmt = load_format("binary16p7se")  # nine exponent bits
    how = check_cast(fmt)
    assert grid_of(how, 32) is None
    assert grid_of(how, 64) is not None
    x = singles(load_format("float16"))
    assert np.array_equal(encode(x, how)[0], general(x, how))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "float16"])
@pytest.mark.parametrize("target", ["float8_e4m3fn", "float8_e8m0fnu", "nf4", "int4"])
def test_sixteen_bit_values_by_a_table(dtype, target):
    fmt = load_format(target)
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 1 << 16, 70_000).astype(np.uint16)
    values = codes.view(dtype) if np.dtype(dtype).itemsize == 2 else codes.astype(np.uint8).view(dtype)
    nan_to = "error" if fmt.has_nan or dtype != "float16" else "zero"
    made = fmt.encode(values, nan_to=nan_to)
    few = [fmt.encode(part, nan_to=nan_to) for part in np.array_split(values[:1000], 10)]
    assert np.array_equal(made[:1000], np.concatenate(few))
