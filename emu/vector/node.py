"""Which ONNX nodes a vector unit runs, and running one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from emu.vector.arithmetic import Floats
from emu.vector.operators import OPERATORS, Attributes, Operands, takes_power
from emu.vector.reductions import REDUCTIONS, axes_of_softmax
from emu.vector.unit import VectorUnit

KNOWN = OPERATORS | REDUCTIONS
SOFTMAX = ("Softmax", "LogSoftmax")
COERCED_BEFORE = 13
"""Softmax of older opsets takes all axes from `axis` on for one."""


def takes(op: str, attributes: Attributes, constants: Mapping[int, NDArray[Any]], outputs: int) -> bool:
    """Whether a vector unit runs a node.

    Args:
        op: the operator.
        attributes: of the node.
        constants: operands that are constants of the model, by position.
        outputs: how many outputs of the node are used.
    """
    if op not in KNOWN or outputs != 1:
        return False
    if op == "Pow":
        return takes_power(constants.get(1))
    if op == "BatchNormalization":
        return not attributes.get("training_mode", 0)
    if op == "AveragePool":
        return not attributes.get("ceil_mode", 0)
    return op != "GroupNormalization" or "num_groups" in attributes


def run_node(unit: VectorUnit, op: str, operands: Operands, attributes: Attributes, opset: int) -> Floats:
    """The output of a node: values of the vector format.

    Args:
        unit: the vector unit.
        op: one that `takes` accepted.
        operands: None where an optional one is left out.
        attributes: of the node.
        opset: of ONNX's own domain.
    """
    (made,) = KNOWN[op](unit, operands, _read(op, attributes, opset))
    return made


def softmax_axes(op: str, attributes: Attributes, rank: int, opset: int) -> tuple[int, ...]:
    """The axes that a softmax of a tensor of so many axes normalises over; none for any other operator."""
    return axes_of_softmax(rank, _read(op, attributes, opset)) if op in SOFTMAX else ()


def _read(op: str, attributes: Attributes, opset: int) -> Attributes:
    """The attributes, and what the opset adds to their meaning."""
    return {**attributes, "coerced": 1} if op in SOFTMAX and opset < COERCED_BEFORE else attributes
