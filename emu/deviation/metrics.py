"""How far two tensors are apart: one formula, one axis and one rule for zeros, infinities and NaN per metric.

* Every metric here, in `emu.deviation.relative` and in `emu.deviation.ulp` looks at the whole tensor as one list of
  pairs (t, y): t the truth, y what the accelerator computed, both as float64 (exact for every format that a layer can
  have). The error of a pair is e = y - t, in float64.
* Pairs in which t or y is an infinity or a NaN are left out of every metric and counted (`Pairs.left_out`).
  So each metric is a number about finite values, and the counts say how much it does not see.
* No finite pair: every metric is NaN; there is nothing to judge.
* Sums are NumPy's pairwise float64 sums over the tensor in C order.
* ULP distances need a format (`emu.deviation.ulp`); metrics that look at rows are in `emu.deviation.agreement` and
  `emu.deviation.divergence`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The finite pairs of two tensors, and how many were left out. Build it with `finite_pairs`."""

    truth: Floats
    """1-D"""
    emulated: Floats
    """1-D, of the same length"""
    total: int
    """elements of each tensor"""
    truth_not_finite: int
    """elements of the truth that are an infinity or NaN"""
    emulated_not_finite: int
    """elements of the emulated tensor that are an infinity or NaN"""

    @property
    def left_out(self) -> int:
        """Pairs that no metric sees."""
        return self.total - self.truth.size


def finite_pairs(truth: NDArray[Any], emulated: NDArray[Any]) -> Pairs:
    """The pairs that metrics are computed from.

    Args:
        truth: any shape, integer or float.
        emulated: the same shape, integer or float.

    Raises:
        ValueError: the shapes differ.
    """
    if truth.shape != emulated.shape:
        raise ValueError(
            f"truth has shape {truth.shape} but the emulated tensor has {emulated.shape}: they must be equal"
        )
    t, y = (np.asarray(x, np.float64).ravel() for x in (truth, emulated))
    t_finite, y_finite = np.isfinite(t), np.isfinite(y)
    both = t_finite & y_finite
    if not both.all():
        t, y = t[both], y[both]
    return Pairs(
        truth=t,
        emulated=y,
        total=int(both.size),
        truth_not_finite=int(both.size - np.count_nonzero(t_finite)),
        emulated_not_finite=int(both.size - np.count_nonzero(y_finite)),
    )


def errors(pairs: Pairs) -> Floats:
    """The error e = y - t of each pair; an infinity where it is beyond float64."""
    with np.errstate(over="ignore"):
        return pairs.emulated - pairs.truth


def sqnr_db(pairs: Pairs) -> float:
    """Signal to quantisation-noise ratio in dB: 10 log10(sum t^2 / sum e^2).

    Special cases:
        * every e is 0 (a signal of zeros too): +inf.
        * every t is 0 and some e is not: -inf.
        * Squares neither overflow nor underflow: each sum is scaled by a power of two, which is exact.
    """
    if not pairs.truth.size:
        return math.nan
    noise, noise_exponent = _energy(errors(pairs))
    signal, signal_exponent = _energy(pairs.truth)
    if noise == 0:
        return math.inf
    if signal == 0 or math.isinf(noise):
        return -math.inf
    return 10 * math.log10(signal / noise) + 20 * (signal_exponent - noise_exponent) * math.log10(2)


def _energy(x: Floats) -> tuple[float, int]:
    """(s, n) with s * 4^n the sum of squares of x; s is 0 iff all x are."""
    largest = float(np.max(np.abs(x)))
    if largest == 0 or math.isinf(largest):
        return largest, 0
    exponent = math.frexp(largest)[1]
    return float(np.sum(np.square(np.ldexp(x, -exponent)))), exponent


def mse(pairs: Pairs) -> float:
    """Mean squared error: mean of e^2; +inf if a square is beyond float64."""
    if not pairs.truth.size:
        return math.nan
    with np.errstate(over="ignore"):
        return float(np.mean(np.square(errors(pairs))))


def max_abs(pairs: Pairs) -> float:
    """The largest |e|."""
    return float(np.max(np.abs(errors(pairs)))) if pairs.truth.size else math.nan


def mean_error(pairs: Pairs) -> float:
    """The mean of e, sign kept: what is left when errors average out (truncation shrinks sums)."""
    return float(np.mean(errors(pairs))) if pairs.truth.size else math.nan


def truth_mean(pairs: Pairs) -> float:
    """The mean of t."""
    return _mean(pairs.truth)


def emulated_mean(pairs: Pairs) -> float:
    """The mean of y: of a layer with one output element, what the accelerator computed."""
    return _mean(pairs.emulated)


def _mean(x: Floats) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.mean(x)) if x.size else math.nan


def abs_percentile(pairs: Pairs, percent: float) -> float:
    """The percentile of |e|: linear interpolation between order statistics (NumPy's default).

    Between a number and an |e| beyond float64 it is +inf.
    """
    if not pairs.truth.size:
        return math.nan
    sizes = np.abs(errors(pairs))
    with np.errstate(invalid="ignore"):
        found = float(np.percentile(sizes, percent))
    # NumPy's interpolation next to an infinity is NaN, even if the infinity has no weight
    return float(np.percentile(sizes, percent, method="higher")) if math.isnan(found) else found


def cosine(pairs: Pairs) -> float:
    """Cosine of the angle between the tensors as vectors: sum t y / (|t| |y|), clipped to [-1, 1].

    Special cases:
        * both all zeros: 1. One of them all zeros: 0.
        * Both are scaled by powers of two first, so no square overflows or underflows.
    """
    if not pairs.truth.size:
        return math.nan
    (t_energy, t_exponent), (y_energy, y_exponent) = _energy(pairs.truth), _energy(pairs.emulated)
    if t_energy == 0 or y_energy == 0:
        return 1.0 if t_energy == y_energy else 0.0
    dot = float(np.sum(np.ldexp(pairs.truth, -t_exponent) * np.ldexp(pairs.emulated, -y_exponent)))
    return max(-1.0, min(1.0, dot / math.sqrt(t_energy * y_energy)))
