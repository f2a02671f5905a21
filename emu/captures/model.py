"""A capture as an ONNX model in memory: every layer stands alone, so that every rule of a replay holds for it.

* Activations are the model's inputs, weights its initialisers, and each layer's output is an output of the model. No
  layer reads another one's output: a tensor that one layer made and another read is an input, as it was captured.
  Isolated is therefore the only mode there is: propagated errors would have no way to go.
* Tensors keep their names, but for the output of a layer that has the name of an operand of some layer.
* bfloat16 becomes float32, which holds each of its values: the reference engine has no bfloat16 kernels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from emu.layers.gemm import Array
from emu.replaying.limits import Limits
from emu.replaying.loading import accept_model

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

    from emu.captures.layers import Capture

IR_VERSION = 10
SUFFIX = ".safetensors"
"""Files of this kind are captures, not models."""
TypeAndAxes = tuple[np.dtype[Any], int]


def open_capture(path: str | Path, limits: Limits | None = None) -> tuple[ModelProto, dict[str, Array]]:
    """A capture as a model and its inputs: what `emu.replay` and all other functions that take a model want.

    Raises:
        ModelError: anything that is wrong with the file; see `emu.captures.reading`.
    """
    from emu.captures.reading import load

    return as_model(load(path, limits))


def as_model(capture: Capture) -> tuple[ModelProto, dict[str, Array]]:
    """Loaded layers as a model and its inputs; errors of a replay call it by the capture's path."""
    from onnx import numpy_helper

    operands: dict[str, Array] = {}
    weights: set[str] = set()
    types: dict[str, TypeAndAxes] = {}
    for layer in capture:
        types[layer.output_name] = (layer.output.dtype, layer.output.ndim)
        for name, value, constant in zip(layer.operand_names, layer.operands, layer.constant, strict=True):
            if value is not None:
                operands[name] = value.astype(_held(value.dtype), copy=False)
                types[name] = (value.dtype, value.ndim)
                weights.update([name] if constant else [])
    model = _model(capture.path, [layer.node for layer in capture], types, capture.opsets, weights)
    model.graph.initializer.extend(
        numpy_helper.from_array(operands[name], name) for name in operands if name in weights
    )
    return model, {name: value for name, value in operands.items() if name not in weights}


def check_nodes(
    path: Path, nodes: Sequence[NodeProto], types: Mapping[str, TypeAndAxes], opsets: Mapping[str, int]
) -> None:
    """Refuse nodes that are no valid ONNX.

    Args:
        path: what errors name.
        nodes: the layers.
        types: of all tensors, with how many axes each has.
        opsets: by domain.

    Raises:
        ModelError: as for a model.
    """
    accept_model(_model(path, nodes, types, opsets, set()), path)


def _model(
    path: Path,
    nodes: Sequence[NodeProto],
    types: Mapping[str, TypeAndAxes],
    opsets: Mapping[str, int],
    weights: Collection[str],
) -> ModelProto:
    """The model without its weights' values."""
    from onnx import NodeProto, helper

    taken = {name for node in nodes for name in node.input}
    inputs = [name for name in dict.fromkeys(name for node in nodes for name in node.input) if name not in weights]
    alone, outputs = [], []
    for node in nodes:
        name = node.output[0]
        while name in taken:
            name += "'"
        taken.add(name)
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.output[0] = name
        alone.append(copy)
        outputs.append(_info(name, types[node.output[0]]))
    graph = helper.make_graph(alone, str(path), [_info(name, types[name]) for name in inputs if name], outputs)
    opset_ids = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    return helper.make_model(graph, opset_imports=opset_ids, ir_version=IR_VERSION)


def _info(name: str, of: TypeAndAxes) -> ValueInfoProto:
    """A tensor with free sizes."""
    from onnx import helper

    dtype, axes = of
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(_held(dtype)), [None] * axes)


def _held(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that a tensor has in the model."""
    return np.dtype(np.float32) if dtype == ml_dtypes.bfloat16 else dtype
