"""Comparisons, minimum and maximum, total order, neighbours."""

from __future__ import annotations

from fractions import Fraction

from .casting import INVALID, Result
from .decoding import decode, largest
from .encoding import encode, encode_infinity, encode_nan, has_infinity
from .formats import Format
from .numbers import Inf, Nan, Num


def order_key(x: Inf | Num) -> tuple[int, Fraction]:
    """Where a value that is not NaN stands: infinities at the ends, both zeros at one place."""
    if isinstance(x, Inf):
        return (-1 if x.negative else 1, Fraction(0))
    return 0, x.value


def relation(name: str, fmt: Format, a: int, b: int, signaling: bool | None = None) -> tuple[bool, int]:
    """`equal` (quiet), `less` and `less_equal` (signaling) and their flag."""
    x, y = decode(fmt, a), decode(fmt, b)
    signaling = name != "equal" if signaling is None else signaling
    nans = [v for v in (x, y) if isinstance(v, Nan)]
    if nans:
        return False, INVALID if signaling or any(v.signals for v in nans) else 0
    p, q = order_key(x), order_key(y)
    return {"equal": p == q, "less": p < q, "less_equal": p <= q}[name], 0


def extremum(name: str, fmt: Format, a: int, b: int) -> Result:
    """`minimum` and `maximum` propagate NaN; the `_number` forms prefer a number. -0 < +0. A NaN is canonical."""
    x, y = decode(fmt, a), decode(fmt, b)
    flags = INVALID if any(isinstance(v, Nan) and v.signals for v in (x, y)) else 0
    if isinstance(x, Nan) or isinstance(y, Nan):
        if name.endswith("number") and not isinstance(x, Nan):
            return canonical(fmt, x), flags
        if name.endswith("number") and not isinstance(y, Nan):
            return canonical(fmt, y), flags
        return encode_nan(fmt, Nan()), flags
    p, q = ((order_key(v), not v.negative) for v in (x, y))
    first = p <= q if name.startswith("minimum") else p >= q
    return canonical(fmt, x if first else y), flags


def canonical(fmt: Format, x: Inf | Num) -> int:
    """The code that is written for a value."""
    return encode_infinity(fmt, x.negative) if isinstance(x, Inf) else encode(fmt, x.negative, x.size)


def total_order(fmt: Format, a: int, b: int) -> bool:
    """IEEE 754-2019, 5.10: -NaN < -inf < ... < -0 < +0 < ... < inf < NaN; NaN by payload, quiet outermost."""

    def key(x: Nan | Inf | Num) -> tuple[int, Fraction, int]:
        if isinstance(x, Nan):
            field = x.payload - (1 << 63) * x.signals
            return (-2, Fraction(-field), 0) if x.negative else (2, Fraction(field), 0)
        return (*order_key(x), 0 if isinstance(x, Num) and x.size == 0 and x.negative else 1)

    return key(decode(fmt, a)) <= key(decode(fmt, b))


def next_up(fmt: Format, code: int) -> int | None:
    """The least value above; None where IEEE 754 has no answer: above the largest value without an infinity.

    A NaN gives the canonical one."""
    x = decode(fmt, code)
    if isinstance(x, Nan):
        return encode_nan(fmt, Nan())
    if isinstance(x, Inf) and not x.negative:
        return canonical(fmt, x)
    if isinstance(x, Inf):
        return encode(fmt, True, largest(fmt, True))
    above = ascending(fmt)
    later = [v for v in above if v > x.value]
    if later:
        return encode(fmt, later[0] < 0 or (later[0] == 0 and fmt.negative_zero), abs(later[0]))
    return encode_infinity(fmt, False) if has_infinity(fmt, False) else None


_ASCENDING: dict[Format, list[Fraction]] = {}


def ascending(fmt: Format) -> list[Fraction]:
    """All finite values of a small format, ascending."""
    if fmt not in _ASCENDING:
        found = {x.value for code in range(1 << fmt.bits) if isinstance(x := decode(fmt, code), Num)}
        least = -largest(fmt, True)
        _ASCENDING[fmt] = sorted(v for v in found if v >= least)
    return _ASCENDING[fmt]
