"""Numbers worked out by hand in the literature that the built-in units come from, on every backend."""

from __future__ import annotations

import numpy as np
import pytest

from emu import load_unit

from .small import codes, dot, dot_code, unit_of

HOPPER = "nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e4m3.e4m3"
E8M13 = "generic:aligned(group=32, align_bits=13, acc=e8m13)"
EXACT = "generic:exact"
RTX_BLACKWELL = "nvidia-rtx-blackwell:mma.sync.m16n8k32.f32.e4m3.e4m3.f32"


def test_int4_times_radix4_shift_mac(backend):
    a = np.array([-8, 7, 3, -1], dtype=np.int8).view(np.uint8) & 15
    b = np.array([0x7, 0xF, 0x4, 0x1], dtype=np.uint8)
    assert dot_code(load_unit("ibm-int4-radix4:tree"), a, b, backend=backend) == -61249 & 0xFFFFFF  # units of 2^-6
    # DLFloat16 has ten bits: -957.015625 is -957 there; the odd grid is half of the even one
    assert dot(load_unit("ibm-int4-radix4:even"), a, b, backend=backend) == "-957.0"
    assert dot(load_unit("ibm-int4-radix4:odd"), a, b, backend=backend) == "-478.5"
    assert load_unit("ibm-int4-radix4:tree").d.decode(np.array([-61249 & 0xFFFFFF]))[0] == -61249 / 64


@pytest.mark.parametrize(("unit", "total"), [(HOPPER, 1.0), (E8M13, 1.0), (RTX_BLACKWELL, 1 + 32 * 2.0**-14)])
def test_addends_below_thirteen_bits_are_lost(backend, unit, total):
    small = [2.0**-7] * 32
    assert dot(load_unit(unit), small, small, 1.0, backend=backend) == repr(total)


@pytest.mark.parametrize(
    ("unit", "total"), [(HOPPER, "394.0"), (E8M13, "394.0"), (EXACT, "416.0"), (RTX_BLACKWELL, "416.0")]
)
def test_a_long_dot_product_of_ones(backend, unit, total):
    assert dot(load_unit(unit), [1.0] * 4096, [0.1015625] * 4096, backend=backend) == total


def test_chunked_accumulation_does_not_stall(backend):
    ones = [1.0] * 16384
    assert dot(load_unit("ibm-dlfloat16-chunked"), ones, ones, backend=backend) == "16384.0"
    for rounding, total in (("ties_to_even", "1024.0"), ("ties_to_away", "2048.0")):
        cast = {"format": "dlfloat16", "rounding": rounding}
        chain = unit_of("e5m2 e5m2 dlfloat16 dlfloat16", {"result": cast})
        assert dot(chain, ones, ones, backend=backend) == total


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("flexq:abq.int6.int6", -812 & 0xFFFFFFFF),
        ("flexq:abq.int6.int8", -812 & 0xFFFFFFFF),
        ("flexq:nibble.int8.int8", -812 & 0xFFFFFFFF),
        ("flexq:abq.w6a6", -812 & 0xFFFFFFFF),
        ("flexq:kernel.w6a6", 0xE258),  # -812 in float16
        ("flexq:kernel.w6a8", 0xE258),
        ("flexq:exact-group.w6a8", 0xE258),
        ("flexq:kernel.int6.int6", 0xE258),
        ("flexq:kernel.int6.int8", 0xE258),
        ("flexq:exact-group.int6.int6", 0xE258),
    ],
)
def test_bit_planes_are_the_integer_product(backend, name, wanted):
    unit = load_unit(name)
    a, b = np.array([5, -13, 31, -32], dtype=np.int8), np.array([-1, 7, -20, 3], dtype=np.int8)
    scales = {}
    if unit.scale_a:
        scales = {"a_scale": codes([[1.0]], unit.scale_a.format), "b_scale": codes([[1.0]], unit.scale_b.format)}
    d = unit.matmul(a.reshape(1, -1), b.reshape(-1, 1), backend=backend, **scales)
    assert int(d[0, 0]) == wanted
