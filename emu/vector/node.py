"""Which ONNX nodes a vector unit runs, and running one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from emu.vector.arithmetic import Floats
from emu.vector.operators import OPERATORS, Attributes, Operands, takes_power
from emu.vector.reductions import REDUCTIONS
from emu.vector.unit import VectorUnit

KNOWN = OPERATORS | REDUCTIONS
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
    if op in ("Softmax", "LogSoftmax") and opset < COERCED_BEFORE:
        attributes = {**attributes, "coerced": 1}
    (made,) = KNOWN[op](unit, operands, attributes)
    return made
