"""Calls of emu's operations by name, and exact comparison of their codes and flags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import emu

ARITY = {
    "add": 2, "sub": 2, "mul": 2, "div": 2, "fma": 3, "sqrt": 1, "remainder": 2, "round_to_integral": 1,
}  # fmt: skip
NUMBA = ("add", "sub", "mul", "fma", "cast")
"""What the numba backend has."""


def has(backend: str, operation: str) -> bool:
    """Whether a backend has an operation."""
    return backend != "numba" or operation in NUMBA


def function(operation: str) -> Callable[..., Any]:
    """emu's function of a name."""
    return getattr(emu, operation)


def assert_same(
    found: tuple[NDArray[Any], NDArray[np.uint8]], codes: Sequence[int] | NDArray[Any],
    flags: Sequence[int] | NDArray[Any], operands: Sequence[Any], label: str,
) -> None:  # fmt: skip
    """Every code and every flag; the first difference is named."""
    codes, flags = np.asarray(codes), np.asarray(flags)
    wrong = (found[0] != codes) | (found[1] != flags)
    if wrong.any():
        i = tuple(np.argwhere(wrong)[0])
        at = [hex(int(np.broadcast_to(x, wrong.shape)[i])) for x in operands]
        raise AssertionError(
            f"{label}: {wrong.sum()} of {wrong.size} differ; first {at}: got {int(found[0][i]):#x} with flags "
            f"{int(found[1][i])}, expected {int(codes[i]):#x} with flags {int(flags[i])}"
        )
