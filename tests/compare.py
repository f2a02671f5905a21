"""Bits, not closeness: how two arrays of codes differ, by class.

* `value`: two different numbers (infinities among them).
* `zero sign`: +0 against -0.
* `NaN payload`: two NaNs with different codes.
* `NaN vs number`: one of the two is NaN.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from emu.formats.decode import decode_code
from emu.formats.model import Format

SHOWN = 10


def kind_of_difference(actual: int, expected: int, fmt: Format) -> str | None:
    """The class of a difference between two codes, None if they are one code."""
    if actual == expected:
        return None
    x, y = decode_code(fmt, actual), decode_code(fmt, expected)
    if x.nan != y.nan:
        return "NaN vs number"
    if x.nan:
        return "NaN payload"
    return "zero sign" if x.is_zero and y.is_zero else "value"


def differences(actual: Any, expected: Any, fmt: Format) -> list[tuple[tuple[int, ...], str]]:
    """Where two arrays of codes differ, and how."""
    left, right = np.asarray(actual), np.asarray(expected)
    assert left.shape == right.shape, f"shapes {left.shape} and {right.shape}"
    where = zip(*np.nonzero(left != right), strict=True) if left.ndim else ([()] if left != right else [])
    found = []
    for at in where:
        kind = kind_of_difference(int(left[at]), int(right[at]), fmt)
        assert kind is not None
        found.append((tuple(int(i) for i in at), kind))
    return found


def assert_same_bits(actual: Any, expected: Any, fmt: Format, what: str = "", *, any_nan: bool = False) -> None:
    """Fail with the counts of differences by class, and the first ten in hex.

    Args:
        actual: codes.
        expected: codes of the same shape.
        fmt: their format.
        what: what the message starts with.
        any_nan: any NaN is as good as any other (recordings that say so).
    """
    found = [(at, kind) for at, kind in differences(actual, expected, fmt) if not (any_nan and kind == "NaN payload")]
    if not found:
        return
    left, right = np.asarray(actual), np.asarray(expected)
    counts = ", ".join(f"{kind}: {count}" for kind, count in Counter(kind for _, kind in found).items())
    digits = -(-fmt.bits // 4)
    lines = [
        f"  {at}: {int(left[at]):#0{digits + 2}x}, expected {int(right[at]):#0{digits + 2}x} ({kind})"
        for at, kind in found[:SHOWN]
    ]
    head = f"{len(found)} of {left.size} codes of {fmt} differ ({counts})"
    raise AssertionError("\n".join([f"{what}: {head}" if what else head, *lines]))
