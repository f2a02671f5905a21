"""Integer output stages: each rule against its library's integer algorithm, written from the published description."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emu import load_unit

from .small import dot_code

MIN, MAX = -(1 << 31), (1 << 31) - 1


def wrap(x: int, bits: int = 32) -> int:
    half = 1 << bits - 1
    return (x + half) % (2 * half) - half


def quantized_multiplier(m: float) -> tuple[int, int]:
    """TFLite's QuantizeMultiplier: 31 bits, and a shift to the left."""
    fraction, shift = math.frexp(m)
    q = math.floor(fraction * (1 << 31) + 0.5)
    if q == 1 << 31:
        q, shift = q // 2, shift + 1
    return (0, 0) if shift < -31 else (q, shift)


def high_mul(a: int, b: int) -> int:
    """gemmlowp's SaturatingRoundingDoublingHighMul."""
    if a == b == MIN:
        return MAX
    ab = a * b
    nudged = ab + ((1 << 30) if ab >= 0 else 1 - (1 << 30))
    return nudged >> 31 if nudged >= 0 else -(-nudged >> 31)  # C's division truncates


def rounding_divide(x: int, n: int) -> int:
    """gemmlowp's RoundingDivideByPOT."""
    mask = (1 << n) - 1
    return (x >> n) + ((x & mask) > (mask >> 1) + (x < 0))


def gemmlowp(x: int, m: float) -> int:
    q, shift = quantized_multiplier(m)
    return rounding_divide(high_mul(wrap(x << max(shift, 0)), q), max(-shift, 0))


def gemmlowp_single(x: int, m: float) -> int:
    q, shift = quantized_multiplier(m)
    return wrap(x * q + (1 << 30 - shift) >> 31 - shift)


def gemmlowp_16(x: int, m: float) -> int:
    q, shift = quantized_multiplier(m)
    reduced = q + (1 << 15) >> 16 if q < 0x7FFF0000 else 0x7FFF
    return wrap(x * reduced + (1 << 14 - shift) >> 15 - shift)


def tosa(x: int, m: float) -> int:
    """apply_scale_32 without double rounding."""
    q, left = quantized_multiplier(m)
    shift = 31 - left
    return wrap(x * q + (1 << shift - 1) >> shift)


def tosa_double(x: int, m: float) -> int:
    q, left = quantized_multiplier(m)
    shift = 31 - left
    constant = 1 << shift - 1
    if shift > 31:
        constant += 1 << 30 if x >= 0 else -(1 << 30)
    return wrap(x * q + constant >> shift)


def tosa_16(x: int, m: float) -> int:
    """apply_scale_16: 15 bits of multiplier."""
    fraction, left = math.frexp(m)
    q = math.floor(fraction * (1 << 15) + 0.5)
    if q == 1 << 15:
        q, left = q // 2, left + 1
    shift = 15 - left
    return wrap(x * q + (1 << shift - 1) >> shift)


def cmsis_nn_single(x: int, m: float) -> int:
    """CMSIS_NN_USE_SINGLE_ROUNDING."""
    q, left = quantized_multiplier(m)
    return wrap(wrap(x * q >> 30 - left) + 1 >> 1)  # an int32_t holds the first shift's result


def nnpi(x: int, m: float) -> int:
    """nnpiQuantize, rounding half up."""
    n = math.floor(math.log2(255 / m))
    t = x * math.floor(m * 2.0**n)
    return wrap((t >> n - 1) + 1 >> 1, 40) if n else t


def onnx(x: int, m: float) -> int:
    scaled = np.float32(x) * np.float32(m)
    return int(np.clip(np.rint(np.float64(scaled)), MIN, MAX))


RULES: dict[str, Callable[[int, float], int]] = {
    "gemmlowp": gemmlowp,
    "cmsis_nn": gemmlowp,
    "gemmlowp_single": gemmlowp_single,
    "gemmlowp_16": gemmlowp_16,
    "tosa": tosa,
    "tosa_double": tosa_double,
    "tosa_16": tosa_16,
    "cmsis_nn_single": cmsis_nn_single,
    "nnpi": nnpi,
    "onnx": onnx,
}
RANGES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
SUMS = st.lists(st.one_of(st.integers(MIN, MAX), st.integers(-100000, 100000)), min_size=1, max_size=30)
MULTIPLIERS = st.one_of(
    st.floats(2.0**-20, 0.999), st.integers(-16, -1).map(lambda n: 2.0**n), st.floats(2.0**-29, 2.0**-20)
)


def requantized(rule: str, sums: list[int], *, backend: str, **keys: object) -> list[int]:
    """The unit's results for given sums, which enter as c beside a product of zeros."""
    call = ", ".join(f"{key}={value}" for key, value in keys.items())
    unit = load_unit(f"integer:requantized.{rule}({call})")
    c = np.array(sums, np.int64).astype(np.int32).reshape(1, -1)
    a, b = np.zeros((1, 1), np.uint8), np.zeros((1, len(sums)), np.uint8)
    return [int(x) for x in unit.d.decode(unit.matmul(a, b, c.view(np.uint32), backend=backend))[0]]


@pytest.mark.parametrize("rule", RULES)
@given(sums=SUMS, m=MULTIPLIERS, zero_point=st.integers(-20, 20), d=st.sampled_from(["int8", "uint8", "int16"]))
@example(sums=[MIN, MAX, 0, 1, -1], m=0.999, zero_point=0, d="int16")
@example(sums=[1 << 30, -(1 << 30), 3, -3, 6, -6], m=0.5, zero_point=0, d="int16")
def test_a_rule_is_its_library(rule, sums, m, zero_point, d):
    low, high = RANGES[d]
    wanted = [min(max(RULES[rule](x, m) + zero_point, low), high) for x in sums]
    keys = {"multiplier": repr(m), "zero_point": zero_point, "d": d}
    for backend in ("reference", "numba", "c"):
        assert requantized(rule, sums, backend=backend, **keys) == wanted, backend


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "nnpi"])
@given(sums=st.lists(st.integers(-40000, 40000), min_size=1, max_size=20), m=st.floats(1.0, 100.0))
@example(sums=[1, -1, 30000], m=1.0)
def test_a_multiplier_above_one(rule, sums, m):
    wanted = [min(max(RULES[rule](x, m), -32768), 32767) for x in sums]
    for backend in ("reference", "numba", "c"):
        assert requantized(rule, sums, backend=backend, multiplier=repr(m), d="int16") == wanted, backend


SHIFTED = {
    "ties_to_positive": lambda x, n: (x + (1 << n - 1)) >> n,
    "toward_negative": lambda x, n: x >> n,
    "toward_zero": lambda x, n: -(-x >> n) if x < 0 else x >> n,
    "ties_to_away": lambda x, n: -(-x + (1 << n - 1) >> n) if x < 0 else x + (1 << n - 1) >> n,
    "ties_to_even": lambda x, n: round(x / 2**n),  # exact: at most 31 bits
}


@pytest.mark.parametrize("rounding", [None, *SHIFTED])
@given(sums=SUMS, n=st.integers(1, 20))
def test_a_shift(rounding, sums, n):
    rule = SHIFTED[rounding or "ties_to_positive"]
    keys = {"rounding": rounding} if rounding else {}
    for backend in ("reference", "numba", "c"):
        d = requantized("shift", sums, backend=backend, multiplier=repr(2.0**-n), d="int16", **keys)
        assert d == [min(max(rule(x, n), -32768), 32767) for x in sums]


def test_two_roundings_and_one(backend):
    """I.1: M = 1/4 takes 1 to 1/2 and then to 1; -6 to -2 and -1; and a case that differs by chance."""
    for m, x, double, single in [(0.25, 1, 1, 0), (0.25, -6, -2, -1), (0.0796528, 82137, 6543, 6542)]:
        for rule, wanted in (("gemmlowp", double), ("cmsis_nn", double), ("tosa_double", double)):
            assert requantized(rule, [x], backend=backend, multiplier=m, d="int16") == [wanted], (rule, x)
        for rule in ("gemmlowp_single", "cmsis_nn_single", "tosa"):
            assert requantized(rule, [x], backend=backend, multiplier=m, d="int16") == [single], (rule, x)


def test_nnpi_multipliers_have_eight_bits(backend):
    """H.3: 163 · 2^-14 for 0.01; 127 · 2^-9 just below a quarter; 127 · 2^-15 for 0.0039."""
    assert requantized("nnpi", [12345], backend=backend, multiplier=0.01, zero_point=3, d="uint8") == [126]
    assert requantized("nnpi", [512], backend=backend, multiplier=0.24999, d="uint8") == [127]
    assert requantized("nnpi", [1 << 15], backend=backend, multiplier=0.0039, d="uint8") == [127]
    nothing = np.zeros(4, np.uint8)
    for name, wanted in (("int8.m0.01.zp3", 126), ("int8(multiplier=0.01, zero_point=3)", 126), ("int8", 123)):
        assert dot_code(load_unit(f"nnpi:{name}"), nothing, nothing, 12345, backend=backend) == wanted


def test_onnx_qlinearmatmul_of_its_documentation(backend):
    """I.3, with both operands' zero points."""
    a = np.array([[208, 236, 0, 238], [3, 214, 255, 29]], np.uint8)
    b = np.array([[152, 51, 244], [60, 26, 255], [0, 127, 246], [127, 254, 247]], np.uint8)
    m = float(np.float32(np.float32(0.0066) * np.float32(0.00705)) / np.float32(0.0107))
    unit = load_unit(
        "integer:requantized.onnx(a=uint8, b=uint8, a_zero=uint8, b_zero=uint8, d=uint8, "
        f"multiplier={m!r}, zero_point=118)"
    )
    d = unit.matmul(a, b, a_zero=np.uint8(113), b_zero=np.uint8(114), backend=backend)
    assert d.tolist() == [[168, 115, 255], [1, 66, 151]]


def test_a_multiplier_and_a_zero_point_for_each_column(backend):
    multipliers, zero_points = [0.25, 0.3, 1.5], [0, -7, 100]
    unit = load_unit(f"integer:requantized.gemmlowp(multiplier={multipliers}, zero_point={zero_points})")
    c = np.array([[1, 1000, -90]], np.int32)
    d = unit.matmul(np.zeros((1, 1), np.uint8), np.zeros((1, 3), np.uint8), c.view(np.uint32), backend=backend)
    columns = zip(c[0].tolist(), multipliers, zero_points, strict=True)
    assert d.view(np.int8).tolist() == [[min(max(gemmlowp(x, m) + z, -128), 127) for x, m, z in columns]]
    with pytest.raises(ValueError, match=r"3"):
        unit.matmul(np.zeros((1, 1), np.uint8), np.zeros((1, 2), np.uint8), c.view(np.uint32)[:, :2], backend=backend)
