"""What shares a scale, and what does not: the last group of K, other rows and tiles, calibration, padding.

Every expectation is a loop, or another way to ask for the same thing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from emu.accelerators import LayerPlan, load_accelerator
from emu.errors import SpecError
from emu.layers.calibrated import static_of
from emu.layers.emulate import LayerOutput, emulate
from emu.layers.gemm import Lowered
from emu.layers.lowering import lower
from emu.layers.operands import operands_of
from emu.layers.prepare import prepare

ENCODE = {"op": "encode", "rounding": "ties_to_even", "overflow": "saturate"}
ZEROS = "integer:once(a=uint8,b=int8,a_zero=int32)"


def scheme(*steps: dict[str, Any], **encode: Any) -> dict[str, Any]:
    return {"name": "of-a-test", "step": [*steps, {**ENCODE, **encode}]}


def plan(**matrix: Any) -> LayerPlan:
    base: dict[str, Any] = {"unit": "int8-int32", "activations": {"scheme": "absmax"}, "weights": {"scheme": "absmax"}}
    return load_accelerator({"name": "of-a-test", "matrix": {**base, **matrix}}).matrix


def normal(*shape: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def product(x: Any, w: Any, *, weights: bool = True) -> Lowered:
    return lower("MatMul", (x, w), {}, constant=(False, weights))


def run(lowered: Lowered, how: LayerPlan, **keys: Any) -> LayerOutput:
    return emulate(lowered, how, events=False, **keys)


@pytest.mark.parametrize(
    "rule",
    [
        {"rule": "mean_abs"},
        {"rule": "percentile", "percentile": 80.0},
        {"rule": "sawb", "code": 803},
        {"rule": "minmax", "symmetric": False, "include_zero": False, "zero_point": "free"},
        {"rule": "mse", "symmetric": False, "include_zero": False, "candidates": 9},
    ],
)
def test_the_last_group_is_what_is_left(rule: dict[str, Any]) -> None:
    unit = 'integer-groups:both(size=8,a_zero={format="int32",block=8},b_zero={format="int32",block=8})'
    made = {"scheme": scheme({"op": "scale", **rule}), "per": "group"}
    how = plan(unit=unit, activations=made, weights=made)
    x, w = normal(5, 20) + 3, normal(20, 4, seed=1) - 2
    both = operands_of(product(x, w), how)
    rest = operands_of(product(x[:, 16:], w[16:]), how)
    for one, other, last in ((both.a(0, 5), rest.a(0, 5), np.s_[..., -1]), (both.b, rest.b, np.s_[..., -1, :])):
        assert one.unit_scale is not None
        assert other.unit_scale is not None
        assert np.array_equal(one.unit_scale[last], other.unit_scale[last])
        if one.zero is not None:
            assert other.zero is not None
            assert np.array_equal(one.zero[last], other.zero[last])
    assert np.array_equal(both.a(0, 5).codes[..., 16:], rest.a(0, 5).codes)


def test_the_mean_of_a_short_group_is_over_its_own_elements() -> None:
    made = {"scheme": scheme({"op": "scale", "rule": "mean_abs"}), "per": "group"}
    how = plan(unit="integer-groups:both(size=8)", activations=made, weights=made)
    x = np.full((1, 10), 4, np.float32)
    scales = operands_of(product(x, normal(10, 1)), how).a(0, 1).unit_scale
    assert scales is not None
    assert np.array_equal(scales.view(np.float32)[0, 0], np.float32([4, 4]) / np.float32(127))


@pytest.mark.parametrize(("unit", "per"), [("int8-int32", "token"), ("integer-groups:both(size=16)", "group")])
def test_a_ratio_depends_on_its_own_scale_alone(unit: str, per: str) -> None:
    least = scheme({"op": "scale", "rule": "absmax", "at_least": 1e-3}, inverse="ratio")
    how = plan(unit=unit, activations={"scheme": least, "per": per})
    ways = scheme({"op": "scale", "rule": "absmax"}, inverse="reciprocal")
    other = plan(unit=unit, activations={"scheme": ways, "per": per})
    x = np.round(np.random.default_rng(3).uniform(-200, 200, (4000, 16)) * 2).astype(np.float32) / 2
    clamped = np.concatenate([x, np.full((1, 16), 1e-6, np.float32)])
    w = normal(16, 2)
    alone = operands_of(product(x, w), how).a(0, 4000).codes
    assert (alone != operands_of(product(x, w), other).a(0, 4000).codes).any()  # it makes a difference here
    together = operands_of(product(clamped, w), how).a
    assert np.array_equal(together(0, 4001).codes[:, :4000], alone)
    assert np.array_equal(together(0, 4000).codes, alone)


@pytest.mark.parametrize("activations", [np.float32(1), np.float32(1e-9)])
@pytest.mark.parametrize("fmt", ["float16", "float8_e4m3fn"])
def test_a_scale_that_vanishes_is_the_smallest_of_its_format(fmt: str, activations: np.float32) -> None:
    least = {"float16": 2.0**-24, "float8_e4m3fn": 2.0**-9}[fmt]
    x, w = normal(3, 8) * activations, np.eye(8, dtype=np.float32)
    of_step = plan(activations={"scheme": scheme({"op": "scale", "rule": "absmax", "format": fmt})})
    of_unit = plan(unit=f"integer-groups:weights(size=8,scale={fmt})")
    for how in (of_step, of_unit):
        source = operands_of(product(x, w), how).source
        assert source is not None
        assert source.scale >= least
        assert (source.scale == least) == (activations < 1e-3)
        assert np.array_equal(source.codes.view(np.int8), np.rint(x / source.scale).clip(-127, 127).astype(np.int8))


def test_free_groups_of_channels_are_in_the_scales_of_the_unit() -> None:
    groups = {"name": "of-a-test", "step": [{"op": "channel_groups", "groups": 3, "bounds": "best"}, ENCODE]}
    how = plan(
        unit="integer-groups:weights(size=8,scale=float8_e4m3fn)", weights={"scheme": groups, "per": "channel"}
    )  # fmt: skip
    made = operands_of(product(normal(3, 8), normal(8, 6) * 100), how).columns
    scale = made.scale
    assert np.array_equal(scale, how.unit.scale_b.format.decode(how.unit.scale_b.format.encode(scale)))  # type: ignore[union-attr]


@pytest.mark.parametrize("middle", [-5.0, 5.0])
def test_padding_beyond_a_free_zero_point_is_what_zero_becomes(middle: float) -> None:
    free = scheme(
        {"op": "scale", "rule": "minmax", "symmetric": False, "include_zero": False, "zero_point": "free"}
    )  # fmt: skip
    how = plan(unit=ZEROS, activations={"scheme": free})
    x = normal(1, 1, 4, 4) / 10 + np.float32(middle)
    w = np.ones((1, 1, 3, 3), np.float32)
    lowered = lower("Conv", (x, w), {"pads": [1, 1, 1, 1]}, constant=(False, True))
    scale = (x.max() - x.min()) / np.float32(255)
    zero = -np.rint(x.min() / scale)
    assert not 0 <= zero <= 255
    codes = np.clip(np.rint(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))) / scale) + zero, 0, 255)[0, 0]
    expected = [[(codes[i : i + 3, j : j + 3] - zero).sum() for j in range(4)] for i in range(4)]
    made = run(lowered, how).y[0, 0]
    assert np.array_equal(made, np.float32(expected) * np.float32(127) * (scale * (np.float32(1) / np.float32(127))))


@pytest.mark.parametrize("rounding", ["ties_to_even", "ties_to_negative", "toward_negative", "toward_positive"])
def test_padding_of_a_format_without_zero_is_rounded_as_zeros_are(rounding: str) -> None:
    unit = {"operands": {"a": "int4_odd", "b": "int8", "c": "float32", "d": "float32"}, "level": [{}]}
    how = plan(unit=unit, activations={"scheme": scheme({"op": "scale", "rule": "absmax"}, rounding=rounding)})
    x, w = normal(1, 1, 4, 4), normal(1, 1, 3, 3, seed=1)
    around = lower("Conv", (x, w), {"pads": [1, 1, 1, 1]}, constant=(False, True))
    inside = lower("Conv", (np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), w), {}, constant=(False, True))
    assert np.array_equal(run(around, how).y, run(inside, how).y)


@pytest.mark.parametrize(
    ("unit", "steps", "encode"),
    [
        (
            "integer-groups:weights(size=8,scale=float8_e4m3fn,a_zero=int32)",
            {"rule": "minmax", "symmetric": False}, {},
        ),
        ("int8-int32", {"rule": "mse", "candidates": 20}, {"rounding": "stochastic"}),
    ],
)  # fmt: skip
def test_calibration_with_the_tensor_at_hand_changes_nothing(unit: str, steps: Any, encode: Any) -> None:
    made = scheme({"op": "scale", **steps}, **encode)
    lowered = product(normal(9, 16) + 1, normal(16, 4, seed=1))
    dynamic, static = (
        plan(unit=unit, seed=5, activations={"scheme": made, "range": one}) for one in ("dynamic", "static")
    )
    y = run(lowered, static, static=static_of(lowered, static)).y
    assert np.array_equal(y, run(lowered, dynamic).y)


def test_channels_of_a_second_activation_are_along_k() -> None:
    scale = {"format": "float32", "block": 1}
    unit = {
        "operands": {"a": "int8", "b": "int8", "c": "float32", "d": "float32"},
        "scale": {"a": scale, "b": scale, "product": {"format": "float32"}},
        "level": [{"input": [{"format": "float32"}, {"multiply": "scale", "format": "float32"}]}],
    }
    x, y = normal(2, 5, 8), normal(2, 8, 4, seed=1)
    y[:, 3] *= 100
    lowered = product(x, y, weights=False)
    for when in ("dynamic", "static"):
        how = plan(unit=unit, activations={"scheme": "absmax", "per": "channel", "range": when})
        found = static_of(lowered, how)
        codes = operands_of(lowered, how, found).b
        expected = np.abs(y).max(axis=(0, 2)) / np.float32(127)
        assert codes.unit_scale is not None
        assert np.array_equal(codes.unit_scale.view(np.float32), np.broadcast_to(expected[:, None], (2, 8, 4)))
        assert np.array_equal(codes.codes.view(np.int8), np.rint(y / expected[:, None]).astype(np.int8))
    with pytest.raises(ValueError, match="no scale for every k at operand b"):
        run(lowered, plan(activations={"scheme": "absmax", "per": "channel"}))


def test_rows_with_scales_of_their_own_are_not_requantised() -> None:
    requantize = {"rule": "onnx", "format": "int8", "scheme": "absmax"}
    how = plan(activations={"scheme": "absmax", "per": "matrix"}, bias="c", epilogue={"requantize": requantize})
    x, w = normal(2, 3, 8), normal(8, 4)
    x[0] *= 100
    images = lower("Conv", (normal(2, 1, 4, 4), normal(2, 1, 3, 3)), {}, constant=(False, True))
    for lowered in (product(x, w), images):
        with pytest.raises(ValueError, match="is of rows"):
            run(lowered, how)
    y = run(product(x, normal(2, 8, 4), weights=False), how).y  # heads: one scale for every product
    exact = x.astype(np.float64) @ normal(2, 8, 4)
    assert np.abs(y - exact).max() < np.abs(exact).max() / 50


def test_a_convolution_as_wide_as_it_has_channels_is_no_matrix() -> None:
    group = {"scheme": "absmax", "per": "group"}
    smooth = [{"op": "smooth", "rule": "threshold"}]
    how = plan(unit="integer-groups:both(size=8)", activations=group, weights=group, transform=smooth)
    for width in (8, 5):
        x = normal(1, 8, 3, width) * 20
        with pytest.raises(ValueError, match="no values in the shape"):
            run(lower("Conv", (x, normal(4, 8, 1, 1)), {}, constant=(False, True)), how)


TRANSFORMS: list[dict[str, Any]] = [
    {"op": "shift"}, {"op": "smooth", "rule": "migration"}, {"op": "smooth", "rule": "threshold"},
    {"op": "noise", "seed": 1, "candidates": 3}, {"op": "permute"}, {"op": "rotate"},
    {"op": "split", "threshold": 1.0, "unit": "fp16-fma-chain"}, {"op": "bias_correction"}, {"op": "compensate"},
    {"op": "low_rank", "rank": 2, "unit": "fp16-fma-chain"}, {"op": "channel_clip"}, {"op": "search", "candidates": 3},
]  # fmt: skip


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda one: str(one["op"]))
@pytest.mark.parametrize(("m", "k", "n"), [(0, 4, 3), (3, 0, 2), (3, 4, 0), (0, 0, 0)])
def test_transforms_of_nothing(transform: dict[str, Any], m: int, k: int, n: int) -> None:
    made = run(product(normal(m, k), normal(k, n)), plan(transform=[transform]))
    assert np.array_equal(made.y, np.zeros((m, n), np.float32))


@pytest.mark.parametrize("per", ["tensor", "channel", "group"])
@pytest.mark.parametrize("step", ["scale", "gptq"])
@pytest.mark.parametrize(("m", "k", "n"), [(0, 6, 3), (3, 0, 2), (3, 6, 0)])
def test_weights_of_nothing(step: str, per: str, m: int, k: int, n: int) -> None:
    unit = 'integer-groups:both(size=4,b_zero={format="int32",block=4})'
    one = {"op": step, "rule": "minmax", "symmetric": False}
    steps = [one] if step == "gptq" else [one, ENCODE]
    how = plan(unit=unit, weights={"scheme": {"name": "of-a-test", "step": steps}, "per": per})
    assert np.array_equal(run(product(normal(m, k), normal(k, n)), how).y, np.zeros((m, n), np.float32))


GPTQ = {"name": "of-a-test", "step": [{"op": "gptq", "rule": "absmax", "range": "static"}]}


@pytest.mark.parametrize(
    ("transform", "refused"),
    [
        ({"op": "smooth", "rule": "migration"}, True),
        ({"op": "smooth", "rule": "migration", "range": "static"}, False),
        ({"op": "bias_correction"}, True),
        ({"op": "rotate"}, False),
        ({"op": "split", "threshold": 3.0, "unit": "fp16-fma-chain"}, False),
        ({"op": "split", "threshold": 3.0, "unit": "fp16-fma-chain", "weights_as": "quantised"}, True),
        ({"op": "noise", "seed": 1, "range": "static"}, True),
    ],
)
def test_what_changes_with_weights_of_calibration_is_of_calibration(transform: dict[str, Any], refused: bool) -> None:
    keys: dict[str, Any] = {"weights": {"scheme": GPTQ, "per": "channel"}, "transform": [transform]}
    if refused:
        with pytest.raises(SpecError, match=r"matrix\.transform\[0\]"):
            plan(**keys)
        return
    how = plan(**keys)
    x, w = normal(32, 8) * np.float32([30, 1, 1, 1, 1, 1, 1, 1]), normal(8, 6, seed=1)
    other = normal(16, 8, seed=2)
    y = run(product(other, w), how, static=static_of(product(x, w), how)).y
    exact = other.astype(np.float64) @ w
    assert np.abs(y - exact).max() < np.abs(exact).max() / 8


def test_nothing_static_is_in_a_second_product() -> None:
    second = {"op": "low_rank", "rank": 1, "unit": "int8-int32", "weights": {"scheme": GPTQ}}
    with pytest.raises(SpecError, match=r"matrix\.transform\[0\]\.weights\.scheme"):
        plan(transform=[second])


@pytest.mark.parametrize("tiles", [7, 64])
def test_tiles_change_no_group(tiles: int) -> None:
    made = scheme({"op": "scale", "rule": "percentile", "percentile": 90.0, "at_least": 0.01}, inverse="ratio")
    how = plan(unit="integer-groups:both(size=8)", activations={"scheme": made, "per": "group"})
    lowered = product(normal(50, 20), normal(20, 4, seed=1))
    assert np.array_equal(run(replace(lowered, tile_elements=tiles), how).y, run(lowered, how).y)
    assert prepare(lowered, how).lowered is lowered
