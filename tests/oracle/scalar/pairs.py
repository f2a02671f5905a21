"""All pairs of codes of a small format under add, sub, mul, div: one rounding per distinct exact result.

Magnitudes are integers in units of the format's finest one, so sums and products are integers and quotients are pairs
of coprime ones. What involves infinities, NaN or a division by zero depends on the classes of the operands alone; one
pair of each two classes is computed by `exact`.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from .casting import How, RangeError
from .decoding import decode
from .exact import operate
from .formats import Format
from .numbers import Inf, Nan, Num, Value
from .outcomes import Outcomes

OPERATIONS = ("add", "sub", "mul", "div")
FINITE = 2
"""Classes below this are zeros."""


def class_of(x: Value) -> int:
    """0 and 1: zeros; 2, 3: numbers; 4, 5: infinities; 6: NaN, 7: signalling NaN. Odd ones are negative."""
    if isinstance(x, Nan):
        return 6 + x.signals
    if isinstance(x, Inf):
        return 4 + x.negative
    return (0 if x.size == 0 else 2) + x.negative


class Pairs:
    """All pairs of one format."""

    def __init__(self, fmt: Format) -> None:
        self.fmt = fmt
        self.count = 1 << fmt.bits
        values = [decode(fmt, code) for code in range(self.count)]
        self.classes = np.array([class_of(x) for x in values])
        sizes = [x.size if isinstance(x, Num) else Fraction(0) for x in values]
        self.unit = Fraction(1, lcm(*(s.denominator for s in sizes)))
        whole = [int(s / self.unit) for s in sizes]
        self.sizes = sorted(set(whole))
        rank = {size: i for i, size in enumerate(self.sizes)}
        self.rank = np.array([rank[w] for w in whole])
        self.negative = self.classes % 2 == 1
        self._sums: Outcomes | None = None
        self.signed = [-w if n else w for w, n in zip(whole, self.negative, strict=True)]

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """Ranks of signed values, to compare them."""
        order = {v: i for i, v in enumerate(sorted({*self.signed, *(-v for v in self.signed)}))}
        self._top = len(order) - 1
        return np.array([order[v] for v in self.signed])

    def _numbered(self, grid: list[list[object]]) -> tuple[list[object], NDArray[np.int64]]:
        numbers: dict[object, int] = {}
        index = [[numbers.setdefault(entry, len(numbers)) for entry in row] for row in grid]
        return list(numbers), np.array(index)

    def _outcomes(self, operation: str) -> tuple[Outcomes, NDArray[np.int64], NDArray[np.bool_]]:
        """Outcomes of the distinct nonzero magnitudes; [x, y]: which one (-1: zero); whether it is negative."""
        sizes, sign = self.sizes, self.negative
        pairs = np.ix_(self.rank, self.rank)
        differs = sign[:, None] ^ sign[None, :]
        if operation == "mul":
            keys, index = self._numbered([[a * b for b in sizes] for a in sizes])
            index, values = index[pairs], [k * self.unit**2 for k in keys]
        elif operation == "div":
            grid = [[(a // g, b // g) if (g := gcd(a, b)) and b else (0, 1) for b in sizes] for a in sizes]
            keys, index = self._numbered(grid)
            index, values = index[pairs], [Fraction(a, b) for a, b in keys]
        else:
            added, up = self._numbered([[a + b for b in sizes] for a in sizes])
            taken, down = self._numbered([[abs(a - b) for b in sizes] for a in sizes])
            keys = list(dict.fromkeys([*added, *taken]))
            at = {k: i for i, k in enumerate(keys)}
            up, down = np.array([at[k] for k in added])[up], np.array([at[k] for k in taken])[down]
            apart = differs if operation == "add" else ~differs
            index, values = np.where(apart, down[pairs], up[pairs]), [k * self.unit for k in keys]
        zero = next((i for i, v in enumerate(values) if v == 0), -1)
        live = [v for v in values if v]
        renumber = np.array([-1 if i == zero else i - (zero >= 0 and i > zero) for i in range(len(values))])
        made = self._sums if operation in ("add", "sub") and self._sums else Outcomes(self.fmt, live)
        if operation in ("add", "sub"):
            self._sums = made  # the magnitudes of all sums are those of all differences
        return made, renumber[index], self._negatives(operation, differs)

    def _negatives(self, operation: str, differs: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if operation in ("mul", "div"):
            return differs
        order = self._order
        other = order if operation == "sub" else self._top - order
        return order[:, None] < other[None, :]

    def operation(self, name: str) -> Operation:
        """One operation on all pairs."""
        return Operation(self, name)


class Operation:
    """Codes and flags of one operation on all pairs, for any rounding and overflow."""

    def __init__(self, pairs: Pairs, name: str) -> None:
        self.pairs, self.name = pairs, name
        self.outcomes, self.index, self.negative = pairs._outcomes(name)
        classes = pairs.classes
        special = (classes[:, None] >= 4) | (classes[None, :] >= 4)
        if name == "div":
            special |= classes[None, :] < FINITE
        self.special = special | (self.index < 0)
        self.groups = self._groups()

    def expected(self, how: How, random: int = 0) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.bool_]]:
        """Codes, flags, and where `raise` raises: [x, y] each."""
        parts = [self.outcomes.result(how, negative, random) for negative in (False, True)]
        codes, flags, raised = (
            np.where(self.negative, minus[self.index], plus[self.index]) for plus, minus in zip(*parts, strict=True)
        )
        self._specials(how, codes, flags, raised)
        return codes, flags.astype(np.uint8), raised & (how.chosen_overflow == "raise")

    def _specials(
        self, how: How, codes: NDArray[np.int64], flags: NDArray[np.uint8], raised: NDArray[np.bool_]
    ) -> None:
        fmt = self.pairs.fmt
        for (x, y), where in self.groups:
            try:
                found = operate(self.name, (fmt, fmt), (x, y), replace(how, random=0))
            except RangeError:
                raised.flat[where] = True
                continue
            codes.flat[where], flags.flat[where] = found
            raised.flat[where] = False

    def _groups(self) -> list[tuple[tuple[int, int], NDArray[np.int64]]]:
        """The special pairs by the classes of their operands: one of them, and the linear indices of all."""
        classes, count = self.pairs.classes, self.pairs.count
        key = np.where(self.special, classes[:, None] * 8 + classes[None, :], -1).ravel()
        groups = [np.flatnonzero(key == k) for k in np.unique(key) if k >= 0]
        return [(divmod(int(where[0]), count), where) for where in groups]
