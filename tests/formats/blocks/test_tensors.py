"""Axes, short blocks, NaN and infinities, random bits, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu import load_format
from emu.arithmetic.random import Philox
from emu.errors import FormatError, OverflowRaised, SpecError
from emu.formats.blocks import Blocked, load_block

from .plain import ELEMENTS
from .variants import variant

NAMES = ("mxfp8_e4m3", "mxint8", "nvfp4", "nvfp4_4over6", "msfp12")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(7,), (64,), (3, 40), (5, 33, 4), (2, 1, 3, 17)])
def test_axes_and_short_blocks(name, shape):
    """Along any axis as along the last one; a short block as if zeros filled it."""
    fmt = load_block(name)
    x = np.random.default_rng(1).standard_normal(shape).astype("f4")
    for axis in range(-len(shape), len(shape)):
        made = fmt.encode(x, axis)
        moved = np.moveaxis(x, axis, -1)
        size, n = fmt.block, moved.shape[-1]
        filled = np.zeros((*moved.shape[:-1], -(-n // size) * size), dtype="f4")
        filled[..., :n] = moved
        last = fmt.encode(filled)
        assert made.codes.shape == made.shape == shape
        assert made.axis == axis % len(shape)
        assert made.scales.dtype == made.codes.dtype == np.uint8
        assert np.array_equal(np.moveaxis(made.codes, axis, -1), last.codes[..., :n])
        assert np.array_equal(np.moveaxis(made.scales, axis, -1), last.scales)
        assert np.array_equal(np.moveaxis(made.decode(), axis, -1), last.decode()[..., :n])
        assert made.codes.flags.c_contiguous and made.scales.flags.c_contiguous


@pytest.mark.parametrize("block", [1, 3, "all"])
def test_block_sizes(block):
    fmt = variant("mxfp4", block=block)
    x = np.array([[1.0, 6, 0.5, 24, 3], [0, 0, 0, 0, 1]])
    size = 5 if block == "all" else block
    rows = [[variant("mxfp4", block=64).encode(row[at : at + size]) for at in range(0, 5, size)] for row in x]
    made = fmt.encode(x)
    assert made.scales.tolist() == [[int(m.scales[0]) for m in row] for row in rows]
    assert made.decode().tolist() == [[v for m in row for v in m.decode()] for row in rows]


@pytest.mark.parametrize(("shape", "scales"), [((0,), (0,)), ((0, 5), (0, 1)), ((5, 0), (5, 0))])
@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "msfp16"])
def test_empty_tensors(name, shape, scales):
    made = load_block(name).encode(np.zeros(shape))
    assert (made.codes.shape, made.scales.shape, made.decode().shape) == (shape, scales, shape)
    assert variant("mxfp4", block="all").encode(np.zeros(shape)).scales.shape == scales


def test_wide_codes():
    fmt = variant("mxfp4", element={"kind": "integer", "bits": 12}, scale="float32", rule="absmax")
    made = fmt.encode(np.array([1.0, -1.0, 0.5]))
    assert (made.codes.dtype, made.scales.dtype) == (np.uint16, np.uint32)
    assert made.codes.tolist() == [2047, 4096 - 2047, 1024]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes_mean_the_same(dtype):
    x = np.random.default_rng(3).standard_normal(300).astype("float16")
    for name in ("mxfp6_e2m3", "nvfp4", "msfp14"):
        one, two = load_block(name).encode(x), load_block(name).encode(x.astype(dtype))
        assert np.array_equal(one.codes, two.codes) and np.array_equal(one.scales, two.scales)


SPECIALS = [1.0, np.nan, 2.0, np.inf, 3.0, 0.5, -np.inf, 0.25]


def test_policy_scale():
    made = load_block("mxfp8_e5m2").encode(np.array([*SPECIALS[:4], *[1.0] * 28, 4.0]))
    assert made.scales.tolist() == [0xFF, 127 + 2 - 15]
    assert not made.codes[:32].any()
    assert np.isnan(made.decode()[:32]).all()
    assert made.decode()[32] == 4


def test_policy_element():
    """They are left out of absmax; E5M2 keeps both, E4M3 keeps NaN and clamps infinities."""
    fmt = variant("mxfp8_e5m2", nan="element", block=2)
    made = fmt.encode(np.array(SPECIALS))
    assert fmt.overflow.value == "saturate_propagate"
    assert np.array_equal(made.decode(), [1, np.nan, 2, np.inf, 3, 0.5, -np.inf, 0.25], equal_nan=True)
    e4m3 = variant("mxfp8_e4m3", nan="element", block=2)
    assert e4m3.encode(np.array(SPECIALS)).codes[[1, 3, 6]].tolist() == [0x7F, 0x7E, 0xFE]
    clamped = variant("mxfp8_e5m2", nan="element", block=2, overflow="saturate").encode(np.array(SPECIALS))
    assert clamped.codes[[3, 6]].tolist() == [0x7B, 0xFB]
    only = fmt.encode(np.array([np.nan, np.inf]))
    assert only.scales.tolist() == [0]


def test_policy_saturate():
    fmt = variant("mxfp4", inf="saturate", block=2)
    made = fmt.encode(np.array([np.inf, 1e30, -np.inf, np.nan]))
    assert made.scales.tolist() == [254, 255]
    assert made.codes.tolist() == [7, 0, 0, 0]


@pytest.mark.parametrize(("bad", "what"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_policy_error(bad, what):
    x = np.ones((2, 20), dtype="f4")
    x[1, 3] = bad
    fmt = load_block("msfp12")
    with pytest.raises(FormatError, match=rf"{what} at index \(1, 3\): msfp12 refuses it") as error:
        fmt.encode(x, axis=0)
    assert "\n" not in str(error.value)


@given(st.integers(0, 2**32 - 1), st.sampled_from("ABC"), st.integers(1, 32), st.booleans())
def test_stochastic_rounding(seed, variant_name, bits, exact):
    """By the definition of P3109's A, B, C on the exact y; the random bits follow their values along any axis."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((5, 6)).astype("f4")
    draws = random.integers(0, 2**bits, x.shape, dtype=np.uint64)
    name, rule = ("int4", "absmax") if exact else ("float4_e2m1fn", "floor")
    keys = {"element": name, "rule": rule, "sr_variant": variant_name, "sr_bits": bits, "rounding": "stochastic"}
    if exact:
        keys |= {"quotient": "exact", "scale": "float32"}
    fmt = variant("mxfp4", block=4, **keys)
    for axis in (0, 1):
        made = fmt.encode(x, axis, random=draws)
        scales = np.repeat(fmt.scale.decode(made.scales), 4, axis=axis)[:5, :6]
        for at in np.ndindex(x.shape):
            y = abs(Fraction(float(x[at])) / Fraction(float(scales[at])))
            got = ELEMENTS[name].magnitudes[_index(int(made.codes[at]), name)]
            assert got == _stochastic(y, ELEMENTS[name], variant_name, bits, int(draws[at]))


def _index(code, name):
    return min(code, 16 - code) if name == "int4" else code & 7


def _stochastic(y, element, how, n, r):
    grid = [*element.magnitudes, element.beyond()]
    at = max(i for i, v in enumerate(grid) if v <= y)
    if at >= len(grid) - 2 or grid[at] == y:
        return grid[min(at, len(grid) - 2)]
    nu = (y - grid[at]) / (grid[at + 1] - grid[at])
    up = {
        "A": nu * 2**n // 1 + r >= 2**n,
        "B": nu * 2 ** (n + 1) // 1 + 2 * r + 1 >= 2 ** (n + 1),
        "C": round(nu * 2**n) + r >= 2**n,
    }[how]
    return grid[at + up]


class Source:
    """What emu.Philox and emu.Lfsr look like."""

    bits = 5

    def draws(self, shape, bits):
        return np.full(shape, 2**bits - 1, dtype=np.uint64)


def test_sources_of_random_bits():
    fmt = load_block("mxfp4")
    x = np.array([4.0, 0.01, 2.01])
    assert fmt.encode(x, rounding="stochastic", sr_bits=8, random=Source()).decode().tolist() == [4, 0.5, 3]
    assert fmt.encode(x, rounding="SR", random=Source()).decode().tolist() == [4, 0.5, 2]
    assert fmt.encode(x, rounding="SR", sr_bits=8, random=0).decode().tolist() == [4, 0, 2]
    with pytest.raises(ValueError, match="stochastic rounding needs random"):
        fmt.encode(x, rounding="stochastic", sr_bits=8)
    with pytest.raises(ValueError, match=r"random: 256 does not fit sr_bits = 8"):
        fmt.encode(x, rounding="stochastic", sr_bits=8, random=[0, 256, 1])
    with pytest.raises(ValueError, match="random bits are only drawn"):
        fmt.encode(x, random=[0, 1, 2])
    with pytest.raises(FormatError, match=r"sr_bits from 1 to 32 \(got None\)"):
        fmt.encode(x, rounding="stochastic", random=0)
    with pytest.raises(SpecError, match='only rounding = "stochastic" draws random bits'):
        fmt.encode(x, sr_bits=3)


def test_philox_draws_for_the_tensor():
    """In the order of the tensor, whatever axis is blocked: 32 bits unless told otherwise."""
    x = np.random.default_rng(6).standard_normal((6, 70))
    fmt = load_block("mxfp6_e3m2")
    for axis in (0, 1):
        made = fmt.encode(x, axis, rounding="stochastic", random=Philox(7))
        same = fmt.encode(x, axis, rounding="stochastic", sr_bits=32, random=Philox(7).draws(x.shape, 32))
        assert np.array_equal(made.codes, same.codes)


def test_rounding_of_the_caller():
    x = np.array([4.0, 2.9, -2.9])
    fmt = load_block("mxfp4")
    assert fmt.encode(x).decode().tolist() == [4, 3, -3]
    assert fmt.encode(x, rounding="RTZ").decode().tolist() == [4, 2, -2]
    assert fmt.encode(x, rounding="toward_positive").decode().tolist() == [4, 3, -2]
    with pytest.raises(FormatError, match="unknown rounding 'down'"):
        fmt.encode(x, rounding="down")
    with pytest.raises(FormatError, match='"exact" is for pipes'):
        fmt.encode(x, rounding="exact")


def test_overflow_of_elements():
    assert variant("mxfp8_e4m3", overflow="infinity").encode(np.array([511.0])).codes.tolist() == [0x7F]
    assert variant("mxfp8_e5m2", overflow="infinity").encode(np.array([65535.0])).codes.tolist() == [0x7C]
    with pytest.raises(OverflowRaised):
        variant("mxfp4", overflow="raise").encode(np.array([7.9]))


@pytest.mark.parametrize(
    ("x", "axis", "message"),
    [
        (np.arange(4), -1, "values of dtype int64 cannot be encoded in blocks: give float16, float32, float64"),
        (np.array([Fraction(1, 3)]), -1, "values of dtype object"),
        (1.0, -1, "a single number has no axis"),
        (np.ones((2, 3)), 2, "axis 2 of an array with 2 axes"),
        (np.ones((2, 3)), -3, "axis -3 of an array with 2 axes"),
    ],
)
def test_inputs_refused(x, axis, message):
    with pytest.raises(ValueError, match=message):
        load_block("mxfp4").encode(x, axis)


def test_blocked_is_checked():
    fmt = load_block("mxfp4")
    codes, scales = np.zeros((2, 40), np.uint8), np.full((2, 2), 127, np.uint8)
    good = Blocked(format=fmt, codes=codes, scales=scales, axis=1, shape=(2, 40))
    assert not good.decode().any()
    with pytest.raises(
        ValueError, match=r"scales have the shape \(2, 2\); mxfp4 of \(2, 40\) along axis 0 has \(1, 40\)"
    ):
        Blocked(format=fmt, codes=codes, scales=scales, axis=0, shape=(2, 40))
    with pytest.raises(ValueError, match="codes have the shape"):
        Blocked(format=fmt, codes=codes, scales=scales, axis=1, shape=(2, 41))
    with pytest.raises(ValueError, match="axis 2 of a tensor with 2 axes"):
        Blocked(format=fmt, codes=codes, scales=scales, axis=2, shape=(2, 40))
    with pytest.raises(ValueError, match="codes of mxfp4 are no codes of nvfp4"):
        load_block("nvfp4").decode(good)
    bad = Blocked(format=fmt, codes=codes + 16, scales=scales, axis=1, shape=(2, 40))
    with pytest.raises(ValueError, match="does not fit the 4 bits"):
        bad.decode()


def test_values_beyond_float64():
    fmt = variant("nvfp4", element={"kind": "integer", "bits": 16}, scale="float32")
    assert not fmt.fits_float64
    made = fmt.encode(np.array([1.0, 3.0, -2.0], dtype="f4"))
    with pytest.raises(FormatError, match="has values that float64 cannot hold: use decode_exact"):
        made.decode()
    tensor, scale = (Fraction(float(s)) for s in (made.tensor_scale, fmt.scale.decode(made.scales)[0]))
    codes = made.codes.astype(np.int16).tolist()
    assert made.decode_exact().tolist() == [code * scale * tensor for code in codes]


@pytest.mark.parametrize("scale", [0x00, 0x01, 0x37, 0x7B, 0x7C, 0x7E])
def test_decode_exact_of_every_code(scale):
    """Infinities and NaN next to a scale; zero, infinity and NaN as a scale: as decode, which is IEEE's product."""
    fmt = variant("mxfp8_e5m2", scale="float8_e5m2", block="all")
    codes = np.arange(256, dtype="u1")
    made = Blocked(format=fmt, codes=codes, scales=np.array([scale], "u1"), axis=0, shape=(256,))
    exact = [float(v) for v in made.decode_exact()]
    assert np.array_equal(made.decode(), exact, equal_nan=True)


@pytest.mark.parametrize("name", ["mxfp8_e4m3", "mxfp6_e3m2", "mxfp4", "mxint8", "msfp12", "msfp16"])
def test_encoding_what_was_decoded_changes_nothing(name):
    fmt = load_block(name)
    x = np.random.default_rng(8).standard_normal((20, 50)) * 2.0 ** np.arange(-50, 50, 2)
    once = fmt.encode(x).decode()
    assert np.array_equal(fmt.encode(once).decode(), once)


def test_formats_are_values():
    assert variant("mxfp4") == load_block("mxfp4") and hash(variant("mxfp4")) == hash(load_block("mxfp4"))
    assert variant("mxfp4", block=16) != load_block("mxfp4")
    assert str(load_block("mxfp4_e2m1")) == "mxfp4"
    assert load_format("e2m1") is load_block("mxfp4").element
