"""Kullback-Leibler divergence of softmax outputs: what is lost by taking the emulated distribution for the true one.

* Natural logarithm: the unit is the nat.
* A row is what one softmax normalises: its axis (before ONNX opset 13: all axes from there on). All other axes number
  the rows. Of LogSoftmax, exp of the elements is taken first.
* Rows of p (truth) and q (emulated) are divided by their own sums: a softmax that does not sum to 1 is judged by its
  proportions.
* Zero rule: an element with p = 0 adds nothing. One with p > 0 and q = 0 would make the divergence an infinity,
  however small p is; so both rows are cut down to where q > 0, KL = Σ p ln(p / q) of what is left (each divided by its
  sum again), and the truth's probability of what was cut is told apart, as *lost*. A row that has nothing left has an
  infinite divergence.
* A row with an infinity (of LogSoftmax: +inf), a NaN or a negative element, or without any probability, on either side
  is left out.
* KL >= 0; what rounding in float64 makes of a smaller number is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.deviation.metrics import Floats


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The divergences of all rows of one tensor."""

    mean: float
    """over the rows; NaN if there is none"""
    worst: float
    """the largest one; NaN if there is none"""
    lost: float
    """the mean of the truth's probability where the emulated one is 0; NaN if there is no row"""
    rows: int
    """that were judged"""


NONE = Divergence(mean=math.nan, worst=math.nan, lost=math.nan, rows=0)
"""Of tensors that are no softmax."""


def divergence(
    truth: NDArray[Any], emulated: NDArray[Any], axes: tuple[int, ...], *, logarithmic: bool = False
) -> Divergence:
    """The divergence of softmax outputs.

    Args:
        truth: any shape.
        emulated: the same shape.
        axes: that the softmax normalises over.
        logarithmic: the tensors hold logarithms of probabilities.

    Raises:
        ValueError: the shapes differ.
    """
    if truth.shape != emulated.shape:
        raise ValueError(f"truth has shape {truth.shape} but the emulated tensor {emulated.shape}: they must be equal")
    p, q = (_rows(x, axes, logarithmic=logarithmic) for x in (truth, emulated))
    good = _distribution(p) & _distribution(q)
    p, q = p[good], q[good]
    if not p.shape[0]:
        return NONE
    kept = np.where(q > 0, p, 0.0)
    lost = 1.0 - _sum(kept) / _sum(p)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(kept > 0, (kept / _sum(kept)) / (q / _sum(q)), 1.0)
        found = np.sum(kept * np.log(ratio), axis=-1, keepdims=True) / _sum(kept)
    found = np.where(_sum(kept) > 0, np.maximum(found, 0.0), math.inf)
    return Divergence(
        mean=float(np.mean(found)), worst=float(np.max(found)), lost=float(np.mean(lost)), rows=p.shape[0]
    )


def _rows(x: NDArray[Any], axes: tuple[int, ...], *, logarithmic: bool) -> Floats:
    """[rows, elements], probabilities."""
    wide = np.asarray(x, np.float64)
    rest = [axis for axis in range(wide.ndim) if axis not in axes]
    size = math.prod(wide.shape[axis] for axis in axes)
    rows = np.transpose(wide, (*rest, *axes)).reshape(math.prod(wide.shape[axis] for axis in rest), size)
    if not logarithmic:
        return rows
    with np.errstate(over="ignore"):
        return np.exp(rows)


def _distribution(rows: Floats) -> NDArray[np.bool_]:
    return np.asarray((np.isfinite(rows) & (rows >= 0)).all(axis=-1) & (rows > 0).any(axis=-1))


def _sum(rows: Floats) -> Floats:
    return np.asarray(np.sum(rows, axis=-1, keepdims=True))
