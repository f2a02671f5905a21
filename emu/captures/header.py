"""What a capture says about its tensors: one JSON text among a safetensors file's metadata.

* `Header` is the text's form, to the last key; `CONTAINER` is its version. Anything else is refused.
* Layers name tensors of the file. What a layer reads and the model holds for good is among `constants`.
* Attributes have their ONNX type beside their value. Operators that are lowered have numbers, texts and lists of them;
  anything else, and numbers that JSON does not have (infinities, NaN), is refused when a capture is made.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from emu.errors import ModelError
from emu.safetensors import refuse_duplicates

if TYPE_CHECKING:
    from onnx import AttributeProto, NodeProto

CONTAINER = 1
"""Version of the layout."""
KEY = "emu.capture"
"""Where the text is in the file's metadata."""
INT64 = 1 << 63
FLOAT32 = float(np.finfo(np.float32).max)


class Source(enum.Enum):
    """What was captured."""

    ONNX = "onnx"
    TORCH = "torch"


class Kind(enum.Enum):
    """ONNX attribute types that a capture holds."""

    INT = "int"
    FLOAT = "float"
    STRING = "string"
    INTS = "ints"
    FLOATS = "floats"
    STRINGS = "strings"


class Attribute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One attribute."""

    kind: Kind
    value: int | float | str | list[int | float | str]


class LayerHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One layer."""

    name: str
    op: str
    domain: str
    operands: tuple[str, ...]
    """names of tensors; empty for one that is left out"""
    output: str
    """name of the reference output"""
    attributes: dict[str, Attribute]

    @property
    def tensors(self) -> set[str]:
        """The names of all tensors that belong to the layer."""
        return {name for name in self.operands if name} | {self.output}


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A capture without its tensors."""

    container: int
    emu: str
    """version that wrote it"""
    source: Source
    model: str
    """name of the model's file, or of what made the model"""
    model_sha256: str
    """of the file and its external data; of a model in memory: of its parameters"""
    inputs_sha256: str
    """of the input tensors: names, dtypes, shapes and bytes"""
    opsets: dict[str, Annotated[int, msgspec.Meta(ge=1, le=1 << 31)]]
    """by domain"""
    constants: tuple[str, ...]
    """names of the tensors that are weights; all others were made from the inputs"""
    layers: tuple[LayerHeader, ...]


class _Version(msgspec.Struct):
    container: int


def write_header(header: Header) -> dict[str, str]:
    """The file's metadata."""
    return {"format": "emu-capture", KEY: msgspec.json.encode(header).decode()}


def read_header(metadata: dict[str, str]) -> Header:
    """The header of a capture.

    Raises:
        ValueError: there is none, or it is of another version or form.
    """
    if KEY not in metadata:
        raise ValueError(f"its metadata have no {KEY}: it holds tensors, and no captured layers")
    text = metadata[KEY]
    version = msgspec.json.decode(text, type=_Version).container
    if version != CONTAINER:
        raise ValueError(f"its layout is version {version}, and this emu reads version {CONTAINER}")
    header = msgspec.json.decode(text, type=Header)
    refuse_duplicates(text)
    return header


def described(node: NodeProto, name: str) -> LayerHeader:
    """What a header says of a node.

    Args:
        node: its operands and output are named as in the file.
        name: the layer's.

    Raises:
        ModelError: an attribute that a capture cannot hold.
    """
    made: dict[str, Attribute] = {}
    for attribute in node.attribute:
        kind = type(attribute).AttributeType.Name(attribute.type).lower()
        value = _plain(attribute)
        if kind not in {known.value for known in Kind} or not _finite(value):
            raise ModelError(f"layer {name!r}: attribute {attribute.name!r} ({kind}) cannot be captured")
        made[attribute.name] = Attribute(kind=Kind(kind), value=value)
    domain = "" if node.domain == "ai.onnx" else node.domain
    return LayerHeader(
        name=name, op=node.op_type, domain=domain, operands=tuple(node.input), output=node.output[0], attributes=made
    )


def node_of(layer: LayerHeader) -> NodeProto:
    """The layer as an ONNX node.

    Raises:
        ValueError: an attribute whose value is not of its type.
    """
    from onnx import AttributeProto, helper

    node = helper.make_node(layer.op, list(layer.operands), [layer.output], layer.name, domain=layer.domain)
    for name, one in layer.attributes.items():
        _check_attribute(one)
        kind = AttributeProto.AttributeType.Value(one.kind.name)
        node.attribute.append(helper.make_attribute(name, one.value, attr_type=kind))
    return node


def _plain(attribute: AttributeProto) -> Any:
    from onnx import helper

    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [one.decode() if isinstance(one, bytes) else one for one in value]
    return value


def _finite(value: Any) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return all(math.isfinite(number) for number in numbers if isinstance(number, float))


def _check_attribute(attribute: Attribute) -> None:
    """Compare an attribute's value with its type.

    Raises:
        ValueError: they do not go together.
    """
    kind, value = attribute.kind, attribute.value
    many = kind in (Kind.INTS, Kind.FLOATS, Kind.STRINGS)
    if isinstance(value, list) != many:
        raise ValueError(f"{value!r} is no value of type {kind.value}")
    for one in value if isinstance(value, list) else [value]:
        if kind in (Kind.INT, Kind.INTS):
            fits = isinstance(one, int) and -INT64 <= one < INT64
        elif kind in (Kind.FLOAT, Kind.FLOATS):
            fits = isinstance(one, float) and abs(one) <= FLOAT32
        else:
            fits = isinstance(one, str)
        if not fits:
            raise ValueError(f"{one!r} is no value of type {kind.value}")
