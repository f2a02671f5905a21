"""Weight files that are not ONNX: every type, and everything that can be wrong with a file."""

from __future__ import annotations

import numpy as np
import pytest

from emu.errors import ModelError
from emu.safetensors import read_safetensors
from emu.workloads.readers.ctranslate2 import read_ctranslate2
from emu.workloads.readers.gguf import Gguf

from . import files


def written(tmp_path, content):
    path = tmp_path / "weights"
    path.write_bytes(content)
    return path


def test_safetensors_gives_what_was_written(tmp_path, rng):
    tensors = {
        "a": rng.standard_normal((3, 4)).astype(np.float32),
        "b": rng.standard_normal(5).astype(np.float16),
        "c": np.array(7, np.int64),
    }
    found = read_safetensors(written(tmp_path, files.safetensors(tensors)))
    assert list(found) == ["a", "b", "c"]
    for name, value in tensors.items():
        assert found[name].dtype == value.dtype and np.array_equal(found[name], value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda content: content[:-1],
        lambda content: content[:20],
        lambda content: b"\xff" * 8 + content[8:],
        lambda content: content.replace(b"[3, 4]", b"[3, 5]"),
        lambda content: content.replace(b"F32", b"F99"),
        lambda content: content.replace(b"[0, 48]", b"[0,148]"),
        lambda content: content[:8] + b"[" + content[9:],
    ],
)
def test_a_damaged_safetensors_file_is_refused(tmp_path, damage):
    content = files.safetensors({"a": np.zeros((3, 4), np.float32)})
    with pytest.raises(ModelError, match="is no safetensors file"):
        read_safetensors(written(tmp_path, damage(content)))


def test_gguf_metadata_and_plain_tensors(tmp_path, rng):
    x = rng.standard_normal((2, 3)).astype(np.float32)
    half = rng.standard_normal(4).astype(np.float16)
    metadata = {"n": 3, "x": 0.5, "flag": True, "text": "ä b", "list": ["p", "q"], "numbers": [1, 2, 3]}
    content = files.gguf(metadata, {"x": (0, (2, 3), x.tobytes()), "half": (1, (4,), half.tobytes())})
    file = Gguf(written(tmp_path, content))
    assert file.metadata == metadata
    assert file.names == ("x", "half")
    assert np.array_equal(file.tensor("x"), x)
    assert np.array_equal(file.tensor("half"), half.astype(np.float32))


def test_gguf_blocks_follow_their_definitions(tmp_path, rng):
    """Each element by a loop over the definition, in float32."""
    q = rng.integers(0, 256, (4, 16), np.uint8)
    signed = rng.integers(-128, 128, (4, 32)).astype(np.int8)
    d, m = rng.standard_normal((2, 4)).astype(np.float16)
    blocks = {
        "q4_0": (2, (2, 64), b"".join(d[i].tobytes() + q[i].tobytes() for i in range(4))),
        "q4_1": (3, (2, 64), b"".join(d[i].tobytes() + m[i].tobytes() + q[i].tobytes() for i in range(4))),
        "q8_0": (8, (2, 64), b"".join(d[i].tobytes() + signed[i].tobytes() for i in range(4))),
    }
    file = Gguf(written(tmp_path, files.gguf({"n": 1}, blocks)))
    for i in range(4):
        for j in range(32):
            four = np.float32(q[i, j] & 15 if j < 16 else q[i, j - 16] >> 4)
            scale, least = np.float32(d[i]), np.float32(m[i])
            at = (i // 2, 32 * (i % 2) + j)
            assert file.tensor("q4_0")[at] == scale * (four - np.float32(8))
            assert file.tensor("q4_1")[at] == scale * four + least
            assert file.tensor("q8_0")[at] == scale * np.float32(signed[i, j])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no GGUF file"),
        (b"GGUX" + bytes(40), "is no GGUF file"),
        (files.gguf({"n": 1}, {})[:30], "is no GGUF file"),
        (b"GGUF" + b"\3\0\0\0" + b"\0" * 8 + b"\1" + b"\0" * 7 + b"\xff" * 8, "is no GGUF file"),
    ],
)
def test_a_damaged_gguf_file_is_refused(tmp_path, content, reason):
    with pytest.raises(ModelError, match=reason):
        Gguf(written(tmp_path, content))


def test_gguf_tensors_that_cannot_be_read_are_refused(tmp_path):
    good = np.zeros(8, np.float32).tobytes()
    content = files.gguf({"n": 1}, {"odd": (99, (8,), good), "long": (0, (8,), good)})
    file = Gguf(written(tmp_path, content[:-20]))
    with pytest.raises(ModelError, match="type 99"):
        file.tensor("odd")
    with pytest.raises(ModelError, match="outside the file"):
        file.tensor("long")
    with pytest.raises(ModelError, match="no tensor 'other'"):
        file.tensor("other")


def test_ctranslate2_gives_what_was_written(tmp_path, rng):
    variables = {
        "a/weight": rng.standard_normal((2, 3)).astype(np.float16),
        "heads": np.array(6, np.int16),
    }
    found = read_ctranslate2(written(tmp_path, files.ctranslate2(variables, {"b/weight": "a/weight"})), "WhisperSpec")
    assert np.array_equal(found["a/weight"], variables["a/weight"])
    assert np.array_equal(found["b/weight"], variables["a/weight"])
    assert int(found["heads"]) == 6


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:9],
        lambda content: b"\5" + content[1:],
        lambda content: content.replace(b"WhisperSpec", b"WhispexSpec"),
        lambda content: content.replace(b"\2\0\0\0\3\0\0\0", b"\2\0\0\0\4\0\0\0"),
    ],
)
def test_a_damaged_ctranslate2_file_is_refused(tmp_path, damage):
    content = files.ctranslate2({"a": np.zeros((2, 3), np.float16)}, {"b": "a"})
    with pytest.raises(ModelError, match="is no CTranslate2 model"):
        read_ctranslate2(written(tmp_path, damage(content)), "WhisperSpec")
