"""The exact values that the reference backend computes with.

A value is NaN, an infinity, or (-1)^negative * sig * 2^q with an *alignment exponent* e (unit-spec section 2):

* e of a decoded float is max(exponent field, 1) - bias, so it need not be that of the leading bit; None means *dead*:
  a zero that takes no part in a maximum of exponents. A sum that cancels to zero is zero and live.
* A NaN carries its sign and its payload: the mantissa field, left-aligned in 64 bits, quiet bit included.
  A *fresh* NaN was made by an operation and has no code yet; it loses to any NaN that an operand brought.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

QUIET = 1 << 63
"""The quiet bit of a left-aligned payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value on a wire of a unit."""

    negative: bool = False
    sig: int = 0
    """significand, never negative"""
    q: int = 0
    """exponent of the significand's last bit"""
    e: int | None = None
    """alignment exponent; None = dead"""
    inf: bool = False
    nan: bool = False
    payload: int = QUIET
    """of a NaN: mantissa field left-aligned in 64 bits"""
    fresh: bool = False
    """of a NaN: made by an operation, not yet given a code"""

    @property
    def finite(self) -> bool:
        """Neither NaN nor infinite."""
        return not (self.nan or self.inf)

    @property
    def is_zero(self) -> bool:
        """Zero of either sign."""
        return self.finite and self.sig == 0

    @property
    def top(self) -> int:
        """floor(log2|x|) of a finite value that is not zero."""
        return self.sig.bit_length() - 1 + self.q

    @property
    def signed_sig(self) -> int:
        """The significand with its sign."""
        return -self.sig if self.negative else self.sig

    def fraction(self) -> Fraction:
        """The value as a Fraction (finite values only)."""
        scale = Fraction(2) ** self.q
        return self.signed_sig * scale

    def with_sign(self, negative: bool) -> Value:
        """The same magnitude with this sign."""
        return replace(self, negative=negative)


def compare(x: Value, y: Value) -> int:
    """-1, 0 or 1: finite x is below, equal to (whatever the sign of a zero) or above finite y."""
    if not x.sig or not y.sig or x.negative != y.negative:
        left, right = (0 if not v.sig else -1 if v.negative else 1 for v in (x, y))
        return (left > right) - (left < right)
    if x.top != y.top:
        return 1 if (x.top > y.top) != x.negative else -1
    q = min(x.q, y.q)
    left, right = x.signed_sig << (x.q - q), y.signed_sig << (y.q - q)
    return (left > right) - (left < right)


FRESH_NAN = Value(nan=True, fresh=True)
"""The NaN that inf - inf and 0 * inf make."""


def zero(negative: bool = False, e: int | None = None) -> Value:
    """A zero, dead unless it is given an alignment exponent."""
    return Value(negative=negative, e=e)


def infinity(negative: bool) -> Value:
    """An infinity."""
    return Value(negative=negative, inf=True)


def from_fraction(x: Fraction) -> Value:
    """A dyadic rational as a value with an odd significand, whose alignment exponent is that of its leading bit.

    Raises:
        ValueError: the denominator is no power of two.
    """
    if x.denominator & (x.denominator - 1):
        raise ValueError(f"{x} is no dyadic rational")
    sig = abs(x.numerator)
    zeros = (sig & -sig).bit_length() - 1 if sig else 0
    sig, q = sig >> zeros, 1 - x.denominator.bit_length() + zeros
    return Value(negative=x < 0, sig=sig, q=q, e=sig.bit_length() - 1 + q if sig else None)
