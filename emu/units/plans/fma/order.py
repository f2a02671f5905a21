"""The order of the products of a unit whose levels are: [a chain], pairwise adders, a chain to the end.

All that is short (a run of a tail, a missing neighbour in a tree) is filled up with products that are neutral: zeros
of the sign that changes no addend (-0; under toward_negative +0). A run that does not exist starts at that zero, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from emu.units.enums import Start
from emu.units.form import Level, UnitForm
from emu.units.schedule import level_runs

PAD = -1


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The roles of the levels."""

    inner: bool
    """whether the first level is a chain of its own, below the last"""
    depth: int
    """pairwise levels"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Order:
    """What the kernel is told."""

    index: NDArray[np.int64]
    """k of the products in their order; PAD: a neutral one"""
    run: int
    """products of a run; 0: none, or runs are single products"""
    starts: NDArray[np.bool_]
    """by run: whether it starts at +0 (else at the neutral zero)"""
    piece: int
    """groups of one piece of K (products, where there are no groups)"""


def shape_of(levels: tuple[Level, ...]) -> Shape | None:
    """The roles of the levels; None if they are something else."""
    inner = len(levels) > 1 and levels[0].group == 1
    middle = levels[1 if inner else 0 : -1]
    if levels[-1].group != 1 or not all(map(is_pair, middle)):
        return None
    return Shape(inner=inner, depth=len(middle))


def is_pair(level: Level) -> bool:
    """An adder of two neighbours."""
    return (level.group, level.length, level.lanes, level.order, level.start) == (2, 2, 1, (), Start.NONE)


@lru_cache(maxsize=64)
def order_of(form: UnitForm, k: int) -> Order:
    """The order of k products, piece by piece."""
    shape = shape_of(form.levels)
    assert shape is not None
    size = min(form.k or k, k)
    runs: list[list[int]] = []
    for first in range(0, k, size):
        runs += [[first + i for i in run] for run in _piece(form, shape, min(size, k - first))]
    in_piece = len(_piece(form, shape, size)) >> shape.depth
    if not shape.inner and not shape.depth:
        index = np.array([i for run in runs for i in run], np.int64)
        return Order(index=index, run=0, starts=np.zeros(0, bool), piece=in_piece)
    length = max(map(len, runs))
    index = np.full((len(runs), length), PAD, np.int64)
    for row, run in zip(index, runs, strict=True):
        row[: len(run)] = run
    from_zero = shape.inner and form.levels[0].start is Start.ZERO
    starts = np.array([from_zero and bool(run) for run in runs])
    single = not shape.inner and shape.depth <= 3
    return Order(index=index.reshape(-1), run=0 if single else length, starts=starts, piece=in_piece)


def _piece(form: UnitForm, shape: Shape, n: int) -> list[list[int]]:
    """The runs of one piece in the order of the last level; missing ones are empty."""
    schedule = level_runs(form.levels, n)
    leaves = schedule[0] if shape.inner else [[i] for i in range(n)]
    in_group = 1 << shape.depth
    out: list[list[int]] = []
    for group in schedule[-1][0]:
        found = leaves[group * in_group : (group + 1) * in_group]
        out += found + [[]] * (in_group - len(found))
    return out
