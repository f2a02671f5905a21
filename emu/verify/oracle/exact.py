"""Exact results of operations on arrays of codes.

Signs of zero: IEEE 754-2019, 6.3. Invalid: a signalling NaN, inf - inf, 0 * inf (also beside a NaN addend), 0 / 0,
inf / inf, the root of a negative number, remainder(inf, y), remainder(x, 0). A finite number over zero is an infinity
and raises divide-by-zero. Every distinct pair of sizes is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import gcd, isqrt

import numpy as np
from numpy.typing import NDArray

from .casting import CANCELLED, DIVIDE_BY_ZERO, INEXACT, INVALID, Exact
from .forms import INFINITE, NAN, NUMBER, ZERO, Form
from .placing import Placed, Size

Codes = NDArray[np.uint64]
Signed = tuple[int, int, bool]
"""n, d, root; n carries the sign relative to that of the result's reference"""


class Operand:
    """Codes of a format, decoded: each distinct one once.

    Attributes:
        kind, negative, signals: of each element.
        rank: which of `sizes` it has (0 of what is no number).
    """

    def __init__(self, form: Form, codes: Codes) -> None:
        self.form = form
        unique, inverse = np.unique(codes, return_inverse=True)
        data = [form.decode(int(code)) for code in unique]
        numbers: dict[int, int] = {}
        ranks = np.array([numbers.setdefault(x.size, len(numbers)) for x in data], np.intp)
        inverse = inverse.ravel()
        self.kind = np.array([x.kind for x in data], np.int8)[inverse]
        self.negative = np.array([x.negative for x in data], bool)[inverse]
        self.signals = np.array([x.signals for x in data], bool)[inverse]
        self.rank, self.sizes = ranks[inverse], list(numbers)

    def has(self, kind: int) -> NDArray[np.bool_]:
        """Where an element is of a kind."""
        return np.asarray(self.kind == kind)


def _power(n: int, d: int, exponent: int) -> tuple[int, int]:
    return (n << exponent, d) if exponent >= 0 else (n, d << -exponent)


class Results:
    """Distinct sizes in units of a target, as they are found."""

    def __init__(self) -> None:
        self.numbers: dict[Size, int] = {}

    def index(self, size: Size) -> int:
        """The place of a size that is not zero."""
        n, d, root = size
        if d > 1:
            common = gcd(n, d)
            size = n // common, d // common, root
        return self.numbers.setdefault(size, len(self.numbers))


def compute(operation: str, operands: Sequence[Operand], unit: int) -> tuple[Exact, list[Size]]:
    """The exact results of an operation, and their distinct sizes in units of 2^unit.

    Args:
        operation: add, sub, mul, div, fma, sqrt, remainder, or cast.
        operands: of one length.
        unit: of the format that the results will be rounded to.
    """
    x, y = operands[0], operands[min(1, len(operands) - 1)]
    negative = [o.negative.copy() for o in operands]
    if operation == "sub":
        negative[1] = ~negative[1]
    kind, sign, raised = _kinds(operation, operands, negative)
    nan = np.any([o.has(NAN) for o in operands], axis=0)
    signalling = np.any([o.signals for o in operands], axis=0)
    if operation == "fma":
        signalling |= (x.has(INFINITE) & y.has(ZERO)) | (x.has(ZERO) & y.has(INFINITE))
    invalid = (kind == NAN) & ~nan
    kind[nan], sign[kind == NAN] = NAN, False
    raised[nan] = 0
    raised[invalid | signalling] = INVALID
    results, index = Results(), np.zeros(kind.shape, np.intp)
    live = np.flatnonzero(kind == NUMBER)
    if live.size:
        kind[live], sign[live], index[live] = _numbers(operation, operands, negative, live, unit, results)
    return Exact(kind=kind, negative=sign, index=index, raised=raised), list(results.numbers)


def _kinds(
    operation: str, operands: Sequence[Operand], negative: Sequence[NDArray[np.bool_]]
) -> tuple[NDArray[np.int8], NDArray[np.bool_], NDArray[np.uint8]]:
    """What the kinds of operands that are no NaN decide; NUMBER where sizes are to be computed."""
    x, y = operands[0], operands[min(1, len(operands) - 1)]
    raised = np.zeros(x.kind.shape, np.uint8)
    if operation in ("add", "sub"):
        return (*_sum_kinds((x.kind, negative[0]), (y.kind, negative[1])), raised)
    differ = negative[0] ^ negative[1] if len(operands) > 1 else negative[0].copy()
    kind = np.full(x.kind.shape, NUMBER, np.int8)
    if operation in ("mul", "fma"):
        kind[x.has(ZERO) | y.has(ZERO)] = ZERO
        infinite = x.has(INFINITE) | y.has(INFINITE)
        kind[infinite] = np.where(kind[infinite] == ZERO, NAN, INFINITE)
        if operation == "mul":
            return kind, differ, raised
        total, sign = _sum_kinds((kind, differ), (operands[2].kind, negative[2]))
        total[kind == NAN] = NAN
        return total, sign, raised
    if operation == "div":
        kind[x.has(INFINITE)] = INFINITE
        kind[y.has(INFINITE)] = ZERO
        kind[x.has(ZERO)] = ZERO
        by_zero = y.has(ZERO) & ~x.has(ZERO)
        kind[by_zero] = INFINITE
        raised[by_zero & x.has(NUMBER)] = DIVIDE_BY_ZERO
        kind[(x.has(INFINITE) & y.has(INFINITE)) | (x.has(ZERO) & y.has(ZERO))] = NAN
        return kind, differ, raised
    if operation == "remainder":
        kind[x.has(ZERO)] = ZERO
        kind[x.has(INFINITE) | y.has(ZERO)] = NAN
        return kind, negative[0].copy(), raised
    if operation == "sqrt":
        kind = np.where(negative[0] & ~x.has(ZERO), NAN, x.kind).astype(np.int8)
        return kind, negative[0].copy(), raised
    return x.kind.copy(), negative[0].copy(), raised


Signs = tuple[NDArray[np.int8], NDArray[np.bool_]]


def _sum_kinds(x: Signs, y: Signs) -> Signs:
    (a, minus_a), (b, minus_b) = x, y
    kind = np.full(a.shape, NUMBER, np.int8)
    both = (a == ZERO) & (b == ZERO)
    kind[both] = np.where(minus_a[both] == minus_b[both], ZERO, CANCELLED)
    kind[(a == INFINITE) | (b == INFINITE)] = INFINITE
    kind[(a == INFINITE) & (b == INFINITE) & (minus_a != minus_b)] = NAN
    return kind, np.where(a == INFINITE, minus_a, np.where(b == INFINITE, minus_b, minus_a))


def _numbers(
    operation: str, operands: Sequence[Operand], negative: Sequence[NDArray[np.bool_]], live: NDArray[np.intp],
    unit: int, results: Results,
) -> tuple[NDArray[np.int8], NDArray[np.bool_], NDArray[np.intp]]:  # fmt: skip
    """Kinds, signs and sizes of the live elements; each distinct combination of sizes and signs once."""
    sizes = [np.where(o.kind == NUMBER, o.rank, -1)[live] for o in operands]
    flips = [n[live] for n in negative]
    first = flips[0] ^ flips[1] if operation in ("mul", "div", "fma") else flips[0]
    last = flips[-1] ^ first if len(operands) > 1 and operation in ("add", "sub", "fma") else np.zeros(live.size, bool)
    key = last.astype(np.int64)
    for rank, operand in zip(sizes, operands, strict=True):
        key = key * (len(operand.sizes) + 1) + rank + 1
    unique, at, inverse = np.unique(key, return_index=True, return_inverse=True)
    function = _FUNCTIONS[operation]
    units = [o.form.unit for o in operands]
    kinds, signs, index = np.zeros(unique.size, np.int8), np.zeros(unique.size, bool), np.zeros(unique.size, np.intp)
    columns = [[0 if r < 0 else o.sizes[r] for r in rank[at].tolist()]
               for rank, o in zip(sizes, operands, strict=True)]  # fmt: skip
    for i, (opposite, *values) in enumerate(zip(last[at].tolist(), *columns, strict=True)):
        n, d, root = function(values, units, opposite, unit)
        if n == 0:
            kinds[i] = ZERO if operation == "remainder" else CANCELLED
            continue
        signs[i], index[i] = n < 0, results.index((abs(n), d, root))
    kind = kinds[inverse]
    sign = signs[inverse] ^ first
    sign[kind != NUMBER] = first[kind != NUMBER]
    return kind, sign, index[inverse]


def _add(v: list[int], units: list[int], opposite: bool, unit: int) -> Signed:
    low = min(units)
    a, b = v[0] << (units[0] - low), v[1] << (units[1] - low)
    return (*_power(a - b if opposite else a + b, 1, low - unit), False)


def _multiply(v: list[int], units: list[int], _: bool, unit: int) -> Signed:
    return (*_power(v[0] * v[1], 1, units[0] + units[1] - unit), False)


def _fused(v: list[int], units: list[int], opposite: bool, unit: int) -> Signed:
    product = units[0] + units[1]
    return _add([v[0] * v[1], v[2]], [product, units[2]], opposite, unit)


def _divide(v: list[int], units: list[int], _: bool, unit: int) -> Signed:
    return (*_power(v[0], v[1], units[0] - units[1] - unit), False)


def _same(v: list[int], units: list[int], _: bool, unit: int) -> Signed:
    return (*_power(v[0], 1, units[0] - unit), False)


def _root(v: list[int], units: list[int], _: bool, unit: int) -> Signed:
    n, d = _power(v[0], 1, units[0] - 2 * unit)
    n, d = n // gcd(n, d), d // gcd(n, d)
    exact = isqrt(n) ** 2 == n and isqrt(d) ** 2 == d
    return (isqrt(n), isqrt(d), False) if exact else (n, d, True)


def _rest(v: list[int], units: list[int], _: bool, unit: int) -> Signed:
    low = min(units)
    a, b = v[0] << (units[0] - low), v[1] << (units[1] - low)
    if not b:  # an infinite divisor
        return _same(v, units, False, unit)
    quotient, rest = divmod(a, b)
    if 2 * rest > b or (2 * rest == b and quotient % 2):
        rest -= b
    return (*_power(rest, 1, low - unit), False)


_FUNCTIONS: dict[str, Callable[[list[int], list[int], bool, int], Signed]] = {
    "add": _add, "sub": _add, "mul": _multiply, "fma": _fused, "div": _divide, "cast": _same, "sqrt": _root,
    "remainder": _rest,
}  # fmt: skip


def round_to_integral(
    operand: Operand, whole: Form, rounding: str, unit: int, random: NDArray[np.uint64] | None = None,
    sr: tuple[int, str] = (0, "B"),
) -> tuple[Exact, list[Size]]:  # fmt: skip
    """Integers next to the operand's numbers, which they keep the sign of; integers themselves stay in every mode.

    Args:
        operand: the numbers.
        whole: the format of integers, wide enough.
        rounding: which integer; "ties_to_even" is that of the integers, whatever the format says of its own ties.
        unit: of the format that the results will be rounded to.
        random: bits of `stochastic`.
        sr: their number, and the variant.
    """
    kind, negative = operand.kind.copy(), operand.negative.copy()
    raised = np.where(operand.signals, INVALID, 0).astype(np.uint8)
    negative[kind == NAN] = False
    sizes: list[Size] = [(*_power(size, 1, operand.form.unit), False) for size in operand.sizes]
    results, index = Results(), np.zeros(kind.shape, np.intp)
    for sign in (False, True):
        chosen = np.flatnonzero((kind == NUMBER) & (negative == sign))
        if not chosen.size:
            continue
        placed, at = Placed(whole, sizes, False), operand.rank[chosen]
        if random is None:
            away = placed.steps.away(rounding, sign)[at]
        else:
            away = placed.steps.away_at_random(sr[1], sr[0], at, random[chosen])
        away = away & ~placed.steps.exact[at]
        raised[chosen] |= np.where(placed.steps.exact[at], 0, INEXACT).astype(np.uint8)
        for where, rank, up in zip(chosen.tolist(), at.tolist(), away.tolist(), strict=True):
            n, d, _ = sizes[rank]
            found = n // d + up
            if found:
                index[where] = results.index((*_power(found, 1, -unit), False))
            else:
                kind[where] = ZERO
    return Exact(kind=kind, negative=negative, index=index, raised=raised), list(results.numbers)
