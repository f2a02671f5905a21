"""From layers to an ONNX model in memory and its inputs.

* Every layer is one node, called after it, and so is its output, which is an output of the model: layers do not feed
  each other. Activations are inputs of the model, weights and biases constants; each is called after its tensor.
* A tensor that several layers name is drawn once. One that is x here and w there is both an input and a constant.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.workloads.builders.assembly import IR_VERSION, OPSET
from emu.workloads.synthetic.keys import LayerOp
from emu.workloads.synthetic.layers import Layer
from emu.workloads.synthetic.tensors import Tensor

if TYPE_CHECKING:
    from onnx import ModelProto

WEIGHT = "weight."
"""Before the names of constants, so that they are no inputs' names."""


def build_model(layers: Iterable[Layer]) -> tuple[ModelProto, dict[str, NDArray[np.float32]]]:
    """The model and its inputs.

    Raises:
        SpecError: a tensor leaves its format.
    """
    from onnx import TensorProto, helper, numpy_helper

    drawn: dict[str, NDArray[np.float32]] = {}

    def values(tensor: Tensor) -> NDArray[np.float32]:
        if tensor.name not in drawn:
            drawn[tensor.name] = tensor.draw()
        return drawn[tensor.name]

    inputs: dict[str, NDArray[np.float32]] = {}
    constants: dict[str, NDArray[np.float32]] = {}
    nodes, outputs = [], []
    for layer in layers:
        inputs[layer.x.name] = values(layer.x)
        fixed = [one for one in (layer.w, layer.bias) if one is not None]
        constants |= {WEIGHT + one.name: values(one) for one in fixed}
        operands = [layer.x.name, *(WEIGHT + one.name for one in fixed)]
        nodes.append(helper.make_node(layer.keys.op.value, operands, [layer.name], layer.name, **_attributes(layer)))
        outputs.append(helper.make_tensor_value_info(layer.name, TensorProto.FLOAT, layer.output))
    graph = helper.make_graph(
        nodes, "synthetic",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape) for name, x in inputs.items()], outputs,
        initializer=[numpy_helper.from_array(x, name) for name, x in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION), inputs


def build_calibration(layers: Iterable[Layer]) -> dict[str, NDArray[np.float32]]:
    """The inputs of a second, independent sample, from which static ranges may be chosen."""
    tensors = {layer.x.name: layer.x for layer in layers}
    return {name: tensor.draw(calibration=True) for name, tensor in tensors.items()}


def _attributes(layer: Layer) -> dict[str, Any]:
    if layer.keys.op is not LayerOp.CONV:
        return {}
    keys = layer.keys
    some = {"strides": keys.strides, "pads": keys.pads, "dilations": keys.dilations}
    return {"group": keys.groups, **{name: list(given) for name, given in some.items() if given}}
