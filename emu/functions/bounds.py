"""Results that simple inequalities settle: far beyond the range, far below it, or next to a short number.

Near zero the function is its first term plus a rest of known sign, and where it saturates the rest is below an
exponential. Each bound is proven in the comment next to it, with 2^top <= |x| < 2^(top + 1). What is not settled here
is settled by the Ziv loop; nothing here, then, is needed for correctness, but without it a tiny or a large operand
would take as many bits as its exponent says.

log2(e) = 1.4426..., so e^-y < 2^-(1.442 y) for y > 0.
"""

from __future__ import annotations

from emu.formats.value import Value
from emu.functions.enums import Function
from emu.functions.interval import Interval, beside
from emu.functions.special import HALF, ONE
from emu.functions.target import Target

SMALL = -4
"""|x| < 2^(SMALL + 1) counts as near zero."""
CAP = 1 << 22
"""No exponent of a format is as large; 2^-CAP is below everything."""
_EXPONENTIALS = (Function.EXP, Function.EXP2)
_LINEAR_UNITS = (Function.GELU, Function.GELU_TANH, Function.SILU)


def bound(function: Function, x: Value, target: Target) -> Value | Interval | None:
    """What is known of the result for a finite x, not zero: a stand-in for it, an interval, or nothing."""
    if function in _EXPONENTIALS:
        known = _exponential(x, target)
        if known is not None:
            return known
    if x.top <= SMALL:
        return _near_zero(function, x, target)
    if x.top >= 1:
        return _large(function, x, target)
    return None


def _exponential(x: Value, target: Target) -> Value | None:
    """2^x <= e^x for x > 0, and e^x <= 2^x for x < 0: what 2^x settles is settled for both."""
    whole = floor_times(x, 1, 1)
    if not x.negative and whole >= target.huge and not target.wraps:
        return target.beyond(False)
    if x.negative and whole > -target.tiny:
        return target.below(False)
    return None


def _beside(a: Value, outward: bool, below: int, target: Target) -> Interval | None:
    return beside(a, outward=outward, below=below, finest=target.grid(a.top - 1))


def _near_zero(function: Function, x: Value, target: Target) -> Interval | None:
    positive, half_x = not x.negative, Value(negative=x.negative, sig=x.sig, q=x.q - 1)
    match function:
        case Function.EXP | Function.EXP2:  # 1 < e^x < 1 + 2x for 0 < x < 1; 1 + x < e^x < 1 for x < 0; 2^x is closer
            return _beside(ONE, positive, x.top + 2, target)
        case Function.COS:  # 1 - x^2/2 < cos x < 1
            return _beside(ONE, False, 2 * x.top + 1, target)
        case Function.SIN:  # |x| - |x|^3/6 < |sin x| < |x|
            return _beside(x, False, 3 * x.top + 1, target)
        case Function.TANH:  # |x| - |x|^3/3 < |tanh x| < |x|
            return _beside(x, False, 3 * x.top + 2, target)
        case Function.SIGMOID:  # 1/2 < s(x) < 1/2 + x/4 for x > 0; s(-x) = 1 - s(x)
            return _beside(HALF, positive, x.top - 1, target)
        case Function.SILU:  # x/2 + x (s(x) - 1/2): the second term lies between 0 and x^2/4
            return _beside(half_x, positive, 2 * x.top, target)
        case (
            Function.GELU | Function.GELU_TANH
        ):  # x/2 plus a term between 0 and x^2/2: phi < 0.4; |tanh u| <= |u| < 0.9|x|
            return _beside(half_x, positive, 2 * x.top + 1, target)
    return None


def _large(function: Function, x: Value, target: Target) -> Value | Interval | None:
    """|x| >= 2: how far the function is from where it saturates."""
    match function:
        case Function.TANH:  # 1 - tanh |x| = 2 / (e^2|x| + 1) < 2 e^-2|x|
            return _beside(ONE.with_sign(x.negative), False, 1 - floor_times(x, 2884, 1000), target)
        case Function.ERF:  # 1 - erf |x| < e^(-x^2)
            return _beside(ONE.with_sign(x.negative), False, -floor_square_times(x, 1442, 1000), target)
        case Function.SIGMOID:  # 1 - s(|x|) = s(-|x|) < e^-|x|
            return _tail(x, ONE, -floor_times(x, 1442, 1000), target)
        case Function.SILU:  # |x| s(-|x|) < 2^(top + 1) e^-|x|
            return _tail(x, x, x.top + 1 - floor_times(x, 1442, 1000), target)
        case Function.GELU:  # |x| Q(|x|) < 2^(top + 1) e^(-x^2/2) / 2
            return _tail(x, x, x.top - floor_square_times(x, 721, 1000), target)
        case Function.GELU_TANH:  # |x| s(-2u), 2u > 1.59|x| + 0.071|x|^3 > 1.59|x| + 0.14 x^2
            exponent = floor_times(x, 229, 100) + floor_square_times(x, 20, 100)
            return _tail(x, x, x.top + 1 - exponent, target)
    return None


def _tail(x: Value, limit: Value, below: int, target: Target) -> Value | Interval | None:
    """A function that is `limit` less a rest for x > 0, and that rest (for linear units negative) for x < 0."""
    if not x.negative:
        return _beside(limit, False, below, target)
    return target.below(limit is x) if below <= target.tiny else None


def floor_times(x: Value, numerator: int, denominator: int) -> int:
    """floor(|x| * numerator / denominator), at most `CAP`."""
    return _floor(x.sig * numerator, x.q, denominator, x.top)


def floor_square_times(x: Value, numerator: int, denominator: int) -> int:
    """floor(x^2 * numerator / denominator), at most `CAP`."""
    return _floor(x.sig * x.sig * numerator, 2 * x.q, denominator, 2 * x.top)


def _floor(sig: int, q: int, denominator: int, top: int) -> int:
    if top < -10:
        return 0
    if top > 40:
        return CAP
    return min(CAP, (sig << q if q >= 0 else sig >> -q) // denominator)
