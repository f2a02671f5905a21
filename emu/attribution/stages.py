"""The stages of a datapath that an error is charged to, in the order of the ladder.

Every rung of the ladder switches one more stage on; what is off is exact. The order is fixed, because the share of a
stage depends on what was switched on before it (`emu.attribution.shares` has Shapley values, which do not).
"""

from __future__ import annotations

from emu.formats.enums import Vocabulary


class Stage(Vocabulary):
    """A part of the datapath that can be exact or real."""

    INPUTS = "inputs"
    """propagated replays: what the layers before did to this layer's inputs"""
    OPERAND_A = "operand_a"
    """a became codes: rounding and clamping of its values, and of its scale to the unit's scale format"""
    OPERAND_B = "operand_b"
    """b became codes"""
    PRODUCT = "product"
    """the multiplier: casts of `product.result`, a table of approximate products, parts that `product.split` drops"""
    ALIGNMENT = "alignment"
    """`align_bits`: addends cut to the grid of the largest exponent"""
    PRECISION = "precision"
    """rounding of the accumulators: significand bits of every level's casts, their exponents unbounded"""
    RANGE = "range"
    """range of the accumulators: overflow, saturation, wrapping, underflow, flushing"""
    ORDER = "order"
    """`lanes` and `order`: before, inputs are added one group after the other as they come"""
    SCALE = "scale"
    """products of scales, rounded in the unit and in the epilogue"""
    OUTPUT = "output"
    """the unit's `output` and cast to d, the epilogue's float32 steps, the layer's last cast"""
    VECTOR = "vector"
    """a vector operation's own roundings"""


UNIT_STAGES = (Stage.PRODUCT, Stage.ALIGNMENT, Stage.PRECISION, Stage.RANGE, Stage.ORDER)
"""What happens between the operands and the sum."""
LADDER = (
    Stage.OPERAND_A, Stage.OPERAND_B, Stage.PRODUCT, Stage.ALIGNMENT, Stage.PRECISION, Stage.RANGE, Stage.ORDER,
    Stage.SCALE, Stage.OUTPUT,
)  # fmt: skip
"""The rungs of a matrix layer, from exact to emulated."""
