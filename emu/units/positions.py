"""Where events happened: the first few of every stage and kind, the same in all backends, whatever tiles or threads.

A kernel writes a row (m, n, k) for each of the first `limit` events that it counts at a stage, of a kind:

* a subnormal element of a that daz takes for zero: (m, -1, k); of b: (-1, n, k); of c: (m, n, -1);
* loading and splitting of a and b, and products: (m, n, k); loading of c, and `output`: (m, n, -1);
* a level's `input`: the k of the term; its step (alignment, sum, result): the k of the step's first term, -1 without.

"First" means: a's elements by (m, k), b's by (k, n), then everything by output element, then in order of execution;
in a batch, each of the three product by product.
A tile counts in that order, so the first of a product are among the first of its tiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emu.formats.enums import EventKind

if TYPE_CHECKING:
    from emu.units.problem import Problem

MAX_POSITIONS = 1000
"""per stage and kind"""
NOWHERE = -1
Table = NDArray[np.int64]
"""[stage, kind, limit, (m, n, k)]"""


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where one event happened."""

    stage: str
    kind: EventKind
    index: tuple[int | None, ...]
    """of the output element; None for a coordinate that it does not depend on"""
    k: int | None
    """the product's, or the first term's; None for c and the output stage"""

    def phase(self) -> int:
        """0 for a flushed element of a, 1 for one of b, 2 for everything else: what comes first is first."""
        return 0 if self.index[-1] is None else 1 if self.index[-2] is None else 2


def empty_table(stages: int, limit: int) -> Table:
    """Room for the first `limit` events of every stage and kind."""
    return np.full((stages, len(EventKind), limit, 3), NOWHERE, np.int64)


def merge(tables: list[Table], counts: list[NDArray[np.int64]]) -> Table:
    """The first events of all tiles, from the first of each.

    Args:
        tables: rows of every tile, in the order in which it counted.
        counts: [stage, kind] of every tile: how many rows there are, but for `limit`.
    """
    out = np.full_like(tables[0], NOWHERE)
    limit = out.shape[2]
    total = np.sum(counts, axis=0)
    for stage, kind in np.argwhere(total):
        rows = np.concatenate(
            [t[stage, kind, : min(n[stage, kind], limit)] for t, n in zip(tables, counts, strict=True)]
        )
        m, n, k = rows.T
        phase = np.select([n == NOWHERE, m == NOWHERE], [0, 1], 2)
        major = np.select([phase == 0, phase == 1], [m, k], m)
        minor = np.select([phase == 0, phase == 1], [k, n], n)
        first = np.lexsort((minor, major, phase))[:limit]  # stable: execution order within an element stays
        out[stage, kind, : len(first)] = rows[first]
    return out


def positions_of(problem: Problem, stages: tuple[str, ...], *, one_b: bool) -> Iterator[Position]:
    """The rows of a two-dimensional product as positions in the whole result.

    Args:
        problem: with its events counted.
        stages: names of the stages.
        one_b: whether b has no batch, so that its columns belong to all rows of the result.
    """
    limit, shape = problem.positions.shape[2], problem.shape
    if not limit:
        return
    for stage, kind in np.argwhere(problem.events):
        for m, n, k in problem.positions[stage, kind, : min(problem.events[stage, kind], limit)].tolist():
            index: list[int | None] = list(problem.element(max(m, 0), max(n, 0)))
            if n == NOWHERE:
                index[-1] = None
            if m == NOWHERE:
                index[-2] = None
                index[:-2] = [None] * len(shape[:-2]) if one_b else index[:-2]
            where = None if k == NOWHERE else k
            yield Position(stage=stages[stage], kind=list(EventKind)[kind], index=tuple(index), k=where)
