"""What cannot be run is refused before work starts, in one line that names what and where."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from emu.errors import EmuError, ModelError, SpecError
from emu.replaying.driver import run
from emu.replaying.limits import Limits

from . import small_models
from .small_models import FLOAT, integers, save, with_external_data

WEIGHT_BYTES = 8 * 4 * 4
"""The weights of `small_models.linear`."""


def refused(call: Callable[[], object], *parts: str, kind: type[EmuError] = ModelError) -> None:
    """The call fails with one line that holds all the parts."""
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    for part in parts:
        assert part in text, text


@pytest.fixture
def linear(rng: np.random.Generator, tmp_path: Path) -> Path:
    return save(small_models.linear(rng), tmp_path)


@pytest.fixture
def x(rng: np.random.Generator) -> dict[str, Any]:
    return {"x": integers(rng, 2, 8)}


def test_no_model(tmp_path: Path, x: dict[str, Any]) -> None:
    refused(lambda: run(tmp_path / "none.onnx", x, "int8-int32"), "none.onnx: no such model file")


def test_every_truncation_is_refused(linear: Path, x: dict[str, Any]) -> None:
    content = linear.read_bytes()
    for length in range(0, len(content) - 1, 7):
        linear.write_bytes(content[:length])
        with pytest.raises(ModelError) as caught:
            run(linear, x, "int8-int32")
        assert "\n" not in str(caught.value)
    linear.write_bytes(content[: len(content) // 2])
    refused(lambda: run(linear, x, "int8-int32"), "is no ONNX model, or a truncated one")


def test_not_a_model(tmp_path: Path, x: dict[str, Any]) -> None:
    (tmp_path / "text.onnx").write_text("not a model at all")
    refused(lambda: run(tmp_path / "text.onnx", x, "int8-int32"), "text.onnx: is no ONNX model, or a truncated one")


def test_model_too_large(linear: Path, x: dict[str, Any]) -> None:
    refused(lambda: run(linear, x, "int8-int32", limits=Limits(model=100)), "a model file has at most 100")


@pytest.mark.parametrize("location", ["../w.bin", "/etc/hostname", "a/../../w.bin", "C:\\w.bin", "..\\w.bin", ""])
def test_external_data_outside_the_folder(
    rng: np.random.Generator, tmp_path: Path, x: dict[str, Any], location: str
) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(WEIGHT_BYTES))
    folder = tmp_path / "model"
    folder.mkdir()
    path = save(with_external_data(small_models.linear(rng), "w", location), folder)
    refused(lambda: run(path, x, "int8-int32"), "tensor 'w': external data", "not a relative path inside")


def test_external_data_behind_a_symbolic_link(rng: np.random.Generator, tmp_path: Path, x: dict[str, Any]) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(WEIGHT_BYTES))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w.bin").symlink_to(tmp_path / "w.bin")
    path = save(with_external_data(small_models.linear(rng), "w", "w.bin"), folder)
    refused(lambda: run(path, x, "int8-int32"), "tensor 'w'", "'w.bin' leads out of the model's folder")


@pytest.mark.parametrize(
    ("size", "keys", "message"),
    [
        (WEIGHT_BYTES - 4, {}, "of a file that has 124"),
        (WEIGHT_BYTES, {"offset": 4}, "bytes 4 to 132 of a file that has 128"),
        (WEIGHT_BYTES, {"length": 64}, "length 64, and its type and shape need 128"),
        (WEIGHT_BYTES, {"offset": -128}, "bytes -128 to 0"),
    ],
)
def test_external_data_of_the_wrong_size(
    rng: np.random.Generator, tmp_path: Path, x: dict[str, Any], size: int, keys: dict[str, int], message: str
) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(size))
    path = save(with_external_data(small_models.linear(rng), "w", "w.bin", **keys), tmp_path)
    refused(lambda: run(path, x, "int8-int32"), "tensor 'w': external data", message)


def test_external_data_too_large_or_missing(rng: np.random.Generator, tmp_path: Path, x: dict[str, Any]) -> None:
    path = save(with_external_data(small_models.linear(rng), "w", "w.bin"), tmp_path)
    refused(lambda: run(path, x, "int8-int32"), "no file 'w.bin' in the model's folder")
    (tmp_path / "w.bin").write_bytes(bytes(WEIGHT_BYTES))
    refused(lambda: run(path, x, "int8-int32", limits=Limits(external=100)), "more external data than is allowed")


def test_external_data_inside_the_folder_is_read(rng: np.random.Generator, tmp_path: Path, x: dict[str, Any]) -> None:
    proto = small_models.linear(rng)
    inside = save(proto, tmp_path, "inside.onnx")
    (tmp_path / "w.bin").write_bytes(b"head" + proto.graph.initializer[0].raw_data)
    outside = save(with_external_data(proto, "w", "w.bin", offset=4, length=WEIGHT_BYTES), tmp_path, "outside.onnx")
    one, other = run(inside, x, "int8-int32"), run(outside, x, "int8-int32")
    assert np.array_equal(one.layers[0].emulated, other.layers[0].emulated)
    assert one.model_sha256 != other.model_sha256


def test_unknown_operator(tmp_path: Path, x: dict[str, Any]) -> None:
    proto = small_models.model(
        [helper.make_node("MatMull", ["x", "x"], ["y"], "typo")], {"x": (FLOAT, [2, 2])}, {"y": (FLOAT, 2)}
    )
    refused(lambda: run(save(proto, tmp_path), x, "int8-int32"), "node 'typo'", "unknown operator 'MatMull'")


def test_operator_that_the_engine_cannot_run(rng: np.random.Generator, tmp_path: Path, x: dict[str, Any]) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], "linear"),
        helper.make_node("Fancy", ["m"], ["y"], "", domain="com.example"),
    ]
    proto = small_models.model(
        nodes, {"x": (FLOAT, ["n", 8])}, {"y": (FLOAT, 2)}, {"w": integers(rng, 8, 4)}, domains={"com.example": 1}
    )
    refused(lambda: run(save(proto, tmp_path), x, "int8-int32"), "node 'y'", "operator 'Fancy' cannot be run")


def test_kernel_that_the_engine_lacks(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "x"], ["m"], "linear"),
        helper.make_node("Cast", ["m"], ["b"], "cast", to=TensorProto.BFLOAT16),
        helper.make_node("Softmax", ["b"], ["y"], "softmax"),
    ]
    proto = small_models.model(nodes, {"x": (FLOAT, [2, 2])}, {"y": (TensorProto.BFLOAT16, 2)})
    given = {"x": np.zeros((2, 2), np.float32)}
    refused(lambda: run(save(proto, tmp_path), given, "int8-int32"), "node 'softmax'", "'Softmax' cannot be run")


def test_opset_out_of_range(rng: np.random.Generator, tmp_path: Path, x: dict[str, Any]) -> None:
    proto = small_models.linear(rng)
    proto.opset_import[0].version = 999
    refused(lambda: run(save(proto, tmp_path), x, "int8-int32"), "opset 999, and opsets 7 to")


def test_model_without_layers(tmp_path: Path) -> None:
    proto = small_models.model([helper.make_node("Relu", ["x"], ["y"])], {"x": (FLOAT, [2])}, {"y": (FLOAT, 1)})
    given = {"x": np.zeros(2, np.float32)}
    refused(
        lambda: run(save(proto, tmp_path), given, "int8-int32"), "no float MatMul, Gemm, Conv, ConvTranspose or Einsum"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "input 'x' of model.onnx is missing; given: none"),
        ({"X": np.zeros((2, 8), np.float32)}, "input 'x' of model.onnx is missing; given: X; is 'X' meant for it?"),
        ({"x": np.zeros((2, 8))}, "input 'x' is float64, and the graph wants float32"),
        ({"x": np.zeros((2, 9), np.float32)}, "input 'x' has shape [2, 9], and the graph wants [n, 8], n = 2"),
        ({"x": np.zeros(8, np.float32)}, "input 'x' has shape [8], and the graph wants [n, 8]"),
    ],
)
def test_wrong_inputs(linear: Path, given: dict[str, Any], message: str) -> None:
    refused(lambda: run(linear, given, "int8-int32"), message)


def test_symbolic_axes_have_one_size(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["a", "b"], ["y"])]
    proto = small_models.model(nodes, {"a": (FLOAT, ["n", "k"]), "b": (FLOAT, ["k", "m"])}, {"y": (FLOAT, 2)})
    given = {"a": np.zeros((2, 3), np.float32), "b": np.zeros((4, 5), np.float32)}
    refused(lambda: run(save(proto, tmp_path), given, "int8-int32"), "'b' has shape [4, 5]", "[k, m], k = 3")


def test_input_files(linear: Path, tmp_path: Path) -> None:
    refused(lambda: run(linear, tmp_path / "none.npz", "int8-int32"), "none.npz: no such input file")
    (tmp_path / "text.npz").write_text("no archive")
    refused(lambda: run(linear, tmp_path / "text.npz", "int8-int32"), "text.npz: is no .npz file of plain arrays")
    np.savez(tmp_path / "pickled.npz", x=np.array([{"a": 1}], dtype=object))
    refused(lambda: run(linear, tmp_path / "pickled.npz", "int8-int32"), "pickled.npz: is no .npz file of plain arrays")


def test_input_files_that_python_cannot_unpack(linear: Path, tmp_path: Path) -> None:
    """Encrypted, compressed by an unknown method, damaged."""
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=np.ones((2, 8), np.float32))
    whole = path.read_bytes()
    central = whole.index(b"PK\x01\x02")
    patches = {
        "encrypted": ((6, 1), (central + 8, 1)),
        "method": ((8, 99), (central + 10, 99)),
        "damaged": ((30 + 5 + int.from_bytes(whole[28:30], "little"), 255),),
    }
    for what, changes in patches.items():
        content = bytearray(whole)
        for offset, value in changes:
            content[offset] = value
        path.write_bytes(content)
        refused(lambda: run(linear, path, "int8-int32"), "x.npz: is no .npz file of plain arrays"), what


def test_input_header_that_claims_more_than_there_is(linear: Path, tmp_path: Path) -> None:
    """Else it would be allocated before it is found to be missing."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }"
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    with zipfile.ZipFile(tmp_path / "lie.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))
    refused(
        lambda: run(linear, tmp_path / "lie.npz", "int8-int32"),
        "lie.npz: the header of x.npy claims 4000000000000 bytes, and the archive holds ",
    )


def test_input_file_that_unpacks_to_too_much(linear: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(1 << 20))
    limits = Limits(inputs=1 << 16)
    refused(
        lambda: run(linear, tmp_path / "bomb.npz", "int8-int32", limits=limits), "bytes unpacked, and at most 65536"
    )


def test_nan_in_a_format_without_nan(linear: Path, x: dict[str, Any]) -> None:
    x["x"][1, 3] = np.nan
    for mode in ("isolated", "propagated"):
        refused(
            lambda mode=mode: run(linear, x, "int8-int32", mode=mode),
            "layer 'linear': tensor 'x' holds NaN",
            "has none",
        )
    assert np.isnan(run(linear, x, "hopper-fp8").layers[0].emulated[1]).all(), "float8_e4m3fn has NaN"


def test_nan_that_the_model_makes_is_found_before_work_starts(rng: np.random.Generator, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], "first"),
        helper.make_node("Log", ["m"], ["l"], "log"),
        helper.make_node("MatMul", ["l", "v"], ["y"], "second"),
    ]
    constants = {"w": -np.ones((8, 4), np.float32), "v": integers(rng, 4, 2)}
    path = save(small_models.model(nodes, {"x": (FLOAT, ["n", 8])}, {"y": (FLOAT, 2)}, constants), tmp_path)
    started: list[str] = []
    given = {"x": np.ones((2, 8), np.float32)}
    refused(
        lambda: run(path, given, "int8-int32", progress=lambda _done, _all, name: started.append(name)),
        "layer 'second': tensor 'l' holds NaN",
    )
    assert started == []


def test_nan_weights(tmp_path: Path, x: dict[str, Any]) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "linear")]
    weights = np.full((8, 4), np.nan, np.float32)
    path = save(small_models.model(nodes, {"x": (FLOAT, ["n", 8])}, {"y": (FLOAT, 2)}, {"w": weights}), tmp_path)
    refused(lambda: run(path, x, "int8-int32"), "layer 'linear': tensor 'w' holds NaN")


def test_unknown_accelerator(linear: Path, x: dict[str, Any]) -> None:
    refused(lambda: run(linear, x, "int8-int23"), "'int8-int23'", "did you mean 'int8-int32'?", kind=SpecError)


def test_unknown_backend(linear: Path, x: dict[str, Any]) -> None:
    refused(lambda: run(linear, x, "int8-int32", backend="fortran"), "unknown backend", "reference", kind=SpecError)


def test_a_sum_that_the_unit_cannot_take(linear: Path, x: dict[str, Any]) -> None:
    """An instruction whose c and d differ in format cannot be chained over K = 8."""
    short = {"unit": "nvidia-volta:mma.sync.m8n8k4.f32.f16.f16.f16"}
    volta = {"extends": "bf16-fma-f32", "matrix": short}
    refused(lambda: run(linear, x, volta), "layer 'linear': K = 8 needs a chain of nvidia-volta")


def test_a_range_check_that_fails(linear: Path, x: dict[str, Any]) -> None:
    level = [{"result": {"format": "int8", "overflow": "raise"}}]
    unit = {"operands": {"a": "int8", "b": "int8", "d": "int8"}, "level": level}
    refused(lambda: run(linear, x, {"extends": "int8-int32", "matrix": {"unit": unit}}), "layer 'linear': ")


def test_sparse_weights(rng: np.random.Generator, tmp_path: Path, x: dict[str, Any]) -> None:
    proto = small_models.linear(rng)
    values = helper.make_tensor("s", FLOAT, [1], [1.0])
    indices = helper.make_tensor("s_indices", TensorProto.INT64, [1], [0])
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    refused(lambda: run(save(proto, tmp_path), x, "int8-int32"), "sparse initialisers are not supported")


def test_fallback_error_refuses_hidden_layers(rng: np.random.Generator, tmp_path: Path) -> None:
    strict = {"extends": "int8-int32", "name": "strict", "fallback": {"ops": "error"}}
    lstm = save(small_models.lstm(rng), tmp_path, "lstm.onnx")
    given = {"x": integers(rng, 300, 1, 4)}
    refused(lambda: run(lstm, given, strict), "node 'lstm': operator 'LSTM' would fall back", "accelerator strict")
    inside = save(small_models.branch(rng), tmp_path, "branch.onnx")
    given = {"x": integers(rng, 2, 8), "flag": np.array(True)}
    refused(lambda: run(inside, given, strict), "node 'else_matmul': operator 'MatMul' would fall back")


def test_fallback_error_refuses_vector_operators_that_no_vector_unit_has(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], "linear"),
        helper.make_node("Atan", ["m"], ["y"], "atan"),
    ]
    proto = small_models.model(nodes, {"x": (FLOAT, ["n", 8])}, {"y": (FLOAT, 2)}, {"w": integers(rng, 8, 4)})
    path, given = save(proto, tmp_path), {"x": integers(rng, 2, 8)}
    strict = {"extends": "int8-int32", "fallback": {"ops": "error"}}
    assert len(run(path, given, strict).layers) == 1
    stated = {**strict, "vector": {"format": "bfloat16"}}
    refused(lambda: run(path, given, stated), "node 'atan': operator 'Atan' would fall back", "(vector)")


def test_checker_message_is_one_line(rng: np.random.Generator, tmp_path: Path, x: dict[str, Any]) -> None:
    proto = small_models.linear(rng)
    proto.graph.node[0].input[1] = "nowhere"
    refused(lambda: run(save(proto, tmp_path), x, "int8-int32"), "is no valid ONNX model", "nowhere")
    assert isinstance(proto, onnx.ModelProto)
