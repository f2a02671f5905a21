"""Running sums and products, and scatters that add or multiply; see `emu.vector.operators` for the rules.

* CumSum: a chain along the axis from +0, in the format of the unit's sums, whatever their order; every partial sum is
  rounded into the vector format where it is written, not where it is added to.
* CumProd: a chain from 1, in the vector format.
* ScatterElements and ScatterND with `reduction` = add or mul: what falls on one place is added to it, or multiplied
  with it, one update after the other in index order, each result in the vector format. The other scatters move or
  compare.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.rounded import Floats
from emu.vector.operators import Attributes, Operands, Operator, given
from emu.vector.unit import VectorUnit

Join = Callable[[Floats, Floats], Floats]


def scan(start: float, join: Callable[[VectorUnit], Join]) -> Operator:
    """CumSum or CumProd."""

    def run(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
        value, step = unit.load(given(x[0])), join(unit)
        axis = int(given(x[1]).ravel()[0])
        moved = np.moveaxis(value, axis, 0)
        if attributes.get("reverse", 0):
            moved = moved[::-1]
        out = np.empty(moved.shape)
        total = np.full(moved.shape[1:], start)
        for i, element in enumerate(moved):
            after = step(total, element)
            out[i] = total if attributes.get("exclusive", 0) else after
            total = after
        if attributes.get("reverse", 0):
            out = out[::-1]
        return (unit.arithmetic.round(np.moveaxis(out, 0, axis)),)

    return run


def joined(unit: VectorUnit, data: Floats, places: NDArray[np.int64], updates: Floats, how: str) -> Floats:
    """Data with updates added to, or multiplied with, what is at their places (of the flat data), in order."""
    out = data.ravel().copy()
    order = np.argsort(places, kind="stable")
    sorted_places = places[order]
    starts = np.flatnonzero(np.concatenate([[True], sorted_places[1:] != sorted_places[:-1]])[: places.size])
    rank = np.arange(places.size) - np.repeat(starts, np.diff([*starts, places.size]))
    step = unit.add if how == "add" else unit.mul
    for turn in range(int(rank.max(initial=-1)) + 1):  # the first update of every place, then the second, …
        now = order[rank == turn]
        out[places[now]] = step(out[places[now]], updates[now])
    return out.reshape(data.shape)


def scatter_elements(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """ScatterElements with a reduction."""
    data, indices, updates = unit.load(given(x[0])), given(x[1]).astype(np.int64), unit.load(given(x[2]))
    axis = int(attributes.get("axis", 0)) % data.ndim
    at: list[Any] = list(np.indices(indices.shape, sparse=True))
    at[axis] = indices % data.shape[axis]
    places = np.arange(data.size).reshape(data.shape)[tuple(at)]
    return (joined(unit, data, places.ravel(), updates.ravel(), str(attributes["reduction"])),)


def scatter_nd(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """ScatterND with a reduction."""
    data, indices, updates = unit.load(given(x[0])), given(x[1]).astype(np.int64), unit.load(given(x[2]))
    at = tuple(np.moveaxis(indices, -1, 0))
    places = np.arange(data.size).reshape(data.shape)[tuple(one % size for one, size in zip(at, data.shape))]  # noqa: B905
    return (joined(unit, data, places.ravel(), updates.ravel(), str(attributes["reduction"])),)


REDUCING = ("add", "mul")
"""Reductions of scatters that round."""

SCATTERS: dict[str, Operator] = {"ScatterElements": scatter_elements, "ScatterND": scatter_nd}
SCANS: dict[str, Operator] = {
    "CumSum": scan(0.0, lambda unit: unit.adder.arithmetic.add),
    "CumProd": scan(1.0, lambda unit: unit.mul),
}
