"""Errors in proportion to the truth: relative errors, the error in every binade, signs and zeros that were lost.

Pairs, errors and what is left out: as in `emu.deviation.metrics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emu.deviation.metrics import Floats, Pairs, errors


@dataclass(frozen=True, kw_only=True)
class Binades:
    """The error at every magnitude of the truth: three lists of one length."""

    exponents: tuple[int, ...]
    """n of each binade 2^n <= |t| < 2^(n+1) that holds a pair, ascending"""
    counts: tuple[int, ...]
    """pairs in it"""
    rms: tuple[float, ...]
    """root mean square of e in it"""


def relative_errors(pairs: Pairs) -> Floats:
    """|e| / |t| of each pair with t != 0; an infinity where it is beyond float64.

    Pairs with t = 0 have none and are left out: there are `zeros(pairs)` of them.
    """
    there = pairs.truth != 0
    with np.errstate(over="ignore"):
        return np.asarray(np.abs(errors(pairs)[there] / pairs.truth[there]))


def mean_relative(pairs: Pairs) -> float:
    """The mean of |e| / |t| over the pairs with t != 0; NaN if there is none."""
    found = relative_errors(pairs)
    return float(np.mean(found)) if found.size else math.nan


def max_relative(pairs: Pairs) -> float:
    """The largest |e| / |t| over the pairs with t != 0; NaN if there is none."""
    found = relative_errors(pairs)
    return float(np.max(found)) if found.size else math.nan


def magnitude_error(pairs: Pairs) -> float:
    """sum(e · sign(t)) / sum(|t|) over the pairs with t != 0: the mean signed error along the truth, in parts of the
    truth's mean magnitude.

    Negative where results are too small: what truncation toward zero does to sums of either sign, and what the mean of
    e hides where the truth has both signs. NaN if there is no such pair.
    """
    there = pairs.truth != 0
    truth = pairs.truth[there]
    if not truth.size:
        return math.nan
    power = -int(np.frexp(np.max(np.abs(truth)))[1])  # an exact scaling, so that no sum overflows
    with np.errstate(over="ignore", invalid="ignore"):
        outward = np.where(np.signbit(truth), -1.0, 1.0) * np.ldexp(errors(pairs)[there], power)
        return float(np.sum(outward) / np.sum(np.ldexp(np.abs(truth), power)))


def zeros(pairs: Pairs) -> int:
    """Pairs with t = 0, of either sign."""
    return int(np.count_nonzero(pairs.truth == 0))


def zeros_lost(pairs: Pairs) -> int:
    """Pairs with t != 0 and y = 0 (of either sign): values that the accelerator made nothing of."""
    return int(np.count_nonzero((pairs.truth != 0) & (pairs.emulated == 0)))


def sign_flips(pairs: Pairs) -> int:
    """Pairs with t < 0 < y or y < 0 < t; a zero, of either sign, has no sign to flip."""
    return int(np.count_nonzero(np.sign(pairs.truth) * np.sign(pairs.emulated) < 0))


def binades(pairs: Pairs) -> Binades:
    """The root mean square of e in every binade of |t|.

    * t = 0 lies in no binade: those pairs are left out.
    * Squares neither overflow nor underflow: each sum is scaled by a power of two. An e beyond float64 makes the
      binade's RMS an infinity.
    """
    there = pairs.truth != 0
    truth, e = pairs.truth[there], np.abs(errors(pairs)[there])
    if not truth.size:
        return Binades(exponents=(), counts=(), rms=())
    exponent = (np.frexp(truth)[1] - 1).astype(np.int16)  # short integers are sorted by their digits
    order = np.argsort(exponent, kind="stable")
    exponent, e = exponent[order], e[order]
    starts = np.flatnonzero(np.diff(exponent, prepend=exponent[0] - 1))
    counts = np.diff(starts, append=e.size)
    largest = np.maximum.reduceat(e, starts)
    scale = np.where(np.isfinite(largest), np.frexp(largest)[1], 0)
    with np.errstate(invalid="ignore"):
        squares = np.add.reduceat(np.square(np.ldexp(e, -np.repeat(scale, counts))), starts)
    rms = np.ldexp(np.sqrt(squares / counts), scale)
    return Binades(
        exponents=tuple(int(n) for n in exponent[starts]),
        counts=tuple(int(n) for n in counts),
        rms=tuple(float(x) for x in rms),
    )
