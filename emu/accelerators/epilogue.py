"""What becomes of a unit's output before it is a tensor again, resolved: `[matrix.epilogue]`.

`emu.layers.epilogue` and `emu.layers.requantize` have the arithmetic. The default is DESIGN's section 9:
float32, t = s_a · s_b, y · t, + bias, one rounding each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emu.formats import Format, Rounding, load_format
from emu.formats.enums import Vocabulary
from emu.schemes.enums import Range

if TYPE_CHECKING:
    from emu.schemes import Scheme
    from emu.units.enums import RequantizeRule


class ScaleOrder(Vocabulary):
    """In which order a sum is multiplied by its scales."""

    PRODUCT = "product"
    """t = s_a · s_b, then y · t"""
    A_THEN_B = "a_then_b"
    """y · s_a, then · s_b"""
    B_THEN_A = "b_then_a"
    """y · s_b, then · s_a"""


class ConstantPlace(Vocabulary):
    """Where the constant factor enters."""

    FIRST = "first"
    """y is multiplied by it before any scale"""
    SCALES = "scales"
    """the scale product t is; for `scales = "product"`"""
    LAST = "last"
    """y is multiplied by it after the scales, before the bias"""


class Precision(Vocabulary):
    """What a multiplier is computed in."""

    SINGLE = "float32"
    """(s_a · s_b) / s_y, one rounding each"""
    DOUBLE = "float64"
    """the same in double"""


class Dequantize(Vocabulary):
    """How an output's codes become numbers again."""

    MULTIPLY = "multiply"
    """(q − z) · s_y"""
    DIVIDE = "divide"
    """(q − z) / r, of r = 1 / s_y"""


@dataclass(frozen=True, kw_only=True)
class Requantize:
    """The sum becomes an integer of the output's own scale, without a float between."""

    rule: RequantizeRule
    format: Format
    scheme: Scheme
    """chooses s_y and z"""
    range: Range
    multiplier: Precision
    dequantize: Dequantize
    rounding: Rounding | None = None
    """of the rule `shift`"""


@dataclass(frozen=True, kw_only=True)
class Epilogue:
    """The steps between a unit's d and the layer's last cast."""

    scales: ScaleOrder = ScaleOrder.PRODUCT
    format: Format = field(default_factory=lambda: load_format("float32"))
    """every step is rounded into it"""
    rounding: Rounding = Rounding.TIES_TO_EVEN
    constant: float = 1.0
    constant_at: ConstantPlace = ConstantPlace.LAST
    fused: bool = False
    """the last multiplication and the bias are one step"""
    requantize: Requantize | None = None

    @property
    def plain(self) -> bool:
        """Whether it is the default's arithmetic."""
        return (
            self.scales is ScaleOrder.PRODUCT
            and self.format == load_format("float32")
            and self.rounding is Rounding.TIES_TO_EVEN
            and self.constant == 1.0
            and not self.fused
        )
