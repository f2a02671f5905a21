"""Which scheme a tensor gets, at what granularity, with which range: what an accelerator says about an operand."""

from __future__ import annotations

from dataclasses import dataclass

from emu.schemes.enums import Granularity, Range
from emu.schemes.scheme import Scheme


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """A scheme as it is used for the activations or the weights of a layer."""

    scheme: Scheme
    per: Granularity = Granularity.TENSOR
    range: Range = Range.DYNAMIC

    @property
    def per_line(self) -> bool:
        """One scale per token or channel, rather than one per tensor."""
        return self.per is not Granularity.TENSOR

    @property
    def static(self) -> bool:
        """Whether the scale must be known beforehand."""
        return self.scheme.scales and self.range is Range.STATIC

    def __str__(self) -> str:
        if not self.scheme.scales:
            return self.scheme.name
        text = f"{self.scheme.name} per {self.per.value}"
        return text if self.per is Granularity.CHANNEL else f"{text}, {self.range.value}"
