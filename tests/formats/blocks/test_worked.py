"""The worked examples of reference/numerics.md, by section."""

from __future__ import annotations

import numpy as np
import pytest

from emu.formats.blocks import load_block

from .variants import mapping

BLOCK = np.array([0.1, -0.35, 0.02, 1.3, -2.7, 0, 0.6, -7.3] + [0.05] * 24, dtype=np.float32)


@pytest.mark.parametrize(
    ("name", "rule", "scale", "codes", "values"),
    [
        ("mxfp4", "floor", 127, [0, 9, 0, 3, 0xD, 0, 1, 0xF], [0, -0.5, 0, 1.5, -3, 0, 0.5, -6]),
        ("mxfp4", "ceil", 128, [0, 8, 0, 1, 0xB, 0, 1, 0xE], [0, -0.0, 0, 1, -3, 0, 1, -8]),
        ("mxfp4", "rceil", 128, [0, 8, 0, 1, 0xB, 0, 1, 0xE], [0, -0.0, 0, 1, -3, 0, 1, -8]),
        (
            "mxfp8_e4m3", "floor", 121, [0x4D, 0xDB, 0x3A, 0x6A, 0xF3, 0x00, 0x62, 0xFE],
            [0.1015625, -0.34375, 0.01953125, 1.25, -2.75, 0, 0.625, -7],
        ),
        (
            "mxfp8_e4m3", "rceil", 122, [0x45, 0xD3, 0x32, 0x62, 0xEB, 0x00, 0x5A, 0xF7],
            [0.1015625, -0.34375, 0.01953125, 1.25, -2.75, 0, 0.625, -7.5],
        ),
        (
            "mxint8", "floor", 129, [c & 255 for c in (2, -6, 0, 21, -43, 0, 10, -117)],
            [0.125, -0.375, 0, 1.3125, -2.6875, 0, 0.625, -7.3125],
        ),
    ],
)  # fmt: skip
def test_d3_worked_block(name, rule, scale, codes, values):
    made = load_block(mapping(name, rule=rule)).encode(BLOCK)
    assert made.scales.tolist() == [scale]
    assert made.codes[:8].tolist() == codes
    back = made.decode()[:8]
    assert back.tolist() == values
    assert np.signbit(back).tolist() == np.signbit(values).tolist()


def test_d3_floor_saturates_elements():
    """7.3 in MXFP4 -> 6; 467 -> 448."""
    assert load_block("mxfp4").encode(np.array([7.3])).decode() == [6]
    made = load_block("mxfp8_e4m3").encode(np.array([-7.3]))
    assert made.codes.tolist() == [0xFE]
    assert made.decode() == [-7]


@pytest.mark.parametrize(
    ("name", "emax"),
    [("mxfp8_e5m2", 15), ("mxfp8_e4m3", 8), ("mxfp6_e3m2", 4), ("mxfp6_e2m3", 2), ("mxfp4", 2), ("mxint8", 0)],
)
def test_d3_emax(name, emax):
    assert load_block(name).encode(np.array([1.0, 1.5])).scales.tolist() == [127 - emax]


def test_d3_all_zero_block_has_code_0():
    for rule in ("floor", "ceil", "even", "rceil", "tosa"):
        made = load_block(mapping("mxfp4", rule=rule)).encode(np.array([0.0, -0.0, 0.0]))
        assert made.scales.tolist() == [0]
        assert made.codes.tolist() == [0, 8, 0]


def test_d2_elements():
    """E2M1: 5->4, 5.1->6, 2.5->2, 0.25->0, 0.75->1, 7->6; the 6 sets the scale to 1. MXINT8: -2 .. 1.984375."""
    fp4 = load_block("mxfp4")
    assert fp4.encode(np.array([5, 5.1, 2.5, 0.25, 0.75, 7, 4])).decode().tolist() == [4, 6, 2, 0, 1, 6, 4]
    int8 = load_block("mxint8")
    assert int8.encode(np.array([1.0, -1.999, 1.999, 1 / 64])).decode().tolist() == [1, -2, 1.984375, 1 / 64]


def test_d4_example():
    """amax_tensor 20 -> S_enc 134.4; block amax 7.3 -> 163.52 -> E4M3 160 (0x72); 7.3 -> f; 1.3 -> 1."""
    fmt = load_block("nvfp4")
    x = np.array([7.3, 1.3] + [0] * 14 + [20.0] * 16, dtype=np.float32)
    made = fmt.encode(x)
    assert made.scales[0] == 0x72
    assert made.codes[:2].tolist() == [0x7, 0x2]
    decode = np.float32(1) / (np.float32(2688) / np.float32(20))  # the page's 1 / S_enc, in float32 like all of it
    assert made.tensor_scale == decode
    assert made.decode()[:2].tolist() == [6 * 160 * float(decode), 160 * float(decode)]
    assert np.abs(made.decode()[:2] - [7.142857, 1.190476]).max() < 1e-6
    assert fmt.encode(-x).codes[0] == 0xF


def test_d7_example():
    """e + 1 = 3, step 1: k = 0, 0, 0, 1, -3, 0, 1, -7; the stored exponent is binary32's, 2 + 127."""
    made = load_block("msfp12").encode(BLOCK[:16])
    assert made.decode()[:8].tolist() == [0, 0, 0, 1, -3, 0, 1, -7]
    assert made.scales.tolist() == [129]
    assert made.codes[:8].tolist() == [0, 0, 0, 1, 0xB, 0, 1, 0xF]


@pytest.mark.parametrize(("name", "m", "bits"), [(f"msfp{9 + m}", m, 1.5 + m) for m in range(3, 8)])
def test_d7_widths(name, m, bits):
    fmt = load_block(name)
    assert fmt.element.bits == m + 1
    assert fmt.bits_per_value == bits
    made = fmt.encode(np.array([1.0, 2**-m, 3 * 2.0**-m]))
    assert made.decode().tolist() == [1, 0, 2.0 ** (2 - m)]  # step 2^(1 - m): ties 1/2 -> 0, 3/2 -> 2


def test_d7_truncation_and_bump():
    x = np.array([7.6, 3.9, -0.6])
    assert load_block("msfp12").encode(x).decode().tolist() == [7, 4, -1]
    assert load_block(mapping("msfp12", rounding="toward_zero")).encode(x).decode().tolist() == [7, 3, 0]
    bumped = load_block(mapping("msfp12", bump=True)).encode(x)
    assert bumped.decode().tolist() == [8, 4, 0]
    assert bumped.scales.tolist() == [130]


@pytest.mark.parametrize(
    ("name", "bits"),
    [("mxfp4", 4.25), ("mxfp6_e2m3", 6.25), ("mxfp8_e5m2", 8.25), ("mxint8", 8.25), ("nvfp4", 4.5), ("msfp12", 4.5)],
)
def test_bits_per_value(name, bits):
    assert load_block(name).bits_per_value == bits


def test_largest_values():
    assert load_block("mxfp4").max_finite == 6 * 2.0**127
    assert load_block("nvfp4").max_finite == 6 * 448
