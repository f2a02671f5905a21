"""Block formats as data: an element format, a scale format, and the rule that chooses the scale.

* Along one axis every `block` values share one scale; the last block of an axis may be short, and is treated as if
  zeros filled it.
* value = element * scale (* tensor scale), exactly.
* encode: absmax of each block, the rule's scale, value / scale rounded once into the element's format.
* The rules make no negative scales: the sign bit of a signed scale format is never set.

Not modelled: scales shared by two-dimensional tiles, one tensor scale for each row, packing of codes into bytes, and
swizzled layouts of scales.

Sources: OCP Microscaling Formats v1.0; microxcaling; torchao mx_formats; Transformer Engine nvfp4; TOSA 1.1 draft
(calc_block_scale); P3109 interim report v4.0, section 5; reference/numerics.md D.3 to D.7.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from emu.formats.blocks.enums import BlockRule, FourOverSix, Quotient, Special, TensorScale
from emu.formats.blocks.extent import Extent, extent_of
from emu.formats.enums import Overflow, Rounding, StochasticVariant
from emu.formats.model import Format

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emu.formats.blocks.blocked import Blocked


@dataclass(frozen=True, kw_only=True)
class BlockFormat:
    """One block format. Build it with `emu.formats.blocks.load_block`.

    Keys that a rule does not use keep their neutral values.
    """

    name: str
    element: Format
    block: int | None
    """values that share a scale; None: all of the axis"""
    scale: Format
    rule: BlockRule
    rounding: Rounding = Rounding.TIES_TO_EVEN
    """of the elements"""
    overflow: Overflow = Overflow.SATURATE
    """of the elements"""
    sr_bits: int | None = None
    sr_variant: StochasticVariant = StochasticVariant.B
    quotient: Quotient = Quotient.EXACT
    scale_rounding: Rounding = Rounding.TIES_TO_EVEN
    scale_overflow: Overflow = Overflow.SATURATE
    """a scale beyond the largest one: `saturate`, or `nan`, which makes it NaN and the elements +0"""
    scale_max: float = 0.0
    """of the rule nvfp4: the block scale that the tensor's absmax is given"""
    bump: bool = False
    """whether the exponent grows by one where the rounding of an element overflows"""
    tensor_scale: TensorScale = TensorScale.NONE
    four_over_six: FourOverSix = FourOverSix.NONE
    nan: Special = Special.ERROR
    inf: Special = Special.ERROR
    alias: tuple[str, ...] = field(default=(), compare=False, repr=False)
    doc: str = field(default="", compare=False, repr=False)
    source: str = field(default="", compare=False, repr=False)
    maturity: str = field(default="", compare=False, repr=False)
    scope: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return self.name

    @property
    def bits_per_value(self) -> float:
        """Bits of an element and its share of the scale; without the scale where a block is all of an axis."""
        return self.element.bits + (self.scale.bits / self.block if self.block else 0.0)

    @property
    def max_finite(self) -> float:
        """The largest finite value, without the tensor's scale (infinity if no float is that large)."""
        return self.element.max_finite * self.scale.max_finite

    @cached_property
    def element_extent(self) -> Extent:
        """Exponents and precision of the elements."""
        return extent_of(self.element)

    @cached_property
    def scale_extent(self) -> Extent:
        """Exponents and precision of the scales."""
        return extent_of(self.scale)

    @property
    def fits_float64(self) -> bool:
        """Whether every element * scale (* tensor scale) is a float64."""
        element, scale = self.element_extent, self.scale_extent
        tensor = self.tensor_scale is not TensorScale.NONE
        bits = element.bits + scale.bits + 24 * int(tensor)
        low = element.low + scale.low - 149 * int(tensor)
        high = element.high + scale.high + 2 + 128 * int(tensor)
        return bits <= 53 and low >= -1074 and high <= 1023

    def encode(
        self,
        x: Any,
        axis: int = -1,
        *,
        rounding: str | Rounding | None = None,
        tensor_scale: float | None = None,
        tensor_absmax: float | None = None,
        sr_bits: int | None = None,
        random: Any = None,
    ) -> Blocked:
        """Codes and scales of values; see `emu.formats.blocks.encode.encode`."""
        from emu.formats.blocks.encode import encode

        return encode(
            self, x, axis, rounding=rounding, tensor_scale=tensor_scale, tensor_absmax=tensor_absmax,
            sr_bits=sr_bits, random=random,
        )  # fmt: skip

    def decode(self, blocked: Blocked) -> NDArray[Any]:
        """Values of codes and scales; see `emu.formats.blocks.decode.decode`."""
        from emu.formats.blocks.decode import decode

        return decode(self, blocked)

    def decode_exact(self, blocked: Blocked) -> NDArray[Any]:
        """Values as Fractions; see `emu.formats.blocks.decode.decode_exact`."""
        from emu.formats.blocks.decode import decode_exact

        return decode_exact(self, blocked)
