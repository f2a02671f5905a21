"""Which terms each step of a unit has: pieces of K, runs of the inner level, groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from emu.units.form import Level, PerBlock, UnitForm
from emu.units.schedule import level_runs

PIECE, RUN, HAND_UP = 1, 2, 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """The steps of an element, in the order of their execution."""

    order: NDArray[np.int64] | None
    """the terms' places among all those that K gives; None: as they come"""
    rows: NDArray[np.int64]
    """[step, (first, count, flags, block, split)] of cemu_aligned_step, without the block"""
    starts: NDArray[np.int64]
    """[step]: k of the first term of its run"""
    firsts: NDArray[np.int64]
    lasts: NDArray[np.int64]
    """[step]: the least and the largest k of its terms"""
    pieces: int


@lru_cache(maxsize=64)
def steps_of(form: UnitForm, k: int) -> Steps:
    """The steps of a unit of one level, or of several where the innermost one hands up runs; K is not 0."""
    size, per_k = form.k or k, form.terms_per_k
    sequence: list[int] = []
    rows, starts, firsts, lasts = [], [], [], []
    for start in range(0, k, size):
        runs = level_runs(form.levels, min(size, k - start) * per_k)[0]
        for number, run in enumerate(runs):
            for at in range(0, len(run), form.levels[0].group):
                terms = [start * per_k + position for position in run[at : at + form.levels[0].group]]
                flags = PIECE * (number == 0 and at == 0)
                if len(form.levels) > 1:
                    flags = RUN * (at == 0) | HAND_UP * (at + len(terms) == len(run))
                rows.append((len(sequence), len(terms), flags, 0, len(terms)))
                starts.append(start + run[0] // per_k)
                firsts.append(min(terms) // per_k)
                lasts.append(max(terms) // per_k)
                sequence.extend(terms)
    order = np.array(sequence)
    return Steps(
        order=None if (order == np.arange(k * per_k)).all() else order,
        rows=np.array(rows, np.int64), starts=np.array(starts), firsts=np.array(firsts), lasts=np.array(lasts),
        pieces=-(-k // size),
    )  # fmt: skip


def one_block(steps: Steps, scale: PerBlock | None) -> bool:
    """Whether the terms of every step share a block scale."""
    return (
        scale is None or scale.block is None or bool((steps.firsts // scale.block == steps.lasts // scale.block).all())
    )


def plain_level(level: Level) -> bool:
    """Whether a level's runs are contiguous pieces of its (permuted) inputs."""
    return level.lanes == 1 and level.parts is None
