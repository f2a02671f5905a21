"""Models and inputs are untrusted: what reaches outside the model's folder, asks for memory or turns in circles is one
line of error, found before work starts. tests/replaying/test_bad_input.py has the everyday cases.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from emu.errors import ModelError
from emu.replaying.driver import run
from tests.replaying import small_models
from tests.replaying.small_models import FLOAT, INT64, model, save, with_external_data

X = {"x": np.ones((2, 8), np.float32)}
WEIGHTS = np.arange(32, dtype=np.float32).reshape(8, 4)
IO = ({"x": (FLOAT, [2, 8])}, {"y": (FLOAT, 2)})


def refused(path: Path, *parts: str, inputs: dict[str, Any] = X) -> None:
    """One line that says what and where, and soon."""
    start = time.process_time()
    with pytest.raises(ModelError) as caught:
        run(path, inputs, "int8-int32")
    assert time.process_time() - start < 20
    text = str(caught.value)
    assert "\n" not in text
    for part in parts:
        assert part in text, text


def external(tensor: Any, location: str) -> Any:
    """The tensor, its data said to be in a file."""
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def in_an_attribute(location: str) -> Any:
    tensor = external(numpy_helper.from_array(WEIGHTS, "inner"), location)
    nodes = [helper.make_node("Constant", [], ["w"], value=tensor), helper.make_node("MatMul", ["x", "w"], ["y"])]
    return model(nodes, *IO)


def in_a_branch(location: str) -> Any:
    proto = small_models.branch(np.random.default_rng(1))
    body = proto.graph.node[1].attribute[0].g
    body.initializer.append(external(numpy_helper.from_array(WEIGHTS, "inner"), location))
    return proto


def in_a_function(location: str) -> Any:
    tensor = external(numpy_helper.from_array(WEIGHTS, "inner"), location)
    inner = [helper.make_node("Constant", [], ["w"], value=tensor), helper.make_node("MatMul", ["a", "w"], ["b"])]
    opset = [helper.make_opsetid("", 17)]
    proto = model([helper.make_node("F", ["x"], ["y"], domain="own")], *IO, domains={"own": 1})
    proto.functions.append(helper.make_function("own", "F", ["a"], ["b"], inner, opset))
    return proto


def in_a_functions_default(location: str) -> Any:
    tensor = external(numpy_helper.from_array(WEIGHTS, "inner"), location)
    constant = helper.make_node("Constant", [], ["w"])
    constant.attribute.add(name="value", ref_attr_name="table", type=onnx.AttributeProto.TENSOR)
    inner = [constant, helper.make_node("MatMul", ["a", "w"], ["b"])]
    function = helper.make_function(
        "own", "F", ["a"], ["b"], inner, [helper.make_opsetid("", 17)],
        attribute_protos=[helper.make_attribute("table", tensor)],
    )  # fmt: skip
    proto = model([helper.make_node("F", ["x"], ["y"], domain="own")], *IO, domains={"own": 1})
    proto.functions.append(function)
    return proto


def in_a_sparse_attribute(location: str) -> Any:
    values = external(helper.make_tensor("inner", FLOAT, [1], [1.0]), location)
    sparse = helper.make_sparse_tensor(values, helper.make_tensor("at", INT64, [1], [0]), [8, 4])
    nodes = [
        helper.make_node("Constant", [], ["w"], sparse_value=sparse),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    return model(nodes, *IO)


def in_an_initialiser(location: str) -> Any:
    return with_external_data(small_models.linear(np.random.default_rng(1)), "w", location)


PLACES = [in_an_initialiser, in_an_attribute, in_a_branch, in_a_function, in_a_functions_default, in_a_sparse_attribute]


def given(place: Callable[[str], Any]) -> dict[str, Any]:
    return X | ({"flag": np.array(True)} if place is in_a_branch else {})


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "location", ["../secret.bin", "inside/../../secret.bin", "ABSOLUTE", "link.bin", "folder/secret.bin"]
)
def test_external_data_outside_the_folder(place: Callable[[str], Any], location: str, tmp_path: Path) -> None:
    """By name, by `..`, by a link to a file, by a link to a folder: wherever in the model the tensor stands."""
    secret, folder = tmp_path / "secret.bin", tmp_path / "model"
    secret.write_bytes(WEIGHTS.tobytes())
    (folder / "inside").mkdir(parents=True)
    (folder / "link.bin").symlink_to(secret)
    (folder / "folder").symlink_to(tmp_path)
    path = save(place(str(secret) if location == "ABSOLUTE" else location), folder)
    refused(path, "tensor 'w'" if place is in_an_initialiser else "tensor 'inner'", "folder", inputs=given(place))


@pytest.mark.parametrize("place", PLACES)
def test_no_file_of_the_current_folder_is_read(
    place: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The location is looked for beside the model, not where emu was started."""
    here, folder = tmp_path / "here", tmp_path / "model"
    here.mkdir()
    folder.mkdir()
    (here / "data.bin").write_bytes(WEIGHTS.tobytes())
    monkeypatch.chdir(here)
    refused(save(place("data.bin"), folder), "no file 'data.bin' in the model's folder", inputs=given(place))


@pytest.mark.parametrize("place", PLACES)
def test_external_data_inside_the_folder_is_taken(place: Callable[[str], Any], tmp_path: Path) -> None:
    """The same models, the file where it may be: the product is that of the weights in it."""
    (tmp_path / "data.bin").write_bytes(WEIGHTS.tobytes() if place is not in_a_sparse_attribute else bytes(4))
    path = save(place("data.bin"), tmp_path)
    if place is in_a_sparse_attribute:
        refused(path, "node 'w': sparse constants are not supported")
    elif place is in_a_functions_default:
        refused(path, "'Constant' cannot be run")  # ONNX's inliner leaves the default out
    elif place is in_a_branch:
        run(path, given(place), "int8-int32")
    else:
        (layer,) = run(path, X, "int8-int32").layers
        assert np.array_equal(layer.truth, X["x"].astype(np.float64) @ WEIGHTS)


@pytest.mark.parametrize("kind", ["circle", "pipe", "folder", "device"])
def test_external_data_that_is_no_file(kind: str, tmp_path: Path) -> None:
    """Nothing is waited for, and nothing endless read."""
    at = tmp_path / "data.bin"
    if kind == "circle":
        at.symlink_to(tmp_path / "other.bin")
        (tmp_path / "other.bin").symlink_to(at)
    elif kind == "pipe":
        os.mkfifo(at)
    elif kind == "folder":
        at.mkdir()
    else:
        at.symlink_to("/dev/zero")
    refused(save(in_an_initialiser("data.bin"), tmp_path), "tensor 'w'")


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "circle"])
def test_a_model_or_an_input_that_is_no_file(kind: str, tmp_path: Path) -> None:
    at = tmp_path / "thing"
    if kind == "pipe":
        os.mkfifo(at)
    elif kind == "folder":
        at.mkdir()
    else:
        at.symlink_to("/dev/zero" if kind == "device" else at)
    refused(at, "thing")
    path = save(small_models.linear(np.random.default_rng(1)), tmp_path)
    with pytest.raises(ModelError) as caught:
        run(path, at, "int8-int32")
    assert "\n" not in str(caught.value)


HUGE = 1 << 40
CHILD = """
import resource, sys
from emu.errors import ModelError
from emu.replaying.driver import run
import numpy as np, onnxruntime, onnx
import emu.layers.emulate, emu.units
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        run(path, {"x": np.ones((2, 8), np.float32)}, "int8-int32")
    except ModelError as error:
        print(error)
    else:
        print("taken:", path)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used)
"""


def huge_dimensions() -> Any:
    proto = small_models.linear(np.random.default_rng(1))
    proto.graph.initializer[0].dims[:] = [HUGE, HUGE]
    return proto


def huge_external() -> Any:
    proto = in_an_initialiser("data.bin")
    proto.graph.initializer[0].dims[:] = [HUGE, 4]
    return proto


def huge_expand() -> Any:
    nodes = [helper.make_node("Expand", ["one", "shape"], ["w"]), helper.make_node("MatMul", ["x", "w"], ["y"])]
    return model(nodes, *IO, {"one": np.ones(1, np.float32), "shape": np.array([8, HUGE])})


def huge_range() -> Any:
    nodes = [
        helper.make_node("Range", ["from", "to", "step"], ["r"]),
        helper.make_node("ReduceSum", ["r"], ["s"], keepdims=0),
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Add", ["m", "s"], ["y"]),
    ]
    numbers = {"from": np.float32(0), "to": np.float32(HUGE), "step": np.float32(1)}
    return model(nodes, *IO, {"w": WEIGHTS} | {name: np.array(x) for name, x in numbers.items()})


def huge_padding() -> Any:
    nodes = [helper.make_node("Pad", ["w", "pads"], ["v"]), helper.make_node("MatMul", ["x", "v"], ["y"])]
    return model(nodes, *IO, {"w": WEIGHTS, "pads": np.array([0, 0, 0, HUGE])})


def negative_dimensions() -> Any:
    proto = small_models.linear(np.random.default_rng(1))
    proto.graph.initializer[0].dims[:] = [-8, -4]
    return proto


def wrapping_dimensions() -> Any:
    """Whose product is 32 modulo 2^64."""
    proto = small_models.linear(np.random.default_rng(1))
    proto.graph.initializer[0].dims[:] = [1 << 62, 4, 32]
    return proto


HUGE_MODELS: dict[str, tuple[Callable[[], Any], str]] = {
    "dimensions": (huge_dimensions, "Tensor dimension product overflow"),
    "external": (huge_external, "tensor 'w': external data: bytes 0 to 17592186044416"),
    "expand": (huge_expand, "operator 'Expand' makes a constant of"),
    "range": (huge_range, "operator 'Range' makes a constant of"),
    "padding": (huge_padding, "operator 'Pad' makes a constant of"),
    "negative": (negative_dimensions, "Negative dimension value"),
    "wrapping": (wrapping_dimensions, "Tensor dimension product overflow"),
}


def test_huge_tensors_are_refused_before_they_are_made(tmp_path: Path) -> None:
    """A few bytes that claim terabytes: refused in one line each, in a process that may not have more than it needs."""
    with (tmp_path / "data.bin").open("wb") as file:
        file.truncate(1 << 36)  # takes no room on disk
    paths = [save(build(), tmp_path, f"{name}.onnx") for name, (build, _) in HUGE_MODELS.items()]
    done = subprocess.run(
        [sys.executable, "-P", "-c", CHILD, *map(str, paths)], capture_output=True, text=True, timeout=120, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 33)),
    )  # fmt: skip
    *said, more = done.stdout.splitlines()
    for line, path, (_, reason) in zip(said, paths, HUGE_MODELS.values(), strict=True):
        assert line.startswith(f"{path}: ")
        assert reason in line
    assert int(more) < 200_000  # KiB


def test_nodes_in_a_circle(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    nodes.append(helper.make_node("MatMul", ["b", "w"], ["y"]))
    refused(save(model(nodes, *IO, {"w": WEIGHTS}), tmp_path), "is no valid ONNX model")


def test_a_name_that_is_made_twice(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Neg", ["x"], ["a"])]
    nodes.append(helper.make_node("MatMul", ["a", "w"], ["y"]))
    refused(save(model(nodes, *IO, {"w": WEIGHTS}), tmp_path), "is no valid ONNX model")


@pytest.mark.parametrize("length", [1, 2, 3])
def test_functions_that_call_each_other_in_a_circle(length: int, tmp_path: Path) -> None:
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    proto = model(
        [helper.make_node("F0", ["x"], ["h"], domain="own"), helper.make_node("MatMul", ["h", "w"], ["y"])],
        *IO, {"w": WEIGHTS}, domains={"own": 1},
    )  # fmt: skip
    for i in range(length):
        inner = [helper.make_node(f"F{(i + 1) % length}", ["a"], ["b"], domain="own")]
        proto.functions.append(helper.make_function("own", f"F{i}", ["a"], ["b"], inner, opset))
    refused(save(proto, tmp_path))


def nested(depth: int, op: str) -> Any:
    """An If in an If in an If …, or Loops."""
    float_out = [helper.make_tensor_value_info("out", FLOAT, None)]
    body = helper.make_graph([helper.make_node("Relu", ["x"], ["out"])], "body", [], float_out)
    for i in range(depth):
        if op == "If":
            other = helper.make_graph(
                [helper.make_node("Neg", ["x"], [f"e{i}"])], f"else{i}", [],
                [helper.make_tensor_value_info(f"e{i}", FLOAT, None)],
            )  # fmt: skip
            node = helper.make_node("If", ["flag"], [f"t{i}"], then_branch=body, else_branch=other)
            inputs = []
            outputs = [helper.make_tensor_value_info(f"t{i}", FLOAT, None)]
        else:
            node = helper.make_node("Loop", ["count", ""], [f"t{i}"], body=looped(body, i))
            inputs, outputs = [], [helper.make_tensor_value_info(f"t{i}", FLOAT, None)]
        body = helper.make_graph([node], f"body{i}", inputs, outputs)
    return body


def looped(body: Any, i: int) -> Any:
    """A graph as the body of a Loop that collects what it makes."""
    made = helper.make_graph(list(body.node), body.name, [], [])
    made.node.append(helper.make_node("Identity", ["flag"], [f"go{i}"]))
    made.input.extend([
        helper.make_tensor_value_info(f"n{i}", INT64, []), helper.make_tensor_value_info(f"c{i}", TensorProto.BOOL, []),
    ])  # fmt: skip
    made.output.extend([helper.make_tensor_value_info(f"go{i}", TensorProto.BOOL, []), body.output[0]])
    return made


@pytest.mark.parametrize("op", ["If", "Loop"])
@pytest.mark.parametrize("depth", [3, 12, 500])
def test_bodies_in_bodies(op: str, depth: int, tmp_path: Path) -> None:
    """As deep as protobuf reads they run; deeper ones are refused, and no recursion is exhausted on the way."""
    inner = nested(min(depth, 12), op)
    nodes = [*inner.node, helper.make_node("Identity", [inner.output[0].name], ["z"])]
    nodes.append(helper.make_node("MatMul", ["x", "w"], ["y"], "linear"))
    inputs = {"x": (FLOAT, [2, 8]), "flag": (TensorProto.BOOL, []), "count": (INT64, [])}
    proto = model(nodes, inputs, {"y": (FLOAT, 2), "z": (FLOAT, 2 + (depth if op == "Loop" else 0))}, {"w": WEIGHTS})
    path = save(proto, tmp_path)
    values = X | {"flag": np.array(True), "count": np.array(1)}
    if depth == 500:
        path.write_bytes(deeper(path.read_bytes()))
        refused(path, inputs=values)
        return
    result = run(path, values, "int8-int32", mode="propagated")
    assert [layer.name for layer in result.layers] == ["linear"]


def deeper(content: bytes) -> bytes:
    """The model with a node whose body has a node whose body …, five hundred deep: protobuf messages by hand."""

    def field(number: int, value: bytes) -> bytes:
        size, out = len(value), bytearray([number << 3 | 2])
        while size > 127:
            out.append(size & 127 | 128)
            size >>= 7
        return bytes(out) + bytes([size]) + value

    graph = field(2, b"innermost")
    for _ in range(500):
        attribute = field(1, b"body") + field(6, graph)
        graph = field(1, field(1, b"x") + field(2, b"z") + field(4, b"Scan") + field(5, attribute)) + field(2, b"g")
    return content + field(7, graph)
