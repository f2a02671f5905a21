"""Which nodes the reference engine can run on doubles: it is asked, by making a session of the node alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emu.replaying.engine import EngineRefusalError, Session

if TYPE_CHECKING:
    from onnx import NodeProto

    from emu.replaying.graph import Graph


REFUSE_WHEN_RUN = frozenset({"GRU", "LSTM"})
"""Operators whose double kernel is there, and fails when it is run ("does not support double yet")."""


class KernelProbe:
    """Answers for one model; equal questions are asked once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[bytes, tuple[int | None, ...] | None] = {}

    def outputs(self, node: NodeProto, kinds: Sequence[int | None]) -> tuple[int | None, ...] | None:
        """Element types that a node would give.

        Args:
            node: any node without bodies.
            kinds: element type per input; None where an optional input is left out or is no tensor.

        Returns:
            Element type per output (None: left out, or no tensor), or None if the engine has no such kernel.
        """
        from onnx import NodeProto, helper

        if node.op_type in REFUSE_WHEN_RUN:
            return None
        plain = NodeProto()
        plain.CopyFrom(node)
        plain.name = ""
        del plain.input[:], plain.output[:]
        if any(name and kind is None for name, kind in zip(node.input, kinds, strict=True)):
            return None
        plain.input.extend(f"i{index}" if name else "" for index, name in enumerate(node.input))
        plain.output.extend(f"o{index}" if name else "" for index, name in enumerate(node.output))
        given = [(index, kind) for index, kind in enumerate(kinds) if kind is not None]
        inputs = [helper.make_tensor_value_info(f"i{index}", kind, None) for index, kind in given]
        names = [name for name in plain.output if name]
        model = self._graph.submodel([plain], inputs, names, {})
        key = model.SerializeToString(deterministic=True)
        if key not in self._known:
            try:
                found = Session(self._graph, model).types()
                self._known[key] = tuple(found.get(name) for name in plain.output)
            except EngineRefusalError:
                self._known[key] = None
        return self._known[key]


def takes_double(node: NodeProto, version: int) -> tuple[bool, ...]:
    """For each input, whether the operator's definition allows a double where it allows other floats.

    Args:
        node: any node.
        version: the model's opset of the node's domain.
    """
    import onnx

    domain = "" if node.domain == "ai.onnx" else node.domain
    try:
        schema = onnx.defs.get_schema(node.op_type, version, domain)
    except onnx.defs.SchemaError:
        return (True,) * len(node.input)  # not ONNX's operator: leave it to the engine
    variables = {c.type_param_str for c in schema.type_constraints if "tensor(double)" in c.allowed_type_strs}
    formal = [parameter.type_str for parameter in schema.inputs]
    return tuple(formal[min(index, len(formal) - 1)] in variables for index in range(len(node.input)))
