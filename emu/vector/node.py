"""Which ONNX nodes a vector unit runs, and running one."""

from __future__ import annotations

from emu.arithmetic.rounded import Floats
from emu.vector.activations import ACTIVATIONS
from emu.vector.operators import OPERATORS, Attributes, Operands
from emu.vector.pooling import POOLS
from emu.vector.reductions import REDUCTIONS, axes_of_softmax
from emu.vector.resize import RESIZES, takes_resize
from emu.vector.scans import REDUCING, SCANS, SCATTERS
from emu.vector.tensors import TENSORS
from emu.vector.unit import VectorUnit

KNOWN = OPERATORS | ACTIVATIONS | REDUCTIONS | POOLS | RESIZES | SCANS | SCATTERS | TENSORS
SOFTMAX = ("Softmax", "LogSoftmax")
COERCED_BEFORE = 13
"""Softmax of older opsets takes all axes from `axis` on for one."""
RESIZE_WITH_ROI = 11
"""Resize of the opset before has the operands and coordinates of Upsample."""


def takes(op: str, attributes: Attributes, outputs: int, opset: int) -> bool:
    """Whether a vector unit runs a node.

    Args:
        op: the operator.
        attributes: of the node.
        outputs: how many outputs of the node are used.
        opset: of ONNX's own domain.
    """
    if op not in KNOWN or outputs != 1:
        return False
    if op == "BatchNormalization":
        return not attributes.get("training_mode", 0)
    if op in RESIZES:
        return takes_resize(op, _read(op, attributes, opset))
    if op in SCATTERS:
        return attributes.get("reduction") in REDUCING
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
    if op in SOFTMAX and opset < COERCED_BEFORE:
        return {**attributes, "coerced": 1}
    return {**attributes, "opset10": 1} if op == "Resize" and opset < RESIZE_WITH_ROI else attributes
