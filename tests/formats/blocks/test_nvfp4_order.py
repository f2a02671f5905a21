"""Blocks in which another order of NVFP4's float32 operations gives other bits: found by NumPy, checked in Fractions.

Each search computes both orders in NumPy on many blocks near a border, keeps those where they differ, and asks for
the result of the published order, one operation at a time.
"""

from __future__ import annotations

import numpy as np
import pytest

from emu import load_format
from emu.formats.blocks import load_block

from .plain import F
from .test_nvfp4 import E4M3, plain, tensor_scale
from .test_nvfp4 import four_over_six as plain_four_over_six
from .variants import variant

ONE, SIX = np.float32(1), np.float32(6)
E4M3_CODES = load_format("ue4m3")
FEW = 40
"""How many of the blocks found in one tensor are redone in Fractions."""


def scales(raw):
    return E4M3_CODES.encode(raw, "ties_to_even", "saturate")


def test_the_order_in_the_block_scale():
    """A * (S_enc * (1 / 6)), not A / 6 * S_enc and not A * (1 / 6) * S_enc."""
    borders = np.array([float(a + b) / 2 for a, b in zip(E4M3.magnitudes[40:], E4M3.magnitudes[41:], strict=False)])
    found = 0
    for absmax in np.random.default_rng(10).uniform(1, 2, 40).astype("f4"):
        s_enc = np.float32(2688) / absmax
        near = (borders * 6 / s_enc).astype("f4")
        a = np.concatenate([(near.view("i4") + step).view("f4") for step in range(-3, 4)])
        ours = scales(a * (s_enc * (ONE / SIX)))
        differ = (ours != scales(a / SIX * s_enc)) | (ours != scales(a * (ONE / SIX) * s_enc))
        x = np.zeros((int(differ.sum()), 16), dtype="f4")
        x[:, 0] = a[differ]
        made = load_block("nvfp4").encode(x, tensor_absmax=absmax)
        for row, scale in zip(x, made.scales, strict=True):
            assert plain(row[:1].tolist(), *tensor_scale(F(float(absmax)), 448))[0] == scale.tolist()
        found += len(x)
    assert found > 100


def chosen(x, absmax, top, squared, *, product=0, backwards=False, base=0):
    """Which blocks take 4, in NumPy, with the order of some operations changed."""
    s_enc = np.float32(top * 6) / absmax
    s_dec = ONE / s_enc
    a = np.abs(x).max(axis=-1)
    raw = a / SIX * s_enc if base == 0 else a * (s_enc * (ONE / SIX))
    errors = []
    for number in (raw, raw * np.float32(1.5)):
        codes = scales(number)
        scale = E4M3_CODES.decode(codes).astype("f4")[:, None]
        fp4 = load_format("e2m1")
        q = fp4.decode(fp4.encode(x * (ONE / (scale * s_dec)), "ties_to_even", "saturate")).astype("f4")
        unit = np.float32(6 * top)
        value = q * scale * absmax / unit if product == 0 else q * (scale * absmax) / unit
        difference = value - x
        each = difference * difference if squared else np.abs(difference)
        total = np.zeros(len(x), dtype="f4")
        for at in reversed(range(16)) if backwards else range(16):
            total = total + each[:, at]
        errors.append(total)
    return errors[1] < errors[0], scales(raw)


@pytest.mark.parametrize("mode", ["mae", "mse"])
@pytest.mark.parametrize("change", [{"product": 1}, {"backwards": True}])
def test_the_order_in_the_error(mode, change):
    """((element * X) * At) / (6 F), and the sum from the first value to the last: blocks of a coarse grid, whose two
    errors are equal but for rounding.
    """
    random = np.random.default_rng(11)
    fmt, found = variant("nvfp4_4over6", four_over_six=mode), 0
    for absmax in random.uniform(8, 64, 40).astype("f4"):
        x = (random.integers(-8, 9, (8_000, 16)) * random.integers(0, 2, (8_000, 16))).astype("f4")
        x[:, 0] = 8
        ours, _ = chosen(x, absmax, 256, mode == "mse")
        differ = np.flatnonzero(ours != chosen(x, absmax, 256, mode == "mse", **change)[0])[:FEW]
        made = fmt.encode(x[differ], tensor_absmax=absmax)
        for row, scale, codes in zip(x[differ], made.scales, made.codes, strict=True):
            expected = plain_four_over_six(row.tolist(), F(float(absmax)), 256, mode)
            assert (scale.tolist(), codes.tolist()) == expected
        found += len(differ)
    assert found >= 10, found


def test_the_order_in_the_scales_of_4over6():
    """(A / 6) * S_enc here, unlike in plain NVFP4."""
    borders = np.array([float(a + b) / 2 for a, b in zip(E4M3.magnitudes[40:110], E4M3.magnitudes[41:], strict=False)])
    fmt, found = load_block("nvfp4_4over6"), 0
    for absmax in np.random.default_rng(12).uniform(1, 2, 40).astype("f4"):
        s_enc = np.float32(256 * 6) / absmax
        near = (borders * 6 / s_enc).astype("f4")
        a = np.concatenate([(near.view("i4") + step).view("f4") for step in range(-3, 4)])
        x = np.zeros((len(a), 16), dtype="f4")
        x[:, 0] = a
        x[:, 1] = a / 3
        differ = chosen(x, absmax, 256, False)[1] != chosen(x, absmax, 256, False, base=1)[1]
        made = fmt.encode(x[differ], tensor_absmax=absmax)
        for row, scale, codes in zip(x[differ], made.scales, made.codes, strict=True):
            assert (scale.tolist(), codes.tolist()) == plain_four_over_six(row.tolist(), F(float(absmax)), 256, "mae")
        found += int(differ.sum())
    assert found > 50
