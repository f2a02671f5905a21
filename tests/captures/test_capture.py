"""What a capture holds, and that its replay gives the bits of the model's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors
import safetensors.numpy
from onnx import TensorProto, helper

import emu
from emu.captures import capture, load, open_capture
from emu.captures.header import KEY, Source
from emu.errors import ModelError
from emu.layers.plain import evaluate
from emu.replaying.driver import run
from emu.replaying.inputs import inputs_hash
from emu.replaying.session import LoadedModel
from tests.captures.conftest import small_net
from tests.replaying.small_models import integers, linear, model, save

ACCELERATORS = ["hopper-fp8-promoted", "bf16-fma-f32"]


def bits(x: np.ndarray) -> tuple[Any, ...]:
    return x.dtype, x.shape, x.tobytes()


@pytest.mark.parametrize("accelerator", ACCELERATORS)
@pytest.mark.parametrize("truth", ["float64", "float32"])
def test_replay_of_a_capture_has_the_bits_of_isolated_replay(path, x, stored, accelerator, truth):
    whole = run(path, x, accelerator, layers="*", truth=truth).layers
    alone = run(*open_capture(stored.path), accelerator, truth=truth).layers
    whole = [layer for layer in whole if layer.kind.value == "matrix"]
    assert [layer.name for layer in alone] == [layer.name for layer in whole]
    assert [layer.op for layer in alone] == ["Conv", "ConvTranspose", "Gemm", "MatMul", "MatMul", "MatMul", "Einsum"]
    for one, other in zip(alone, whole, strict=True):
        assert one.op == other.op and one.input_shapes == other.input_shapes
        assert bits(one.emulated) == bits(other.emulated), one.name
        assert bits(one.truth) == bits(other.truth), one.name
        assert one.events.counts.tolist() == other.events.counts.tolist()
        assert (one.activations, one.weights) == (other.activations, other.weights)


def test_tensors_are_those_of_the_reference_run(path, x, stored):
    names = ["x", "c1", "r1", "c2", "f", "g", "m", "mt", "y", "z", "v"]
    reference = LoadedModel(path).reference.run(x, names)
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    layers = load(stored.path)
    assert len(layers) == 7
    for layer in layers:
        for name, value, constant in zip(layer.operand_names, layer.operands, layer.constant, strict=True):
            assert constant == (name in constants)
            assert bits(value) == bits(constants[name] if constant else reference[name])
        assert bits(layer.output) == bits(reference[layer.output_name])


def test_what_a_layer_says(stored):
    layers = load(stored.path)
    gemm = layers["/net/gemm"]
    assert (gemm.op, gemm.domain, gemm.opset, gemm.name) == ("Gemm", "", 17, "/net/gemm")
    assert gemm.attributes == {"transB": 1, "alpha": np.float32(0.3), "beta": np.float32(1.7)}
    assert gemm.operand_names == ("f", "w3", "b3") and gemm.constant == (False, True, True)
    assert layers["/net/conv"].attributes == {"pads": [1, 1, 1, 1], "group": 2}
    assert layers["einsum"].attributes == {"equation": "ab,cb->ac"}
    assert layers["weights_first"].constant == (True, False)
    assert layers[5].name == "y", "a node without a name is called after its output"
    with pytest.raises(KeyError, match=r"no layer '/net/gem'; did you mean '/net/gemm'"):
        _ = layers["/net/gem"]


def test_every_layer_can_be_lowered_and_run(rng, tmp_path):
    path = save(small_net(rng, whole=True), tmp_path)
    stored = capture(path, {"x": integers(rng, 3, 2, 6, 6, top=1)}, tmp_path / "whole.safetensors")
    for layer in load(stored.path):
        assert np.array_equal(evaluate(layer.lower()), layer.output), layer.name
        assert layer.output.any()


def test_header_says_where_it_comes_from(path, x, stored):
    layers = load(stored.path)
    assert layers.source is Source.ONNX and layers.model == "model.onnx" and layers.emu == emu.__version__
    assert layers.model_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert layers.inputs_sha256 == inputs_hash(x)


def test_the_public_library_opens_it(stored):
    mine = {}
    for layer in load(stored.path):
        mine.update(zip(layer.operand_names, layer.operands, strict=True))
        mine[layer.output_name] = layer.output
    theirs = safetensors.numpy.load_file(stored.path)
    assert theirs.keys() == mine.keys()
    for name, value in theirs.items():
        assert bits(value) == bits(mine[name])
    with safetensors.safe_open(stored.path, "np") as file:
        header = json.loads(file.metadata()[KEY])
    assert header["container"] == 1
    assert [layer["name"] for layer in header["layers"]] == [layer.name for layer in stored.layers]


def test_shared_tensors_are_stored_once(stored):
    tensors = safetensors.numpy.load_file(stored.path)
    assert sorted(tensors) == sorted(["x", "w1", "b1", "c1", "r1", "w2", "c2", "f", "w3", "b3", "g", "w4", "m", "mt",
                                      "y", "z", "v"])  # fmt: skip
    assert stored.nbytes == stored.path.stat().st_size
    by_name = {layer.name: layer for layer in stored.layers}
    assert by_name["/net/gemm"].shapes == ((3, 288), (6, 288), (6,)) and by_name["/net/gemm"].output_shape == (3, 6)
    assert by_name["/net/gemm"].nbytes == 4 * (3 * 288 + 6 * 288 + 6 + 18)


def test_layers_glob_selects(path, x, tmp_path):
    out = tmp_path / "some.safetensors"
    assert [layer.name for layer in capture(path, x, out, layers="/net/*").layers] == ["/net/conv", "/net/gemm"]
    with pytest.raises(ModelError, match=r"no layer matches '/net/gem'.*did you mean '/net/gemm'"):
        capture(path, x, out, layers="/net/gem")


def test_too_large_is_refused_before_anything_is_written(path, x, stored, tmp_path):
    size = stored.nbytes
    out = tmp_path / "other.safetensors"
    with pytest.raises(ModelError, match=f"would have {size} bytes, and at most {size - 1} are allowed"):
        capture(path, x, out, limit=size - 1)
    assert not out.exists()
    assert capture(path, x, out, limit=size).nbytes == size
    assert out.read_bytes() == stored.path.read_bytes()


def test_a_failure_leaves_the_old_file(path, x, stored):
    before = stored.path.read_bytes()

    def stop(done: int, total: int, _: str) -> None:
        assert total == 7
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        capture(path, x, stored.path, progress=stop)
    assert stored.path.read_bytes() == before
    assert [p.name for p in stored.path.parent.iterdir() if p.suffix == ".tmp"] == []


def test_progress_names_every_layer(path, x, tmp_path):
    calls = []
    capture(path, x, tmp_path / "a.safetensors", progress=lambda *now: calls.append(now))
    assert [name for *_, name in calls[:-1]] == [layer.name for layer in load(tmp_path / "a.safetensors")]
    assert calls[-1] == (7, 7, "")


def test_half_precision(rng, tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "half")]
    proto = model(
        nodes, {"x": (TensorProto.FLOAT16, ["n", 8])}, {"y": (TensorProto.FLOAT16, 2)},
        {"w": rng.standard_normal((8, 4)).astype(np.float16)},
    )  # fmt: skip
    path, x = save(proto, tmp_path), {"x": rng.standard_normal((3, 8)).astype(np.float16)}
    made = capture(path, x, tmp_path / "half.safetensors")
    (layer,) = load(made.path)
    assert layer.output.dtype == np.float16
    (whole,), (alone,) = (run(*what, "bf16-fma-f32").layers for what in ((path, x), open_capture(made.path)))
    assert bits(whole.emulated) == bits(alone.emulated) and whole.output_format.name == alone.output_format.name


def test_layers_in_integers_are_left_out(rng, tmp_path):
    """A product of dequantised integers is not emulated in a replay, so it is not captured."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s"], ["q"], "q"),
        helper.make_node("DequantizeLinear", ["q", "s"], ["dq"], "dq"),
        helper.make_node("DequantizeLinear", ["w", "s"], ["dw"], "dw"),
        helper.make_node("MatMul", ["dq", "dw"], ["y"], "matmul"),
    ]
    constants = {"s": np.float32(0.5), "w": rng.integers(0, 9, (8, 4)).astype(np.uint8)}
    path = save(model(nodes, {"x": (TensorProto.FLOAT, ["n", 8])}, {"y": (TensorProto.FLOAT, 2)}, constants), tmp_path)
    with pytest.raises(ModelError, match="multiplies in integers only"):
        capture(path, {"x": integers(rng, 2, 8)}, tmp_path / "a.safetensors")


def test_a_moved_capture_is_the_same_model(stored, tmp_path):
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(stored.path.read_bytes())
    one, other = (run(*open_capture(p), "bf16-fma-f32") for p in (stored.path, moved))
    assert one.model_sha256 == other.model_sha256 and one.inputs_sha256 == other.inputs_sha256
    assert (one.model, other.model) == (stored.path, moved)


def test_another_weight_is_another_model(rng, tmp_path):
    found = set()
    for seed in (1, 2):
        path = save(linear(np.random.default_rng(seed)), tmp_path)
        made = capture(path, {"x": integers(rng, 2, 8)}, tmp_path / "a.safetensors")
        found.add(run(*open_capture(made.path), "bf16-fma-f32").model_sha256)
    assert len(found) == 2


def test_a_capture_has_its_own_suffix(path, x, tmp_path):
    with pytest.raises(ModelError, match=r"captures are \.safetensors files"):
        capture(path, x, tmp_path / "layers.onnx")


def test_a_place_that_cannot_be_written(path, x, tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        capture(path, x, tmp_path / "no" / "a.safetensors")


def test_an_output_that_is_also_an_operand_keeps_its_captured_value(stored):
    """`chained` reads what `/net/gemm` makes: it must read the reference's tensor, not the emulated one."""
    proto, inputs = open_capture(stored.path)
    assert {"g", "m", "mt", "x", "r1", "f"} == set(inputs)
    made = {node.name: node.output[0] for node in proto.graph.node}
    assert made["/net/gemm"] == "g'" and made["y"] == "y"
    assert Path(proto.graph.name) == stored.path
