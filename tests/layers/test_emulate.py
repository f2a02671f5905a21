"""What emulation adds to lowering: quantisation, scales, epilogue, tiles, counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import emu.layers.gemm as gemm
from emu.accelerators import LayerPlan, load_accelerator
from emu.formats import EventKind, load_format
from emu.layers.emulate import LayerOutput, emulate
from emu.layers.lowering import lower
from emu.layers.static import Static
from emu.schemes import Fixed, Target, load_scheme
from emu.schemes.cast import OutOfRange

RNG = np.random.default_rng(7)
FLOAT32_UNIT = {"name": "exact", "operands": {"a": "float32", "b": "float32", "d": "float32"}, "level": [{}]}


def plan(base: str = "int8-int32", **matrix: Any) -> LayerPlan:
    return load_accelerator({"extends": base, "matrix": matrix}).matrix


def exact_plan(**matrix: Any) -> LayerPlan:
    cast = {"scheme": "cast"}
    return load_accelerator({"matrix": {"unit": FLOAT32_UNIT, "activations": cast, "weights": cast, **matrix}}).matrix


def matmul(x: Any, w: Any, how: LayerPlan, constant: tuple[bool, bool] = (False, True), **keys: Any) -> LayerOutput:
    return emulate(lower("MatMul", (x, w), {}, constant=constant), how, **keys)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("base", ["hopper-fp8-promoted", "int8-sat16", "fp8-fp16acc"])
def test_tiles_change_no_bit_and_no_count(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    operands = (normal(3, 4, 7, 6), normal(6, 2, 3, 3), normal(6))
    lowered = lower("Conv", operands, {"group": 2, "pads": (1, 1, 1, 1)}, constant=(False, True))
    whole = emulate(lowered, plan(base))
    monkeypatch.setattr(gemm, "TILE_ELEMENTS", 500)
    assert len(list(lowered.tiles())) > 5
    tiled = emulate(lowered, plan(base))
    assert np.array_equal(tiled.y, whole.y)
    assert tiled.events == whole.events
    assert tiled.quantiser == whole.quantiser


@pytest.mark.parametrize("base", ["hopper-fp8-promoted", "int8-int32"])
def test_weights_enter_at_b_wherever_they_stand(base: str) -> None:
    x, w = normal(2, 5, 6), normal(7, 5)
    left = matmul(w, x, plan(base), constant=(True, False)).y
    right = matmul(np.swapaxes(x, -1, -2), w.T.copy(), plan(base)).y
    assert np.array_equal(left, np.swapaxes(right, -1, -2))


def test_second_activation_takes_the_activations_scheme() -> None:
    """Per token: one scale per row of A and per column of B; doubling one of them changes nothing but itself."""
    x, y = normal(4, 8), normal(8, 3)
    how = plan("hopper-fp8-promoted", output="float32")
    before = matmul(x, y, how, constant=(False, False)).y
    x[1] *= 1024
    y[:, 2] /= 4
    after = matmul(x, y, how, constant=(False, False)).y
    before[1] *= 1024
    before[:, 2] /= 4
    assert np.array_equal(after, before)


def test_scale_per_tensor_is_that_of_the_whole_tensor() -> None:
    """Of the batch too, and of elements that a strided convolution never reads."""
    x, w = normal(2, 1, 4, 4), normal(1, 1, 1, 1)
    x[1, 0, 3, 3] = 1e4
    how = plan("int8-int32")
    got = emulate(lower("Conv", (x, w), {"strides": (2, 2)}, constant=(False, True)), how).y
    scale = np.float32(1e4) / np.float32(127)
    codes = np.rint(x[:, :, ::2, ::2] / scale)
    s_w = np.abs(w).ravel()[0] / np.float32(127)
    want = (codes * np.rint(w / s_w)).astype(np.float32) * (scale * s_w)
    assert np.array_equal(got, want.astype(np.float32))


def test_padding_is_a_real_term() -> None:
    """The code of zero is multiplied like any other: an infinite weight over padding makes NaN."""
    x, w = np.ones((1, 1, 2), np.float32), np.array([[[np.inf, 1.0]]], np.float32)
    output = emulate(lower("Conv", (x, w), {"pads": (1, 0)}, constant=(False, True)), exact_plan())
    assert np.isnan(output.y[0, 0, 0])
    assert output.y[0, 0, 1] == np.inf
    assert output.events is not None
    assert output.events.total(EventKind.NAN_MADE) == 1


def test_gemm_epilogue() -> None:
    """t = s_a s_b alpha, y = fl(fl(d t) + fl(beta C)), each step rounded once to float32."""
    a, b, c = normal(3, 9), normal(9, 4), normal(3, 4)
    how = plan("int8-int32")
    got = emulate(lower("Gemm", (a, b, c), {"alpha": 0.3, "beta": 1.7}, constant=(False, True)), how).y
    absmax, int8 = load_scheme("absmax"), load_format("int8")
    qa = absmax.quantise(a, Target(format=int8))
    qb = absmax.quantise(b, Target(format=int8, axes=(0,)))
    d = (int8.decode(qa.codes) @ int8.decode(qb.codes)).astype(np.float32)
    t = (qa.scale * qb.scale) * np.float32(0.3)
    assert np.array_equal(got, d * t + np.float32(1.7) * c)


@pytest.mark.parametrize("placement", ["epilogue", "c"])
def test_alpha_and_a_bias_in_the_accumulator(placement: str) -> None:
    """Both placements give the same where everything is exact: c is divided by what the result is multiplied by."""
    a, b, c = (RNG.integers(-4, 5, shape).astype(np.float32) for shape in ((3, 9), (9, 4), (1, 4)))
    unit = {**FLOAT32_UNIT, "operands": dict.fromkeys("abcd", "float32")}
    how = exact_plan(unit=unit, bias=placement)
    lowered = lower("Gemm", (a, b, c), {"alpha": 0.5, "beta": 2.0}, constant=(False, True))
    assert np.array_equal(emulate(lowered, how).y, 0.5 * (a @ b) + 2.0 * c)


def test_static_scale_is_used_and_clips() -> None:
    x, w = np.array([[1.0, 2.0, 400.0]], np.float32), np.eye(3, dtype=np.float32)
    static = np.asarray(1.0, np.float32)
    output = matmul(x, w, plan("int8-int32"), static=Static(a=Fixed(scale=static)))
    assert output.quantiser.saturated == 1
    assert np.array_equal(
        output.y, np.float32(127) * (np.array([[1, 2, 127]], np.float32) * (np.float32(1) / np.float32(127)))
    )


def test_scales_are_values_of_the_units_scale_format() -> None:
    """Codes are made with the scale that the unit will apply, so a coarse scale format costs no bias."""
    unit = {
        "name": "coarse-scales",
        "operands": {"a": "int8", "b": "int8", "d": "float32"},
        "scale": {side: {"format": "e5m2", "block": 16} for side in "ab"},
        "level": [{"length": 16}, {"input": {"multiply": "scale"}}],
    }
    how = plan("int8-int32", unit=unit, activations={"scheme": "absmax", "per": "token"})
    x, w = normal(4, 40), normal(40, 3)
    e5m2 = load_format("e5m2")
    s_x = e5m2.decode(e5m2.encode(np.abs(x).max(1, keepdims=True) / np.float32(127))).astype(np.float32)
    s_w = e5m2.decode(e5m2.encode(np.abs(w).max(0, keepdims=True) / np.float32(127))).astype(np.float32)
    qx, qw = (np.clip(np.rint(v / s), -127, 127).astype(np.float64) for v, s in ((x, s_x), (w, s_w)))
    want = (qx @ qw * (s_x * s_w)).astype(np.float32)
    assert np.array_equal(matmul(x, w, how).y, want)


def test_output_cast_counts_what_it_clamps() -> None:
    x, w = np.array([[3e38], [1.0]], np.float32), np.array([[1.0]], np.float32)
    clamped = matmul(x, w, exact_plan(output={"format": "float16", "overflow": "saturate"}))
    assert clamped.output == OutOfRange(saturated=1)
    assert clamped.y.ravel().tolist() == [65504.0, 1.0]
    assert matmul(x, w, exact_plan(output="float16")).y[0, 0] == np.inf


def test_stochastic_units_draw_by_output_element(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = normal(5, 30), normal(30, 4)
    how = plan("bf16-fma-f32", unit="dlfloat16-sr", seed=3)
    first = matmul(x, w, how).y
    monkeypatch.setattr(gemm, "TILE_ELEMENTS", 8)
    assert np.array_equal(matmul(x, w, how).y, first)
    assert not np.array_equal(matmul(x, w, plan("bf16-fma-f32", unit="dlfloat16-sr", seed=4)).y, first)


def test_empty_products() -> None:
    assert matmul(normal(0, 4), normal(4, 3), plan()).y.shape == (0, 3)
    empty_k = matmul(normal(2, 0), normal(0, 3), plan()).y
    assert np.array_equal(empty_k, np.zeros((2, 3), np.float32))
    assert not np.signbit(empty_k).any()


def test_events_are_optional() -> None:
    assert matmul(normal(2, 3), normal(3, 2), plan(), events=False).events is None


SUBNORMALS = {
    "name": "daz",
    "operands": {
        "a": {"format": "float16", "daz": "signed"}, "b": {"format": "float16", "daz": "positive"},
        "c": {"format": "float16", "daz": "signed"}, "d": "float32",
    },
    "level": [{}],
}  # fmt: skip


@pytest.mark.parametrize("tile", [1 << 22, 60])
def test_flushed_operands_are_counted_once_each(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the source and in B, however often a convolution's rows or the tiles read them; in c per output element."""
    monkeypatch.setattr(gemm, "TILE_ELEMENTS", tile)
    x, w, bias = np.ones((2, 2, 5, 5)), np.ones((4, 1, 3, 3)), np.ones(4)
    x[0, 0, 2, 2:4] = -(2.0**-20)
    w[1, 0, :, 1] = 2.0**-24
    bias[3] = 2.0**-15
    operands = tuple(array.astype(np.float32) for array in (x, w, bias))
    lowered = lower("Conv", operands, {"group": 2, "pads": (1, 1, 1, 1)}, constant=(False, True))
    events = emulate(lowered, exact_plan(unit=SUBNORMALS, bias="c")).events
    assert events is not None
    assert events.of("operand") == {"flushed_in": 2 + 3 + 2 * 25}


def test_tiles_change_no_event_of_operands_and_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = {
        "name": "loads",
        "operands": {
            "a": {"format": "float32", "load": {"format": "e8m10"}}, "b": {"format": "float32", "daz": "signed"},
            "d": "float32",
        },
        "scale": {**{side: {"format": "e5m2", "block": 4} for side in "ab"}, "product": {"format": "e4m1"}},
        "level": [{"length": 4}, {"input": {"multiply": "scale"}}],
    }  # fmt: skip
    how = exact_plan(unit=unit)
    x, w = normal(9, 10), normal(10, 3)
    w[2] = 2.0**-140
    whole = matmul(x, w, how).events
    monkeypatch.setattr(gemm, "TILE_ELEMENTS", 20)
    assert matmul(x, w, how).events == whole
    assert whole is not None
    assert whole.of("operand")["flushed_in"] == 3


def test_output_named_float32_is_cast_all_the_same() -> None:
    """Only the built-in format with its own overflow is what the epilogue computes in."""
    x, w = np.array([[3e38], [1.1]], np.float32), np.array([[10.0]], np.float32)
    clamped = matmul(x, w, exact_plan(output={"format": "float32", "overflow": "saturate"}))
    assert clamped.y[0, 0] == np.finfo(np.float32).max
    assert clamped.output == OutOfRange(saturated=1)
    other = {"format": {"name": "float32", "exp_bits": 5, "man_bits": 2}}
    assert matmul(x, w, exact_plan(output=other)).y.ravel().tolist() == [np.inf, 12.0]


def test_output_that_becomes_infinite_is_not_saturated() -> None:
    x, w = np.array([[3e38], [-1e6], [np.inf], [1.0]], np.float32), np.array([[1.0]], np.float32)
    assert matmul(x, w, exact_plan(output="float16")).output == OutOfRange(overflowed=2)
    assert matmul(x, w, exact_plan(output="float8_e4m3fn")).output == OutOfRange(overflowed=3), "NaN for infinity too"
    toward_zero = {"format": "float16", "rounding": "toward_zero"}
    assert matmul(x, w, exact_plan(output=toward_zero)).output == OutOfRange(saturated=2), "rounded inward"


@pytest.mark.parametrize("op", ["MatMul", "Conv"])
def test_no_rows_at_all(op: str) -> None:
    operands = (normal(0, 4), normal(4, 3)) if op == "MatMul" else (normal(0, 2, 5), normal(3, 2, 2))
    output = emulate(lower(op, operands, {}, constant=(False, True)), plan())
    assert output.y.size == 0
    assert output.events is not None
    assert list(output.events.table()) == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("c", [np.inf, np.nan])
def test_gemm_does_not_read_c_if_beta_is_zero(c: float) -> None:
    a, b = np.ones((2, 3), np.float32), np.ones((3, 4), np.float32)
    for placement in ("epilogue", "c"):
        how = exact_plan(unit={**FLOAT32_UNIT, "operands": dict.fromkeys("abcd", "float32")}, bias=placement)
        lowered = lower("Gemm", (a, b, np.array([c], np.float32)), {"beta": 0.0}, constant=(False, True))
        assert np.array_equal(emulate(lowered, how).y, np.full((2, 4), 3, np.float32))


@pytest.mark.filterwarnings("error")
def test_a_bias_that_overflows_is_infinite() -> None:
    a, b = np.ones((1, 1), np.float32), np.ones((1, 1), np.float32)
    lowered = lower("Gemm", (a, b, np.array([3e38], np.float32)), {"beta": 4.0}, constant=(False, True))
    assert emulate(lowered, exact_plan()).y.item() == np.inf
