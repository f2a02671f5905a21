"""Weight files written byte by byte, as their specifications say, and wheels that hold them."""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

CT2_TYPES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
GGUF_TYPES = {int: (4, "<I"), float: (6, "<f"), bool: (7, "<?")}


def safetensors(tensors: dict[str, np.ndarray]) -> bytes:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, value in tensors.items():
        kind = {"float32": "F32", "float16": "F16", "int64": "I64"}[value.dtype.name]
        raw = value.tobytes()
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def gguf(metadata: dict[str, Any], tensors: dict[str, tuple[int, tuple[int, ...], bytes]]) -> bytes:
    """Tensors as (type, shape as NumPy has it, content)."""
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        out += _gguf_text(key) + _gguf_value(value)
    offset = 0
    for name, (kind, shape, raw) in tensors.items():
        out += _gguf_text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape[::-1])
        out += struct.pack("<IQ", kind, offset)
        offset += -(-len(raw) // 32) * 32
    out += bytes(-len(out) % 32)
    for _, _, raw in tensors.values():
        out += raw + bytes(-len(raw) % 32)
    return out


def _gguf_text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _gguf_value(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _gguf_text(value)
    if isinstance(value, list):
        body = b"".join(_gguf_value(item)[4:] for item in value)
        return struct.pack("<IIQ", 9, int.from_bytes(_gguf_value(value[0])[:4], "little"), len(value)) + body
    kind, form = GGUF_TYPES[type(value)]
    return struct.pack("<I", kind) + struct.pack(form, value)


def ctranslate2(variables: dict[str, np.ndarray], aliases: dict[str, str], spec: str = "WhisperSpec") -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    out = struct.pack("<I", 6) + text(spec) + struct.pack("<II", 3, len(variables))
    for name, value in variables.items():
        out += text(name) + struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        out += struct.pack("<BI", CT2_TYPES[value.dtype.name], value.nbytes) + value.tobytes()
    out += struct.pack("<I", len(aliases))
    return out + b"".join(text(new) + text(old) for new, old in aliases.items())


def wheel(folder: Path, name: str, members: dict[str, bytes]) -> Path:
    """A wheel that pip takes, version 1.0."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = name.replace("-", "_")
    info = f"{stem}-1.0.dist-info"
    every = dict(members)
    every[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
    every[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    every[f"{info}/RECORD"] = "".join(f"{member},,\n" for member in [*every, f"{info}/RECORD"]).encode()
    path = folder / f"{stem}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in every.items():
            archive.writestr(member, content)
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
