"""The cast of value / scale to elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from emu.errors import FormatError
from emu.formats.blocks.enums import FourOverSix
from emu.formats.blocks.model import BlockFormat
from emu.formats.cast import check_cast
from emu.formats.draws import draws_of, sr_bits_of
from emu.formats.enums import Flag, Rounding
from emu.formats.modes import member

MAX_SR_BITS = 32
"""Quotients are rounded to odd in 53 bits: 16 of an element, 32 draws, and some to spare."""


@dataclass(frozen=True, kw_only=True)
class Elements:
    """The format's cast, with what the caller wants otherwise, and the random bits of every value."""

    format: BlockFormat
    rounding: Rounding
    sr_bits: int | None
    draws: NDArray[np.uint64] | None
    """of the tensor's shape; None if the rounding draws none"""

    @classmethod
    def of(
        cls, fmt: BlockFormat, shape: tuple[int, ...], rounding: str | Rounding | None, sr_bits: int | None, random: Any
    ) -> Self:
        """The cast of a tensor of this shape.

        Raises:
            FormatError: an unknown rounding, `sr_bits` missing or out of range, or stochastic rounding with 4over6.
            SpecError: `sr_bits` for a rounding that draws none.
            ValueError: random bits that are missing, not wanted, of another shape, or beyond N bits.
        """
        mode = fmt.rounding if rounding is None else member(Rounding, rounding)
        if mode is Rounding.EXACT:
            raise FormatError('rounding = "exact" is for pipes inside units; elements need a rounding to their values')
        bits = sr_bits
        if mode is Rounding.STOCHASTIC:
            if fmt.four_over_six is not FourOverSix.NONE:
                raise FormatError(f"{fmt}: 4over6 compares the errors of two roundings, which this one does not repeat")
            bits = sr_bits_of(random, fmt.sr_bits if sr_bits is None else sr_bits)
            if bits is None or not 1 <= bits <= MAX_SR_BITS:
                raise FormatError(f"{fmt}: stochastic rounding needs sr_bits from 1 to {MAX_SR_BITS} (got {bits!r})")
        how = check_cast(
            fmt.element, rounding=mode, overflow=fmt.overflow, sr_bits=bits, sr_variant=fmt.sr_variant, key="elements"
        )
        return cls(format=fmt, rounding=mode, sr_bits=bits, draws=draws_of(random, how, shape))

    def codes(self, y: NDArray[Any], bits: NDArray[np.uint64] | None) -> NDArray[Any]:
        """Element codes of y, with the random bits of each."""
        codes: NDArray[Any] = self._cast(y, bits, flags=False)
        return codes

    def codes_and_overflow(self, y: NDArray[Any], bits: NDArray[np.uint64] | None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Element codes of y, and which of them left the range."""
        codes, flags = self._cast(y, bits, flags=True)
        return codes, flags & np.uint8(Flag.OVERFLOW) != 0

    def _cast(self, y: NDArray[Any], bits: NDArray[np.uint64] | None, *, flags: bool) -> Any:
        fmt = self.format
        return fmt.element.encode(
            y, self.rounding, fmt.overflow,
            random=bits, flags=flags, sr_bits=self.sr_bits, sr_variant=fmt.sr_variant.value,
        )  # fmt: skip
