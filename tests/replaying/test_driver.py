"""Replay of small models: both modes, both truths, selection, calibration, callbacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from emu.errors import ModelError, SpecError
from emu.replaying import FallbackReason, LayerRun, Mode, Truth
from emu.replaying.driver import run

from . import small_models
from .small_models import FLOAT, integers, save

EXACT = {
    "name": "exact",
    "matrix": {
        "unit": {
            "name": "exact-f32",
            "operands": {"a": "float32", "b": "float32", "d": "float32"},
            "level": [{}],
        },
        "activations": {"scheme": "cast"},
        "weights": {"scheme": "cast"},
    },
}
"""An exact sum rounded once to float32: where float32 is exact itself, it is what any engine computes."""


@pytest.fixture
def path(rng: np.random.Generator, tmp_path: Path) -> Path:
    return save(small_models.every_operator(rng), tmp_path)


@pytest.fixture
def x(rng: np.random.Generator) -> dict[str, Any]:
    return {"x": integers(rng, 3, 2, 6, 6)}


def engine(path: Path, inputs: dict[str, Any]) -> Any:
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, inputs)[0]


@pytest.mark.parametrize("truth", ["float64", "float32"])
@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_exact_unit_is_the_truth(path: Path, x: dict[str, Any], mode: str, truth: str) -> None:
    result = run(path, x, EXACT, mode=mode, truth=truth)
    assert [layer.name for layer in result.layers] == ["conv", "depthwise", "gemm", "linear", "y"]
    assert [layer.op for layer in result.layers] == ["Conv", "Conv", "Gemm", "MatMul", "MatMul"]
    for layer in result.layers:
        assert layer.truth.dtype == np.float64
        assert layer.emulated.dtype == np.float32
        assert np.array_equal(layer.truth, layer.emulated), layer.name
    assert result.mode is Mode(mode)
    assert result.truth is Truth(truth)


def test_propagated_outputs_are_the_engines(path: Path, x: dict[str, Any]) -> None:
    result = run(path, x, EXACT, mode="propagated")
    pair = result.outputs["y"]
    assert np.array_equal(pair.emulated, engine(path, x))
    assert np.array_equal(pair.emulated, pair.truth)
    assert pair.truth.dtype == np.float64


def test_isolated_has_no_outputs(path: Path, x: dict[str, Any]) -> None:
    assert run(path, x, EXACT).outputs == {}


def test_what_a_layer_says(path: Path, x: dict[str, Any]) -> None:
    conv, depthwise, gemm, linear, attention = run(path, x, "int8-int32").layers
    assert (conv.k, conv.macs) == (18, 3 * 4 * 36 * 18)
    assert (depthwise.k, depthwise.macs) == (9, 3 * 4 * 9 * 9)
    assert conv.input_shapes == ((3, 2, 6, 6), (4, 2, 3, 3))
    assert conv.output_shape == (3, 4, 6, 6) == conv.emulated.shape == conv.truth.shape
    assert gemm.input_shapes == ((3, 36), (6, 36))
    assert linear.weights == "absmax per channel"
    assert attention.weights == attention.activations == "absmax per tensor, dynamic"
    assert conv.unit_name == "int8-int32"
    assert conv.output_format.name == "float32"
    assert conv.seconds > 0


def test_errors_propagate_only_in_propagated_mode(path: Path, x: dict[str, Any]) -> None:
    """The second layer's inputs differ between the modes, the first one's do not."""
    isolated = run(path, x, "int6-sat16").layers
    propagated = run(path, x, "int6-sat16", mode="propagated").layers
    assert np.array_equal(isolated[0].emulated, propagated[0].emulated)
    assert not np.array_equal(isolated[-1].emulated, propagated[-1].emulated)
    for one, other in zip(isolated, propagated, strict=True):
        assert np.array_equal(one.truth, other.truth), one.name


@pytest.mark.parametrize("backend", ["reference", "c"])
def test_backends_agree(rng: np.random.Generator, tmp_path: Path, backend: str) -> None:
    path, x = save(small_models.linear(rng), tmp_path), {"x": integers(rng, 2, 8)}
    want = run(path, x, "hopper-fp8-promoted").layers[0]
    got = run(path, x, "hopper-fp8-promoted", backend=backend).layers[0]
    assert np.array_equal(got.emulated, want.emulated)
    assert got.events == want.events


def test_layers_glob_selects(path: Path, x: dict[str, Any]) -> None:
    result = run(path, x, EXACT, layers="*onv*")
    assert [layer.name for layer in result.layers] == ["conv"]
    left_out = [entry.node for entry in result.fallback if entry.reason is FallbackReason.NOT_SELECTED]
    assert left_out == ["depthwise", "gemm", "linear", "y"]


def test_layers_glob_without_a_match_lists_the_layers(path: Path, x: dict[str, Any]) -> None:
    message = r"no layer matches 'lineer'; the layers are: conv, .*; did you mean 'linear'\?"
    with pytest.raises(ModelError, match=message):
        run(path, x, EXACT, layers="lineer")


def test_callbacks_and_keep(path: Path, x: dict[str, Any]) -> None:
    steps: list[tuple[int, int, str]] = []
    seen: list[LayerRun] = []
    result = run(path, x, EXACT, progress=lambda *step: steps.append(step), on_layer=seen.append, keep=False)
    assert [layer.name for layer in seen] == ["conv", "depthwise", "gemm", "linear", "y"]
    assert result.layers == ()
    assert steps == [(0, 5, "conv"), (1, 5, "depthwise"), (2, 5, "gemm"), (3, 5, "linear"), (4, 5, "y"), (5, 5, "")]


def test_inputs_from_a_file_with_labels_beside_them(path: Path, x: dict[str, Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", labels=np.arange(3), **x)
    from_file, direct = run(path, tmp_path / "x.npz", EXACT), run(path, x, EXACT)
    assert from_file.inputs_sha256 == direct.inputs_sha256
    assert np.array_equal(from_file.layers[-1].emulated, direct.layers[-1].emulated)


def test_static_range(path: Path, x: dict[str, Any], rng: np.random.Generator) -> None:
    static = {
        "extends": "int8-int32",
        "matrix": {"activations": {"scheme": "absmax", "per": "tensor", "range": "static"}},
    }
    with pytest.raises(ModelError, match="layer 'conv' has a static range: calibration inputs are needed"):
        run(path, x, static)
    result = run(path, x, static, calibration=x)
    assert result.calibration["conv/a"] == np.abs(x["x"]).max() / np.float32(127)
    assert set(result.calibration) == {"conv/a", "depthwise/a", "gemm/a", "linear/a", "y/a", "y/b"}
    dynamic = run(path, x, "int8-int32")
    for one, other in zip(result.layers, dynamic.layers, strict=True):
        assert np.array_equal(one.emulated, other.emulated), "calibrated on the same inputs"
    small = {"x": integers(rng, 3, 2, 6, 6) / 4}
    clipped = run(path, x, static, calibration=small)
    assert clipped.layers[0].quantiser_saturated > 0
    assert dynamic.layers[0].quantiser_saturated == 0


def test_rules_choose_by_layer_name(path: Path, x: dict[str, Any]) -> None:
    mixed = {"extends": "int8-int32", "rule": [{"match": {"layer": "gem*"}, "unit": "int8-sat16"}]}
    units = {layer.name: layer.unit_name for layer in run(path, x, mixed).layers}
    assert units == dict.fromkeys(("conv", "depthwise", "linear", "y"), "int8-int32") | {"gemm": "int8-sat16"}


def test_half_precision_tensors(rng: np.random.Generator, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], "cast", to=TensorProto.FLOAT16),
        helper.make_node("MatMul", ["h", "w"], ["m"], "half"),
        helper.make_node("Cast", ["m"], ["y"], "back", to=TensorProto.FLOAT),
    ]
    weights = integers(rng, 8, 4).astype(np.float16)
    path = save(small_models.model(nodes, {"x": (FLOAT, ["n", 8])}, {"y": (FLOAT, 2)}, {"w": weights}), tmp_path)
    result = run(path, {"x": integers(rng, 2, 8)}, EXACT, mode="propagated")
    assert np.array_equal(result.outputs["y"].emulated, result.outputs["y"].truth)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_half_precision_layer_is_recorded_as_the_model_stores_it(tmp_path: Path, mode: str) -> None:
    """What is beyond float16 is an infinity for the next node, so it is one in the record, and counted."""
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("MatMul", ["h", "w"], ["m"], "half"),
        helper.make_node("Cast", ["m"], ["y"], to=TensorProto.FLOAT),
    ]
    weights = {"w": np.array([[1, 60000], [2.0**-11, 60000]], np.float16)}
    path = save(small_models.model(nodes, {"x": (FLOAT, ["n", 2])}, {"y": (FLOAT, 2)}, weights), tmp_path)
    result = run(path, {"x": np.array([[1, 1]], np.float32)}, EXACT, mode=mode)
    layer = result.layers[0]
    assert layer.emulated.tolist() == [[1, np.inf]], "1 + 2^-11 is a tie in float16"
    assert (layer.output_overflowed, layer.output_saturated) == (1, 0)
    assert layer.output_format.name == "float16"
    if mode == "propagated":
        assert np.array_equal(result.outputs["y"].emulated, layer.emulated)


def test_clamped_and_infinite_operands_are_counted_apart(path: Path, x: dict[str, Any]) -> None:
    x["x"][0, 0, 0, 0] = 1e6

    def counts(overflow: str) -> tuple[int, int]:
        steps = {"step": [{"op": "encode", "rounding": "rne", "overflow": overflow}]}
        matrix = {"unit": "fp8-e4m3-fp16acc", "activations": {"scheme": steps}, "weights": {"scheme": steps}}
        first = run(path, x, {"matrix": matrix}).layers[0]
        return first.quantiser_saturated, first.quantiser_overflowed

    assert counts("saturate") == (1, 0)
    assert counts("infinity") == (0, 1)


def test_integer_and_double_products_fall_back(rng: np.random.Generator, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], "float"),
        helper.make_node("Cast", ["m"], ["d"], "to_double", to=TensorProto.DOUBLE),
        helper.make_node("MatMul", ["d", "v"], ["y"], "double"),
        helper.make_node("Cast", ["m"], ["i"], "to_int", to=TensorProto.INT32),
        helper.make_node("MatMul", ["i", "u"], ["z"], "integer"),
    ]
    constants = {
        "w": integers(rng, 8, 4),
        "v": integers(rng, 4, 3).astype(np.float64),
        "u": integers(rng, 4, 3).astype(np.int32),
    }
    proto = small_models.model(
        nodes, {"x": (FLOAT, ["n", 8])}, {"y": (TensorProto.DOUBLE, 2), "z": (TensorProto.INT32, 2)}, constants
    )
    result = run(save(proto, tmp_path), {"x": integers(rng, 2, 8)}, EXACT, mode="propagated")
    assert [layer.name for layer in result.layers] == ["float"]
    wrong_type = [entry.node for entry in result.fallback if entry.reason is FallbackReason.UNSUPPORTED_TYPE]
    assert wrong_type == ["double", "integer"]
    assert result.outputs["z"].emulated.dtype == np.int32
    for pair in result.outputs.values():
        assert np.array_equal(pair.emulated, pair.truth)


@pytest.mark.parametrize("keyword", ["mode", "truth"])
def test_unknown_words(path: Path, x: dict[str, Any], keyword: str) -> None:
    with pytest.raises(SpecError, match=f"unknown {keyword}.*'none'.*Allowed: "):
        run(path, x, EXACT, **{keyword: "none"})
