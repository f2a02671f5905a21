"""NVFP4, every float32 step redone in Fractions with a binary32 rounding written here."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.errors import FormatError
from emu.formats.blocks import load_block

from .plain import ELEMENTS, MAX32, F, clamp32, fl32, reciprocal32
from .variants import variant

FP4, E4M3 = ELEMENTS["float4_e2m1fn"], ELEMENTS["float8_e4m3fn"]
VALUES = st.floats(width=32, allow_nan=False, allow_infinity=False)
ORDINARY = st.floats(-100, 100, width=32)
TENSORS = st.one_of(st.lists(VALUES, min_size=1, max_size=40), st.lists(ORDINARY, min_size=1, max_size=40))
SIXTH = fl32(F(1, 6))


def tensor_scale(absmax, top):
    """S_enc and S_dec."""
    s = MAX32 if absmax == 0 else clamp32(fl32(top * 6 / absmax))
    s = F(1) if absmax == 0 or s == 0 else s
    return s, fl32(1 / s)


def times(x, y):
    """fl32(x * y), with infinities."""
    if isinstance(x, float) or isinstance(y, float):
        return float(x) * float(y)
    return fl32(x * y)


def element(y, negative):
    return FP4.encode(F(10) if y in (math.inf, -math.inf) else F(y), negative)


def candidate(block, scale, s_dec):
    """Element codes for a block scale (a value)."""
    factor = reciprocal32(fl32(scale * s_dec))
    return [element(times(F(v), factor), np.signbit(v)) for v in block]


def plain(values, s_enc, s_dec):
    """Scale codes and element codes."""
    scales, codes = [], []
    for at in range(0, len(values), 16):
        block = values[at : at + 16]
        raw = clamp32(times(max(abs(F(v)) for v in block), fl32(s_enc * SIXTH)))
        scales.append(E4M3.encode(raw, negative=False))
        codes += candidate(block, E4M3.magnitudes[scales[-1]], s_dec)
    return scales, codes


@given(TENSORS)
def test_every_float32_step(values):
    made = load_block("nvfp4").encode(np.array(values, dtype="f4"))
    s_enc, s_dec = tensor_scale(max(abs(F(v)) for v in values), 448)
    scales, codes = plain(values, s_enc, s_dec)
    assert F(float(made.tensor_scale)) == s_dec
    assert made.scales.tolist() == scales
    assert made.codes.tolist() == codes


@given(TENSORS, st.floats(2.0**-140, 2.0**120, width=32))
def test_a_given_tensor_scale(values, given_scale):
    made = load_block("nvfp4").encode(np.array(values, dtype="f4"), tensor_scale=given_scale)
    scales, codes = plain(values, reciprocal32(F(given_scale)), F(given_scale))
    assert made.tensor_scale == np.float32(given_scale)
    assert (made.scales.tolist(), made.codes.tolist()) == (scales, codes)


@given(TENSORS, st.floats(0, 2.0**120, width=32))
def test_a_calibrated_absmax(values, absmax):
    made = load_block("nvfp4").encode(np.array(values, dtype="f4"), tensor_absmax=absmax)
    s_enc, s_dec = tensor_scale(F(absmax), 448)
    assert F(float(made.tensor_scale)) == s_dec
    assert (made.scales.tolist(), made.codes.tolist()) == plain(values, s_enc, s_dec)


@given(TENSORS)
def test_without_a_tensor_scale(values):
    made = variant("nvfp4", tensor_scale="none").encode(np.array(values, dtype="f4"))
    assert made.tensor_scale is None
    assert (made.scales.tolist(), made.codes.tolist()) == plain(values, F(1), F(1))


def add(x, y):
    return x + y if isinstance(x, float) or isinstance(y, float) else fl32(x + y)


def error(block, codes, scale, absmax, top, squared):
    """((q * X) * At) / (6 F) - x, summed from the first to the last."""
    total = F(0)
    for v, code in zip(block, codes, strict=True):
        q = FP4.magnitudes[code & 7] * (-1 if code & 8 else 1)
        product = times(fl32(q * scale), absmax)
        value = product / (6 * top) if isinstance(product, float) else fl32(product / (6 * top))
        difference = add(value, -F(v))
        total = add(total, times(difference, difference) if squared else abs(difference))
    return total


def four_over_six(values, absmax, top, mode):
    """Scale codes and element codes."""
    s_enc, s_dec = tensor_scale(absmax, top)
    scales, codes = [], []
    for at in range(0, len(values), 16):
        block = values[at : at + 16]
        base = times(fl32(max(abs(F(v)) for v in block) / 6), s_enc)
        pair = [E4M3.encode(min(clamp32(raw), F(448)), negative=False) for raw in (base, times(base, F(3, 2)))]
        tried = [candidate(block, E4M3.magnitudes[code], s_dec) for code in pair]
        errors = [
            error(block, trial, E4M3.magnitudes[code], absmax, top, mode == "mse")
            for trial, code in zip(tried, pair, strict=True)
        ]
        best = int(errors[1] < errors[0])
        scales.append(pair[best])
        codes += tried[best]
    return scales, codes


@pytest.mark.parametrize("mode", ["mae", "mse"])
@pytest.mark.parametrize("top", [256, 448])
@given(values=TENSORS)
def test_four_over_six(mode, top, values):
    made = variant("nvfp4", four_over_six=mode, scale_max=top).encode(np.array(values, dtype="f4"))
    expected = four_over_six(values, max(abs(F(v)) for v in values), top, mode)
    assert (made.scales.tolist(), made.codes.tolist()) == expected


def test_four_over_six_takes_each_where_it_is_better():
    """12, 9, 6, 6 in units of 4 is exact with 4 = 12; 12 and 2 with 6 = 12. A tie takes 6."""
    fmt = load_block("nvfp4_4over6")
    x = np.zeros((3, 16), dtype=np.float32)
    x[0, :4], x[1, :2], x[2, 0] = (12, 9, 6, 6), (12, 2), 256 * 6
    made = fmt.encode(x)
    assert made.tensor_scale == 1
    assert made.decode()[:2].tolist() == x[:2].tolist()
    assert fmt.scale.decode(made.scales).tolist() == [[3], [2], [256]]
    assert (fmt.scale_max, fmt.four_over_six.value, load_block("nvfp4").scale_max) == (256, "mae", 448)


def test_float64_is_rounded_to_float32_first():
    fmt = load_block("nvfp4")
    x = np.random.default_rng(4).standard_normal((8, 50)) * 3
    one, two = fmt.encode(x), fmt.encode(x.astype("f4"))
    assert np.array_equal(one.codes, two.codes)
    assert np.array_equal(one.scales, two.scales)
    assert one.tensor_scale == two.tensor_scale


def test_zeros_and_infinities():
    fmt = load_block("nvfp4")
    made = fmt.encode(np.array([0.0, -0.0] * 8))
    assert (made.tensor_scale, made.scales.tolist(), made.codes.tolist()) == (1, [0], [0, 8] * 8)
    counted = variant("nvfp4", inf="saturate").encode(np.array([np.inf, -1.0, -np.inf] + [0.0] * 13))
    assert (counted.tensor_scale, counted.scales.tolist()) == (1, [0x7E])  # S_enc = 2688 / inf = 0, so 1
    assert counted.codes[:3].tolist() == [7, 8, 0xF]
    void = fmt.encode(np.array([np.inf, 1.0] + [0.0] * 14 + [6.0] * 16))
    assert void.scales.tolist() == [0x7F, 0x7E]
    assert void.codes.tolist() == [0] * 16 + [7] * 16
    assert np.isnan(void.decode()[:16]).all()


def test_a_scale_of_zero_is_left_as_the_kernel_leaves_it():
    """A block far below the tensor: X = 0, 1 / 0 is clamped, the elements saturate, and all of it decodes to zero."""
    x = np.array([1e-9] * 8 + [-0.0] * 8 + [1e6] * 16, dtype=np.float32)
    made = load_block("nvfp4").encode(x)
    assert made.scales.tolist() == [0, 0x7E]
    assert made.codes[:16].tolist() == [7] * 8 + [8] * 8
    assert (made.decode()[:16] == 0).all()


@pytest.mark.parametrize(
    ("name", "keys", "error", "message"),
    [
        ("mxfp4", {"tensor_scale": 2.0}, FormatError, "mxfp4 has no tensor scale"),
        ("mxfp4", {"tensor_absmax": 2.0}, FormatError, "mxfp4: tensor_absmax is for formats with tensor_scale"),
        ("nvfp4", {"tensor_scale": 0.0}, ValueError, "tensor_scale: 0.0 is no finite float32 that is positive"),
        ("nvfp4", {"tensor_scale": 0.1}, ValueError, "tensor_scale: 0.1 is no finite float32"),
        ("nvfp4", {"tensor_absmax": -1.0}, ValueError, "tensor_absmax: -1.0 is no finite float32 that is not negative"),
        ("nvfp4", {"tensor_absmax": np.inf}, ValueError, "tensor_absmax: inf is no finite float32"),
        ("nvfp4", {"tensor_scale": 1.0, "tensor_absmax": 1.0}, FormatError, "tensor_scale or tensor_absmax, not both"),
        ("nvfp4_4over6", {"tensor_scale": 1.0}, FormatError, "give tensor_absmax, not tensor_scale"),
        ("nvfp4_4over6", {"rounding": "stochastic", "sr_bits": 3}, FormatError, "4over6 compares the errors"),
    ],
)  # fmt: skip
def test_tensor_scales_refused(name, keys, error, message):
    with pytest.raises(error, match=message):
        load_block(name).encode(np.ones(3), **keys)


def test_a_tensor_scale_that_must_be_given():
    fmt = variant("nvfp4", tensor_scale="given")
    with pytest.raises(FormatError, match=r'tensor_scale = "given": encode needs tensor_scale=, a positive float32'):
        fmt.encode(np.ones(3))
    assert fmt.encode(np.full(3, 12.0), tensor_scale=0.5).decode().tolist() == [12, 12, 12]  # 6 * 4 * 0.5
