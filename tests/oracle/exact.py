"""Exact arithmetic on values, and the aligned adder.

* A product's exponents add, and it is dead if either factor is; inf * 0 is a fresh NaN.
* The adder of finite addends: E = the exponents of the live ones (`align_to = "terms"`: of the terms) and
  align_min_exp. With align_bits each addend is cut by itself to a multiple of 2^(max E - align_bits), or is 0
  if it lies more than align_max_shift below; with E empty nothing is cut. The sum is exact and keeps the
  exponent, also if it cancels to 0.
* Sign of an exact zero sum: `ieee` -0 iff every addend is -0 (a cut addend keeps its sign); if the result's
  first cast rounds toward negative, +0 iff every addend is +0.
"""

from __future__ import annotations

from .events import Note, unheard
from .model import Level
from .rounding import equal, round_multiple
from .values import FRESH, Inf, NaN, Num, Value


def multiply(x: Value, y: Value, integers: bool = False, note: Note = unheard) -> Value:
    """Exact; exponents add; dead if either is. A zero has the XOR of the signs (+0 for two integers)."""
    if isinstance(x, NaN) or isinstance(y, NaN):
        return x if isinstance(x, NaN) else y
    negative = x.negative != y.negative
    if isinstance(x, Inf) or isinstance(y, Inf):
        has_zero = (isinstance(x, Num) and x.m == 0) or (isinstance(y, Num) and y.m == 0)
        if has_zero:
            note("nan_made")
        return FRESH if has_zero else Inf(negative)
    m = x.m * y.m
    e = None if x.e is None or y.e is None else x.e + y.e
    return Num(m, x.q + y.q, e, negative and not (integers and m == 0))


def add_constant(x: Value, y: Num, down: bool) -> Value:
    """Exact; a cancellation is +0, or -0 if the step rounds toward negative."""
    if not isinstance(x, Num):
        return x
    q = min(x.q, y.q)
    m = (x.m << x.q - q) + (y.m << y.q - q)
    if m:
        negative = m < 0
    else:
        same_zeros = x.m == 0 and x.negative == y.negative
        negative = x.negative if same_zeros else down
    return Num(m, q, max((e for e in (x.e, y.e) if e is not None), default=None), negative)


def digits(code: int, bits: int, signed: bool, width: int) -> list[Num]:
    """A two's complement code in base 2^width, least first; the top digit of a signed one is signed."""
    found = []
    for low in range(0, bits, width):
        size = min(width, bits - low)
        digit = code >> low & ((1 << size) - 1)
        if signed and low + size == bits and digit >> size - 1:
            digit -= 1 << size
        found.append(Num(digit, 0, 0 if digit else None, digit < 0))
    return found


def aligned_sum(level: Level, addends: list[Num], terms: int, note: Note = unheard) -> Num:
    """The sum of finite addends, each cut to the grid of the largest exponent if the level aligns."""
    live = [x.e for x in addends if x.e is not None]
    exponents = live
    if level.align_to == "terms":
        first = len(addends) - terms if level.accumulator_first else 0
        exponents = [x.e for x in addends[first : first + terms] if x.e is not None]
    if level.align_min_exp is not None:
        exponents = [*exponents, level.align_min_exp]
    if level.align_bits is not None and exponents:
        em = level.align_to if isinstance(level.align_to, int) else max(exponents)
        whole, addends = addends, [_cut(level, x, em) for x in addends]
        for x, cut in zip(whole, addends, strict=True):
            if not equal(x, cut):
                note("truncated")
    else:
        em = max(exponents or live, default=None)
    q = min(x.q for x in addends)
    m = sum(x.m << x.q - q for x in addends)
    return Num(m, q, em if live else None, m < 0 if m else _zero_sum_negative(level, addends))


def _cut(level: Level, x: Num, em: int) -> Num:
    """One addend on the grid 2^(em - align_bits); it keeps its sign, also when nothing is left of it."""
    if x.e is not None and level.align_max_shift is not None and x.e < em - level.align_max_shift:
        return x._replace(m=0)
    lsb = em - level.align_bits
    return x._replace(m=round_multiple(x.m, x.q, lsb, level.align_rounding, x.negative), q=lsb)


def _zero_sum_negative(level: Level, addends: list[Num]) -> bool:
    if level.zero_sign != "ieee":
        return False
    if level.rounds_down:
        return not all(x.m == 0 and not x.negative for x in addends)
    return all(x.m == 0 and x.negative for x in addends)
