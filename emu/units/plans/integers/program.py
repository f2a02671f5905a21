"""The order of products for accumulators that are cast on the way, and what happens after each of them.

Two casting levels at most: an inner and an outer accumulator. Exact levels only join what is below them: the runs of
the innermost ones become one sum of products, those between the two casting levels one sum of inner runs. If only one
level casts and hands up several runs, what is above it is the outer accumulator, which is never cast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emu.units.plans.integers.casts import Change, Span
from emu.units.plans.integers.structure import Structure, Sum
from emu.units.plans.plan import UnprovedError
from emu.units.schedule import runs

CAST_INNER, HAND_UP, CAST_OUTER = 1, 2, 4
MAX_K = 1 << 20
Run = list[list[int]]
"""The steps of an inner run; or, where no level is an inner one, one step of products."""


@dataclass(frozen=True, kw_only=True)
class Folds:
    """Which levels are the accumulators."""

    inner: Sum | None
    outer: Sum | None
    """None: exact"""
    held_inner: Span
    """what the inner accumulator can be before a cast"""
    held_outer: Span


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """Positions, grouped in words of `each`."""

    order: NDArray[np.int64] | None
    """[positions]: which k, -1: nothing; None: all in turn"""
    length: int
    flags: NDArray[np.uint8]
    """[words]"""


def folds_of(found: Structure) -> Folds:
    """The accumulators of a unit.

    Raises:
        UnprovedError: it needs more than two, or c enters elsewhere than in the outer one.
    """
    casting = [made for made in found.sums if made.changes]
    if len(casting) > 2 or any(len(made.changes) > 1 for made in casting):
        raise UnprovedError("more than two casts on the way")
    if not casting:
        return Folds(inner=None, outer=None, held_inner=found.product.upto(found.k), held_outer=found.total)
    last = casting[-1]
    above = found.sums[last.index + 1 :]
    alone = all(made.inputs == 1 and not made.takes_c for made in above)
    inner: Sum | None = casting[0] if len(casting) == 2 else None
    outer: Sum | None = last
    if not alone:
        if len(casting) == 2:
            raise UnprovedError("sums above two levels that cast")
        inner, outer = last, None
    below = found.sums[: outer.index] if outer is not None else found.sums[: last.index + 1]
    if any(made.takes_c for made in below):
        raise UnprovedError("c enters below the outer accumulator")
    if found.chained and not (outer is not None and outer.takes_c and not above):
        raise UnprovedError("the pieces of K are no one chain")
    held_outer = outer.step if outer is not None else found.sums[-1].step
    held_inner = inner.step if inner is not None else _summed(found, outer)
    return Folds(inner=inner, outer=outer, held_inner=held_inner, held_outer=held_outer)


def _summed(found: Structure, outer: Sum | None) -> Span:
    """What one step of the outer accumulator adds."""
    assert outer is not None
    below = found.sums[outer.index - 1].out if outer.index else found.product
    return below.upto(outer.level.group if outer.level.group < outer.inputs else outer.inputs)


def change(of: Sum | None) -> Change | None:
    """How an accumulator is cast."""
    return of.changes[0] if of is not None else None


def program_of(found: Structure, folds: Folds, each: int) -> Program:
    """The program of a unit.

    Raises:
        UnprovedError: K is too long to write it down.
    """
    if found.k > MAX_K:
        raise UnprovedError(f"K above {MAX_K} is not written out")
    order: list[int] = []
    flags: list[int] = []
    for first in range(0, found.k, found.piece):
        _piece(found, folds, first, min(found.piece, found.k - first), each, order, flags)
    in_turn = len(order) == found.k and order == list(range(found.k))
    return Program(
        order=None if in_turn else np.array(order, np.int64), length=len(order), flags=np.array(flags, np.uint8)
    )


def _piece(
    found: Structure, folds: Folds, first: int, count: int, each: int, order: list[int], flags: list[int]
) -> None:
    values: list[list[Run]] = [[[[first + k]]] for k in range(count)]  # each a sum of inner runs of steps of products
    for made in found.sums:
        if folds.outer is made:
            (steps,) = _steps(made, values)
            for step in steps:
                given = [run for value in step for run in value] if folds.inner else [[_products(step)]]
                _emit(given, folds.inner is not None, True, each, order, flags)
            return
        if folds.inner is made:
            values = [[[_products(step) for step in run]] for run in _steps(made, values)]
        elif folds.inner is None or made.index < folds.inner.index:
            values = [[[[k for step in run for k in _products(step)]]] for run in _steps(made, values)]
        else:
            values = [[inner for step in run for value in step for inner in value] for run in _steps(made, values)]
    (value,) = values
    _emit(value, folds.inner is not None, False, each, order, flags)


def _steps(made: Sum, values: list[list[Run]]) -> list[list[list[list[Run]]]]:
    """The runs of a level, each a list of steps, each a list of inputs."""
    group = made.level.group
    return [
        [[values[i] for i in run[at : at + group]] for at in range(0, len(run), group)]
        for run in runs(made.level, len(values))
    ]


def _products(step: list[list[Run]]) -> list[int]:
    """The products of inputs below the inner level."""
    return [k for value in step for run in value for products in run for k in products]


def _emit(value: list[Run], inner: bool, outer: bool, each: int, order: list[int], flags: list[int]) -> None:
    """One step of the outer accumulator."""
    for run in value:
        for products in run:
            padded = products + [-1] * (-len(products) % each)
            order.extend(padded)
            flags.extend([0] * (len(padded) // each))
            flags[-1] |= CAST_INNER * inner
        flags[-1] |= HAND_UP
    flags[-1] |= CAST_OUTER * outer
