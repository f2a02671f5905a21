"""Safe loading of an ONNX file: everything that can be wrong with it is one line of ModelError.

1. The file exists, is a regular file and is not larger than `Limits.model`.
2. It parses as a protobuf ModelProto and has a graph (a truncated file does not, or fails step 4).
3. External data lies inside the model's own folder: see `emu.replaying.external`.
4. `onnx.checker` accepts it, and every operator of the default domains is one that ONNX defines; an unknown one is
   named with its node. Operators of other domains are the engine's to accept, when the session is made.

Nothing in the file is executed: ONNX has no code, and custom operator libraries are not loaded.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from emu.errors import ModelError
from emu.replaying.external import load_external
from emu.replaying.limits import Limits
from emu.replaying.walk import STANDARD_DOMAINS, all_nodes, node_label

if TYPE_CHECKING:
    from onnx import ModelProto

MIN_OPSET = 7
"""Older opsets broadcast by attributes; nobody exports them any more."""


def load_model(path: str | Path, limits: Limits) -> tuple[ModelProto, str]:
    """Read, check and complete a model.

    Returns:
        The model with all its weights inside, and the SHA-256 (hex) of the file and its external data.

    Raises:
        ModelError: see the module.
    """
    path = Path(path)
    content = _read(path, limits)
    model = _parse(path, content)
    digest = hashlib.sha256(content)
    load_external(model, path, limits, digest)
    _check_operators(model, path)
    _check(model, path)
    return model, digest.hexdigest()


def accept_model(model: ModelProto, path: Path) -> str:
    """Check a model that was built in memory, weights inside; its SHA-256 (hex), whatever the graph is called.

    Args:
        model: what `onnx.helper` made.
        path: what errors call it.

    Raises:
        ModelError: step 4.
    """
    _check_operators(model, path)
    _check(model, path)
    name, model.graph.name = model.graph.name, ""
    try:
        return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    finally:
        model.graph.name = name


def _read(path: Path, limits: Limits) -> bytes:
    if not path.is_file():
        raise ModelError(f"{path}: no such model file")
    size = path.stat().st_size
    if size > limits.model:
        raise ModelError(f"{path}: {size} bytes, and a model file has at most {limits.model}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error


def _parse(path: Path, content: bytes) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError:
        raise ModelError(f"{path}: is no ONNX model, or a truncated one ({len(content)} bytes)") from None
    if not model.HasField("graph") or not model.opset_import:
        raise ModelError(f"{path}: is no ONNX model, or a truncated one: it has no graph or no opset")
    return model


def _check_operators(model: ModelProto, path: Path) -> None:
    """The operators of ONNX's own domains exist, at the model's opset."""
    import onnx

    versions = {entry.domain if entry.domain != "ai.onnx" else "": entry.version for entry in model.opset_import}
    newest = onnx.defs.onnx_opset_version()
    main = versions.get("", newest)
    if not MIN_OPSET <= main <= newest:
        raise ModelError(f"{path}: opset {main}, and opsets {MIN_OPSET} to {newest} are supported")
    local = {(function.domain, function.name) for function in model.functions}
    for node in all_nodes(model.graph):
        domain = "" if node.domain == "ai.onnx" else node.domain
        if domain not in STANDARD_DOMAINS or (domain, node.op_type) in local:
            continue
        if not onnx.defs.has(node.op_type, versions.get(domain, 1), domain):
            where = f"{domain or 'ai.onnx'} opset {versions.get(domain, 1)}"
            raise ModelError(f"{path}: node {node_label(node)!r}: unknown operator {node.op_type!r} ({where})")


def _check(model: ModelProto, path: Path) -> None:
    import onnx

    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        reason = " ".join(str(error).split("==> Context")[0].split())
        raise ModelError(f"{path}: is no valid ONNX model: {reason}") from None
