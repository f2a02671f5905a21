"""Writing an ONNX graph node by node.

Every node has a name: layers are called after the weights' own names, so that globs over layers read as in the
original model.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

OPSET = 20
IR_VERSION = 10
LOWEST = np.finfo(np.float32).min
"""What a masked score becomes."""


class Assembly:
    """A graph under construction."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._count = 0

    def constant(self, value: Any, name: str | None = None, dtype: Any = None) -> str:
        """A constant; weights have a name, small ones get one."""
        from onnx import numpy_helper

        array = np.ascontiguousarray(value, dtype) if np.ndim(value) else np.asarray(value, dtype)
        name = name or self._fresh("constant")
        self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def weight(self, name: str, value: NDArray[Any]) -> str:
        """A float32 constant, made once however often it is asked for."""
        if name not in self._constants:
            self.constant(value, name, np.float32)
        return name

    def node(self, op: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """A node with one output, which has the node's name."""
        return self._append(op, inputs, name or self._fresh(op), 1, attributes)[0]

    def split(self, x: str, parts: int) -> list[str]:
        """Equal parts along the last axis."""
        return self._append("Split", [x], self._fresh("Split"), parts, {"axis": -1, "num_outputs": parts})

    def _append(self, op: str, inputs: Iterable[str], name: str, outputs: int, attributes: dict[str, Any]) -> list[str]:
        from onnx import helper

        made = [f"{name}:{i}" if i else name for i in range(outputs)]
        self._nodes.append(helper.make_node(op, list(inputs), made, name, **attributes))
        return made

    def linear(self, x: str, name: str, weight: NDArray[Any], bias: NDArray[Any] | None = None) -> str:
        """x · weightᵀ + bias, the weight as [out, in]; the MatMul has the layer's name."""
        y = self.node("MatMul", x, self.weight(f"{name}.weight", weight.T), name=name)
        return y if bias is None else self.node("Add", y, self.weight(f"{name}.bias", bias), name=f"{name}.add")

    def norm(self, x: str, name: str, weight: NDArray[Any], bias: NDArray[Any], epsilon: float) -> str:
        """LayerNormalization over the last axis."""
        scale, shift = self.weight(f"{name}.weight", weight), self.weight(f"{name}.bias", bias)
        return self.node("LayerNormalization", x, scale, shift, name=name, axis=-1, epsilon=epsilon)

    def reshape(self, x: str, *shape: int) -> str:
        """Reshape; 0 keeps an axis, -1 is the rest."""
        return self.node("Reshape", x, self.constant(shape, dtype=np.int64))

    def split_heads(self, x: str, heads: int, size: int) -> str:
        """[batch, sequence, heads · size] to [batch, heads, sequence, size]."""
        return self.node("Transpose", self.reshape(x, 0, 0, heads, size), perm=[0, 2, 1, 3])

    def join_heads(self, x: str, width: int) -> str:
        """[batch, heads, sequence, size] to [batch, sequence, width]."""
        return self.reshape(self.node("Transpose", x, perm=[0, 2, 1, 3]), 0, 0, width)

    def causal(self, length: str) -> str:
        """Truth values [length, length]: whether a position (row) may look at another (column)."""
        zero, one = self.constant(0, dtype=np.int64), self.constant(1, dtype=np.int64)
        places = self.node("Range", zero, length, one)
        row = self.node("Unsqueeze", places, self.constant([1], dtype=np.int64))
        return self.node("LessOrEqual", places, row)

    def length(self, x: str, axis: int) -> str:
        """The size of an axis, as a scalar."""
        size = self.node("Shape", x, start=axis, end=axis + 1)
        return self.node("Squeeze", size)

    def masked(self, scores: str, allowed: str) -> str:
        """The scores where allowed, the lowest float32 elsewhere."""
        return self.node("Where", allowed, scores, self.constant(LOWEST, dtype=np.float32))

    def model(self, inputs: dict[str, tuple[Any, list[Any]]], outputs: dict[str, tuple[str, list[Any]]]) -> ModelProto:
        """The whole model.

        Args:
            inputs: dtype and axes by name.
            outputs: the tensor that an output is, and its axes; all float32.
        """
        from onnx import TensorProto, helper

        for name, (tensor, _) in outputs.items():
            self.node("Identity", tensor, name=name)
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), axes)
                for name, (dtype, axes) in inputs.items()
            ],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, axes) for name, (_, axes) in outputs.items()],
            initializer=list(self._constants.values()),
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    def _fresh(self, what: str) -> str:
        self._count += 1
        return f"{what}_{self._count}"
