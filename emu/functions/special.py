"""Results that need no approximation: zeros, infinities, operands outside the domain, and exact results.

Special cases (IEEE 754-2019, 9.2.1; for sigmoid, erf, gelu and silu the limits of the function):

| function | x = ±0 | x = +inf | x = -inf | x < 0 |
|---|---|---|---|---|
| exp, exp2 | 1 | +inf | +0 | |
| log, log2 | -inf, divide-by-zero | +inf | NaN, invalid | NaN, invalid |
| sin | ±0 | NaN, invalid | NaN, invalid | |
| cos | 1 | NaN, invalid | NaN, invalid | |
| tanh, erf | ±0 | 1 | -1 | |
| sigmoid | 1/2 | 1 | +0 | |
| gelu, silu | ±0 | +inf | -0 (results left of zero are negative) | |
| recip | ±inf, divide-by-zero | +0 | -0 | |
| rsqrt | ±inf, divide-by-zero | +0 | NaN, invalid | NaN, invalid |

Exact results. For finite x other than 0 the result is a dyadic rational, and may be a value of a format or half way
between two, only in these cases:

* exp, log: never, but for log 1 = +0 (Hermite-Lindemann: e^a is transcendental for algebraic a other than 0).
* sin, cos, tanh, sigmoid, silu: never. Each is an algebraic function of e^x or e^ix that is not constant, so an
  algebraic value would make that algebraic, against Hermite-Lindemann.
* exp2: if x is an integer. Else x = a/2^k in lowest terms and the result is a root of an odd power of two.
* log2: if x is a power of two. log2 x = a/b means x^b = 2^a, so x has no odd prime factor.
* recip, rsqrt: if x is a power of two, for rsqrt of an even exponent; any other odd factor stays in the denominator.
* erf, gelu: no theorem is known to cover them. erf is 2/sqrt(pi) times a number that is transcendental
  (Siegel-Shidlovskii), and of such a product nothing is known; the tanh form of gelu has sqrt(pi) inside.
  For these the end of the Ziv loop is itself the proof, code by code.
"""

from __future__ import annotations

from emu.formats.enums import Flag
from emu.formats.value import FRESH_NAN, Value, infinity, zero
from emu.functions.enums import Function

ONE = Value(sig=1, q=0)
HALF = Value(sig=1, q=-1)
Outcome = tuple[Value, Flag]
"""An exact result, and the flags that it raises before it is cast."""
QUIET_FLAGS = Flag(0)
_INVALID: Outcome = (FRESH_NAN, Flag.INVALID)
_POSITIVE_DOMAIN = (Function.LOG, Function.LOG2, Function.RSQRT)


def special(function: Function, x: Value) -> Outcome | None:
    """The result for a zero, an infinity or an operand outside the domain; None for others. x is no NaN."""
    if x.is_zero:
        return _of_zero(function, x)
    if function in _POSITIVE_DOMAIN and x.negative:
        return _INVALID
    return _of_infinity(function, x) if x.inf else None


def _of_zero(function: Function, x: Value) -> Outcome:
    match function:
        case Function.EXP | Function.EXP2 | Function.COS:
            return ONE, QUIET_FLAGS
        case Function.SIGMOID:
            return HALF, QUIET_FLAGS
        case Function.LOG | Function.LOG2:
            return infinity(True), Flag.DIVIDE_BY_ZERO
        case Function.RECIP | Function.RSQRT:
            return infinity(x.negative), Flag.DIVIDE_BY_ZERO
    return zero(x.negative), QUIET_FLAGS


def _of_infinity(function: Function, x: Value) -> Outcome:
    match function:
        case Function.SIN | Function.COS:
            return _INVALID
        case Function.TANH | Function.ERF:
            return ONE.with_sign(x.negative), QUIET_FLAGS
        case Function.SIGMOID:
            return (zero() if x.negative else ONE), QUIET_FLAGS
        case Function.EXP | Function.EXP2 if x.negative:
            return zero(), QUIET_FLAGS
        case Function.GELU | Function.GELU_TANH | Function.SILU if x.negative:
            return zero(True), QUIET_FLAGS
        case Function.RECIP | Function.RSQRT:
            return zero(x.negative), QUIET_FLAGS
    return infinity(False), QUIET_FLAGS


def exact(function: Function, x: Value) -> Value | None:
    """The result for a finite x, not zero and inside the domain, where it is a dyadic rational; else None.

    x has an odd significand, and where the result is 2^x its exponent is small enough to be written down.
    """
    power = x.sig == 1
    match function:
        case Function.LOG if power and x.q == 0:
            return zero()
        case Function.LOG2 if power:
            return Value(negative=x.q < 0, sig=abs(x.q), q=0)
        case Function.EXP2 if x.q >= 0:
            return Value(sig=1, q=x.signed_sig << x.q)
        case Function.RECIP if power:
            return Value(negative=x.negative, sig=1, q=-x.q)
        case Function.RSQRT if power and x.q % 2 == 0:
            return Value(sig=1, q=-x.q // 2)
    return None


def half_power(function: Function, x: Value) -> int | None:
    """The odd h of a result that is 2^(h/2): the one kind that may be a geometric boundary of a log format."""
    match function:
        case Function.EXP2 if x.q == -1:
            return x.signed_sig
        case Function.RSQRT if x.sig == 1 and x.q % 2:
            return -x.q
    return None
