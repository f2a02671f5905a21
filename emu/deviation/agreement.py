"""Whether two tensors put the same elements first: agreement of argmax and of the k largest.

* A row is what the last axis holds; all other axes number the rows.
* Of equal elements the first one counts as larger, in both tensors.
* A row with a NaN on either side does not agree: it counts as 0. An infinity is a value like any other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOP = 5
"""How many largest elements are compared in the model's outputs."""


def argmax_agreement(truth: NDArray[Any], emulated: NDArray[Any]) -> float:
    """The share of rows whose largest element sits in the same place; NaN without rows or without elements.

    Raises:
        ValueError: the shapes differ, or the tensors have no axis.
    """
    _check("argmax", truth, emulated)
    if truth.size == 0:
        return math.nan
    return float(np.mean((truth.argmax(axis=-1) == emulated.argmax(axis=-1)) & _numbers(truth, emulated)))


def topk_agreement(truth: NDArray[Any], emulated: NDArray[Any], k: int = TOP) -> float:
    """How many of the k largest elements of the truth's row are among the k largest of the emulated one: their share.

    The mean over all rows. The order among the k does not matter. NaN where it says nothing: without rows, and where
    a row has at most k elements.

    Raises:
        ValueError: the shapes differ, or the tensors have no axis.
    """
    _check("top-k", truth, emulated)
    if truth.size == 0 or truth.shape[-1] <= k:
        return math.nan
    rows = _numbers(truth, emulated).ravel()
    both = _largest(truth, k) & _largest(emulated, k)
    return float(np.mean(np.count_nonzero(both, axis=-1) / k * rows))


def _largest(x: NDArray[Any], k: int) -> NDArray[np.bool_]:
    """The k largest elements of each row [rows, n]; the first ones among equals."""
    flat = x.reshape(-1, x.shape[-1])
    bound = np.partition(flat, flat.shape[-1] - k, axis=-1)[:, -k, None]
    above, equal = flat > bound, flat == bound
    room = k - np.count_nonzero(above, axis=-1)[:, None]
    return np.asarray(above | (equal & (np.cumsum(equal, axis=-1) <= room)))


def _check(what: str, truth: NDArray[Any], emulated: NDArray[Any]) -> None:
    if truth.shape != emulated.shape or truth.ndim == 0:
        raise ValueError(
            f"shapes {truth.shape} and {emulated.shape}: {what} agreement needs two equal shapes with an axis"
        )


def _numbers(truth: NDArray[Any], emulated: NDArray[Any]) -> NDArray[np.bool_]:
    """The rows without a NaN."""
    return np.asarray(~(np.isnan(truth).any(axis=-1) | np.isnan(emulated).any(axis=-1)))
