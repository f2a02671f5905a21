"""A capture from anyone: whatever is in the file, it is a layer or one line of ModelError, in little memory."""

from __future__ import annotations

import json
import struct
import tracemalloc
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import emu.safetensors
from emu.captures import capture, load, open_capture
from emu.captures.header import KEY
from emu.errors import ModelError
from emu.replaying.driver import run
from emu.replaying.limits import Limits
from emu.safetensors import SafetensorsFile, SafetensorsWriter, read_safetensors
from tests.captures.conftest import small_net
from tests.replaying.small_models import save

FUZZ = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> tuple[dict[str, Any], bytes]:
    """The header and the tensors of a capture."""
    folder, rng = tmp_path_factory.mktemp("sound"), np.random.default_rng(7)
    path = save(small_net(rng), folder)
    stored = capture(path, {"x": rng.standard_normal((3, 2, 6, 6)).astype(np.float32)}, folder / "a.safetensors")
    content = stored.path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def packed(header: Any, body: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def refused(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load(path)
    return one_line(caught.value)


def one_line(error: ModelError) -> str:
    text = str(error)
    assert text and "\n" not in text
    return text


def test_the_unchanged_file_is_taken(sound, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(packed(*sound))
    assert len(load(path)) == 7


def changed(sound, **tensors: Any) -> bytes:
    header = deepcopy(sound[0])
    for name, entry in tensors.items():
        header[name].update(entry)
    return packed(header, sound[1])


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"shape": [6, 7]}, "144 bytes for shape [6, 7]"),
        ({"shape": [-6, -6]}, "shape [-6, -6]"),
        ({"shape": [1 << 62, 1 << 62, 0]}, "shape"),
        ({"shape": [1] * 40 + [36]}, "41 axes, and at most 32"),
        ({"shape": 36}, ""),
        ({"shape": [6.0, 6.0]}, ""),
        ({"shape": [10**400]}, ""),
        ({"dtype": "F99"}, "unknown type F99"),
        ({"dtype": "F64"}, "144 bytes for shape [6, 6] of float64"),
        ({"dtype": None}, ""),
        ({"dtype": ["F32"]}, ""),
        ({"data_offsets": [0, 144]}, "bytes are taken"),
        ({"data_offsets": [-144, 0]}, "bytes -144 to 0"),
        ({"data_offsets": [1 << 40, (1 << 40) + 144]}, "bytes are taken"),
        ({"data_offsets": [144, 0]}, "bytes 144 to 0"),
        ({"data_offsets": [0]}, "data_offsets a list of two"),
        ({"more": 1}, ""),
        ({"more": "text"}, "needs dtype, shape and data_offsets"),
    ],
)
def test_a_tensor_that_is_not_as_it_says(sound, tmp_path, entry, reason):
    assert reason in refused(tmp_path, changed(sound, w4=entry))


def test_holes_and_rests_are_refused(sound, tmp_path):
    header, body = sound
    assert "follow the header" in refused(tmp_path, packed(header, body + b"\0"))
    assert "follow the header" in refused(tmp_path, packed(header, body[:-1]))
    moved = deepcopy(header)
    for name, entry in moved.items():
        if name != "__metadata__":
            entry["data_offsets"] = [at + 8 for at in entry["data_offsets"]]
    assert "begins at byte 8, and 0 bytes are taken" in refused(tmp_path, packed(moved, bytes(8) + body))


def test_lengths_of_the_header(sound, tmp_path):
    good = packed(*sound)
    for length in (0, 1, len(good), 1 << 63, (1 << 64) - 1, emu.safetensors.MAX_HEADER + 1):
        assert "is no safetensors file" in refused(tmp_path, struct.pack("<Q", length) + good[8:])
    for size in (0, 7, 8, 9):
        assert "is no safetensors file" in refused(tmp_path, good[:size])


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 1_000_000, b'{"a":' * 1_000_000, b"[]", b'"a"', b"null", b"{", b'{"a":{"dtype":"F32"}}', b"\xff\xfe{}",
        b'{"\xff":{}}', b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[' + b"0," * 300_000 + b'0],"data_offsets":[0,0]}}',
        b'{"__metadata__":{"a":[1]}}', b'{"__metadata__":[]}', b'{"a":' + b"9" * 5000 + b"}",
    ],
    ids=range(14),
)  # fmt: skip
def test_headers_that_are_none(tmp_path, text):
    tracemalloc.start()
    try:
        assert "is no" in refused(tmp_path, packed(text, b""))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * len(text) + (1 << 20)


def test_a_key_that_is_there_twice(sound, tmp_path):
    header, body = sound
    text = json.dumps(header).encode()
    double = text[:-1] + b',"w4":' + json.dumps(header["w4"]).encode() + b"}"
    assert "the key 'w4' stands there twice" in refused(tmp_path, packed(double, body))
    inner = deepcopy(header)
    inner["__metadata__"][KEY] = inner["__metadata__"][KEY].replace('"op":', '"op":"Gemm","op":', 1)
    assert "the key 'op' stands there twice" in refused(tmp_path, packed(inner, body))


def with_capture(sound, change) -> bytes:
    """The file with its captured layers' text changed."""
    header = deepcopy(sound[0])
    what = json.loads(header["__metadata__"][KEY])
    made = change(what)
    header["__metadata__"][KEY] = made if isinstance(made, str) else json.dumps(what)
    return packed(header, sound[1])


def _layer(number: int, **keys: Any):
    return lambda what: what["layers"][number].update(keys)


def _attribute(number: int, **attributes: Any):
    return lambda what: what["layers"][number]["attributes"].update(attributes)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda what: what.update(container=2), "its layout is version 2, and this emu reads version 1"),
        (lambda what: what.pop("container"), "container"),
        (lambda what: what.update(more=1), "more"),
        (lambda _: "[" * 100_000, "is no capture"),
        (lambda _: "", "is no capture"),
        (lambda what: what.update(layers=[]), "it has no layers"),
        (lambda what: what.update(constants=["nothing"]), "'nothing' is among the constants"),
        (lambda what: what["constants"].append("c1"), "'c1' is among the constants"),
        (lambda what: what["constants"].append("f"), "'/net/gemm': all its operands are weights"),
        (lambda what: what.update(opsets={}), "no opset is given"),
        (lambda what: what.update(opsets={"": 1 << 70}), "opsets"),
        (lambda what: what.update(opsets={"": 3}), "opset 3"),
        (lambda what: what["layers"].pop(), "belongs to no layer"),
        (_layer(1, name="/net/conv"), "a name of its own"),
        (_layer(1, name=""), "a name of its own"),
        (_layer(1, op="Loop"), "'up': Loop of 2 operands is not lowered"),
        (_layer(1, op="Einsum"), "'up': Einsum of 2 operands is not lowered"),
        (_layer(1, domain="custom"), "no opset is given for its domain 'custom'"),
        (_layer(2, operands=["", "w3", "b3"]), ""),
        (_layer(2, operands=["f"]), ""),
        (_layer(2, operands=["f", "w3", "b3", "b3"]), "input"),
        (_layer(2, operands=["nothing", "w3", "b3"]), "tensor 'nothing' is missing"),
        (_layer(2, output="g2"), "tensor 'g2' is missing"),
        (_layer(2, operands=["f", "w3", "c1"]), ""),
        (_attribute(2, transB={"kind": "int", "value": 0}), "'/net/gemm'"),
        (_attribute(2, transB={"kind": "int", "value": 1 << 63}), "is no value of type int"),
        (_attribute(2, transB={"kind": "int", "value": 1.5}), "is no value of type int"),
        (_attribute(2, transB={"kind": "ints", "value": [1]}), "'/net/gemm : transB'"),
        (_attribute(2, alpha={"kind": "float", "value": 1e39}), "is no value of type float"),
        (_attribute(2, alpha={"kind": "tensor", "value": "w3"}), ""),
        (_attribute(2, other={"kind": "int", "value": 1}), "other"),
        (_attribute(0, group={"kind": "int", "value": 0}), "'/net/conv'"),
        (_attribute(0, strides={"kind": "ints", "value": [1 << 62, 1 << 62]}), "'/net/conv'"),
        (_attribute(0, pads={"kind": "ints", "value": [1 << 40] * 4}), "'/net/conv'"),
        (_attribute(0, pads={"kind": "ints", "value": [-9] * 4}), "'/net/conv'"),
        (_attribute(0, pads={"kind": "ints", "value": ["a"] * 4}), "is no value of type ints"),
        (_attribute(0, auto_pad={"kind": "string", "value": "MOST"}), "'/net/conv'"),
        (_attribute(1, output_shape={"kind": "ints", "value": [1 << 40, 1 << 40]}), "'up'"),
        (_attribute(1, output_padding={"kind": "ints", "value": [1 << 40] * 2}), "'up'"),
    ],
)
def test_layers_that_make_no_sense(sound, tmp_path, change, reason):
    assert reason in refused(tmp_path, with_capture(sound, change))


def test_strange_names_are_names(sound, tmp_path):
    """Slashes, dots, line ends, quotes, any script: nothing is a path, and nothing is run."""
    for number, strange in enumerate(["../../etc/passwd", "a\n\"b'", "层/0", " ", "__proto__", "{}%s", "\u0000"]):
        path = tmp_path / f"{number}.safetensors"
        text = json.dumps(sound[0]).replace('"w4"', json.dumps(strange))
        header = json.loads(text)
        header["__metadata__"][KEY] = header["__metadata__"][KEY].replace('"w4"', json.dumps(strange))
        header["__metadata__"][KEY] = header["__metadata__"][KEY].replace('"chained"', json.dumps(strange))
        path.write_bytes(packed(header, sound[1]))
        assert load(path)[strange].operand_names[1] == strange
        assert len(run(*open_capture(path), "bf16-fma-f32").layers) == 7


def test_limits_are_kept(sound, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(packed(*sound))
    with pytest.raises(ModelError, match="bytes of weights, and at most 100 are allowed"):
        load(path, Limits(model=100))
    with pytest.raises(ModelError, match="bytes of activations, and at most 100 are allowed"):
        load(path, Limits(inputs=100))


def test_a_large_sparse_file_takes_no_memory(tmp_path):
    """A header that tells the truth about 1 TiB of nothing."""
    size = 1 << 40
    path = tmp_path / "a.safetensors"
    text = json.dumps({"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + size)
    with pytest.raises(ModelError, match="holds tensors, and no captured layers"):
        load(path)
    assert SafetensorsFile(path).slots["a"].shape == (size,)


@cache
def _flips(size: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    return st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, 255)), min_size=1, max_size=4)


@FUZZ
@given(data=st.data())
def test_flipped_bytes_are_refused_or_give_layers(sound, tmp_path, data):
    """Bytes of the header, in which everything stands that could lead astray; what is taken can be run."""
    content = bytearray(packed(*sound))
    for at, byte in data.draw(_flips(len(content) - len(sound[1]))):
        content[at] = byte
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    try:
        layers = load(path)
        model, inputs = open_capture(path)
    except ModelError as error:
        one_line(error)
    else:
        assert len(model.graph.node) == len(layers) and inputs
        for layer in layers:
            layer.lower()


@FUZZ
@given(st.data())
def test_cut_and_grown_files_are_refused(sound, tmp_path, data):
    content = packed(*sound)
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    refused(tmp_path, cut)
    refused(tmp_path, content + data.draw(st.binary(min_size=1, max_size=9)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 1 << 70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@FUZZ
@given(data=st.data())
def test_any_json_in_any_place_is_refused_or_taken(sound, tmp_path, data):
    header = deepcopy(sound[0])
    if data.draw(st.booleans()):
        target = what = json.loads(header["__metadata__"][KEY])
    else:
        target, what = header, None
    for _ in range(data.draw(st.integers(0, 4))):
        keys = list(target) if isinstance(target, dict) else range(len(target))
        inner = target[data.draw(st.sampled_from(list(keys)))] if keys else None
        if not isinstance(inner, dict | list) or not inner:
            break
        target = inner
    keys = list(target) if isinstance(target, dict) else list(range(len(target)))
    target[data.draw(st.sampled_from(keys))] = data.draw(JSON)
    if what is not None:
        header["__metadata__"][KEY] = json.dumps(what)
    path = tmp_path / "a.safetensors"
    path.write_bytes(packed(header, sound[1]))
    try:
        layers = load(path)
    except ModelError as error:
        one_line(error)
    else:
        assert all(layer.lower().output_shape == layer.output.shape for layer in layers)


DTYPES = st.sampled_from([np.dtype(kind) for kind in emu.safetensors.TYPES.values()])


@FUZZ
@given(
    tensors=st.dictionaries(
        st.text(max_size=8).filter(lambda name: name != "__metadata__"),
        st.tuples(DTYPES, st.lists(st.integers(0, 3), max_size=4)), max_size=6,
    ),
    metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3), seed=st.integers(0, 99),
)  # fmt: skip
def test_what_is_written_is_read_again(tmp_path, tensors, metadata, seed):
    """Every type, any shape, empty ones and those without axes; the public library agrees."""
    import safetensors

    rng = np.random.default_rng(seed)
    values = {}
    for name, (dtype, shape) in tensors.items():
        size = int(np.prod(shape, dtype=int)) * dtype.itemsize
        raw = rng.integers(0, 2 if dtype == np.bool_ else 256, size, np.uint8)
        values[name] = raw.view(dtype).reshape(shape)
    path = tmp_path / "any.safetensors"
    writer = SafetensorsWriter({name: (x.dtype, x.shape) for name, x in values.items()}, metadata)
    with writer.writing(path) as file:
        for name, x in values.items():
            file.put(name, x)
    assert path.stat().st_size == writer.size
    found = read_safetensors(path)
    assert SafetensorsFile(path).metadata == metadata
    for name, x in values.items():
        y = found[name]
        assert (y.dtype, y.shape, y.tobytes()) == (x.dtype, x.shape, x.tobytes())
    theirs = dict(safetensors.deserialize(path.read_bytes()))
    for name, x in values.items():
        assert bytes(theirs[name]["data"]) == x.tobytes() and theirs[name]["shape"] == list(x.shape)


def test_a_writer_keeps_to_what_was_announced(tmp_path):
    writer = SafetensorsWriter({"a": (np.dtype(np.float32), (2,))}, {})
    with pytest.raises(ValueError, match="never put: a"), writer.writing(tmp_path / "a"):
        pass
    with pytest.raises(ValueError, match="is float64"), writer.writing(tmp_path / "a") as file:
        file.put("a", np.zeros(2))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ModelError, match="is complex64"):
        SafetensorsWriter({"a": (np.dtype(np.complex64), ())}, {})
    with pytest.raises(ModelError, match="can be called __metadata__"):
        SafetensorsWriter({"__metadata__": (np.dtype(np.float32), ())}, {})
    assert np.dtype(ml_dtypes.bfloat16) in emu.safetensors.CODES
