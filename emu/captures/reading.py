"""Reading a capture, which nobody vouches for: all of it is checked before a layer is handed out.

* The file is sound (`emu.safetensors`), its header is one (`emu.captures.header`), and every tensor belongs to a layer.
* Weights and activations are bounded by `Limits`, as those of a model and of an input file are.
* Layers have names, each its own; their operators are ones that are lowered, with operands and attributes as ONNX has
  them; a layer has an activation among its operands; and the operands' shapes give the shape of the captured output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from emu.captures.header import Header, LayerHeader, node_of, read_header
from emu.captures.layers import Capture, CapturedLayer
from emu.captures.model import check_nodes
from emu.errors import ModelError
from emu.layers.gemm import Array
from emu.replaying.layers import is_mac
from emu.replaying.limits import Limits
from emu.safetensors import SafetensorsFile


def load(path: str | Path, limits: Limits | None = None) -> Capture:
    """The layers of a capture.

    Args:
        path: a .safetensors file that `capture` wrote.
        limits: bounds on what is read.

    Raises:
        ModelError: anything that is wrong with the file; see the module.
    """
    path, limits = Path(path), limits or Limits()
    if not path.is_file():
        raise ModelError(f"{path}: no such capture")
    file = SafetensorsFile(path)
    try:
        header = read_header(file.metadata)
        _check_names(header, file)
        for layer in header.layers:
            _check_layer(layer, header)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: is no capture: {' '.join(str(error).split())}") from None
    sizes = {name: slot.end - slot.begin for name, slot in file.slots.items()}
    check_bytes(path, sizes, header.constants, limits)
    types = {name: (slot.dtype, len(slot.shape)) for name, slot in file.slots.items()}
    check_nodes(path, [node_of(layer) for layer in header.layers], types, header.opsets)
    tensors = {name: file.tensor(name) for name in file.slots}
    layers = tuple(_layer(layer, header, tensors) for layer in header.layers)
    try:
        for one in layers:
            one.lower()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    return Capture(
        path=path, emu=header.emu, source=header.source, model=header.model, model_sha256=header.model_sha256,
        inputs_sha256=header.inputs_sha256, opsets=header.opsets, layers=layers,
    )  # fmt: skip


def check_bytes(path: Path, sizes: Mapping[str, int], constants: Iterable[str], limits: Limits) -> None:
    """Refuse more weights or activations than a replay takes.

    Args:
        path: the capture's.
        sizes: bytes of every tensor.
        constants: the weights among them.
        limits: what a replay takes.

    Raises:
        ModelError: says how many bytes, and how many are allowed.
    """
    weights = sum(sizes[name] for name in constants)
    activations = sum(sizes.values()) - weights
    for what, size, most in (("weights", weights, limits.model), ("activations", activations, limits.inputs)):
        if size > most:
            raise ModelError(f"{path}: {size} bytes of {what}, and at most {most} are allowed: capture fewer layers")


def _check_names(header: Header, file: SafetensorsFile) -> None:
    used = {name for layer in header.layers for name in layer.tensors}
    operands = {name for layer in header.layers for name in layer.operands}
    made = {layer.output for layer in header.layers}
    if not header.layers:
        raise ValueError("it has no layers")
    if missing := used - file.slots.keys():
        raise ValueError(f"tensor {min(missing)!r} is missing")
    if unused := file.slots.keys() - used:
        raise ValueError(f"tensor {min(unused)!r} belongs to no layer")
    if wrong := (set(header.constants) - operands) | made.intersection(header.constants):
        raise ValueError(f"tensor {min(wrong)!r} is among the constants, and is no weight of a layer")
    names = [layer.name for layer in header.layers]
    if "" in names or len(set(names)) < len(names):
        raise ValueError("not every layer has a name of its own")


def _check_layer(layer: LayerHeader, header: Header) -> None:
    if layer.domain not in header.opsets:
        raise ValueError(f"layer {layer.name!r}: no opset is given for its domain {layer.domain!r}")
    if len(layer.operands) < 2 or not is_mac(node_of(layer)):
        raise ValueError(f"layer {layer.name!r}: {layer.op} of {len(layer.operands)} operands is not lowered")
    if "" in layer.operands[:2] or not layer.output:
        raise ValueError(f"layer {layer.name!r}: an operand or its output is left out")
    if set(header.constants).issuperset(filter(None, layer.operands)):
        raise ValueError(f"layer {layer.name!r}: all its operands are weights")


def _layer(layer: LayerHeader, header: Header, tensors: Mapping[str, Array]) -> CapturedLayer:
    constants = set(header.constants)
    return CapturedLayer(
        name=layer.name, node=node_of(layer), opset=header.opsets[layer.domain],
        operands=tuple(tensors[name] if name else None for name in layer.operands),
        constant=tuple(name in constants for name in layer.operands), output=tensors[layer.output],
    )  # fmt: skip
