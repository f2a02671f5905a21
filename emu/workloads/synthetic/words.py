"""Synthetic layers and tensors in words, for `emu workload show`."""

from __future__ import annotations

from typing import Any

import msgspec

from emu.workloads.synthetic.keys import LayerKeys, TensorKeys
from emu.workloads.synthetic.layers import Layer
from emu.workloads.synthetic.tensors import Tensor

FIRST = ("shape", "distribution", "change", "format")
"""Keys of a tensor that are not shown as `key = value`."""
ROLES = ("x", "w", "bias")


def layer_words(layer: Layer) -> str:
    """The operator, its attributes and its operands."""
    attributes = _given(layer.keys, LayerKeys, ("op", *ROLES))
    operands = [f"{role} = {tensor_words(one)}" for role in ROLES if (one := getattr(layer, role)) is not None]
    return "; ".join([" ".join([layer.keys.op.value, *attributes]), *operands, f"output {list(layer.output)}"])


def tensor_words(tensor: Tensor) -> str:
    """The shape, the distribution, the changes and the format."""
    keys = tensor.keys
    drawn = [keys.distribution.value, *_given(keys, TensorKeys, FIRST)]
    changes = [" ".join([change.op.value, *_given(change, type(change), ("op",))]) for change in tensor.changes]
    fmt = keys.format if isinstance(keys.format, str) else "a format of its own" if keys.format else None
    return f"{list(keys.shape)} " + ", ".join([" ".join(drawn), *changes, *([f"as {fmt}"] if fmt else [])])


def _given(keys: msgspec.Struct, struct: type[msgspec.Struct], without: tuple[str, ...]) -> list[str]:
    """What differs from the defaults, as `key = value`."""
    out: list[str] = []
    for field in msgspec.structs.fields(struct):
        value: Any = getattr(keys, field.name)
        if field.name not in without and value != field.default:
            out.append(f"{field.name} = {list(value) if isinstance(value, tuple) else value}")
    return out
