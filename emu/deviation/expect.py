"""Bit-for-bit comparison of a replay with a stored one (`emu replay --expect RUN`).

* The question must be the same: model, inputs, mode and the layers' names, but for vector operations of a machine
  without a vector unit. Else the two cannot be compared (ModelError). Accelerator, backend, emu version, semantics
  version and machine may differ: that their bits do not is what is being tested.
* Bits are compared as stored: -0 differs from +0, and NaNs differ if their bits do.
* Layers come in graph order, then the model's outputs; the first difference is the first in that order, and
  within a tensor the first in C order.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.deviation.result import Result
from emu.deviation.rows import LayerRow
from emu.deviation.store import StoredRun, Tensors
from emu.errors import ModelError
from emu.replaying.result import Kind

Named = Iterable[tuple[str, NDArray[Any]]]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first tensor that is not bit-identical."""

    where: str
    """`layer NAME` or `output NAME`"""
    element: tuple[int, ...] | None
    """index of the first element that differs; None if dtype or shape do"""
    expected: str
    got: str
    count: int
    """elements of this tensor that differ"""
    size: int
    """elements of this tensor"""

    def __str__(self) -> str:
        if self.element is None:
            return f"{self.where}: expected {self.expected}, got {self.got}"
        place = f"[{', '.join(map(str, self.element))}]" if self.element else ""  # a scalar has no index
        counted = f"{self.count} of {self.size} elements differ"
        return f"{self.where}{place}: expected {self.expected}, got {self.got} ({counted})"


def first_difference(expected: StoredRun, result: Result, tensors: Tensors) -> Difference | None:
    """Where a run first departs from a stored one; None if every bit is the same.

    Raises:
        ModelError: the two runs do not answer the same question.
    """
    for field, word in (("model_sha256", "model"), ("inputs_sha256", "inputs"), ("mode", "mode")):
        there, here = getattr(expected.result, field), getattr(result, field)
        if there != here:
            raise ModelError(f"{expected.folder}: not comparable, its {word} was {there}, this run's is {here}")
    vector = {row.layer for row in (*expected.result.rows, *result.rows) if _is_vector(row)}
    for word, stored, made in (
        ("layer", expected.tensors.layers, tensors.layers),
        ("output", expected.tensors.outputs, tensors.outputs),
    ):
        for left, right in itertools.zip_longest(*_comparable(stored, made, vector)):
            if left is None or right is None or left[0] != right[0]:
                there, here = ("none" if x is None else repr(x[0]) for x in (left, right))
                raise ModelError(f"{expected.folder}: not comparable, its {word} is {there}, this run's {here}")
            found = tensor_difference(f"{word} {left[0]}", left[1], right[1])
            if found is not None:
                return found
    return None


def _is_vector(row: LayerRow) -> bool:
    return row.kind == Kind.VECTOR.value


def _comparable(stored: Named, made: Named, vector: Collection[str]) -> tuple[Named, Named]:
    """Without the vector operations that only one of the runs emulated: the other's machine has no vector unit."""
    there, here = ({name for name, _ in tensors} for tensors in (stored, made))
    alone = (there ^ here) & set(vector)
    # one at a time: they may be on disk, and too many for memory
    return (pair for pair in stored if pair[0] not in alone), (pair for pair in made if pair[0] not in alone)


def tensor_difference(where: str, expected: NDArray[Any], got: NDArray[Any]) -> Difference | None:
    """The first element whose bits differ."""
    if expected.dtype != got.dtype or expected.shape != got.shape:
        return Difference(
            where=where,
            element=None,
            expected=f"{expected.dtype}{list(expected.shape)}",
            got=f"{got.dtype}{list(got.shape)}",
            count=max(expected.size, got.size),
            size=got.size,
        )
    a, b = (np.ascontiguousarray(x).reshape(-1) for x in (expected, got))
    width = a.dtype.itemsize
    bytes_differ = (a.view(np.uint8) != b.view(np.uint8)).reshape(a.size, width)
    differs = np.flatnonzero(bytes_differ.any(axis=1))
    if not differs.size:
        return None
    first = int(differs[0])
    return Difference(
        where=where,
        element=tuple(int(i) for i in np.unravel_index(first, got.shape)),
        expected=_spelled(a[first]),
        got=_spelled(b[first]),
        count=int(differs.size),
        size=int(got.size),
    )


def _spelled(x: Any) -> str:
    """The value and its bits."""
    bits = x.tobytes()[::-1] if x.dtype.byteorder != ">" else x.tobytes()
    return f"{x!s} (0x{bits.hex()})"
