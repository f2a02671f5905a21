"""Exact products and two-operand sums of values, with IEEE signs of zero and NaN rules.

* A product's exponents add (also the alignment exponents); it is dead if either factor is. 0 * inf is a fresh NaN.
  Of two NaNs the first is kept. The sign is the XOR, of zeros too.
* `add`: e is the larger one of the live operands. Two zeros of one sign keep it; every other exact zero is +0, or -0
  where the rounding that follows is toward_negative (IEEE 754-2019, 6.3).
"""

from __future__ import annotations

from dataclasses import replace

from emu.formats.value import FRESH_NAN, Value, infinity


def multiply(x: Value, y: Value) -> Value:
    """x * y, exact. Special cases: NaN of x, then of y, is kept; 0 * inf is a fresh NaN; inf * y is an infinity."""
    if x.nan:
        return x
    if y.nan:
        return y
    negative = x.negative != y.negative
    if x.inf or y.inf:
        return FRESH_NAN if x.is_zero or y.is_zero else infinity(negative)
    e = None if x.e is None or y.e is None else x.e + y.e
    return Value(negative=negative, sig=x.sig * y.sig, q=x.q + y.q, e=e)


def add(x: Value, y: Value, *, toward_negative: bool) -> Value:
    """x + y, exact, for a finite y. Special cases: NaN and infinity of x stay."""
    if not x.finite:
        return x
    q = min(x.q, y.q)
    total = (x.signed_sig << (x.q - q)) + (y.signed_sig << (y.q - q))
    live = [e for e in (x.e, y.e) if e is not None]
    out = Value(negative=total < 0, sig=abs(total), q=q, e=max(live) if live else None)
    if total:
        return out
    same = x.is_zero and y.is_zero and x.negative == y.negative
    return replace(out, negative=x.negative if same else toward_negative)
