"""Block-scaled units: what they compute of encoded tensors, how a block's sum is rounded, scales that are NaN."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from emu import load_format, load_unit
from emu.formats.blocks import BlockFormat
from tests.compare import assert_same_bits

from .small import unit_of

ELEMENTS = {"e5m2": "mxfp8_e5m2", "e4m3": "mxfp8_e4m3", "e3m2": "mxfp6_e3m2", "e2m3": "mxfp6_e2m3", "e2m1": "mxfp4"}
UNITS = {
    **{f"mx.{a}.{b}": (ELEMENTS[a], ELEMENTS[b]) for a in ELEMENTS for b in ELEMENTS},
    "mxint8": ("mxint8", "mxint8"),
    "nvfp4": ("nvfp4", "nvfp4"),
    **{f"msfp{n}": (f"msfp{n}", f"msfp{n}") for n in range(12, 17)},
}
K, N = 72, 5  # two blocks of 32 and a short one; four of 16 and a short one


def tensor(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """Numbers of very different blocks."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) * np.exp2(rng.integers(-6, 7, (*shape[:1], 1)))


def encoded(name: str, x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, scales and values along an axis."""
    fmt = load_format(name)
    assert isinstance(fmt, BlockFormat)
    blocked = fmt.encode(x, axis=axis, tensor_scale=1.0) if name == "nvfp4" else fmt.encode(x, axis=axis)
    return blocked.codes, blocked.scales, blocked.decode()


def operands(unit: str) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Arguments of matmul, and the values that they stand for."""
    left, right = UNITS[unit]
    a, a_scale, x = encoded(left, tensor(1, (3, K)), 1)
    b, b_scale, y = encoded(right, tensor(2, (K, N)), 0)
    return {"a": a, "b": b, "a_scale": a_scale, "b_scale": b_scale}, x, y


def rounded(x: Fraction) -> float:
    """To float32, through float64 and round-to-odd: no double rounding."""
    near = float(x)
    if Fraction(near) != x:
        low = near if abs(Fraction(near)) < abs(x) else float(np.nextafter(near, 0.0))
        bits = np.float64(low).view(np.int64) | 1
        near = float(bits.view(np.float64))
    return float(np.float32(near))


def block_sums(x: np.ndarray, y: np.ndarray, block: int) -> float:
    """One dot product: the exact sums of the blocks, in a chain of float32."""
    total = 0.0
    for start in range(0, len(x), block):
        pairs = zip(x[start : start + block].tolist(), y[start : start + block].tolist(), strict=True)
        # the block's own sum is rounded to float32 before the scales, which are powers of two here
        partial = Fraction(rounded(sum((Fraction(p) * Fraction(q) for p, q in pairs), Fraction(0))))
        total = rounded(partial + Fraction(total))
    return total


@pytest.mark.parametrize("name", [name for name in UNITS if name != "nvfp4"])
def test_encoded_tensors(backend, name):
    arguments, x, y = operands(name)
    block = 16 if name.startswith("msfp") else 32
    d = load_unit(f"microscaling:{name}").matmul(**arguments, backend=backend).view(np.float32)
    wanted = [[block_sums(x[i], y[:, j], block) for j in range(N)] for i in range(3)]
    assert d.tolist() == wanted


def test_nvfp4_blocks(backend):
    arguments, x, y = operands("nvfp4")
    d = load_unit("microscaling:nvfp4").matmul(**arguments, backend=backend).view(np.float32)
    # a sum of 16 products of E2M1 has 2 fraction bits and 10 others: exact in float32; each scaled sum joins once
    for i in range(3):
        for j in range(N):
            total = 0.0
            for start in range(0, K, 16):
                pairs = zip(x[i, start : start + 16].tolist(), y[start : start + 16, j].tolist(), strict=True)
                total = rounded(sum((Fraction(p) * Fraction(q) for p, q in pairs), Fraction(total)))
            assert float(d[i, j]) == total


@pytest.mark.parametrize("name", ["mx.e4m3.e4m3", "mx.e5m2.e2m1", "mx.e2m3.e3m2", "mxint8", "nvfp4"])
@pytest.mark.parametrize("side", ["a", "b"])
def test_a_scale_that_is_nan_makes_the_result_nan(backend, name, side):
    arguments, _, _ = operands(name)
    unit = load_unit(f"microscaling:{name}")
    scales = arguments[f"{side}_scale"].copy()
    nan = 0x7F if name == "nvfp4" else 0xFF
    if side == "a":
        scales[1, -1] = nan  # the short last block of the second row
    else:
        scales[0, 2] = nan  # the first block of the third column
    d = unit.matmul(**{**arguments, f"{side}_scale": scales}, backend=backend).view(np.float32)
    wanted = np.zeros((3, N), bool)
    wanted[(1, slice(None)) if side == "a" else (slice(None), 2)] = True
    assert (np.isnan(d) == wanted).all()
    assert (d.view(np.uint32)[wanted] == 0x7FC00000).all()


def test_a_nan_scale_of_a_block_of_zeros_counts(backend):
    unit = load_unit("microscaling:mx.e2m1.e2m1")
    zeros = np.zeros((1, 32), np.uint8)
    scales = {"a_scale": np.array([[0xFF]], np.uint8), "b_scale": np.array([[127]], np.uint8)}
    assert unit.matmul(zeros, zeros.T, backend=backend, **scales)[0, 0] == 0x7FC00000


def test_infinity_and_nan_of_elements(backend):
    unit = load_unit("microscaling:mx.e5m2.e5m2")
    a = np.zeros((3, 64), np.uint8)
    a[0, 40], a[1, 40], a[2, 40] = 0x7C, 0x7E, 0x7C
    b = np.full((64, 1), 0x3C, np.uint8)
    ones = {"a_scale": np.full((3, 2), 127, np.uint8), "b_scale": np.full((2, 1), 127, np.uint8)}
    assert unit.matmul(a, b, backend=backend, **ones).ravel().tolist() == [0x7F800000, 0x7FC00000, 0x7F800000]


@pytest.mark.parametrize("partial", ["float16", "float32", "int32", "e5m3"])
@pytest.mark.parametrize("group", [1, 8])
def test_how_a_block_is_summed_is_a_parameter(backend, partial, group):
    """`group` products at a time in `partial`, ascending; then times both scales into `acc`."""
    called = load_unit(f"microscaling:mx.e4m3.e5m2(partial={partial}, group={group}, acc=bfloat16)")
    block = {"format": "float8_e8m0fnu", "block": 32}
    written = unit_of(
        "float8_e4m3fn float8_e5m2 bfloat16 bfloat16",
        {"group": group, "length": 32, "result": {"format": partial}},
        {"input": {"multiply": "scale"}, "result": {"format": "bfloat16"}},
        scale={"a": block, "b": block},
    )
    arguments, _, _ = operands("mx.e4m3.e5m2")
    d = written.matmul(**arguments, backend=backend)
    assert_same_bits(called.matmul(**arguments, backend=backend), d, written.d, backend)


def test_integer_partial_sums_may_wrap(backend):
    """MXINT8 with 16 bits for a block: 32 products of 100 · 100 are 320000, or -7680."""
    a = np.full((1, 32), 100, np.int8)
    ones = {"a_scale": np.array([[127]], np.uint8), "b_scale": np.array([[127]], np.uint8)}
    for partial, total in (("int32", 320000), ("int16", -7680)):
        d = load_unit(f"microscaling:mxint8(partial={partial})").matmul(a, a.T, backend=backend, **ones)
        assert d.view(np.float32)[0, 0] == total * 2.0**-12
