"""Exact results of the operations: a value, whether it is a division by zero, whether the operation was invalid.

* Signs of zero are those of IEEE 754-2019, 6.3; a zero product of two integer or fixed operands is +0 (they have no
  signed zero).
* invalid: a signalling NaN operand, inf - inf, 0 * inf (also under a quiet NaN addend), 0 / 0, inf / inf, sqrt of a
  negative number, remainder(inf, y), remainder(x, 0).
* NaN rules. `riscv`: the canonical NaN, positive. `x86`: the first NaN operand in the order x, y, z, quieted; a new
  one is negative. `arm`: the first signalling NaN, else the first quiet one, in the order x, y (fma: z, x, y),
  quieted; a new one is positive, and so is fma(0, inf, quiet NaN).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt

from .casting import DIVIDE_BY_ZERO, INVALID, How, RangeError, Result, cast, choose
from .decoding import decode, smallest_normal
from .formats import Format
from .numbers import Inf, Nan, Num, Root, Value, compare
from .places import by_formula

WHOLE = Format(name="whole", kind="fixed", bits=1 << 16)
"""The grid of the integers."""


@dataclass(frozen=True)
class Outcome:
    """An exact result. `value` is None for a new NaN."""

    value: Value | None
    flags: int = 0


NEW_NAN = Outcome(None, INVALID)


def is_zero(x: Value | None) -> bool:
    return isinstance(x, Num) and x.size == 0


def product(x: Value, y: Value, integers: bool = False) -> Value | None:
    """x * y of values that are not NaN; None for 0 * inf."""
    negative = x.negative != y.negative
    if isinstance(x, Inf) or isinstance(y, Inf):
        return None if is_zero(x) or is_zero(y) else Inf(negative)
    size = x.size * y.size
    return Num(negative and not (size == 0 and integers), size)


def total(x: Value, y: Value, downward: bool) -> Value | None:
    """x + y of values that are not NaN; None for inf - inf."""
    if isinstance(x, Inf) or isinstance(y, Inf):
        if isinstance(x, Inf) and isinstance(y, Inf) and x.negative != y.negative:
            return None
        return x if isinstance(x, Inf) else y
    if is_zero(x) and is_zero(y) and x.negative == y.negative:
        return x
    value = x.value + y.value
    return Num(value < 0 or (value == 0 and downward), abs(value))


def quotient(x: Value, y: Value) -> Outcome:
    negative = x.negative != y.negative
    if isinstance(x, Inf):
        return NEW_NAN if isinstance(y, Inf) else Outcome(Inf(negative))
    if isinstance(y, Inf):
        return Outcome(Num(negative, Fraction(0)))
    if is_zero(y):
        return NEW_NAN if is_zero(x) else Outcome(Inf(negative), DIVIDE_BY_ZERO)
    return Outcome(Num(negative, x.size / y.size))


def root(x: Value) -> Outcome:
    if is_zero(x):
        return Outcome(x)
    if x.negative:
        return NEW_NAN
    if isinstance(x, Inf):
        return Outcome(x)
    n, d = isqrt(x.size.numerator), isqrt(x.size.denominator)
    square = n * n == x.size.numerator and d * d == x.size.denominator
    return Outcome(Num(False, Fraction(n, d) if square else Root(x.size)))


def remainder(x: Value, y: Value) -> Outcome:
    if isinstance(x, Inf) or is_zero(y):
        return NEW_NAN
    if isinstance(y, Inf) or is_zero(x):
        return Outcome(x)
    value = x.value - y.value * round(x.value / y.value)  # round() of a Fraction is to nearest, ties to even
    return Outcome(Num(value < 0 or (value == 0 and x.negative), abs(value)))


def integral(x: Value, how: How, exact: bool) -> Outcome:
    """x rounded to an integer, which keeps the sign of x if it is zero."""
    if isinstance(x, Inf) or is_zero(x):
        return Outcome(x)
    place = by_formula(WHOLE, x.size)
    rounded = choose(x.size, place, x.negative, replace(how, fmt=WHOLE))
    return Outcome(Num(x.negative, rounded), int(exact and compare(x.size, rounded) != 0))


def flush_input(fmt: Format, x: Value) -> Value:
    """daz: a subnormal operand is a zero of its sign, as a unit's `daz = "signed"` has it; on the wire even a format
    without -0 has one."""
    tiny = fmt.kind == "float" and isinstance(x, Num) and x.size < smallest_normal(fmt)
    return Num(x.negative, Fraction(0)) if tiny else x


def combine(operation: str, x: Sequence[Value], integers: Sequence[bool], how: How, exact: bool) -> Outcome:
    """The exact result of operands that are not NaN."""
    downward = how.rounding == "toward_negative"
    match operation:
        case "add" | "sub":
            other = x[1] if operation == "add" else replace(x[1], negative=not x[1].negative)
            if integers[1] and is_zero(other):
                other = x[1]
            found = total(x[0], other, downward)
        case "mul":
            found = product(x[0], x[1], all(integers))
        case "fma":
            factor = product(x[0], x[1], all(integers[:2]))
            found = None if factor is None else total(factor, x[2], downward)
        case "div":
            out = quotient(x[0], x[1])
            return Outcome(Num(False, Fraction(0))) if all(integers) and is_zero(out.value) else out
        case "sqrt":
            return root(x[0])
        case "remainder":
            return remainder(x[0], x[1])
        case "round_to_integral":
            return integral(x[0], how, exact)
        case "cast":
            return Outcome(x[0])
        case _:
            raise ValueError(operation)
    return NEW_NAN if found is None else Outcome(found)


def chosen_nan(operation: str, nans: list[Nan | None], rule: str) -> Nan | None:
    """The NaN that the rule propagates; None for a new one."""
    if rule == "riscv":
        return None
    if rule == "arm" and operation == "fma":
        nans = [nans[2], nans[0], nans[1]]
    found = [x for x in nans if x is not None]
    if rule == "arm":
        found.sort(key=lambda x: not x.signals)
    return found[0].quieted


def operate(
    operation: str, formats: Sequence[Format], codes: Sequence[int], how: How, *, nan: str = "riscv", daz: bool = False,
    exact: bool = True,
) -> Result:  # fmt: skip
    """The code and the flags of one operation on codes, with one rounding into `how.fmt`."""
    values = [decode(fmt, code) for fmt, code in zip(formats, codes, strict=True)]
    if daz:
        values = [flush_input(fmt, x) for fmt, x in zip(formats, values, strict=True)]
    how = replace(how, nan_negative=nan == "x86", keeps_nan=True)
    nans = [x if isinstance(x, Nan) else None for x in values]
    if any(nans):
        factors = operation == "fma" and nans[0] is None and nans[1] is None
        hidden = nan != "x86" and factors and product(values[0], values[1]) is None
        flags = INVALID if hidden or any(x is not None and x.signals for x in nans) else 0
        made = chosen_nan(operation, nans, nan)
        if nan == "arm" and hidden and not values[2].signals:
            made = None
        code, more = cast(made or Nan(how.nan_negative), how)
        return code, flags | more
    out = combine(operation, values, [fmt.is_integral for fmt in formats], how, exact)
    value = Nan(how.nan_negative) if out.value is None else out.value
    code, flags = cast(value, how)
    return code, flags | out.flags


def cast_to_integral(
    source: Format, code: int, how: How, *, nan: str = "riscv", daz: bool = False, exact: bool = True
) -> Result:
    """A float code to an integer or fixed format, no overflow named: out of range, inf and NaN raise invalid only."""
    x = decode(source, code)
    fmt = how.fmt
    if daz:
        x = flush_input(source, x)
    if isinstance(x, Num):
        with suppress(RangeError):
            out, flags = cast(x, replace(how, overflow="raise"))
            return out, flags if exact else 0
    low = 1 << (fmt.bits - 1) if fmt.signed else 0
    high = (1 << (fmt.bits - 1)) - 1 if fmt.signed else (1 << fmt.bits) - 1
    if nan == "x86":
        return (low if fmt.signed else (1 << fmt.bits) - 1), INVALID
    if isinstance(x, Nan):
        return (high if nan == "riscv" else 0), INVALID
    return (low if x.negative else high), INVALID
