"""The cast to a listed format (log, codebook): a number goes to one of its two neighbours on the grid.

* Nearest: by the boundary between the two; a tie goes to the even code, or as the rounding says.
* Directed: the neighbour on that side; `to_odd` truncates and takes the odd neighbour if anything was lost;
  `jamming` takes the odd one even for an even value (zero stays).
* `stochastic`: P3109's A, B, C on the distance from the neighbour nearer zero, as a fraction of the gap.
* Beyond the last point, or on the virtual one above: overflow. Below the first one of a log format without zero: the
  smallest value, inexact and underflow. (Zero itself, which such a format does not have, is the business of
  emu/formats/cast.py.)
* Tiny: not zero, and below the smallest positive value. After rounding: what is below it when rounded as if the powers
  of a log format went on; in a codebook, what rounds to zero.
"""

from __future__ import annotations

from emu.formats.enums import EventKind, Rounding, Tininess
from emu.formats.grid import VIRTUAL_ABOVE, VIRTUAL_BELOW, Point
from emu.formats.model import Format
from emu.formats.rounding import RandomBits, goes_away
from emu.formats.value import Value, compare, zero


def neighbour(fmt: Format, x: Value, rounding: Rounding, random: RandomBits | None) -> Point | None:
    """The point that a finite x rounds to; None: x lies beyond the grid."""
    points = fmt.grid.points
    at = fmt.grid.below(x)
    if at < 0:
        return None
    low = points[at]
    if not compare(low.value, x) and not (rounding is Rounding.JAMMING and not low.odd and x.sig):
        return low
    if not compare(low.value, x):  # jamming moves an even value away from zero
        at = at - 1 if x.negative else at
        return points[at if x.negative else at + 1] if 0 <= at < len(points) - 1 else None
    if at + 1 == len(points):
        return None
    high = points[at + 1]
    if low.code == high.code == VIRTUAL_BELOW:
        return low if x.negative else high
    return high if _goes_up(low, high, x, rounding, random) else low


def _goes_up(low: Point, high: Point, x: Value, rounding: Rounding, random: RandomBits | None) -> bool:
    """Whether x, strictly between two points, goes to the higher one."""
    inner = high if x.negative else low
    assert low.boundary is not None
    if rounding.is_nearest:
        side = low.boundary.side(x)
        return side > 0 or (side == 0 and _tie_up(high, x, rounding))
    match rounding:
        case Rounding.TOWARD_ZERO:
            return inner is high
        case Rounding.AWAY_FROM_ZERO:
            return inner is low
        case Rounding.TOWARD_POSITIVE:
            return True
        case Rounding.TOWARD_NEGATIVE:
            return False
        case Rounding.TO_ODD | Rounding.JAMMING:
            return (inner is high) == inner.odd
        case Rounding.STOCHASTIC:
            outer = low if inner is high else high
            return _away(inner, outer, x, random) == (outer is high)
    raise ValueError(f"{rounding.value} is no rounding to a grid")


def _tie_up(high: Point, x: Value, rounding: Rounding) -> bool:
    match rounding:
        case Rounding.TIES_TO_EVEN:
            return not high.odd
        case Rounding.TIES_TO_AWAY:
            return not x.negative
        case Rounding.TIES_TO_ZERO:
            return x.negative
    return rounding is Rounding.TIES_TO_POSITIVE


def _away(inner: Point, outer: Point, x: Value, random: RandomBits | None) -> bool:
    if random is None:
        raise ValueError("stochastic rounding needs random bits or a seed")
    nu = (x.fraction() - inner.value.fraction()) / (outer.value.fraction() - inner.value.fraction())
    return goes_away(nu.numerator, nu.denominator, random)


def _rounds_below(fmt: Format, point: Point, x: Value, rounding: Rounding, random: RandomBits | None) -> bool:
    """Whether x, below the smallest value, stays there when it is rounded as if the powers went on."""
    if not fmt.grid.below_smallest:  # a codebook has no powers
        return point.value.sig == 0
    first, second = fmt.grid.below_smallest[2 * int(not x.negative) :][:2]
    below = second if x.negative else first
    side = compare(x.with_sign(False), below.value.with_sign(False))
    if side <= 0:  # jamming moves the even power itself, of field 0, up to the smallest
        return side < 0 or rounding is not Rounding.JAMMING
    return _goes_up(first, second, x, rounding, random) == x.negative


def cast_listed(
    x: Value, fmt: Format, rounding: Rounding, tininess: Tininess, random: RandomBits | None
) -> tuple[Value | None, int]:
    """Round a finite x to a listed format.

    Returns:
        The value and the events; no value: x overflows.
    """
    if x.sig == 0 and fmt.has_zero:
        return zero(x.negative and fmt.negative_zero), 0
    point = neighbour(fmt, x, rounding, random)
    first = fmt.grid.points[0]
    if point is None and first.code == VIRTUAL_BELOW and compare(x, first.value) < 0 and not x.negative:
        point = first
    if point is None or point.code == VIRTUAL_ABOVE:
        return None, 0
    inexact = point.virtual or bool(compare(point.value, x))
    tiny = bool(x.sig) and compare(x.with_sign(False), fmt.smallest) < 0
    if tiny and tininess is Tininess.AFTER_ROUNDING:
        tiny = point.code == VIRTUAL_BELOW or _rounds_below(fmt, point, x, rounding, random)
    events = EventKind.INEXACT.bit if inexact else 0
    if inexact and tiny:
        events |= EventKind.UNDERFLOW.bit
    if point.code == VIRTUAL_BELOW:
        return fmt.smallest.with_sign(point.value.negative), events
    if point.value.sig == 0:
        return zero(x.negative and fmt.negative_zero), events
    return point.value, events
