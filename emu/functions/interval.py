"""Open intervals around a number that is no dyadic rational: what is known of a function's value."""

from __future__ import annotations

from dataclasses import dataclass

from emu.formats.value import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A number whose magnitude lies strictly between low * 2^q and high * 2^q."""

    negative: bool
    low: int
    high: int
    q: int

    @property
    def top(self) -> int:
        """floor(log2) of the lower end, which is not zero."""
        return self.low.bit_length() - 1 + self.q

    def ends(self) -> tuple[Value, Value]:
        """The two ends, by magnitude."""
        low = Value(negative=self.negative, sig=self.low, q=self.q)
        return low, Value(negative=self.negative, sig=self.high, q=self.q)

    def middle(self) -> Value:
        """A number inside."""
        return Value(negative=self.negative, sig=self.low + self.high, q=self.q - 1)


def beside(a: Value, *, outward: bool, below: int, finest: int) -> Interval | None:
    """The interval of a number whose magnitude differs from |a| by more than 0 and less than 2^below.

    Args:
        a: not zero.
        outward: whether it is the larger one.
        below: an exponent.
        finest: below this the interval need not be narrower; it bounds the size of the integers.

    Returns:
        None if the interval would be no narrower than an eighth of a.
    """
    if below > a.top - 3:
        return None
    width = max(below, min(a.q, finest) - 2)
    q = min(a.q, width)
    sig, gap = a.sig << (a.q - q), 1 << (width - q)
    low, high = (sig, sig + gap) if outward else (sig - gap, sig)
    return Interval(negative=a.negative, low=low, high=high, q=q)
