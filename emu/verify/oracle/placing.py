"""Where exact numbers fall on a ladder, and which of the two neighbours each rounding takes.

* `away` means: to the neighbour farther from zero (of a codebook without zero: farther on the side of the sign).
* Stochastic (P3109 v4.0, 4.7.4), nu the discarded fraction, R random bits below 2^N: away if
  A: floor(nu 2^N) + R >= 2^N; B: floor(nu 2^(N+1)) + 2R + 1 >= 2^(N+1); C: nearest_even(nu 2^N) + R >= 2^N.
* "Even" and "odd" are those of the neighbour nearer zero; the other is the opposite.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .floats import whole
from .forms import OVER, RAISED, Cut, Form, Ladder, Step

Size = tuple[int, int, bool]
"""n, d: the number n / d, or its root, in units of a format; not negative"""
WORD = (1 << 64) - 1
Points = list[tuple[int, int]]
NEAREST = ("ties_to_even", "ties_to_away", "ties_to_zero", "ties_to_positive", "ties_to_negative")
ROUNDINGS = (
    *NEAREST, "toward_zero", "toward_positive", "toward_negative", "away_from_zero", "to_odd", "jamming",
)  # fmt: skip
"""All but `stochastic`"""
INWARD = ("toward_zero", "to_odd", "jamming")
VARIANTS = ("A", "B", "C")


def order(n: int, d: int, root: bool, cut: Cut) -> int:
    """-1, 0, 1: a number is below, on, above a cut."""
    p, q, squared = cut
    if p < 0:
        return 1
    left, right = (n, d) if root else (n * n, d * d)
    if not root and not squared:
        left, right = n * q, p * d
    elif squared:
        left, right = left * q, p * right
    else:
        left, right = left * q * q, p * p * right
    return (left > right) - (left < right)


def parts(step: Step, bits: int) -> tuple[int, int, int]:
    """floor(nu 2^N), floor(nu 2^(N+1)), nearest_even(nu 2^N)."""
    gap = step.high - step.low
    if step.root:  # irrational, so never half way: one bit more decides
        longer = [(isqrt((step.n << 2 * k) // step.d) - (step.low << k)) // gap for k in (bits, bits + 1)]
        return longer[0], longer[1], (longer[1] + 1) >> 1
    p, q = step.n - step.low * step.d, gap * step.d
    floor, rest = divmod(p << bits, q)
    nearest = floor + int(2 * rest > q or (2 * rest == q and floor & 1))
    return floor, (p << (bits + 1)) // q, nearest


class Steps:
    """Many numbers, each on its step, as arrays."""

    def __init__(self, steps: Sequence[Step | None], exact: Sequence[bool]) -> None:
        self._steps = steps
        self.exact = np.array(exact, bool)
        self.side = np.array([order(s.n, s.d, s.root, s.cut) if s else 1 for s in steps], np.int8)
        self.odd = np.array([bool(s and s.odd) for s in steps], bool)
        self.reaches = np.array([bool(s and s.reaches) for s in steps], bool)

    @cached_property
    def _parts(self) -> dict[int, NDArray[np.int64]]:
        return {}

    def fractions(self, bits: int) -> NDArray[np.int64]:
        """[3, n]: what the variants A, B, C look at."""
        if bits not in self._parts:
            found = [parts(s, bits) if s and not e else (0, 0, 0) for s, e in zip(self._steps, self.exact, strict=True)]
            self._parts[bits] = np.array(found, np.int64).reshape(-1, 3).T
        return self._parts[bits]

    def away(self, rounding: str, negative: bool) -> NDArray[np.bool_]:
        """Which numbers go away from zero, of a rounding that is not stochastic."""
        inexact = ~self.exact
        if rounding in NEAREST:
            ties: dict[str, Any] = {
                "ties_to_even": self.odd, "ties_to_away": True, "ties_to_zero": False,
                "ties_to_positive": not negative, "ties_to_negative": negative,
            }  # fmt: skip
            return np.asarray(inexact & ((self.side > 0) | ((self.side == 0) & ties[rounding])), bool)
        directed: dict[str, Any] = {
            "toward_zero": False, "toward_positive": not negative, "toward_negative": negative, "away_from_zero": True,
            "to_odd": ~self.odd,
        }  # fmt: skip
        return ~self.odd if rounding == "jamming" else np.asarray(inexact & directed[rounding])

    def away_at_random(
        self, variant: str, bits: int, chosen: NDArray[np.intp], random: NDArray[np.uint64]
    ) -> NDArray[np.bool_]:
        """Which of the chosen numbers go away from zero, by random bits."""
        which = VARIANTS.index(variant)
        seen, r = self.fractions(bits)[which][chosen], random.astype(np.int64)
        out = seen + 2 * r + 1 >= 2 << bits if variant == "B" else seen + r >= 1 << bits
        return np.asarray(out & ~self.exact[chosen])


class Placed:
    """Numbers on the side of one sign of a format.

    Attributes:
        steps: where they are.
        states, codes: [2, n], of the neighbour nearer zero and of the other.
        small: below the smallest normal number.
        fine: the same numbers on the grid with unbounded exponent, where that is asked (small ones).
    """

    def __init__(self, form: Form, sizes: Sequence[Size], negative: bool) -> None:
        self.form, self.negative, self._sizes = form, negative, sizes
        ladder = form.ladder(negative)
        steps: list[Step | None] = []
        exact: list[bool] = []
        states: list[list[int]] = []
        codes: list[list[int]] = []
        last = len(ladder.sizes) - 1 if not form.integral else None
        for size in sizes:
            step, is_exact, pair = self._place(ladder, last, size)
            steps.append(step)
            exact.append(is_exact)
            states.append([state for state, _ in pair])
            codes.append([code & WORD for _, code in pair])
        self.steps = Steps(steps, exact)
        self.states = np.array(states, np.int8).reshape(-1, 2).T
        self.codes = np.array(codes, np.uint64).reshape(-1, 2).T
        least = form.least
        self.small = np.array([least is not None and n > 0 and whole(n, d, root) < least for n, d, root in sizes], bool)

    @staticmethod
    def _place(ladder: Ladder, last: int | None, size: Size) -> tuple[Step | None, bool, Points]:
        """The step, whether the number is its lower end, and the states and codes of the two ends."""
        n, d, root = size
        at = ladder.below(whole(n, d, root))
        if at >= 0 and at != last:
            low, high = ladder.sizes[at], ladder.sizes[at + 1]
            cut = ladder.cuts.get(at) or (low + high, 2, False)
            step = Step(n=n, d=d, root=root, low=low, high=high, cut=cut, odd=bool(ladder.odd[at]))
            ends = [(ladder.states[i], ladder.codes[i]) for i in (at, at + 1)]
            return step, not root and low * d == n, ends
        if at < 0:  # nearer zero than all points
            end = (ladder.states[0] if ladder.states[0] == RAISED else OVER, ladder.codes[0])
            return None, False, [end, end]
        beyond = (OVER, ladder.codes[at])
        if root or ladder.sizes[at] * d != n:
            return None, False, [beyond, beyond]
        step = Step(n=n, d=d, root=root, low=0, high=1, cut=(0, 1, False), odd=bool(ladder.odd[at]))
        return step, True, [(ladder.states[at], ladder.codes[at]), beyond]

    @cached_property
    def fine(self) -> Steps:
        """Where the small ones are on the grid with unbounded exponent; the others are nowhere."""
        found = [self.form.fine(*s) if small else None for s, small in zip(self._sizes, self.small, strict=True)]
        exact = [bool(s and not s.root and s.low * s.d == s.n) for s in found]
        return Steps(found, exact)
