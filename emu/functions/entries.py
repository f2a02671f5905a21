"""The entries of a function unit's tables, given or derived. Every rule is exact, so that all agree on every bit.

* Given: `values`, numbers cast to the entry format, or `codes` of it.
* lut and linear: the function at a node (lut: at `place`), correctly rounded to the entry format.
* Slopes: (f(end) - f(start)) / span, where f is the function correctly rounded to `WIDE_BITS` bits (slope_rule
  "function") or the entry (slope_rule "entries"), and span what the offset goes through from one node to the next.
* Coefficients of degree 1, 2 or 3: the polynomial in the offset through the function's values, correctly rounded to
  `WIDE_BITS` bits, at the Chebyshev extrema of the segment: at 0 and 1; 0, 1/2, 1; or 0, 1/4, 3/4, 1 of its width. It
  is computed in rationals, and each coefficient is rounded once.

An entry beyond the range of its format is an error.
"""

from __future__ import annotations

from fractions import Fraction

from emu.errors import OverflowRaised
from emu.formats.cast import Cast, cast, check_cast
from emu.formats.enums import FormatKind, NanEncoding, Overflow, Rounding
from emu.formats.model import Format
from emu.formats.ratio import ratio
from emu.formats.value import Value, from_fraction
from emu.functions.enums import Function
from emu.functions.target import Target
from emu.functions.ziv import result

WIDE_BITS = 128
_WIDE = Format(
    name="wide", kind=FormatKind.FLOAT, bits=22 + WIDE_BITS - 1, exp_bits=21, man_bits=WIDE_BITS - 1, bias=1 << 20,
    nan=NanEncoding.NONE, infinities=False, negative_zero=True,
)  # fmt: skip
EXTREMA = {
    1: (Fraction(0), Fraction(1)),
    2: (Fraction(0), Fraction(1, 2), Fraction(1)),
    3: (Fraction(0), Fraction(1, 4), Fraction(3, 4), Fraction(1)),
}
"""(1 - cos(j pi / d)) / 2: rational up to degree 3."""


class NoEntryError(ValueError):
    """An entry that cannot be made; the message says which and why."""


def entry_cast(fmt: Format, rounding: Rounding) -> Cast:
    """The cast of an entry: it must fit."""
    return check_cast(fmt, rounding=rounding, overflow=Overflow.RAISE)


def rounded(number: Fraction, how: Cast) -> Value:
    """A number as an entry.

    Raises:
        NoEntryError: it does not fit.
    """
    return _fitted(ratio(number, how.format), how, str(float(number)))


def function_at(function: Function, x: Fraction, how: Cast) -> Value:
    """The function, correctly rounded.

    Raises:
        NoEntryError: it has no finite value at x, or none that fits.
    """
    if x == 0:
        made, _ = result(function, Value(), Target(how=how))
    else:
        made, _ = result(function, from_fraction(x), Target(how=how))
    if not made.finite:
        raise NoEntryError(f"{function.value} has no finite value at {float(x)}")
    return _fitted(made, how, f"{function.value}({float(x)})")


def _fitted(x: Value, how: Cast, what: str) -> Value:
    try:
        return cast(x, how)[0]
    except OverflowRaised:
        raise NoEntryError(f"{what} does not fit {how.format.name}") from None


def wide(function: Function, x: Fraction) -> Fraction:
    """The function, correctly rounded to `WIDE_BITS` bits."""
    return function_at(function, x, entry_cast(_WIDE, Rounding.TIES_TO_EVEN)).fraction()


def slope(function: Function, ends: tuple[Fraction, Fraction], span: Fraction, how: Cast) -> Value:
    """The mean slope of the function between two nodes, per unit of the offset."""
    return rounded((wide(function, ends[1]) - wide(function, ends[0])) / span, how)


def coefficients(function: Function, start: Fraction, width: Fraction, span: Fraction, degree: int) -> list[Fraction]:
    """The interpolating polynomial on a segment, in the offset: c0 first.

    Args:
        function: which.
        start: where the segment starts.
        width: how wide it is.
        span: what the offset is at its end.
        degree: 1, 2 or 3.
    """
    places = EXTREMA[degree]
    values = [wide(function, start + place * width) for place in places]
    return _monomials([place * span for place in places], values)


def _monomials(nodes: list[Fraction], values: list[Fraction]) -> list[Fraction]:
    """Newton's divided differences, expanded."""
    table = list(values)
    for order in range(1, len(nodes)):
        for at in range(len(nodes) - 1, order - 1, -1):
            table[at] = (table[at] - table[at - 1]) / (nodes[at] - nodes[at - order])
    out = [table[-1]]
    for at in range(len(nodes) - 2, -1, -1):
        out = [Fraction(0), *out]
        for power in range(len(out) - 1):
            out[power] -= nodes[at] * out[power + 1]
        out[0] += table[at]
    return out
