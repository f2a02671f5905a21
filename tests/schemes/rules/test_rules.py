"""The rules of `scale` as plain functions, and in schemes: worked numbers, and what holds of every tensor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.errors import SpecError
from emu.formats import load_format
from emu.schemes import Scheme, Target, load_scheme
from emu.schemes.rules.mean_abs import mean_abs_of
from emu.schemes.rules.minmax import min_max
from emu.schemes.rules.percentile import percentile_of
from emu.schemes.rules.rule import kept, lines

INT8, INT4, UINT4 = (load_format(name) for name in ("int8", "int4", "uint4"))
X = np.array([0, 0.1, 0.5, 1.3, 3], np.float32)
TENSORS = st.lists(st.floats(-(2.0**40), 2.0**40, width=32), min_size=1, max_size=24)


def scheme(rule: str, *, encode: dict[str, Any] | None = None, **keys: Any) -> Scheme:
    last = {"op": "encode", "rounding": "ties_to_even", "overflow": "saturate", **(encode or {})}
    return load_scheme({"step": [{"op": "scale", "rule": rule, **keys}, last]})


def test_lines_and_back() -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert lines(x, None).shape == (1, 24)
    assert lines(x, (0, 2)).tolist() == [[0, 1, 2, 3, 12, 13, 14, 15], [4, 5, 6, 7, 16, 17, 18, 19],
                                         [8, 9, 10, 11, 20, 21, 22, 23]]  # fmt: skip
    assert kept(lines(x, (0, -1)).max(axis=1), x.shape, (0, -1)).shape == (1, 3, 1)
    assert lines(x[:, :0], (1,)).shape == (8, 0)


def test_symmetric_and_asymmetric_of_the_int4_paper() -> None:
    """The worked example of symmetric and asymmetric 4-bit codes."""
    symmetric = scheme("absmax").quantise(X, Target(format=INT4))
    assert symmetric.scale == np.float32(3) / np.float32(7)
    assert INT4.decode(symmetric.codes).tolist() == [0, 0, 1, 3, 7]
    assert symmetric.zero is None
    asymmetric = scheme("minmax", symmetric=False).quantise(X, Target(format=UINT4))
    assert asymmetric.scale == np.float32(3) / np.float32(15)
    assert asymmetric.zero == 0
    assert UINT4.decode(asymmetric.codes).tolist() == [0, 0, 2, 6, 15]


def test_onnx_dynamic_quantise_linear() -> None:
    """The three examples of ONNX's operator DynamicQuantizeLinear."""
    uint8 = load_format("uint8")
    for x, scale, zero, codes in (
        ([0, 2, -3, -2.5, 1.34, 0.5], 0.0196078438, 153, [153, 255, 0, 26, 221, 179]),
        ([-1.0, -2.1, -1.3, -2.5, -3.34, -4.0], 0.0156862754, 255, [191, 121, 172, 96, 42, 0]),
        ([1, 2.1, 1.3, 2.5, 3.34, 4.0, 1.5, 2.6, 3.9, 4.0, 3.0, 2.345], 0.0156862754, 0,
         [64, 134, 83, 159, 213, 255, 96, 166, 249, 255, 191, 149]),
    ):  # fmt: skip
        made = scheme("minmax", symmetric=False).quantise(np.array(x, np.float32), Target(format=uint8))
        assert (made.scale, int(made.zero)) == (np.float32(scale), zero)
        assert made.codes.tolist() == codes


def test_ranges_that_do_not_hold_zero() -> None:
    x = np.array([10, 11, 12.55], np.float32)
    textbook = scheme("minmax", symmetric=False, include_zero=False)
    made = textbook.quantise(x, Target(format=INT8))
    assert made.zero == -128, "clamped: every code is the largest"
    assert INT8.decode(made.codes).tolist() == [127, 127, 127]
    assert made.beyond.saturated == 3
    free = scheme("minmax", symmetric=False, include_zero=False, zero_point="free").quantise(x, Target(format=INT8))
    assert free.zero == -128 - round(10 / 0.01)
    assert INT8.decode(free.codes).tolist() == [-128, -28, 127]
    assert free.beyond.saturated == 0


def test_zero_point_from_the_nearer_end() -> None:
    """FBGEMM: |qmin| + |min / s| against |qmax| + |max / s|, in float64."""
    x = np.array([-1.0, 0.26], np.float32)
    s = np.float32(1.26) / np.float32(255)
    made = scheme("minmax", symmetric=False, zero_point="nearer").quantise(x, Target(format=load_format("uint8")))
    assert made.zero == round(255 - float(np.float32(0.26)) / float(s)) if 255 + 0.26 / s < 1 / s else round(1 / s)


def test_percentile_is_a_value_of_the_nearest_rank() -> None:
    x = np.array([[1, -2, 3, -4], [np.inf, 10, np.nan, -20]], np.float32)
    assert percentile_of(np.abs(x), 50, (1,)).ravel().tolist() == [2, 10]
    assert percentile_of(np.abs(x), 51, (1,)).ravel().tolist() == [3, 20]
    assert percentile_of(np.abs(x), 100) == 20
    assert percentile_of(x[:0], 50) == 0
    both = scheme("percentile", percentile=75, symmetric=False, include_zero=False)
    assert both.quantise(np.array([-3, 0, 5, 9], np.float32), Target(format=INT8)).scale == np.float32(5) / 255


@given(TENSORS, st.integers(1, 100))
def test_percentile_has_so_many_inside(values: list[float], percentile: int) -> None:
    x = np.abs(np.array(values, np.float32))
    found = percentile_of(x, percentile)
    assert found in x
    assert (x <= found).sum() * 100 >= percentile * len(x)
    assert (x < found).sum() * 100 < percentile * len(x)


@given(TENSORS)
def test_mean_is_the_rounded_mean(values: list[float]) -> None:
    x = np.array(values, np.float32)
    exact = math.fsum(abs(float(v)) for v in x) / len(x)
    assert abs(float(mean_abs_of(x)) - exact) <= exact * 2.0**-24 * (1 + 2.0**-20) + 2.0**-149


def test_trilm_worked_example() -> None:
    w = np.array([[0.3, -0.05, 0, -0.6], [0.9, 0.1, -0.2, 0.02]], np.float32)
    ternary = load_format("ternary")
    made = scheme("mean_abs", eps=1e-5).quantise(w, Target(format=ternary))
    assert float(made.scale) == pytest.approx(0.27126, abs=1e-7)
    assert ternary.decode(made.codes).tolist() == [[1, 0, 0, -1], [1, 0, -1, 0]]


@given(TENSORS)
def test_minmax_brackets_the_values(values: list[float]) -> None:
    x = np.array(values, np.float32)
    low, high = min_max(np.append(x, np.float32([np.nan, np.inf, -np.inf])))
    assert (low, high) == (x.min(), x.max())


@given(TENSORS.filter(lambda values: max(map(abs, values)) > 1e-20))
@pytest.mark.parametrize("symmetric", [True, False])
def test_search_is_never_worse_than_the_full_range(symmetric: bool, values: list[float]) -> None:
    x = np.array(values, np.float32)
    rule = "absmax" if symmetric else "minmax"
    errors = []
    for keys in ({"rule": rule}, {"rule": "mse", "candidates": 9, "lowest": 0.2}):
        made = scheme(**keys, symmetric=symmetric).quantise(x, Target(format=INT4))
        code = INT4.decode(made.codes) - (0 if made.zero is None else made.zero)
        errors.append(float(((x - code * np.float64(made.scale)) ** 2).sum()))
    assert errors[1] <= errors[0]


def test_search_takes_the_first_of_equals_and_every_channel_its_own() -> None:
    zeros = scheme("mse").quantise(np.zeros((2, 3), np.float32), Target(format=INT4))
    assert zeros.scale == 1
    x = np.array([[7, 1, 2, 3], [70, 10, 20, 30], [7, 0.4, 0.4, 0.4]], np.float32)
    per_row = scheme("mse", candidates=21, lowest=0.5).quantise(x, Target(format=INT4, axes=(1,)))
    assert per_row.scale.ravel()[:2].tolist() == [1, 10]
    for row, scale in zip(x, per_row.scale.ravel(), strict=True):
        alone = scheme("mse", candidates=21, lowest=0.5).quantise(row, Target(format=INT4))
        assert alone.scale == scale
    # a power of two: 0.5 of the range and 1 of it give the same codes of this tensor
    equal = scheme("mse", candidates=2, lowest=0.5, divisor=8).quantise(np.float32([0, 0, 4]), Target(format=INT8))
    assert equal.scale == 0.25


@pytest.mark.parametrize(
    ("which", "powers"), [("floor", [1, 1, 1, 2]), ("ceil", [1, 2, 2, 2]), ("nearest", [1, 1, 2, 2])]
)
def test_powers_of_two(which: str, powers: list[float]) -> None:
    for bound, power in zip([1, 1.25, 1.5, 2], powers, strict=True):
        made = scheme("bound", value=bound, divisor=1, power_of_two=which).quantise(X, Target(format=INT8))
        assert made.scale == power


def test_divisors_formats_and_clamps() -> None:
    one = np.ones(1, np.float32)

    def scale(**keys: Any) -> float:
        return float(scheme(**{"rule": "absmax", **keys}).quantise(one, Target(format=INT8)).scale)

    assert scale(divisor="half_step") == np.float32(1) / np.float32(127.5)
    assert scale(divisor="full_range") == 1 / 128
    assert scale(divisor=3.0) == np.float32(1) / np.float32(3)
    assert scale(format="float16") == np.float16(np.float32(1) / np.float32(127))
    assert scale(format="e8m0") == 2.0**-7
    assert scale(at_least=0.5) == 0.5
    assert scale(at_most=0.0001) == np.float32(0.0001)
    assert scale(rule="given", value=0.1) == np.float32(0.1)
    assert scale(eps=1.0) == np.float32(2) / np.float32(127)


def test_flexq_example() -> None:
    """A group with a largest value of 1: s = 1/31 in float16, and -32 is a code."""
    int6 = load_format("int6")
    made = scheme("absmax", at_least=1e-5, at_most=1e4, format="float16", encode={"full_range": True}).quantise(
        np.array([0.31, -0.1, 1, -1], np.float32), Target(format=int6)
    )
    assert made.scale == np.float16(1 / 31)
    assert int6.decode(made.codes).tolist() == [10, -3, 31, -31]


def test_deepspeed_kernel() -> None:
    """q = round(x · 2^b / (2 max + 1e-5)): the largest value loses one step."""
    x = np.array([1.0, -1.0, 0.3], np.float32)
    keys = {"divisor": "full_range", "eps": 5e-6, "encode": {"full_range": True, "inverse": "ratio"}}
    made = scheme("absmax", **keys).quantise(x, Target(format=INT4))
    assert INT4.decode(made.codes).tolist() == [7, -8, 2]


def test_llm_int8_multiplies_by_the_ratio() -> None:
    r = np.random.default_rng(3)
    x = r.standard_normal((64, 256)).astype(np.float16).astype(np.float32)
    absmax = np.abs(x).max(axis=1, keepdims=True)
    made = scheme("absmax", encode={"inverse": "ratio"}).quantise(x, Target(format=INT8, axes=(1,)))
    assert np.array_equal(INT8.decode(made.codes), np.rint(x * (np.float32(127) / absmax)))
    given = scheme("absmax", encode={"inverse": "reciprocal"}).quantise(x, Target(format=INT8, axes=(1,)))
    assert np.array_equal(INT8.decode(given.codes), np.rint(x * (np.float32(1) / made.scale)))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"rule": "minmax"}, "has a meaning with `symmetric = false` alone"),
        ({"rule": "mean_abs", "symmetric": False}, "makes symmetric scales"),
        ({"rule": "absmax", "value": 1.0}, "step.0..value: is no key of rule 'absmax'"),
        ({"rule": "percentile"}, "step.0..percentile: required key of rule 'percentile' is missing"),
        ({"rule": "absmax", "include_zero": True}, "include_zero: is a key of asymmetric scales"),
        ({"rule": "minmax", "symmetric": False, "divisor": 2}, "divisor: is a key of symmetric scales"),
        ({"rule": "absmax", "at_least": 2, "at_most": 1}, "at_least: is more than `at_most`"),
        ({"rule": "mse", "candidates": 0}, "candidates"),
    ],
)
def test_keys_that_contradict(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        scheme(**keys)


def test_formats_that_a_scale_cannot_have() -> None:
    with pytest.raises(SpecError, match="zero points are for integer formats"):
        scheme("minmax", symmetric=False).check(load_format("float8_e4m3fn"), "f", "k")
    with pytest.raises(SpecError, match="divisor 'half_step' is for integer formats"):
        scheme("absmax", divisor="half_step").check(load_format("float8_e4m3fn"), "f", "k")


def test_keys_left_out_are_no_part_of_the_identity() -> None:
    steps = load_scheme("absmax").steps
    assert repr(steps[0]) == "ScaleStep(rule=Absmax())"
    assert "full_range" not in repr(steps[1])
    assert "full_range=True" in repr(scheme("absmax", encode={"full_range": True}).steps[1])


def test_groups_have_zero_points_of_their_own() -> None:
    x = np.float32([[0, 15, -8, 7], [1, 31, 100, 250]]).T
    target = Target(format=UINT4, group=2, k_axis=0, scale_format=load_format("float32"))
    made = scheme("minmax", symmetric=False).quantise(x, target)
    assert made.zero.tolist() == [[0, 0], [8, 0]]
    assert load_format("float32").decode(made.block_scales).tolist() == [
        [1, np.float32(31) / np.float32(15)], [1, np.float32(250) / np.float32(15)]
    ]  # fmt: skip


@given(TENSORS.filter(lambda values: max(values) - min(values) > 1e-20))
def test_asymmetric_codes_are_within_a_step(values: list[float]) -> None:
    """Half a step, and as much again at an end of the range, where the zero point is rounded."""
    x = np.array(values, np.float32)
    made = scheme("minmax", symmetric=False).quantise(x, Target(format=INT8))
    back = (INT8.decode(made.codes) - made.zero) * np.float64(made.scale)
    assert np.abs(x - back).max() <= float(made.scale) * (1 + 2.0**-12)
    assert -128 <= made.zero <= 127
    nought = scheme("minmax", symmetric=False).quantise(np.append(x, np.float32(0)), Target(format=INT8))
    assert INT8.decode(nought.codes)[-1] == nought.zero, "zero is a value"
