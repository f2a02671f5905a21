"""Ziv's loop: more bits, until the result is known well enough to be cast.

A result is either exact (emu/functions/special.py) or no dyadic rational; then it is never on a boundary of the cast
(emu/functions/target.py), and enough bits tell on which side of every boundary it lies. The one exception, 2^(h/2) on
a geometric boundary of a log format, is recognised.
"""

from __future__ import annotations

from emu.errors import FormatError
from emu.formats.enums import Flag
from emu.formats.value import Value
from emu.functions.approximate import approximate
from emu.functions.bounds import bound
from emu.functions.enums import Function
from emu.functions.interval import Interval
from emu.functions.special import QUIET_FLAGS, exact, half_power, special
from emu.functions.target import Target

FIRST_BITS, LAST_BITS = 24, 1 << 20


def result(function: Function, x: Value, target: Target) -> tuple[Value, Flag]:
    """A value that is cast as the exact result is.

    Args:
        function: which.
        x: any value but NaN.
        target: what it will be cast to.

    Returns:
        The value, and the flags of the operation (invalid, divide-by-zero); the cast adds the others.
    """
    made = special(function, x)
    if made is not None:
        return made
    x = _odd(x)
    known = bound(function, x, target)
    if isinstance(known, Value):
        return known, QUIET_FLAGS
    short = exact(function, x)
    if short is not None:
        return short, QUIET_FLAGS
    return _loop(function, x, target, known), QUIET_FLAGS


def _loop(function: Function, x: Value, target: Target, known: Interval | None) -> Value:
    h = half_power(function, x)
    tie = None if h is None else target.root_tie(h)
    settled = tie if known is None or tie is not None else target.settle(known)
    bits = target.format.man_bits + target.how.sr_bits + FIRST_BITS + 24
    while settled is None and bits <= LAST_BITS:
        settled = target.settle(approximate(function, x, bits))
        bits *= 2
    if settled is None:
        raise FormatError(f"{function.value} of {x.signed_sig}*2^{x.q} is not settled by {LAST_BITS} bits")
    return settled


def _odd(x: Value) -> Value:
    """The same number with an odd significand."""
    zeros = (x.sig & -x.sig).bit_length() - 1
    return Value(negative=x.negative, sig=x.sig >> zeros, q=x.q + zeros, e=x.e)
