"""Integer instructions written from documents and simulators, without recordings: numbers worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu import load_unit

from .small import dot, dot_code

TOP, BOTTOM = 2**31 - 1, -(2**31)


def result(name: str, a: Any, b: Any, c: Any = None, *, backend: str) -> float:
    return float(dot(load_unit(name), a, b, c, backend=backend))


def test_satfinite_clamps_once_for_each_instruction(backend):
    name = "nvidia-integer:mma.sync.m16n8k32{}.s32.s8.s8.s32{}"
    up_and_down, ones = [1] * 16 + [-1] * 16, [1] * 32
    cases = [
        (name.format("", ""), ones, BOTTOM + 31),
        (name.format(".satfinite", ""), ones, TOP),
        (name.format(".satfinite", ""), up_and_down, TOP),
        (name.format(".satfinite", "(group=16)"), up_and_down, TOP - 16),
        (name.format(".satfinite", ""), ones + [-1] * 32, TOP - 32),
        (name.format("", ""), ones + [-1] * 32, TOP),
    ]
    for unit, a, total in cases:
        assert result(unit, a, [1] * len(a), TOP, backend=backend) == total, unit
    assert result(name.format(".satfinite", ""), [-128] * 32, [127] * 32, BOTTOM, backend=backend) == BOTTOM


@pytest.mark.parametrize(
    ("name", "a", "b", "total"),
    [
        ("mma.sync.m8n8k16.s32.u8.s8.s32", [255, 1], [-128, 3], -32637),
        ("mma.sync.m8n8k16.s32.s8.u8.s32", [-128, 3], [255, 1], -32637),
        ("mma.sync.m16n8k64.s32.s4.u4.s32", [-8, 7], [15, 15], -15),
        ("mma.sync.m8n8k32.s32.u4.u4.s32", [15, 15], [15, 1], 240),
        ("mma.sync.m8n8k128.s32.b1.b1.s32.xor.popc", [1, 0, 1, 1, 0], [0, 0, 1, 0, 1], 3),
        ("mma.sync.m16n8k256.s32.b1.b1.s32.and.popc", [1, 0, 1, 1, 0], [0, 0, 1, 1, 1], 2),
        ("wgmma.mma_async.m64n8k32.s32.u8.u8", [255, 255], [255, 255], 130050),
        ("tcgen05.mma.m64n8k32.kind::i8.s32.s8.s8", [-128, -128], [-128, 127], 128),
        ("dp4a.s32.u32", [-1, -1, -1, -1], [255, 255, 255, 255], -1020),
        ("dp2a.hi.u32.s32", [65535, 2], [-128, 127], -8388226),
    ],
)
def test_integer_products_of_nvidia(backend, name, a, b, total):
    unit = load_unit(f"nvidia-integer:{name}")
    assert float(dot(unit, a, b, 100, backend=backend)) == total + 100


def test_dp4a_of_unsigned_bytes_wraps_at_32_bits(backend):
    a = b = [255] * 4  # 260100
    assert result("nvidia-integer:dp4a.u32.u32", a, b, 2**32 - 1, backend=backend) == 260099


@pytest.mark.parametrize(
    ("name", "a", "b", "c", "total"),
    [
        ("v_mfma_i32_16x16x16i8", [-128] * 16, [-128] * 16, TOP, BOTTOM + 2**18 - 1),
        ("v_mfma_i32_32x32x16_i8", [-128] * 16, [127] * 16, 0, -260096),
        ("v_dot4_u32_u8", [255] * 4, [255] * 4, 2**32 - 1, 260099),
        ("v_dot4_u32_u8.clamp", [255] * 4, [255] * 4, 2**32 - 1, 2**32 - 1),
        ("v_dot4_i32_iu8.u8.i8.clamp", [255] * 4, [-128] * 4, BOTTOM + 5, BOTTOM),
        ("v_dot8_i32_i4.clamp", [7, -8] * 4, [7, 7] * 4, TOP, TOP - 28),
        ("v_dot8_i32_i4.clamp(group=1)", [7, -8] * 4, [7, 7] * 4, TOP, TOP - 77),
        ("v_dot2_i32_i16", [-32768, -32768], [-32768, -32768], 0, BOTTOM),
        ("v_wmma_i32_16x16x16_iu4.u4.i4", [15] * 16, [-8] * 16, 7, -1913),
    ],
)
def test_integer_products_of_amd(backend, name, a, b, c, total):
    assert result(f"amd-integer:{name}", a, b, c, backend=backend) == total


@pytest.mark.parametrize(
    ("name", "a", "b", "c", "total"),
    [
        ("arm:usmmla", [255] * 8, [-128] * 8, 1, -261119),
        ("arm:sudot.s.b", [-128] * 4, [255] * 4, BOTTOM, TOP - 130559),
        ("arm:udot.s.h", [65535] * 2, [65535] * 2, 0, 4294705154),
        ("riscv:vqdotsu", [-128] * 4, [255] * 4, BOTTOM, TOP - 130559),
        ("riscv:vqdotus", [255] * 4, [-128] * 4, 0, -130560),
        ("riscv:vqwdotas.e8", [-128] * 4, [255] * 4, BOTTOM, TOP - 130559),
        ("intel-avx10:vpdpbssds", [-128] * 4, [-128] * 4, TOP, TOP),
        ("intel-avx10:vpdpbuuds", [255] * 4, [255] * 4, 2**32 - 2, 2**32 - 1),
        ("intel-avx10:vpdpbuud", [255] * 4, [255] * 4, 2**32 - 2, 260098),
        ("intel-avx10:vpdpwsuds", [-32768] * 2, [65535] * 2, 0, BOTTOM),
        ("intel-avx10:vpdpwusd", [65535] * 2, [-32768] * 2, 0, 65536),
        ("ibm-power-mma:xvi8ger4pp", [-128] * 4, [255] * 4, BOTTOM, TOP - 130559),
        ("ibm-power-mma:xvi8ger4spp", [-128] * 4, [255] * 4, BOTTOM, BOTTOM),
        ("ibm-power-mma:xvi16ger2", [-32768] * 2, [-32768] * 2, None, BOTTOM),
        ("ibm-power-mma:xvi16ger2s", [-32768] * 2, [-32768] * 2, None, TOP),
        ("ibm-power-mma:xvi4ger8pp", [-8] * 8, [-8] * 8, 1, 513),
    ],
)
def test_integer_products_of_processors(backend, name, a, b, c, total):
    assert result(name, a, b, c, backend=backend) == total


def test_sums_of_64_bits(backend):
    a = b = [-32768] * 4  # 2^32
    assert dot_code(load_unit("arm:smopa.d.h"), a, b, TOP, backend=backend) == TOP + 2**32
    assert (
        dot_code(load_unit("arm:smopa.d.h"), a, b, np.array([2**63 - 1], np.uint64), backend=backend)
        == 2**63 + 2**32 - 1
    )


@pytest.mark.parametrize(
    ("name", "a", "b", "c", "total"),
    [
        ("mac16.i16.i16.i16", [300, 300], [300, 300], 0, 180000 - 3 * 65536),
        ("mac16.i32.i8.i16", [-128, 127], [32767, -32768], 0, -8355712),
        ('mac16.i32.i16.i16(shifted={multiply=0.125, format="int40", rounding="toward_negative"})', [3], [-3], 0, -2),
        ("matint.i32.u8.i8", [255, 255], [-128, 127], TOP, TOP - 255),
        ("matint.i16.u8.u8", [255], [255], 1, 65026 - 65536),
        ("matint.sqrdmlah", [-32768], [-32768], 0, 32767),
        ("matint.sqrdmlah", [1, 1, 1], [16384, 16383, -16384], 5, 6),  # 1/2 up to 1, less than 1/2 to 0, -1/2 up to 0
        ("matint.i16.xnor16.popcnt", [1, 0, 1, 1] + [0] * 12, [1, 1, 1, 0] + [0] * 12, 100, 114),
        ("matint.i32.xnor32.popcnt", [1] * 32, [0] * 31 + [1], -1, 0),
    ],
)
def test_integer_products_of_apple(backend, name, a, b, c, total):
    assert result(f"apple-amx:{name}", a, b, c, backend=backend) == total


@pytest.mark.parametrize(("name", "a", "total"), [("u8.s8", -128, -32640), ("s2.u8", 255, -510), ("u4.s2", -2, -30)])
def test_dpas(backend, name, a, total):
    b = {"u8": 255, "s2": -2, "u4": 15}[name[:2]]
    assert result(f"intel-xe:dpas.{name}", [a] * 3, [b] * 3, BOTTOM, backend=backend) == TOP + 1 + 3 * total
