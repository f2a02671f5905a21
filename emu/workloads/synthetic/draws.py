"""Uniform random numbers of a counter-based generator: Philox4x64-10 (Salmon et al., SC 2011).

* They are raw 64-bit words of NumPy's `Philox` bit generator, whose stream NumPy does not change (NEP 19); none of its
  distributions is used. The key is (seed, stream), the counter starts at 0.
* A uniform number is (w >> 12 + 1/2) 2^-52: exact, never 0 nor 1, and symmetric about 1/2.
* Streams keep apart what is drawn for one thing: see `Stream`.
"""

from __future__ import annotations

import enum
import math

import numpy as np
from numpy.typing import NDArray

from emu.workloads.synthetic.elementary import Floats


class Stream(enum.IntEnum):
    """The second word of the key."""

    VALUES = 0
    """of a tensor: one number for each element, in C order"""
    SIGNS = 1
    """of a tensor: the sign of each element, negative below 1/2"""
    CHANGE = 2
    """of a change: a word for each channel of the axis, from which some are picked"""
    CHANNELS = 3
    """of a change: a number for each channel of the axis"""
    SQUARES = 16
    """of a tensor: the n-th square of a chi-squared variable is drawn from stream 16 + n"""
    CALIBRATION = 1 << 32
    """added to the streams of a tensor for a second, independent sample of it; changes are the same for both"""


def words(seed: int, stream: int, count: int) -> NDArray[np.uint64]:
    """The first so many words."""
    return np.random.Philox(key=np.array([seed, stream], np.uint64)).random_raw(count)


def uniform(seed: int, stream: int, shape: tuple[int, ...]) -> Floats:
    """Uniform numbers in (0, 1)."""
    raw = words(seed, stream, math.prod(shape)) >> np.uint64(12)
    return ((raw.astype(np.float64) + 0.5) * 2.0**-52).reshape(shape)


def pick(seed: int, size: int, count: int) -> NDArray[np.int64]:
    """So many different numbers below `size`, in ascending order: those whose words are the smallest."""
    order = np.argsort(words(seed, Stream.CHANGE, size), kind="stable")
    return np.sort(order[:count]).astype(np.int64)
