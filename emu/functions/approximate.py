"""Approximations to any number of bits: mpmath's functions, and intervals that surely hold the exact value.

mpmath's functions are asked for `GUARD` more bits than the interval claims. Their results are good to about one unit
in the last place, by design and by the comparison with MPFR in tests/functions; a million of those units would
still be inside. `recip` and `rsqrt` are integer divisions and square roots with no error at all, and the error
function has its own series (emu/functions/series.py): mpmath's loses bits to cancellation where x^2 is large.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

from emu.formats.value import Value
from emu.functions.bounds import floor_square_times
from emu.functions.enums import Function
from emu.functions.interval import Interval
from emu.functions.series import odd_factorial_series, tail_series

GUARD = 20
SLACK = 16
"""Half the width of an interval, in units of 2^-4 of the precision that was asked for."""

Real = Any
"""mpmath's raw numbers: tuples (sign, significand, exponent, bit count)."""


def approximate(function: Function, x: Value, bits: int) -> Interval:
    """The open interval, relative width 2^(1 - bits), of a result that is no dyadic rational.

    Args:
        function: which.
        x: finite, not zero, inside the domain; its significand is odd.
        bits: at least 8.
    """
    match function:
        case Function.RECIP:
            return _recip(x, bits)
        case Function.RSQRT:
            return _rsqrt(x, bits)
    result = _evaluate(function, x, bits + GUARD)
    sign, man, exp, count = result
    shift = bits + 4 - count
    middle = int(man) << shift if shift >= 0 else int(man) >> -shift
    return Interval(negative=bool(sign), low=middle - SLACK, high=middle + SLACK + 1, q=exp - shift)


def _recip(x: Value, bits: int) -> Interval:
    """floor(2^s / sig) and the next integer: 1 / sig is between, for it is no integer multiple of 2^-s."""
    s = bits + x.sig.bit_length()
    low = (1 << s) // x.sig
    return Interval(negative=x.negative, low=low, high=low + 1, q=-s - x.q)


def _rsqrt(x: Value, bits: int) -> Interval:
    """floor(2^s / sqrt(sig 2^r)), by comparison of squares, with r so that the exponent is even."""
    r = x.q % 2
    sig, q = x.sig << r, x.q - r
    s = bits + sig.bit_length()
    low = isqrt((1 << 2 * s) // sig)
    return Interval(negative=False, low=low, high=low + 1, q=-s - q // 2)


def _evaluate(function: Function, x: Value, bits: int) -> Real:
    from mpmath import libmp

    real = _real(x)
    match function:
        case Function.EXP:
            return libmp.mpf_exp(real, bits)
        case Function.EXP2:
            return _exp2(x, bits)
        case Function.LOG:
            return libmp.mpf_log(real, bits)
        case Function.LOG2:
            return libmp.mpf_div(libmp.mpf_log(real, bits), libmp.mpf_ln2(bits), bits)
        case Function.SIN:
            return libmp.mpf_sin(real, bits)
        case Function.COS:
            return libmp.mpf_cos(real, bits)
        case Function.TANH:
            return libmp.mpf_tanh(real, bits)
        case Function.SIGMOID:
            return _sigmoid(real, bits)
        case Function.SILU:
            return libmp.mpf_mul(real, _sigmoid(real, bits), bits)
        case Function.GELU_TANH:
            return libmp.mpf_mul(real, _sigmoid(_twice_inner(real, bits), bits), bits)
        case Function.ERF:
            return _erf(x, bits)
        case Function.GELU:
            return _gelu(x, bits)
    raise AssertionError(function)


def _real(x: Value) -> Real:
    from mpmath import libmp

    return libmp.from_man_exp(x.signed_sig, x.q)


def _exp2(x: Value, bits: int) -> Real:
    """2^n e^(f ln 2), n = floor x."""
    from mpmath import libmp

    whole = x.signed_sig >> -x.q
    rest = libmp.from_man_exp(x.signed_sig - (whole << -x.q), x.q)
    power = libmp.mpf_exp(libmp.mpf_mul(rest, libmp.mpf_ln2(bits + 10), bits + 10), bits)
    return libmp.mpf_shift(power, whole)


def _sigmoid(real: Real, bits: int) -> Real:
    from mpmath import libmp

    below = libmp.mpf_exp(libmp.mpf_neg(real), bits + 4)
    return libmp.mpf_div(libmp.fone, libmp.mpf_add(libmp.fone, below, bits + 4), bits)


def _twice_inner(real: Real, bits: int) -> Real:
    """2 sqrt(2/pi) (x + 0.044715 x^3); e to its negative needs its absolute error small, so more bits."""
    from mpmath import libmp

    wide = bits + 10 + 3 * max(0, real[2] + real[3])
    cube = libmp.mpf_mul(libmp.mpf_mul(real, real), real)
    scaled = libmp.mpf_div(libmp.mpf_mul(cube, libmp.from_int(44715)), libmp.from_int(1000000), wide)
    total = libmp.mpf_add(real, scaled, wide)
    root = libmp.mpf_sqrt(libmp.mpf_div(libmp.from_int(8), libmp.mpf_pi(wide), wide), wide)
    return libmp.mpf_mul(root, total, wide)


def _normal_between(real: Real, t: int, scale: int, bits: int) -> Real:
    """P(-x < N < x) = sqrt(2/pi) x e^(-t/2) F(t), t = x^2, with the sign of x."""
    from mpmath import libmp

    series = libmp.from_man_exp(odd_factorial_series(t, scale, bits + 16), -bits - 16)
    root = libmp.mpf_sqrt(libmp.mpf_div(libmp.ftwo, libmp.mpf_pi(bits), bits), bits)
    return _product(bits, real, root, _exp_half(t, scale, bits), series)


def _exp_half(t: int, scale: int, bits: int) -> Real:
    """e^(-t/2)"""
    from mpmath import libmp

    return libmp.mpf_exp(libmp.from_man_exp(-t, -scale - 1), bits)


def _product(bits: int, *factors: Real) -> Real:
    from mpmath import libmp

    out = libmp.fone
    for factor in factors:
        out = libmp.mpf_mul(out, factor, bits)
    return out


def _erf(x: Value, bits: int) -> Real:
    """erf(x) = P(-y < N < y) with y = x sqrt 2."""
    from mpmath import libmp

    root = libmp.mpf_sqrt(libmp.ftwo, bits)
    t, scale = _scaled(x.sig * x.sig, 2 * x.q + 1)
    return _normal_between(libmp.mpf_mul(_real(x), root, bits), t, scale, bits)


def _scaled(sig: int, q: int) -> tuple[int, int]:
    """sig * 2^q as t * 2^-scale with scale >= 0."""
    return (sig << q, 0) if q >= 0 else (sig, -q)


def _gelu(x: Value, bits: int) -> Real:
    """x (1 + P) / 2 for x > 0; -|x| Q(|x|) for x < 0, from the tail series or as (1 - P) / 2 with bits to spare."""
    from mpmath import libmp

    real = _real(x)
    t, scale = _scaled(x.sig * x.sig, 2 * x.q)
    if not x.negative:
        both = libmp.mpf_add(libmp.fone, _normal_between(real, t, scale, bits), bits)
        return libmp.mpf_shift(libmp.mpf_mul(real, both, bits), -1)
    series = tail_series(t, scale, bits) if floor_square_times(x, 1, 2) > bits else None
    if series is not None:  # x Q(|x|) = -phi(x) A(t)
        root = libmp.mpf_sqrt(libmp.mpf_shift(libmp.mpf_pi(bits), 1), bits)
        tail = libmp.mpf_div(libmp.from_man_exp(-series, -bits), root, bits)
        return libmp.mpf_mul(tail, _exp_half(t, scale, bits), bits)
    wide = bits + floor_square_times(x, 722, 1000) + max(0, x.top) + 10  # Q(x) > phi(x) / (x + 1/x)
    between = _normal_between(libmp.mpf_abs(real), t, scale, wide)
    rest = libmp.mpf_sub(libmp.fone, between, wide)
    return libmp.mpf_shift(libmp.mpf_mul(real, rest, bits), -1)
