"""The reference engine: onnxruntime on the CPU, without graph optimisation, on one thread.

* `ORT_DISABLE_ALL`: an optimiser fuses Conv with BatchNormalization and changes intermediate results.
* One thread: the order of a sum does not depend on the machine's load.
* No arena: there are many sessions, and each would keep the memory of its largest run (time: 4 % more, measured).
* What the engine cannot run is one line of ModelError, when the session is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from emu.errors import ModelError
from emu.layers.gemm import Array

if TYPE_CHECKING:
    from onnx import ModelProto

    from emu.replaying.graph import Graph

_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
FATAL_ONLY = 4
"""Log severity: errors are raised as exceptions, they need not be printed as well."""


class EngineRefusalError(ModelError):
    """The engine does not take a model; `emu.replaying.blame` finds out which node is at fault."""

    def __init__(self, graph: Graph, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{graph.path}: cannot be run: {reason}")


class Session:
    """One model in the engine."""

    def __init__(self, graph: Graph, model: ModelProto) -> None:
        """Make a session.

        Args:
            graph: what the model is (a part of); for error messages.
            model: the model to run.

        Raises:
            EngineRefusalError: an operator or a type that the engine has no kernel for, or a graph that makes no sense.
            ModelError: too large to be handed over.
        """
        import onnxruntime as ort

        self._graph = graph
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = FATAL_ONLY
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        try:
            content = model.SerializeToString()
        except ValueError:
            raise ModelError(f"{graph.path}: too large for the engine: weights of more than 2 GiB") from None
        try:
            self._session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the engine's exceptions have no common base of their own
            raise EngineRefusalError(graph, _one_line(str(error))) from None

    def types(self) -> dict[str, int]:
        """The element type (TensorProto.DataType) of each input and output; those that are no tensors are left out."""
        values = [*self._session.get_inputs(), *self._session.get_outputs()]
        return {value.name: kind for value in values if (kind := element_type(value.type)) is not None}

    def run(self, inputs: Mapping[str, Array], outputs: Iterable[str]) -> dict[str, Array]:
        """Run the model.

        Raises:
            ModelError: the engine fails (shapes that do not fit inside the model, memory).
        """
        names = list(dict.fromkeys(outputs))
        try:
            values = self._session.run(names, dict(inputs))
        except Exception as error:  # as above
            raise ModelError(f"{self._graph.path}: {_one_line(str(error))}") from None
        return dict(zip(names, values, strict=True))


_ELEMENT = {
    "float": "FLOAT", "uint8": "UINT8", "int8": "INT8", "uint16": "UINT16", "int16": "INT16", "int32": "INT32",
    "int64": "INT64", "string": "STRING", "bool": "BOOL", "float16": "FLOAT16", "double": "DOUBLE",
    "uint32": "UINT32", "uint64": "UINT64", "bfloat16": "BFLOAT16", "float8e4m3fn": "FLOAT8E4M3FN",
    "float8e4m3fnuz": "FLOAT8E4M3FNUZ", "float8e5m2": "FLOAT8E5M2", "float8e5m2fnuz": "FLOAT8E5M2FNUZ",
    "uint4": "UINT4", "int4": "INT4",
}  # fmt: skip


def element_type(text: str) -> int | None:
    """The TensorProto.DataType of the engine's `tensor(float)` and so on; None for sequences, maps, optionals."""
    from onnx import TensorProto

    match = re.fullmatch(r"tensor\((\w+)\)", text)
    name = _ELEMENT.get(match[1]) if match else None
    return None if name is None else int(getattr(TensorProto, name))


def numpy_type(element: int) -> np.dtype[np.generic]:
    """The NumPy dtype of an element type."""
    from onnx import helper

    return helper.tensor_dtype_to_np_dtype(element)


def _one_line(text: str) -> str:
    return " ".join(_PREFIX.sub("", text).split())
