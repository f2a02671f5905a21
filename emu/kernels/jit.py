"""The decorator of all kernel functions, and the types of their arguments.

* The annotations of a function are its one signature. Left to infer it, Numba would compile a function anew for every
  combination of literal arguments: minutes instead of seconds.
* No interpreter lock, no reference counts (nothing is allocated), no fastmath.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types

from emu.kernels.environment import Environment

Env = Environment
Int = int
"""int64: counts, offsets, slots, exponents, events"""
Word = np.uint64
"""uint64: 64 bits of a significand, a code, a random draw"""
Words = tuple[np.uint64, np.uint64]
Pair = tuple[int, int]
Ints = Any
"""int64, one-dimensional, contiguous"""
Grid = Any
"""uint64, two-dimensional, contiguous"""
WordRow = Any
"""uint64, one-dimensional, contiguous"""
Schedule = tuple[Any, Any, Any]
"""inputs of all runs; first input of each run; per level where both begin, and how many runs"""

_INTS, _WORDS = types.Array(types.int64, 1, "C"), types.Array(types.uint64, 1, "C")
_INT_ROWS, _WORD_ROWS = types.Array(types.int64, 2, "C"), types.Array(types.uint64, 2, "C")
_TYPES = {
    "Env": types.NamedTuple([_INT_ROWS, _WORD_ROWS, _WORDS, _INTS, _INTS, _WORDS, _INTS], Environment),
    "Int": types.int64,
    "Word": types.uint64,
    "Words": types.UniTuple(types.uint64, 2),
    "Pair": types.UniTuple(types.int64, 2),
    "Ints": _INTS,
    "Grid": _WORD_ROWS,
    "WordRow": _WORDS,
    "Schedule": types.Tuple((_INTS, _INTS, _INT_ROWS)),
    "bool": types.boolean,
    "None": types.void,
}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function for the signature that its annotations state."""
    annotations = dict(function.__annotations__)
    returns = _TYPES[annotations.pop("return")]
    signature = returns(*(_TYPES[name] for name in annotations.values()))
    return njit(signature, nogil=True, cache=True, _nrt=False)(function)
