"""Values: what a code stands for and what an adder adds.

* `Num(m, q, e, negative)`: the number m * 2^q, its alignment exponent e (None: the value is zero and
  "dead", it takes no part in an alignment), and its sign, which also a zero has.
* `Inf(negative)`.
* `NaN(negative, payload, fresh)`: payload is the mantissa field, left-aligned in 64 bits, always quiet. A
  fresh NaN was made by an operation (inf * 0, inf - inf) and has no sign or payload of its own yet.
"""

from __future__ import annotations

from typing import NamedTuple

PAYLOAD_BITS = 64
QUIET = 1 << (PAYLOAD_BITS - 1)


class Num(NamedTuple):
    """The number m * 2^q with alignment exponent e (None: dead) and a sign that a zero keeps."""

    m: int
    q: int
    e: int | None
    negative: bool


class Inf(NamedTuple):
    """An infinity."""

    negative: bool


class NaN(NamedTuple):
    """A NaN; `payload` is left-aligned in 64 bits and quiet."""

    negative: bool
    payload: int
    fresh: bool


Value = Num | Inf | NaN
FRESH = NaN(False, QUIET, True)
PLUS_ZERO = Num(0, 0, None, False)


def zero(negative: bool) -> Num:
    """A dead zero of the given sign."""
    return Num(0, 0, None, negative)


def floor_log2(m: int, q: int) -> int:
    """floor(log2(|m| * 2^q)) of a number that is not zero."""
    return abs(m).bit_length() - 1 + q
