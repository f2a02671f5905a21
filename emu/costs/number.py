"""What stands on a wire, as far as its cost goes: how many bits of significand, and of exponent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from emu.formats.enums import FormatKind
from emu.formats.model import Format


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A value on a wire.

    * `sig` bits of significand: of a float with the hidden bit and without the sign, of a word all of it.
    * `exp` bits of exponent; 0: the binary point stands still.
    """

    sig: int
    exp: int = 0
    word: bool = False
    """two's complement: a negative one is negated before its leading bit is looked for"""
    fmt: Format | None = None
    """it is a value of this format, in the format's own fields"""

    @property
    def power(self) -> bool:
        """Whether it is a power of two (or zero): to multiply by it is to add exponents."""
        return self.sig == 1 and self.exp > 0

    def product(self, other: Number) -> Number:
        """What an exact multiplier gives."""
        floating = self.exp > 0 and other.exp > 0
        sig = max(self.sig, other.sig) if 1 in (self.sig, other.sig) else self.sig + other.sig
        return Number(sig=sig, exp=max(self.exp, other.exp) + int(floating), word=self.word or other.word)

    def wider(self, other: Number) -> Number:
        """As wide as both."""
        return Number(sig=max(self.sig, other.sig), exp=max(self.exp, other.exp), word=self.word or other.word)


@lru_cache(maxsize=1024)
def of_format(fmt: Format) -> Number:
    """A value of a format, decoded."""
    if fmt.is_integral:
        return Number(sig=fmt.bits, word=True, fmt=fmt)
    if not fmt.is_listed:
        return Number(sig=fmt.man_bits + 1, exp=fmt.exp_bits, fmt=fmt)
    values = [point.value for point in fmt.grid.real if point.value.sig]
    sig = max(value.sig.bit_length() - _zeros(value.sig) for value in values)
    tops = [value.top for value in values]
    steps = fmt.exp_bits if fmt.kind is FormatKind.LOG and not fmt.log_table else (max(tops) - min(tops)).bit_length()
    return Number(sig=sig, exp=steps, fmt=fmt)


def storage_bits(fmt: Format) -> int:
    """Bits of a code that mean something: what a register of the format holds."""
    return fmt.bits - fmt.ignored_low_bits - fmt.ignored_high_bits


def _zeros(sig: int) -> int:
    return (sig & -sig).bit_length() - 1
