"""Islands in double: the float64 truth of everything that is no layer.

* Every float tensor of the model holds doubles here.
* A node runs in double if the engine has a double kernel for it (`emu.replaying.probe`). Otherwise it runs in its own
  type between casts, and is listed.
* Inputs that an operator's definition fixes to float32 (Resize's scales) are cast down; that does not make it listed.
* `Cast` to a float type becomes a cast to double. Other nodes that make floats of something else are cast up, exactly.
* Loops and branches run in their own type, and are listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from emu.layers.gemm import Array
from emu.replaying.engine import Session
from emu.replaying.islands import tensor_info
from emu.replaying.probe import KernelProbe, takes_double
from emu.replaying.schedule import Island
from emu.replaying.walk import bodies, node_label, reads

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

    from emu.replaying.graph import Graph

NARROW = "~own"
"""Suffix of a tensor in the model's own type."""


class WideRunner:
    """Runs islands in double."""

    def __init__(self, graph: Graph, types: Mapping[str, int], islands: tuple[Island, ...]) -> None:
        """Rewrite all islands and make their sessions."""
        from onnx import TensorProto

        self._graph, self._types = graph, types
        self._real = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16}
        self._probe = KernelProbe(graph)
        self.float32_nodes: list[str] = []
        """nodes that run in their own type, for want of a double kernel"""
        self._sessions = {id(island): self._session(island) for island in islands}

    def __call__(self, island: Island, values: Mapping[str, Array]) -> dict[str, Array]:
        """The island's outputs, floats as float64."""
        inputs = {name: self.widened(name, values[name]) for name in island.inputs}
        return self._sessions[id(island)].run(inputs, island.outputs)

    def widened(self, name: str, value: Array) -> Array:
        """A tensor as it is held here."""
        return value.astype(np.float64, copy=False) if self._types.get(name) in self._real else value

    def _session(self, island: Island) -> Session:
        from onnx import TensorProto, helper

        real = {name for name, kind in self._types.items() if kind in self._real}
        rewriter = _Rewriter(self._graph, self._types, real, self._probe)
        for node in island.nodes:
            rewriter.add(node)
        self.float32_nodes += rewriter.listed
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.DOUBLE, None)
            if name in real
            else tensor_info(self._graph, self._types, name)
            for name in island.inputs
        ]
        constants = self._graph.constants | rewriter.constants
        return Session(self._graph, self._graph.submodel(rewriter.nodes, inputs, island.outputs, constants))


class _Rewriter:
    """Rewrites the nodes of one island."""

    def __init__(self, graph: Graph, types: Mapping[str, int], real: set[str], probe: KernelProbe) -> None:
        self.graph, self.types, self.real, self.probe = graph, types, real, probe
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}
        self.listed: list[str] = []

    def add(self, node: NodeProto) -> None:
        """Append a node, in double if possible."""
        if self.real.isdisjoint([*reads(node), *node.output]):
            self._append(node)
        elif any(True for _ in bodies(node)) or not self._in_double(node):
            self._in_own_type(node)

    def _in_double(self, node: NodeProto) -> bool:
        """Append the node on doubles; False if the engine has no kernel for that."""
        from onnx import NodeProto, TensorProto

        version = self.graph.opsets.get("" if node.domain == "ai.onnx" else node.domain, 1)
        wide = NodeProto()
        wide.CopyFrom(node)
        if node.op_type == "Cast":
            for attribute in wide.attribute:
                if attribute.name == "to" and node.output[0] in self.real:
                    attribute.i = TensorProto.DOUBLE
        allowed = takes_double(node, version)
        kinds = [
            TensorProto.DOUBLE if name in self.real and wanted else self.types.get(name)
            for name, wanted in zip(node.input, allowed, strict=True)
        ]
        made = self.probe.outputs(wide, kinds)
        if made is None:
            return False
        for index, (name, wanted) in enumerate(zip(node.input, allowed, strict=True)):
            if name in self.real:
                wide.input[index] = self._wide(name) if wanted else self._narrow(name)
        outputs = zip(node.output, made, strict=True)
        self._append(wide, up=[name for name, kind in outputs if name in self.real and kind != TensorProto.DOUBLE])
        return True

    def _in_own_type(self, node: NodeProto) -> None:
        """Append the node between casts."""
        from onnx import NodeProto

        floats = [name for name in reads(node) if name in self.real]
        if floats:
            self.listed.append(node_label(node))
        own = NodeProto()
        own.CopyFrom(node)
        _rename(own, {name: self._narrow(name) for name in floats})
        self._append(own, up=[name for name in node.output if name in self.real])

    def _append(self, node: NodeProto, up: list[str] | None = None) -> None:
        """Append a node; outputs in `up` are made under another name and cast to double."""
        from onnx import NodeProto, TensorProto, helper

        copy = NodeProto()
        copy.CopyFrom(node)
        for index, name in enumerate(copy.output):
            if up and name in up:
                copy.output[index] = name + NARROW
        self.nodes.append(copy)
        for name in up or ():
            self.nodes.append(helper.make_node("Cast", [name + NARROW], [name], to=TensorProto.DOUBLE))

    def _wide(self, name: str) -> str:
        """A tensor in double; a constant is converted once."""
        if name in self.graph.constants and name not in self.constants:
            from onnx import numpy_helper

            self.constants[name] = numpy_helper.from_array(self.graph.array(name).astype(np.float64), name)
        return name

    def _narrow(self, name: str) -> str:
        """A tensor in the model's own type."""
        from onnx import TensorProto, helper

        narrow = name + NARROW
        if name in self.graph.constants:
            tensor = TensorProto()
            tensor.CopyFrom(self.graph.constants[name])
            tensor.name = narrow
            self.constants[narrow] = tensor
        elif not any(narrow in node.output for node in self.nodes):
            self.nodes.append(helper.make_node("Cast", [name], [narrow], to=self.types[name]))
        return narrow


def _rename(node: NodeProto, names: Mapping[str, str]) -> None:
    """Rename what a node and its bodies read."""
    for index, name in enumerate(node.input):
        node.input[index] = names.get(name, name)
    for body in bodies(node):
        _rename_body(body, names)


def _rename_body(graph: GraphProto, names: Mapping[str, str]) -> None:
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    outer = {name: new for name, new in names.items() if name not in own}
    for node in graph.node:
        _rename(node, outer)
    made = {name for node in graph.node for name in node.output}
    for value in graph.output:
        if value.name in outer and value.name not in made:
            value.name = outer[value.name]
