"""The roundings of many magnitudes at once: each is placed once, every rounding and overflow is then a look-up.

What `casting` does one value at a time, on arrays: a magnitude's two neighbours are encoded for both signs in advance.
The two are tested against each other. `ftz` is not covered.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .casting import INEXACT, OVERFLOW, UNDERFLOW, How, RangeError, overflowed
from .decoding import largest, smallest_normal
from .directions import goes_up
from .encoding import encode
from .formats import Format
from .numbers import floor_of, power
from .places import Place, place_of, unbounded_place

OK, FLUSHED, OVER, CLAMPED = range(4)
SR_BITS = 3
"""Bits of the stochastic rounding that is covered."""


class Places:
    """Arrays that say where magnitudes are: what `goes_up` and the stochastic roundings look at."""

    def __init__(self, sizes: Sequence[Fraction], places: Sequence[Place | None]) -> None:
        nowhere = Place(Fraction(0), Fraction(1), False, True, -1)
        found = [p or nowhere for p in places]
        self.exact = np.array([p.exact for p in found], dtype=np.int8)
        self.half = np.array([p.half for p in found], dtype=np.int8)
        self.odd = np.array([p.odd for p in found], dtype=np.int8)
        self._sizes, self._found = sizes, found

    @cached_property
    def _parts(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """floor(nu 2^(N + 2)), and whether that is nu 2^(N + 2) itself."""
        parts = [
            (floor_of(x, p.low, scale := Fraction(32) / (p.high - p.low)), scale, x, p.low) if p.low <= x < p.high
            else (0, Fraction(1), Fraction(0), Fraction(0))
            for x, p in zip(self._sizes, self._found, strict=True)
        ]  # fmt: skip
        quarters = np.array([floor for floor, *_ in parts], dtype=np.int64)
        return quarters, np.array([(x - low) * scale == floor for floor, scale, x, low in parts])

    def up(self, how: How, negative: bool, random: NDArray[np.int64] | int) -> NDArray[np.int8]:
        """1 where the upper neighbour is taken."""
        if how.rounding != "stochastic":
            rounding = how.rounding
            if rounding == "ties_to_even" and how.fmt.ties != "even":
                rounding = f"ties_to_{how.fmt.ties}"
            return goes_up(rounding, exact=self.exact, half=self.half, odd=self.odd, negative=int(negative))
        one, (quarters, whole) = 1 << SR_BITS, self._parts
        if how.sr_variant == "A":
            return ((quarters >> 2) + random >= one).astype(np.int8)
        if how.sr_variant == "B":
            return ((quarters >> 1) + 2 * random + 1 >= 2 * one).astype(np.int8)
        nu, rest = quarters >> 2, quarters & 3
        tie = (rest == 2) & whole
        nearest = nu + np.where(tie, nu & 1, rest >= 2)
        return (nearest + random >= one).astype(np.int8)


class Outcomes:
    """Codes and flags of positive magnitudes and of their negatives, for any rounding and overflow."""

    def __init__(self, fmt: Format, sizes: Sequence[Fraction]) -> None:
        self.fmt, self.sizes = fmt, sizes
        least = None if fmt.is_integral else smallest_normal(fmt)
        self.small = np.array([least is not None and x < least for x in sizes])
        fine = [unbounded_place(fmt, x) if s and fmt.kind != "codebook" else None
                for x, s in zip(sizes, self.small, strict=True)]  # fmt: skip
        self.fine = Places(sizes, fine)
        self.reaches = np.array([p is not None and p.high == least for p in fine])
        self.sides = {negative: self._side(negative) for negative in (False, True)}

    @cached_property
    def _symmetric(self) -> tuple[list[Place], Places]:
        """Of a format whose grid does not depend on the sign."""
        found = [place_of(self.fmt, x, False) for x in self.sizes]
        return found, Places(self.sizes, found)

    def _side(self, negative: bool) -> tuple[Places, NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Places; status and code [2, n] of the lower and the upper neighbour; whether it is 0."""
        fmt = self.fmt
        if fmt.kind == "codebook":
            places = [place_of(fmt, x, negative) for x in self.sizes]
            arrays = Places(self.sizes, places)
        else:
            places, arrays = self._symmetric
        known: dict[Fraction, tuple[int, int]] = {}
        for size in {p.low for p in places} | {p.high for p in places}:
            known[size] = self._finish(size, negative)
        both = [[known[p.low] for p in places], [known[p.high] for p in places]]
        status = np.array([[s for s, _ in row] for row in both])
        codes = np.array([[c for _, c in row] for row in both])
        zero = np.array([[p.low == 0 for p in places], [p.high == 0 for p in places]])
        return arrays, status, codes, zero

    def _finish(self, size: Fraction, negative: bool) -> tuple[int, int]:
        fmt = self.fmt
        if not fmt.is_integral:
            least = smallest_normal(fmt)
            if fmt.kind == "float" and fmt.subnormals in ("none", "normal") and 0 < size < least:
                return FLUSHED, encode(fmt, negative, Fraction(0))
            if fmt.kind == "log" and not fmt.zero and size < least <= largest(fmt, negative):
                return CLAMPED, encode(fmt, negative, least)
        if size <= largest(fmt, negative):
            return OK, encode(fmt, negative, size)
        wrapped = 0
        if fmt.can_wrap:
            whole = (size * power(fmt.frac_bits)).numerator
            wrapped = (-whole if negative else whole) % (1 << fmt.bits)
        return OVER, wrapped

    def result(
        self, how: How, negative: bool, random: NDArray[np.int64] | int = 0
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.bool_]]:
        """Codes, flags, and where `raise` would raise, of every magnitude with this sign."""
        places, status, codes, zero = self.sides[negative]
        up = places.up(how, negative, random).astype(np.intp)
        index = np.arange(len(self.sizes))
        state, code = status[up, index], codes[up, index]
        over = state == OVER
        inexact = (places.exact == 0) | (up == 1) | (state == CLAMPED)
        tiny = self.small & (self._tiny_after(how, negative, random, zero[up, index]))
        flags = inexact * INEXACT | (tiny & inexact) * UNDERFLOW
        flags = np.where(state == FLUSHED, INEXACT | UNDERFLOW, flags)
        if over.any() and how.chosen_overflow not in ("wrap", "raise"):
            code = np.where(over, overflowed(negative, Fraction(0), how)[0], code)
        flags = np.where(over, self._overflow_flags(how, negative), flags)
        return code, flags.astype(np.uint8), over

    def _overflow_flags(self, how: How, negative: bool) -> int:
        try:
            return overflowed(negative, Fraction(0), how)[1]
        except RangeError:
            return INEXACT | OVERFLOW

    def _tiny_after(
        self, how: How, negative: bool, random: NDArray[np.int64] | int, zero: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        if how.tininess == "before_rounding":
            return np.ones(len(self.sizes), bool)
        if self.fmt.kind == "codebook":
            return zero
        return ~(self.reaches & (self.fine.up(how, negative, random) == 1))
