"""The error function by integers: two series whose errors are easily bounded.

With t = x^2, phi(x) = e^(-t/2) / sqrt(2 pi) the normal density and Q its upper tail (Abramowitz and Stegun 26.2.11
and 26.2.12):

* P(-x < N < x) = erf(x / sqrt 2) = 2 phi(x) x F(t), F(t) = sum over n of t^n / (2n + 1)!! = 1 + t/3 + t^2/15 + ...
  Every term is positive; each is truncated, and so are those it is made from, so with N terms the relative error is
  below 3 N 2^-bits.
* Q(x) = phi(x) / x A(t), A(t) = 1 - 1/t + 3/t^2 - 15/t^3 + ..., an enveloping series: the error is less than the first
  term left out, and that is small enough only where t is large against `bits`.
"""

from __future__ import annotations

MAX_TERMS = 1 << 18


def odd_factorial_series(t: int, scale: int, bits: int) -> int:
    """F(t * 2^-scale) * 2^bits, for t * 2^-scale >= 0."""
    term = total = 1 << bits
    for n in range(1, MAX_TERMS):
        term = (term * t >> scale) // (2 * n + 1)
        if not term:
            return total
        total += term
    raise AssertionError("the series of the error function did not end")


def tail_series(t: int, scale: int, bits: int) -> int | None:
    """A(t * 2^-scale) * 2^bits, or None if its terms do not get below 2^-bits."""
    term = total = 1 << bits
    for n in range(1, MAX_TERMS):
        following = ((term * (2 * n - 1)) << scale) // t
        if following >= term:
            return None
        if not following:
            return total
        term = following
        total += term if n % 2 == 0 else -term
    return None
