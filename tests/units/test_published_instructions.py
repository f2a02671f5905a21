"""Floating-point instructions written from documents and simulators: numbers worked by hand, and numpy loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu import load_unit
from tests.compare import assert_same_bits

from .small import dot, dot_code

f16, f32 = np.float16, np.float32
TOP = 2**31 - 1


def result(name: str, a: Any, b: Any, c: Any = None, *, backend: str) -> float:
    return float(dot(load_unit(name), a, b, c, backend=backend))


# Arm


@pytest.mark.parametrize(
    ("a", "b", "c", "ebf0", "ebf1"),
    [
        ([1, 2.0**-15], [1, 2.0**-15], 0, 1 + 2.0**-23, 1),  # an inexact sum is odd
        ([1, 2.0**-15], [1, 2.0**-15], 2.0**-23, 1 + 2.0**-22, 1 + 2.0**-23),
        ([2.0**-130, 0], [1, 0], 0, 0, 2.0**-130),
        ([2.0**-70, 0], [2.0**-70, 0], 0, 0, 2.0**-140),
        ([2.0**127, 0], [2.0, 0], 0, np.inf, np.inf),
        (
            [2.0**100, 2.0**100],
            [2.0**100, -(2.0**100)],
            0,
            np.nan,
            0,
        ),  # no product overflows with FEAT_EBF16
    ],
)
def test_bfdot_in_both_behaviours(backend, a, b, c, ebf0, ebf1):
    for name, total in (("ebf0", ebf0), ("ebf1", ebf1)):
        for op in ("bfdot", "bfmopa"):
            assert np.array_equal(result(f"arm:{op}.{name}", a, b, c, backend=backend), total, equal_nan=True)


@pytest.mark.parametrize("behaviour", ["ebf0", "ebf1"])
def test_bfmmla_is_two_bfdots(backend, behaviour):
    rng = np.random.default_rng(1)
    a, b = (rng.integers(0, 1 << 16, shape).astype(np.uint16) for shape in ((8, 8), (8, 8)))
    c = rng.integers(0, 1 << 32, (8, 8)).astype(np.uint32)
    whole, half = load_unit(f"arm:bfmmla.{behaviour}"), load_unit(f"arm:bfdot.{behaviour}")
    total = c
    for k in range(0, 8, 2):
        total = half.matmul(a[:, k : k + 2], b[k : k + 2], total, backend=backend)
    assert_same_bits(whole.matmul(a, b, c, backend=backend), total, whole.d)


def test_fmmla_rounds_products_and_their_sum(backend):
    """(1 + 2^-12)^2 is rounded to 1 + 2^-11; fused multiply-adds keep the 2^-24."""
    a, b = [1 + 2.0**-12, -1], [1 + 2.0**-12, 1 + 2.0**-11]
    assert result("arm:fmmla.s", a, b, 0, backend=backend) == 0
    assert result("arm:fmopa.s", a[::-1], b[::-1], 0, backend=backend) == 2.0**-24
    assert result("arm:fmopa.s.h", [2.0**-12, 1], [2.0**-12, 1], 2.0**-24, backend=backend) == 1  # twice rounded


def test_fp8_of_arm(backend):
    small = [2.0**-6, 2.0**-6], [2.0**-5, 2.0**-5]  # 2^-11 each: half a last place of 1 in FP16
    assert result("arm:fdot.h.b.e4m3.e4m3", *small, 1, backend=backend) == 1 + 2.0**-10
    assert result("arm:fmlal.h.b.e4m3.e4m3", *small, 1, backend=backend) == 1
    assert result("arm:fmlal.h.b.e4m3.e5m2(scale=0.25)", [3], [5], 1, backend=backend) == 4.75
    assert result("arm:fmlal.h.b.e4m3.e4m3", [448], [448], 0, backend=backend) == np.inf
    saturating = "arm:fmlal.h.b.e4m3.e4m3(overflow=saturate_propagate)"
    assert result(saturating, [448], [448], 0, backend=backend) == 65504
    assert result(saturating, [1], [1], np.inf, backend=backend) == np.inf
    assert result("arm:fmmla.h.b.e4m3.e4m3", small[0] * 2, small[1] * 2, 1, backend=backend) == 1 + 2.0**-9
    assert result("arm:fdot.s.b.e5m2.e4m3", [57344] * 4, [448] * 4, 1, backend=backend) == 102760448


# Power and RISC-V


@pytest.mark.parametrize("name", ["xvf16ger2", "xvbf16ger2"])
def test_signs_of_power_outer_products(backend, name):
    for sign, total in (("", 14), ("pp", 19), ("pn", 9), ("np", -9), ("nn", -19)):
        c = 5 if sign else None
        assert result(f"ibm-power-mma:{name}{sign}", [1, 3], [2, 4], c, backend=backend) == total
    for sign, total in (("", 14), ("pp", 19), ("pn", 9), ("np", -9), ("nn", -19)):
        c = 5 if sign else None
        assert result(f"ibm-power-mma:xvf32ger{sign}", [7], [2], c, backend=backend) == total
        assert result(f"ibm-power-mma:xvf64ger{sign}", [7], [2], c, backend=backend) == total


def test_power_rounds_the_pair_before_the_accumulator(backend):
    a = b = [1, 2.0**-12]
    assert result("ibm-power-mma:xvf16ger2pp", a, b, 2.0**-24, backend=backend) == 1
    assert result("ibm-power-mma:xvf16ger2pp(rounding=toward_positive)", a, b, 0, backend=backend) == 1 + 2.0**-23
    assert (
        result("ibm-power-mma:xvf32gerpp", [1 + 2.0**-12], [1 + 2.0**-12], -1 - 2.0**-11, backend=backend) == 2.0**-24
    )


def test_power_negates_products_or_results(backend):
    """FP32 negates what was rounded, a zero too; FP16 and BF16 negate the rounded pair, then add."""
    for sign, c, total in (("np", 1.0, "-0.0"), ("nn", -1.0, "-0.0"), ("pn", 1.0, "0.0"), ("pp", -1.0, "0.0")):
        assert dot(load_unit(f"ibm-power-mma:xvf32ger{sign}"), [1.0], [1.0], c, backend=backend) == total
        assert dot(load_unit(f"ibm-power-mma:xvf16ger2{sign}"), [1.0, 0.0], [1.0, 0.0], c, backend=backend) == "0.0"
    up = "ibm-power-mma:{}(rounding=toward_positive)"
    assert result(up.format("xvf32gernn"), [1], [1], 2.0**-30, backend=backend) == -1 - 2.0**-23
    assert result(up.format("xvf16ger2nn"), [1, 0], [1, 0], 2.0**-30, backend=backend) == -1


def test_negated_forms_of_power_over_two_instructions(backend):
    """PN negates the accumulator of every instruction: 3 - (2 - c)."""
    assert result("ibm-power-mma:xvf32gerpn", [2, 3], [1, 1], 10, backend=backend) == 11


def test_riscv_multiply_add_rounds_once_and_gives_the_canonical_nan(backend):
    unit = load_unit("riscv:vfwmaccbf16")
    assert dot(unit, [1 + 2.0**-7], [1 + 2.0**-7], -1 - 2.0**-6, backend=backend) == repr(2.0**-14)
    assert dot_code(unit, np.array([0xFFC1], np.uint16), [1.0], 1.0, backend=backend) == 0x7FC00000


def test_bulk_normalisation_of_riscv(backend):
    """Products are cut to odd at 26 fraction bits below the largest reference exponent, sums to odd in FP32."""
    name = "riscv:vfwdota.e16alt"
    assert result(name, [1, 2.0**-20], [1, 2.0**-20], 0, backend=backend) == 1 + 2.0**-23  # twice to odd
    assert result(name, [1, 2.0**-20, -1], [1, 2.0**-20, 1], 0, backend=backend) == 2.0**-26
    assert result(name, [1, 2.0**-12, -1], [1, 2.0**-12, 1], 0, backend=backend) == 2.0**-24
    assert result(f"{name}(n=4, align_bits=25)", [1, 2.0**-20, -1], [1, 2.0**-20, 1], 0, backend=backend) == 2.0**-25
    assert result(name, [2.0**100], [2.0**100], 0, backend=backend) == np.inf
    assert dot(load_unit(name), [-1.0, 1.0], [1.0, 1.0], -0.0, backend=backend) == "0.0"
    assert result(name, [2.0**-100], [-(2.0**-100)], 0, backend=backend) == -(2.0**-149)
    assert dot_code(load_unit(name), [np.inf], [0.0], 0, backend=backend) == 0x7FC00000


def test_reference_exponents_of_subnormals(backend):
    """The subnormal 2^-9 of E4M3 counts as 2^-6."""
    a, b = [448.0, 2.0**-9, -448.0], [2.0**-9, 2.0**-9, 2.0**-9]  # 2^8 * 2^-6: the grid is 2^(2 - 26)
    assert result("riscv:vfqwdota.e8", a, b, 0, backend=backend) == 2.0**-18
    a, b = [57344.0, 2.0**-16, -57344.0], [2.0**-9, 2.0**-9, 2.0**-9]  # 2^15 * 2^-6: the grid is 2^(9 - 26)
    assert result("riscv:vfqwdota.alt.e8", a, b, 0, backend=backend) == 2.0**-17


# Newer x86


def chains(x: Any, y: Any, c: Any, signs: tuple[int, int] = (1, 1)) -> Any:
    """Even and odd products in FP32 chains; their sum; c + that. Products are exact in FP32."""
    lane = [f32(0), f32(0)]
    for k in range(x.shape[1]):
        lane[k % 2] = lane[k % 2] + f32(signs[k % 2]) * x[:, k, None] * y[None, k]
    return c + (lane[0] + lane[1])


@pytest.mark.parametrize(
    ("name", "signs"), [("tdpfp16ps", (1, 1)), ("tcmmimfp16ps", (1, 1)), ("tcmmrlfp16ps", (1, -1))]
)
def test_fp16_tiles(backend, name, signs):
    rng = np.random.default_rng(2)
    a, b = (rng.standard_normal(shape).astype(f16) for shape in ((3, 64), (64, 4)))
    c = rng.standard_normal((3, 4)).astype(f32)
    wanted = c
    for k in range(0, 64, 32):  # instructions
        wanted = chains(f32(a[:, k : k + 32]), f32(b[k : k + 32]), wanted, signs)
    unit = load_unit(f"intel-amx:{name}")
    d = unit.matmul(a.view(np.uint16), b.view(np.uint16), c.view(np.uint32), backend=backend)
    assert (d == wanted.view(np.uint32)).all()


def test_complex_tiles(backend):
    """(1 + 2i)(3 + 4i) = -5 + 10i."""
    assert result("intel-amx:tcmmrlfp16ps", [1, 2], [3, 4], 0, backend=backend) == -5
    assert result("intel-amx:tcmmimfp16ps", [2, 1], [3, 4], 0, backend=backend) == 10


def test_fp16_subnormals_count_and_fp32_ones_do_not(backend):
    for name in ("intel-amx:tdpfp16ps", "intel-avx10:vdpphps"):
        assert result(name, [2.0**-24, 0], [1024, 0], 0, backend=backend) == 2.0**-14
        assert result(name, [0, 0], [0, 0], 2.0**-140, backend=backend) == 0


def fp8_tile(x: Any, y: Any, c: Any) -> Any:
    """Byte i of every dword in a chain of its own; a tree; C. Products are exact in FP32."""
    lane = [f32(0)] * 4
    for k in range(x.shape[1]):
        lane[k % 4] = lane[k % 4] + x[:, k, None] * y[None, k]
    return c + ((lane[0] + lane[1]) + (lane[2] + lane[3]))


def fp8_tile_of_pairs(x: Any, y: Any, c: Any) -> Any:
    """Sums of two products, even ones and odd ones in two chains."""
    lane = [f32(0)] * 2
    for k in range(0, x.shape[1], 2):
        pair = x[:, k, None] * y[None, k] + x[:, k + 1, None] * y[None, k + 1]
        lane[k // 2 % 2] = lane[k // 2 % 2] + pair
    return c + (lane[0] + lane[1])


@pytest.mark.parametrize(("suffix", "tile"), [("", fp8_tile), (".pairs", fp8_tile_of_pairs)])
@pytest.mark.parametrize("name", ["tdpbf8ps", "tdpbhf8ps", "tdphbf8ps", "tdphf8ps"])
def test_fp8_tiles(backend, name, suffix, tile):
    """All numbers of the formats; subnormals are zero but for those of E4M3 in pairs."""
    unit, rng = load_unit(f"intel-amx:{name}{suffix}"), np.random.default_rng(3)
    a, b = (rng.integers(0, 256, shape).astype(np.uint8) for shape in ((3, 64), (64, 4)))
    c = rng.standard_normal((3, 4)).astype(f32)
    factors = []
    for fmt, codes in ((unit.a, a), (unit.b, b)):
        codes[(codes & 0x7F) > 0x7B] ^= 0x40  # no NaN, no infinity
        x = f32(fmt.decode(codes))
        least = 2.0**-14 if fmt.exp_bits == 5 else 2.0**-6
        kept = suffix and fmt.exp_bits == 4
        factors.append(x if kept else np.where(np.abs(x) < least, f32(0), x))
    d = unit.matmul(a, b, c.view(np.uint32), backend=backend)
    assert (d == tile(*factors, c).view(np.uint32)).all()


def test_fp8_tiles_joined_one_after_another(backend):
    """2^16 + 2^-8 + 2^-8 + 2^-8, each half a last place: a tree adds the last two first."""
    a, b = [256.0] + [2.0**-6] * 3, [256.0] + [2.0**-2] * 3
    name = "intel-amx:tdphf8ps"
    assert result(name, a, b, 0, backend=backend) == 2.0**16 + 2.0**-7
    assert result(f"{name}(join_group=1, join_length=4, join_rows=1)", a, b, 0, backend=backend) == 2.0**16


def test_tf32_tiles_drop_13_bits_and_keep_nan(backend):
    unit = load_unit("intel-amx:tmmultf32ps")
    assert dot(unit, [1 + 2.0**-10 + 2.0**-11], [1.0], 0, backend=backend) == repr(1 + 2.0**-10)
    assert dot(unit, [2.0**-130], [2.0**20], 0, backend=backend) == repr(2.0**-110)
    assert dot(unit, [2.0**-130], [1.0], 0, backend=backend) == "0.0"
    assert dot_code(unit, np.array([0x7F800001], np.uint32), [1.0], 0, backend=backend) == 0x7FC00000


def test_vdpphps_takes_the_odd_element_first(backend):
    assert result("intel-avx10:vdpphps", [-4096, 1], [4096, 1], 2.0**24, backend=backend) == 0


# Tenstorrent and Google


@pytest.mark.parametrize(
    ("fidelity", "total"),
    [("lofi", 1), ("hifi2", 1 + 2.0**-5), ("hifi3", 1 + 2.0**-5 + 2.0**-7), ("hifi4", (1 + 2.0**-5) * (1 + 2.0**-7))],
)
def test_fidelity_phases(backend, fidelity, total):
    """7 bits of a and 5 of b, then what is left of b, of a, of both."""
    name = f"tenstorrent-wormhole:mvmul.{fidelity}.f32.bf16"
    assert result(name, [1 + 2.0**-7] * 16, [1 + 2.0**-5] * 16, 1, backend=backend) == 1 + 16 * total


def test_the_last_bit_of_srca_is_never_used(backend):
    name = "tenstorrent-wormhole:mvmul.hifi4.f32.{}"
    for operands in ("tf32", "f16"):
        assert result(name.format(operands), [1.0], [1 + 2.0**-9 + 2.0**-10], 0, backend=backend) == 1 + 2.0**-9
        assert result(name.format(operands), [1 + 2.0**-10], [1.0], 0, backend=backend) == 1 + 2.0**-10


def test_tensix_has_no_negative_zero_no_subnormals_and_no_infinite_fp16(backend):
    name = "tenstorrent-wormhole:mvmul.lofi.{}"
    assert dot(load_unit(name.format("f32.bf16")), [-1.0], [0.0], -0.0, backend=backend) == "0.0"
    assert result(name.format("f32.bf16"), [2.0**-130], [1.0], 0, backend=backend) == 0
    assert result(name.format("f16.f16"), [65536.0], [65536.0], 0, backend=backend) == 131008
    assert result(name.format("f16.f16"), [65536.0], [1.0], 0, backend=backend) == 65536


def test_tensix_integers(backend):
    unit, rng = load_unit("tenstorrent-wormhole:mvmul.int32.int8"), np.random.default_rng(4)
    a, b = rng.integers(-1023, 1024, (4, 48)), rng.integers(-255, 256, (48, 5))
    d = unit.matmul(unit.a.encode(a), unit.b.encode(b), backend=backend)
    assert (unit.d.decode(d) == a @ b).all()
    assert dot(unit, [1], [-1], -TOP, backend=backend) == repr(float(-TOP))
    assert dot(unit, [1], [-1], TOP, backend=backend) == repr(float(TOP - 1))


def test_passes_of_a_tpu_start_at_zero(backend):
    """2^24 takes no 1, but takes the sum of a pass."""
    for rows, total in ((2, 2.0**24 + 4), (128, 2.0**24 + 4), (1, 2.0**24)):
        assert result(f"google-tpu:bf16(rows={rows})", [1] * 4, [1] * 4, 2.0**24, backend=backend) == total


# Apple


def test_fused_multiply_adds_of_apple(backend):
    assert (
        result("apple-amx:matfp.bf16.bf16.bf16", [1 + 2.0**-7], [1 + 2.0**-7], -1 - 2.0**-6, backend=backend)
        == 2.0**-14
    )
    assert result("apple-amx:fma32.f32.f16.f32", [2.0**-24], [2.0**-125], 0, backend=backend) == 2.0**-149
    assert result("apple-amx:fma16.f32.f16.f16", [65504], [65504], 0, backend=backend) == 65504.0**2
    assert result("apple-amx:fma16.f16.f16.f16", [65504], [65504], 0, backend=backend) == np.inf
