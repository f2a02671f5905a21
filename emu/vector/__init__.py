"""Vector operations with a rounding after every elementary operation, sums in a stated order."""

from emu.arithmetic.rounded import Arithmetic
from emu.vector.embedding import BagMode, QuantisedRows, embedding_bag
from emu.vector.integer_norm import L1Norm
from emu.vector.node import run_node, softmax_axes, takes
from emu.vector.sums import Adder
from emu.vector.unit import VectorUnit, vector_unit

__all__ = [
    "Adder", "Arithmetic", "BagMode", "L1Norm", "QuantisedRows", "VectorUnit", "embedding_bag", "run_node",
    "softmax_axes", "takes", "vector_unit",
]  # fmt: skip
