"""What a cast does to the integers of an interval: nothing, a clamp, or a reduction modulo a power of two.

Integers count units of 2^unit. A cast has one of these meanings only if no rounding can change any of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.formats.cast import Cast
from emu.formats.enums import FormatKind, IntegerEncoding, Overflow, Rounding
from emu.formats.model import Format
from emu.units.plans.plan import UnprovedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """All integers from low to high."""

    low: int
    high: int

    def __add__(self, other: Span) -> Span:
        return Span(low=self.low + other.low, high=self.high + other.high)

    def __or__(self, other: Span) -> Span:
        return Span(low=min(self.low, other.low), high=max(self.high, other.high))

    def __mul__(self, other: Span) -> Span:
        corners = [x * y for x in (self.low, self.high) for y in (other.low, other.high)]
        return Span(low=min(corners), high=max(corners))

    def upto(self, count: int) -> Span:
        """Sums of 0 to `count` of these."""
        return Span(low=min(self.low, 0) * count, high=max(self.high, 0) * count)

    def within(self, other: Span) -> bool:
        """Whether all of these are among the others."""
        return other.low <= self.low and self.high <= other.high

    @property
    def largest(self) -> int:
        """The largest magnitude."""
        return max(-self.low, self.high)

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


NOTHING = Span(low=0, high=0)
INT16, INT32, INT64 = (Span(low=-(1 << bits - 1), high=(1 << bits - 1) - 1) for bits in (16, 32, 64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A cast that is not the identity on its range."""

    span: Span
    """what it can give"""
    wraps: int
    """bits of the modulus; 0: it clamps"""


def twos_complement(fmt: Format) -> bool:
    """Whether codes are integers modulo 2^bits, all of them values."""
    return fmt.kind in (FormatKind.INTEGER, FormatKind.FIXED) and (
        fmt.encoding is IntegerEncoding.TWOS_COMPLEMENT and not fmt.symmetric and not fmt.ignored_high_bits
    )


def change_of(how: Cast, x: Span, unit: int, where: str) -> Change | None:
    """What a cast changes in integers of a span; None: nothing.

    Raises:
        UnprovedError: it can round one of them, or make of it what is neither of the two.
    """
    fmt = how.format
    if how.rounding in (Rounding.JAMMING, Rounding.STOCHASTIC):
        raise UnprovedError(f"{where}: {how.rounding.value} changes integers")
    if fmt.kind is FormatKind.FLOAT:
        _check_float(fmt, x, unit, where)
        return None
    if not fmt.is_integral:
        raise UnprovedError(f"{where}: {fmt.name} is neither an integer nor a float")
    up = unit + fmt.frac_bits
    if x == NOTHING:
        return None
    if up < 0:
        raise UnprovedError(f"{where}: sums in units of 2^{unit} have more fraction bits than {fmt.name}")
    full = Span(low=-fmt.min_sig, high=fmt.max_sig)
    if Span(low=x.low << up, high=x.high << up).within(full):
        return None
    if up:
        raise UnprovedError(f"{where}: {fmt.name} overflows in units of its own")
    if how.overflow is Overflow.WRAP:
        return Change(span=full, wraps=fmt.bits)
    if how.overflow in (Overflow.SATURATE, Overflow.SATURATE_PROPAGATE):
        return Change(span=full, wraps=0)
    raise UnprovedError(f"{where}: {fmt.name} overflows by {how.overflow.value}")


def _check_float(fmt: Format, x: Span, unit: int, where: str) -> None:
    """Floats hold the integers up to 2^precision exactly."""
    top = x.largest.bit_length() + unit
    exact = x.largest <= 1 << fmt.precision and unit >= fmt.emin and top < fmt.max_sig.bit_length() + fmt.max_q
    if not exact or (x.low < 0 and not fmt.signed):
        raise UnprovedError(f"{where}: {fmt.name} does not hold {x} (times 2^{unit}) exactly")
