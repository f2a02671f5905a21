"""A node of the graph that a step of a replay stands for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from emu.replaying.walk import attributes_of

if TYPE_CHECKING:
    from onnx import NodeProto


@dataclass(frozen=True, kw_only=True)
class NamedNode:
    """A node, its name and its place."""

    name: str
    node: NodeProto
    index: int
    """position in the graph's nodes"""

    @property
    def op(self) -> str:
        """The operator."""
        return str(self.node.op_type)

    @property
    def output(self) -> str:
        """The tensor that the node makes."""
        return str(self.node.output[0])

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The node's attributes."""
        return attributes_of(self.node)
