"""Built-in units of published datapaths against the same arithmetic written out: numpy loops, and other units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import emu
from emu import load_format, load_unit
from tests.compare import assert_same_bits

from .small import dot

f16, f32 = np.float16, np.float32
SHAPES = ("w2a2", "w2a4", "w2a6", "w2a8", "w3a3", "w3a8", "w4a4", "w4a8", "w5a5", "w6a6", "w7a7", "w8a8")


def half(x: Any) -> Any:
    """Rounded to binary16, as float32."""
    return np.asarray(x, f32).astype(f16).astype(f32)


def flushed(x: Any) -> Any:
    """Below binary16's normal numbers: +0."""
    return np.where(np.abs(x) < 2.0**-14, f32(0), x)


def halves(seed: int, *shape: int) -> Any:
    """Numbers around binary16's smallest normal number's root, some of them subnormal."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * np.exp2(rng.integers(-14, -2, shape))
    return x.astype(f16)


# NNPI (fakelowp)


def nnpi_acc16(a: Any, b: Any, c: Any) -> Any:
    """Fp16FCAcc16NNPI, the bias already in c."""
    a, b, total = flushed(f32(a)), flushed(f32(b)), flushed(f32(c))
    for k in range(a.shape[1]):
        total = flushed(half(total + flushed(half(a[:, k, None] * b[None, k]))))
    return total


def nnpi_fp16(a: Any, b: Any, c: Any) -> Any:
    """Fp16FCAcc16: blocks of 128 with their own sum, which is not flushed."""
    a, b, total = flushed(f32(a)), flushed(f32(b)), f32(c)
    for start in range(0, a.shape[1], 128):
        block = f32(0)
        for k in range(start, min(start + 128, a.shape[1])):
            block = half(block + flushed(half(a[:, k, None] * b[None, k])))
        total = half(flushed(total) + block)
    return total


def nnpi_acc32(a: Any, b: Any, c: Any, block: int) -> Any:
    """Fp16FCAcc32NNPI (one block) and Fp16FCAcc32 (blocks of 128): nothing flushed, one rounding to binary16."""
    a, b, total = f32(a), f32(b), f32(c)
    for start in range(0, a.shape[1], block):
        inner = total if block >= a.shape[1] else f32(0)
        for k in range(start, min(start + block, a.shape[1])):
            inner = inner + a[:, k, None] * b[None, k]
        total = inner if block >= a.shape[1] else total + inner
    return half(total)


@pytest.mark.parametrize("k", [5, 128, 300])
@pytest.mark.parametrize("name", ["acc16", "fp16", "acc32", "acc32.blocks"])
def test_nnpi_fp16(backend, name, k):
    unit = load_unit(f"nnpi:{name}")
    a, b, c = halves(1, 4, k), halves(2, k, 6), halves(3, 4, 6)
    wanted = {
        "acc16": lambda: nnpi_acc16(a, b, c),
        "fp16": lambda: nnpi_fp16(a, b, c),
        "acc32": lambda: nnpi_acc32(a, b, c, k),
        "acc32.blocks": lambda: nnpi_acc32(a, b, c, 128),
    }[name]()
    assert unit.c is not None
    third = c.view(np.uint16) if unit.c.bits == 16 else f32(c).view(np.uint32)
    d = unit.matmul(a.view(np.uint16), b.view(np.uint16), third, backend=backend)
    assert (d == wanted.astype(f16).view(np.uint16)).all()


def test_nnpi_flushes_the_total_before_a_block_and_not_after_the_last(backend):
    """A block that cancels to 2^-20 hands that up; the next block meets +0."""
    unit, small = load_unit("nnpi:fp16"), 2.0**-14
    block = [small * (1 + 2.0**-6), -small] + [0.0] * 126
    assert dot(unit, block, [1.0] * 128, backend=backend) == repr(2.0**-20)
    assert dot(unit, [*block, small], [1.0] * 129, backend=backend) == repr(small)
    assert dot(unit, [*block, 0.0], [1.0] * 129, backend=backend) == "0.0"
    assert dot(load_unit("nnpi:acc16"), block, [1.0] * 128, backend=backend) == "0.0"


def test_nnpi_fused_multiply_add(backend):
    """One rounding to 11 bits or to a multiple of 2^-24, whichever is coarser, and no largest value."""
    unit = load_unit("nnpi:fma")
    cases = [(60000.0, 2.0, 0.0, 120000.0), (1.0, 1.0, 2.0**-11, 1.0), (1.0, 1.0, 3 * 2.0**-11, 1 + 2.0**-9)]
    cases += [
        (2.0**-12, 2.0**-12, 2.0**-25, 2.0**-23),
        (2.0**-12, 2.0**-13, 0.0, 0.0),
        (2.0**-12, 3 * 2.0**-13, 0.0, 2.0**-23),
    ]
    for x, y, z, total in cases:
        assert dot(unit, [x], [y], z, backend=backend) == repr(total)


# IBM


def ibm_chunks(x: Any, y: Any, chunk: int, rounding: str) -> float:
    """A dot product in DLFloat16, chunk by chunk. All sums here are exact in binary64 before they are rounded."""
    fmt, total = load_format("dlfloat16"), 0.0

    def put(value: float) -> float:
        return float(fmt.decode(fmt.encode(np.array([value]), rounding=rounding))[0])

    for start in range(0, len(x), chunk):
        part = 0.0
        for p, q in zip(x[start : start + chunk].tolist(), y[start : start + chunk].tolist(), strict=True):
            part = put(part + p * q)
        total = put(total + part)
    return total


@pytest.mark.parametrize("name", ["forward", "backward", "gradient"])
def test_ibm_hybrid_fp8(backend, name):
    unit, rng = load_unit(f"ibm-hfp8:{name}"), np.random.default_rng(7)
    a = unit.a.encode(rng.standard_normal((1, 200)))
    b = unit.b.encode(rng.standard_normal((200, 1)))
    d = unit.matmul(a, b, backend=backend)
    wanted = ibm_chunks(unit.a.decode(a)[0], unit.b.decode(b)[:, 0], 64, "ties_to_away")
    assert float(unit.d.decode(d)[0, 0]) == wanted


@pytest.mark.parametrize("name", ["hfp8_1_4_3", "hfp8_1_5_2"])
def test_fp9_holds_both_fp8_formats(name):
    values = load_format(name).decode(np.arange(256, dtype=np.uint8))
    inner = load_format("hfp9_1_5_3")
    assert np.array_equal(inner.decode(inner.encode(values)), values, equal_nan=True)


def test_a_long_chain_of_1_6_9_stalls_and_chunks_do_not(backend):
    x = load_format("float8_e5m2").decode(
        load_format("float8_e5m2").encode(np.random.default_rng(0).uniform(1 - 3**0.5, 1 + 3**0.5, 16384))
    )
    ones = np.ones_like(x)
    assert dot(load_unit("ibm-fp8-2018:chain.ties_to_even"), x, ones, backend=backend) == "4096.0"
    chunked = float(dot(load_unit("ibm-fp8-2018:chunked.ties_to_even"), x, ones, backend=backend))
    assert chunked == ibm_chunks(x, ones, 64, "ties_to_even")
    for name in ("chain.stochastic", "chunked.stochastic"):
        random = float(dot(load_unit(f"ibm-fp8-2018:{name}"), x, ones, backend=backend, seed=1))
        assert abs(random / x.sum() - 1) < 0.1
    assert abs(chunked / x.sum() - 1) < 0.02


def test_ones_stall_at_1024(backend):
    ones = [1.0] * 1500
    assert dot(load_unit("ibm-fp8-2018:chain.ties_to_even"), ones, ones, backend=backend) == "1024.0"


@pytest.mark.parametrize("k", [4, 7, 200])
@pytest.mark.parametrize("chunked", ["", ".chunked"])
def test_the_odd_phase_is_half_of_the_even_one(backend, k, chunked):
    rng = np.random.default_rng(k)
    a, b = (rng.integers(0, 16, shape).astype(np.uint8) for shape in ((5, k), (k, 6)))
    even, odd = (load_unit(f"ibm-int4-radix4:{phase}{chunked}") for phase in ("even", "odd"))
    values = even.d.decode(even.matmul(a, b, backend=backend))
    assert (odd.d.decode(odd.matmul(a, b, backend=backend)) * 2 == values).all()


def test_gradients_at_operand_a_have_the_bits_of_gradients_at_b(backend):
    """The backward products are the paper's with its operands exchanged; so is the odd phase on its own grid."""
    rng = np.random.default_rng(3)
    ints, grads = (rng.integers(0, 16, shape).astype(np.uint8) for shape in ((5, 200), (200, 6)))
    for mine, theirs in (("dgrad", "even"), ("wgrad(b=int4)", "odd"), ("wgrad.even(b=int4)", "even")):
        unit = load_unit(f"ibm-int4-radix4:{mine}")
        swapped = unit.matmul(grads.T, ints.T, backend=backend).T
        given = load_unit(f"ibm-int4-radix4:{theirs}.chunked").matmul(ints, grads, backend=backend)
        assert_same_bits(swapped, given, unit.d)


def test_no_sum_of_four_leaves_the_tree(backend):
    """15 * 64 four times, in the even and in the odd unit of the tree: 3840 and 1920 of 4096 and 2048."""
    top, zero = np.full((1, 4), 7, np.uint8), np.full((4, 1), 15, np.uint8)
    for name, total in (("wgrad", 1920.0), ("wgrad.even", 3840.0)):
        unit = load_unit(f"ibm-int4-radix4:{name}")
        assert unit.d.decode(unit.matmul(top, zero, backend=backend)) == total


# FlexQ and ABQ-LLM


def integers(bits: int, shape: tuple[int, int], seed: int) -> Any:
    return np.random.default_rng(seed).integers(-(1 << bits - 1), 1 << bits - 1, shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_abq_is_the_integer_product(backend, shape):
    weights, activations = int(shape[1]), int(shape[3])
    a, b = integers(activations, (3, 300), 1), integers(weights, (300, 4), 2)
    d = load_unit(f"flexq:abq.{shape}").matmul(a, b, backend=backend)
    assert (d.view(np.int32) == a @ b).all()


def bit(x: Any, i: int) -> Any:
    """Plane i of two's complement numbers."""
    return x >> i & 1


@pytest.mark.parametrize("shape", ["w6a6", "w6a8"])
def test_flexq_kernel(backend, shape):
    """accf[i][j] += popc * fp16(sx * sw) by groups of 128; then s += +-2^(i+j) * accf[i][j], activations first."""
    weights, activations, rng = int(shape[1]), int(shape[3]), np.random.default_rng(3)
    x, w = integers(activations, (3, 300), 4), integers(weights, (300, 4), 5)
    sx, sw = (rng.uniform(0.001, 0.1, size).astype(f16) for size in ((3, 3), (3, 4)))
    wanted = np.zeros((3, 4), f32)
    for i in range(activations):
        for j in range(weights):
            plane = np.zeros((3, 4), f32)
            for g in range(3):
                span = slice(128 * g, 128 * g + 128)
                rs = (sx[:, g, None] * sw[None, g]).astype(f32)
                plane = plane + f32(bit(x[:, span], i) @ bit(w[span], j)) * rs
            sign = -1 if (i == activations - 1) ^ (j == weights - 1) else 1
            wanted = wanted + f32(sign * 2 ** (i + j)) * plane
    unit = load_unit(f"flexq:kernel.{shape}")
    scales = {"a_scale": sx.view(np.uint16), "b_scale": sw.view(np.uint16)}
    assert (unit.matmul(x, w, backend=backend, **scales) == wanted.astype(f16).view(np.uint16)).all()


# Promotion, and FP32 from narrower parts, out of the tensor cores' own instructions


def test_deepseek_promotes_every_128_products(backend):
    inner = load_unit("nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e4m3.e4m3")
    unit, rng = load_unit("deepseek-fp8-promoted"), np.random.default_rng(8)
    a, b = (inner.a.encode(rng.standard_normal(shape)) for shape in ((3, 384), (384, 4)))
    sx, sw = (rng.uniform(0.5, 2, size).astype(f32) for size in ((3, 3), (3, 4)))
    total = np.zeros((3, 4), np.uint32)
    for g in range(3):
        part = inner.matmul(a[:, 128 * g : 128 * g + 128], b[128 * g : 128 * g + 128], backend=backend)
        total = emu.fma(part, (sx[:, g, None] * sw[None, g]).view(np.uint32), total, "float32")
    d = unit.matmul(a, b, a_scale=sx.view(np.uint32), b_scale=sw.view(np.uint32), backend=backend)
    assert (d == total).all()


def singles(seed: int, *shape: int) -> Any:
    """FP32 numbers with all their bits."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * np.exp2(rng.integers(-9, 10, shape))).astype(f32)


def tf32_parts(x: Any) -> list[Any]:
    """CUTLASS: the big part cut off, the small one to nearest with ties away; codes."""
    big = x.view(np.uint32) & np.uint32(0xFFFFE000)
    rest = (x - big.view(f32)).view(np.uint32)
    return [big, (rest + np.uint32(0x1000)) & np.uint32(0xFFFFE000)]


def bf16_parts(x: Any, count: int) -> list[Any]:
    """To nearest even, and on with what is left; codes."""
    fmt, parts = load_format("bfloat16"), []
    for _ in range(count):
        parts.append(fmt.encode(x))
        x = x - fmt.decode(parts[-1]).astype(f32)
    return parts


@pytest.mark.parametrize(("core", "step"), [("ampere", "nvidia-ampere"), ("hopper", "nvidia-hopper")])
@pytest.mark.parametrize("name", ["tf32x3", "tf32x4"])
def test_tf32_products_are_chains_of_the_tensor_core(backend, name, core, step):
    """Small times big, big times small, big times big (and small times small) of every eight k in one accumulator."""
    mma, k = load_unit(f"{step}:mma.sync.m16n8k8.f32.tf32.tf32.f32"), 24
    a, b, c = singles(1, 3, k), singles(2, k, 4), singles(3, 3, 4)
    left, right, total = tf32_parts(a), tf32_parts(b), np.zeros((3, 4), np.uint32)
    pairs = [(1, 0), (0, 1), (0, 0), (1, 1)][: int(name[-1])]
    for start in range(0, k, 8):
        for i, j in pairs:
            total = mma.matmul(left[i][:, start : start + 8], right[j][start : start + 8], total, backend=backend)
    wanted = (total.view(f32) + c).view(np.uint32)
    unit = load_unit(f"emulated-fp32:{name}.{core}")
    d = unit.matmul(a.view(np.uint32), b.view(np.uint32), c.view(np.uint32), backend=backend)
    assert (d == wanted).all()


TERMS = {
    "bf16x9": [(2, 2), (1, 2), (2, 1), (0, 2), (1, 1), (2, 0), (0, 1), (1, 0), (0, 0)],
    "bf16x9.unscaled": [(2, 2), (1, 2), (2, 1), (0, 2), (1, 1), (2, 0), (0, 1), (1, 0), (0, 0)],
    "bf16x6": [(0, 2), (1, 1), (2, 0), (0, 1), (1, 0), (0, 0)],
    "bf16x3": [(1, 0), (0, 1), (0, 0)],
}


@pytest.mark.parametrize("name", TERMS)
def test_bf16_products_are_chains_of_the_tensor_core(backend, name):
    """All products of 16 k from zero, small ones first; the sums added in FP32."""
    mma, k = load_unit("nvidia-blackwell:tcgen05.mma.m64n8k16.kind::f16.f32.bf16.bf16"), 48
    m, n = (3, 4) if backend == "reference" else (24, 24)
    a, b, c = singles(4, m, k), singles(5, k, n), singles(6, m, n)
    count = 2 if name == "bf16x3" else 3
    left, right, total = bf16_parts(a, count), bf16_parts(b, count), np.zeros((m, n), f32)
    for start in range(0, k, 16):
        part = np.zeros((m, n), np.uint32)
        for i, j in TERMS[name]:
            part = mma.matmul(left[i][:, start : start + 16], right[j][start : start + 16], part, backend=backend)
        total = total + part.view(f32)
    unit = load_unit(f"emulated-fp32:{name}.blackwell")
    d = unit.matmul(a.view(np.uint32), b.view(np.uint32), c.view(np.uint32), backend=backend)
    assert (d == (total + c).view(np.uint32)).all()


def test_more_products_come_closer_to_fp32():
    """Relative to the exact sum, over the sum of magnitudes."""
    a, b = singles(7, 20, 64), singles(8, 64, 20)
    exact, scale = a.astype(float) @ b.astype(float), np.abs(a).astype(float) @ np.abs(b).astype(float)

    def error(name: str) -> float:
        d = load_unit(f"emulated-fp32:{name}").matmul(a.view(np.uint32), b.view(np.uint32)).view(f32)
        return float(np.max(np.abs(d - exact) / scale))

    assert error("bf16x9.blackwell") < 2.0**-22
    assert error("bf16x6.blackwell") < 2.0**-22
    assert 2.0**-20 < error("bf16x3.blackwell") < 2.0**-13
    assert error("tf32x3.ampere") < 2.0**-18  # each of 48 steps truncates


@pytest.mark.parametrize("machine", ["nvidia-hopper", "nvidia-blackwell"])
@pytest.mark.parametrize("pair", ["e4m3.e4m3", "e5m2.e4m3", "e4m3.e5m2", "e5m2.e5m2"])
@pytest.mark.parametrize("d", ["f16", "f32"])
def test_fp8_mma_is_two_fp16_instructions_and_an_addition(backend, machine, pair, d):
    """k mod 4 in {0, 1}, then {2, 3}, both from the codes of all bits; at the end C, to nearest even."""
    unit = load_unit(f"{machine}:mma.sync.m16n8k32.{d}.{pair}.{d}")
    step = load_unit(f"{machine}:mma.sync.m16n8k16.{d}.f16.f16.{d}")
    rng = np.random.default_rng(9)
    a, b = rng.integers(0, 256, (8, 32)).astype(np.uint8), rng.integers(0, 256, (32, 8)).astype(np.uint8)
    a[:6] &= 0xB7  # most rows without NaN and infinity, many subnormals
    b[:, :6] &= 0xAF
    c = rng.integers(0, 1 << unit.d.bits, (8, 8)).astype(unit.d.code_dtype)
    wide = [load_format("float16").encode(fmt.decode(x)) for fmt, x in ((unit.a, a), (unit.b, b))]
    total = np.zeros_like(c)
    for chosen in (np.arange(32) % 4 < 2, np.arange(32) % 4 >= 2):
        total = step.matmul(wide[0][:, chosen], wide[1][chosen], total, backend=backend)
    wanted = emu.add(total, c, unit.d)
    assert_same_bits(unit.matmul(a, b, c, backend=backend), wanted, unit.d, f"{unit.name} on {backend}", any_nan=True)


@pytest.mark.parametrize("machine", ["nvidia-hopper", "nvidia-blackwell"])
def test_fp8_mma_aligns_by_the_widened_operands(backend, machine):
    """2^15 times the subnormal 2^-9 is 2^6 in FP16's terms, so that 2^-18 is not cut, twice in one step."""
    unit = load_unit(f"{machine}:mma.sync.m16n8k32.f32.e5m2.e4m3.f32")
    for k, total in ((4, 64 + 2.0**-17), (3, 64.0)):  # k = 4 comes in the step of k = 0 and 1, k = 3 in the other
        a, b = np.zeros(32), np.zeros(32)
        a[[0, 1, k]], b[[0, 1, k]] = (2.0**15, 2.0**-12, 2.0**-12), (2.0**-9, 2.0**-6, 2.0**-6)
        assert dot(unit, a, b, backend=backend) == repr(total)


@pytest.mark.parametrize("rounding", ["ties_to_even", "toward_negative", "toward_positive", "toward_zero"])
def test_vmulph_is_ieee_multiplication_and_takes_the_first_nan(backend, rounding):
    unit, rng = load_unit(f"intel-avx512:vmulph.{rounding}"), np.random.default_rng(10)
    a, b = (rng.integers(0, 1 << 16, (600, 1, 1)).astype(np.uint16) for _ in range(2))
    a[:40] = a[:40] & 0x83FF | 0x7C00  # infinities and NaN
    b[20:60] = b[20:60] & 0x83FF | 0x7C00
    d = unit.matmul(a, b, backend=backend)
    product = emu.mul(a, b, "float16", rounding=rounding)
    first = np.where(np.isnan(a.view(f16)), a | 0x200, np.where(np.isnan(b.view(f16)), b | 0x200, 0xFE00))
    assert (d == np.where(np.isnan(product.view(f16)), first, product)).all()
