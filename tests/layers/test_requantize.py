"""Outputs quantised in integers, against each rule in Python integers, written from the libraries' sources."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from emu.accelerators import LayerPlan, load_accelerator
from emu.errors import SpecError
from emu.formats import load_format
from emu.layers.calibrated import static_of
from emu.layers.emulate import emulate
from emu.layers.gemm import Lowered
from emu.layers.lowering import lower
from emu.layers.requantize import output_stage
from emu.units.enums import RequantizeRule

RULES = ["gemmlowp", "gemmlowp_single", "tosa", "tosa_double", "cmsis_nn", "cmsis_nn_single", "nnpi", "onnx"]


def plan(rule: str, **keys: Any) -> LayerPlan:
    matrix = {
        "bias": "c", "output": "float32", "weights": {"scheme": "absmax", "per": "channel"},
        "epilogue": {"requantize": {"rule": rule, "format": "int8", "scheme": "absmax", **keys}},
    }  # fmt: skip
    return load_accelerator({"extends": "int8-int32", "matrix": matrix}).matrix


def layer(seed: int = 1, m: int = 40) -> Lowered:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(m, 96)).astype(np.float32)
    w = (rng.normal(size=(96, 12)) * np.exp(rng.normal(size=12))).astype(np.float32)
    return lower("Gemm", (x, w, rng.normal(size=12).astype(np.float32)), {}, constant=(False, True))


def sums_of(lowered: Lowered) -> tuple[Any, Any, Any]:
    """int32 sums with the bias in them; s_a and s_b."""
    x, w = lowered.source, lowered.b[0]
    s_a = np.abs(x).max() / np.float32(127)
    s_b = np.abs(w).max(axis=0) / np.float32(127)
    bias = np.rint(np.asarray(lowered.bias)[0, 0] / (s_a * s_b)).astype(np.int64)
    return np.rint(x / s_a).astype(np.int64) @ np.rint(w / s_b).astype(np.int64) + bias, s_a, s_b


def fixed(m: float) -> tuple[int, int]:
    """TFLite's QuantizeMultiplier."""
    mantissa, shift = math.frexp(m)
    q = math.floor(Fraction(mantissa) * 2**31 + Fraction(1, 2))
    return (q // 2, shift + 1) if q == 1 << 31 else (q, shift)


def high_multiply(x: int, q: int) -> int:
    """SaturatingRoundingDoublingHighMul; C's division truncates."""
    product = x * q
    nudged = product + ((1 << 30) if product >= 0 else 1 - (1 << 30))
    return nudged // (1 << 31) if nudged >= 0 else -(-nudged // (1 << 31))


def divide_by_power(x: int, n: int) -> int:
    """RoundingDivideByPOT."""
    mask = (1 << n) - 1
    return (x >> n) + ((x & mask) > (mask >> 1) + (x < 0))


def rescaled(rule: str, x: int, m: float) -> int:
    q, s = fixed(m)
    if rule in ("gemmlowp", "cmsis_nn"):
        return divide_by_power(high_multiply(x << max(s, 0), q), max(-s, 0))
    if rule in ("gemmlowp_single", "tosa"):
        return (x * q + (1 << (30 - s))) >> (31 - s)
    if rule == "tosa_double":
        shift = 31 - s
        around = 1 << (shift - 1)
        if shift > 31:
            around += (1 << 30) if x >= 0 else -(1 << 30)
        return (x * q + around) >> shift
    if rule == "cmsis_nn_single":
        return (((x * q) >> (30 - s)) + 1) >> 1
    if rule == "nnpi":
        n = (255 / Fraction(m)).__floor__().bit_length() - 1
        return (x * math.floor(Fraction(m) * 2**n) + (1 << (n - 1))) >> n
    assert rule == "onnx"
    return int(np.rint(np.float32(x) * np.float32(m)))


def wanted(rule: str, lowered: Lowered, s_y: Any, zero: int = 0, low: int = -128, high: int = 127) -> Any:
    sums, s_a, s_b = sums_of(lowered)
    out = np.empty(sums.shape, np.float32)
    for (row, column), d in np.ndenumerate(sums):
        m = float(np.float32(s_a * s_b[column]) / s_y)
        q = min(max(rescaled(rule, int(d), m) + zero, low), high)
        out[row, column] = np.float32(q - zero) * s_y
    return out


def dynamic_scale(lowered: Lowered) -> Any:
    sums, s_a, s_b = sums_of(lowered)
    return np.abs(sums.astype(np.float32) * (s_a * s_b)).max() / np.float32(127)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_its_librarys(rule: str) -> None:
    lowered = layer()
    got = emulate(lowered, plan(rule))
    assert np.array_equal(got.y, wanted(rule, lowered, dynamic_scale(lowered)))
    assert np.unique(got.y).size > 50


def test_rules_differ() -> None:
    lowered = layer(2, 400)
    made = {rule: emulate(lowered, plan(rule)).y for rule in RULES}
    assert np.array_equal(made["gemmlowp"], made["cmsis_nn"])
    assert np.array_equal(made["gemmlowp"], made["tosa_double"])
    assert not np.array_equal(made["gemmlowp"], made["nnpi"])


@pytest.mark.parametrize("backend", ["reference", "c"])
def test_backends_agree(backend: str) -> None:
    lowered = layer(3, 6)
    assert np.array_equal(emulate(lowered, plan("gemmlowp")).y, emulate(lowered, plan("gemmlowp"), backend=backend).y)


@pytest.mark.parametrize("backend", [None, "c"])
def test_static_ranges_come_from_calibration(backend: str | None) -> None:
    """In float64, rounded to float32; what lies beyond is clamped, and counted."""
    calibration, lowered = layer(4), layer(5)
    how = plan("gemmlowp", range="static")
    assert how.static
    static = static_of(calibration, how)
    x, w, bias = calibration.source, calibration.b[0], np.asarray(calibration.bias)[0, 0]
    truth = (x.astype(np.float64) @ w.astype(np.float64) + bias).astype(np.float32)
    s_y = np.abs(truth).max() / np.float32(127)
    assert static.y is not None
    assert static.y.scale == s_y
    assert dict(static.arrays())["y/scale"] == s_y
    for one in (lowered, replace(lowered, source=x * 3)):
        got = emulate(one, how, static=static, backend=backend)
        assert np.array_equal(got.y, wanted("gemmlowp", one, s_y))
        open_ended = wanted("gemmlowp", one, s_y, low=-(10**6), high=10**6)
        assert got.output.saturated == np.count_nonzero(got.y != open_ended)
    assert got.output.saturated


def test_the_multiplier_in_double() -> None:
    lowered = layer(6, 2000)
    sums, s_a, s_b = sums_of(lowered)
    s_y = dynamic_scale(lowered)
    got = emulate(lowered, plan("onnx", multiplier="float64")).y
    exact = [float(s_a) * float(b) / float(s_y) for b in s_b]
    q = np.clip(np.rint(sums.astype(np.float32) * np.array(exact).astype(np.float32)), -128, 127)
    assert np.array_equal(got, q.astype(np.float32) * s_y)


def test_dequantising_by_the_reciprocal() -> None:
    lowered = layer(7)
    s_y = dynamic_scale(lowered)
    by_product = emulate(lowered, plan("gemmlowp")).y
    q = np.rint(by_product / s_y)
    got = emulate(lowered, plan("gemmlowp", dequantize="divide")).y
    assert np.array_equal(got, q / (np.float32(1) / s_y))
    assert not np.array_equal(got, by_product)


def test_one_multiplier_for_each_group_of_a_batch() -> None:
    """Two activations, a scale for each matrix: each runs as if it were alone, but for the output's scale."""
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(3, 10, 32)).astype(np.float32), rng.normal(size=(3, 32, 6)).astype(np.float32)
    x *= np.array([1, 3, 0.5], np.float32)[:, None, None]
    keys = {
        "bias": "c", "output": "float32", "activations": {"scheme": "absmax", "per": "matrix"},
        "epilogue": {"requantize": {"rule": "gemmlowp", "format": "int8", "scheme": "absmax"}},
    }  # fmt: skip
    how = load_accelerator({"extends": "int8-int32", "matrix": keys}).matrix
    got = emulate(lower("MatMul", (x, y), {}, constant=(False, False)), how).y
    s_x, s_w = (np.abs(one).max(axis=(1, 2)) / np.float32(127) for one in (x, y))
    sums = np.rint(x / s_x[:, None, None]).astype(np.int64) @ np.rint(y / s_w[:, None, None]).astype(np.int64)
    s_y = np.abs(sums.astype(np.float32) * (s_x * s_w)[:, None, None]).max() / np.float32(127)
    for (group, row, column), d in np.ndenumerate(sums):
        q = rescaled("gemmlowp", int(d), float(np.float32(s_x[group] * s_w[group]) / s_y))
        assert got[group, row, column] == np.float32(min(max(q, -128), 127)) * s_y


@pytest.mark.parametrize(
    ("matrix", "key"),
    [
        ({"bias": "epilogue"}, "matrix.epilogue.requantize"),
        ({"activations": {"scheme": "absmax", "per": "token"}}, "matrix.epilogue.requantize"),
        ({"epilogue": {"fused": True}}, "matrix.epilogue.requantize"),
        ({"epilogue": {"requantize": {"scheme": "cast"}}}, "matrix.epilogue.requantize.scheme"),
        ({"epilogue": {"requantize": {"format": "float16"}}}, "matrix.epilogue.requantize.format"),
        ({"epilogue": {"requantize": {"rounding": "toward_zero"}}}, "matrix.epilogue.requantize.rounding"),
    ],
)
def test_what_cannot_be_in_integers_is_refused(matrix: dict[str, Any], key: str) -> None:
    base = {
        "extends": "int8-int32",
        "matrix": {"bias": "c", "epilogue": {"requantize": {"rule": "onnx", "format": "int8", "scheme": "absmax"}}},
    }
    load_accelerator(base)
    merged: dict[str, Any] = {**base["matrix"], **{k: v for k, v in matrix.items() if k != "epilogue"}}  # type: ignore[dict-item]
    own = matrix.get("epilogue", {})
    merged["epilogue"] = {**merged["epilogue"], **own}
    merged["epilogue"]["requantize"] = {
        "rule": "onnx",
        "format": "int8",
        "scheme": "absmax",
        **own.get("requantize", {}),
    }
    with pytest.raises(SpecError) as error:
        load_accelerator({"extends": "int8-int32", "matrix": merged})
    assert error.value.key == key


def test_a_multiplier_that_the_rule_cannot_take_is_an_error_of_the_layer() -> None:
    with pytest.raises(ValueError, match="cannot be requantised: must be a power of two"):
        emulate(layer(), plan("shift"))


def test_how_often_one_rounding_differs_from_two() -> None:
    """numerics: 3.6 % of random x and M in [1e-4, 0.1], as 32-bit results."""
    rng = np.random.default_rng(0)
    x, m = rng.integers(-100000, 100000, 50000), rng.uniform(1e-4, 0.1, 50000)
    fmt = load_format("int32")
    made = []
    for rule in (RequantizeRule.GEMMLOWP, RequantizeRule.GEMMLOWP_SINGLE):
        unit = output_stage(fmt, fmt, rule, None, tuple(m.tolist()), 0)
        d = unit.matmul(np.empty((1, 0), np.uint8), np.empty((0, x.size), np.uint8), x.astype(np.int32)[None])
        made.append(d.view(np.int32)[0])
    wanted = [rescaled("gemmlowp", int(a), float(b)) for a, b in zip(x[:2000], m[:2000], strict=True)]
    assert made[0][:2000].tolist() == wanted
    assert 0.034 < np.mean(made[0] != made[1]) < 0.038
    assert np.abs(made[0].astype(int) - made[1]).max() == 1


def test_how_far_the_8_bit_multiplier_is_below_m() -> None:
    """numerics: at worst 0.78 %, just below powers of two. Powers of two times the sum are shifts of it."""
    worst = 0.0
    fmt = load_format("int32")
    d = np.array([[1 << 20]], np.int32)
    for m in [*np.geomspace(1e-2, 0.24, 60).tolist(), 0.24999]:
        unit = output_stage(fmt, fmt, RequantizeRule.NNPI, None, (m,), 0)
        q = unit.matmul(np.empty((1, 0), np.uint8), np.empty((0, 1), np.uint8), d).view(np.int32)[0, 0]
        worst = min(worst, q / (m * (1 << 20)) - 1)
        assert -0.0079 < q / (m * (1 << 20)) - 1 < 1e-4
    assert abs(worst + 0.0078) < 1e-4
