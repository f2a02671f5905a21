"""Numbers with labels: what effects are computed of.

* Each cell has a label (or none, where an axis does not apply) for each of the axes that are left.
* A reduction takes axes away: cells that agree on the others make one. NaN is not left out: what is made of it is NaN.
* Two tables are combined cell by cell, by the labels of the axes that both have; one cell alone goes with every cell. A
  cell without a partner becomes NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from emu.studies.vocabulary import Reduce

Labels = tuple[str | None, ...]
Outputs = tuple[tuple[str, str | None], ...]
"""Names of layers, and the hashes of what they put out."""
Value = float | str | Outputs
NO_VALUE = math.nan

_NUMBERS: Mapping[Reduce, Callable[[Sequence[float]], float]] = {
    Reduce.MIN: min, Reduce.MAX: max, Reduce.MEAN: fmean, Reduce.MEDIAN: median,
    Reduce.SPREAD: lambda values: max(values) - min(values),
}  # fmt: skip
ALONG_ONE = (Reduce.ARGMIN, Reduce.ARGMAX, Reduce.LEAST_STEP, Reduce.LARGEST_STEP, Reduce.FIRST)
"""Reductions that go along one axis."""
LABELS = (Reduce.ARGMIN, Reduce.ARGMAX, Reduce.FIRST)
"""Reductions whose figure is a value of an axis."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Values by labels."""

    axes: tuple[str, ...]
    values: Mapping[Labels, Value]
    """in the order of the axes' values"""

    def reduced(self, axes: Sequence[str], make: Callable[[Mapping[Labels, Value]], Value]) -> Cells:
        """Cells that differ in these axes alone made into one."""
        gone = [self.axes.index(name) for name in axes]
        left = [place for place in range(len(self.axes)) if place not in gone]
        groups: dict[Labels, dict[Labels, Value]] = {}
        for labels, value in self.values.items():
            own = groups.setdefault(tuple(labels[place] for place in left), {})
            own[tuple(labels[place] for place in gone)] = value
        return Cells(
            axes=tuple(self.axes[place] for place in left),
            values={labels: make(cells) for labels, cells in groups.items()},
        )

    def combined(self, other: Cells, make: Callable[[Value, Value], Value]) -> Cells:
        """Cell by cell."""
        if len(other.values) == 1:
            alone = next(iter(other.values.values()))
            return Cells(axes=self.axes, values={labels: make(value, alone) for labels, value in self.values.items()})
        if len(self.values) == 1:
            alone = next(iter(self.values.values()))
            return Cells(axes=other.axes, values={labels: make(alone, value) for labels, value in other.values.items()})
        shared = [name for name in self.axes if name in other.axes]
        mine, theirs = ([own.axes.index(name) for name in shared] for own in (self, other))
        by_label = {tuple(labels[place] for place in theirs): value for labels, value in other.values.items()}
        return Cells(
            axes=self.axes,
            values={
                labels: make(value, by_label.get(tuple(labels[place] for place in mine), NO_VALUE))
                for labels, value in self.values.items()
            },
        )


def made(reduce: Reduce, where: Callable[[float], bool] | None, cells: Mapping[Labels, Value]) -> Value:
    """One value of several; those of a reduction along an axis are in its order."""
    if reduce is Reduce.VALUE:
        return next(iter(cells.values())) if len(cells) == 1 else NO_VALUE
    numbers = [value if isinstance(value, float) else NO_VALUE for value in cells.values()]
    if not numbers or any(map(math.isnan, numbers)):
        return NO_VALUE
    if reduce in _NUMBERS:
        return float(_NUMBERS[reduce](numbers))
    if reduce is Reduce.COUNT:
        return float(sum(where is None or where(value) for value in numbers))
    if reduce in LABELS:
        places = [place for place, value in enumerate(numbers) if where is None or where(value)]
        if reduce is not Reduce.FIRST:
            best = min(numbers) if reduce is Reduce.ARGMIN else max(numbers)
            places = [numbers.index(best)]
        label = list(cells)[places[0]][0] if places else None
        return NO_VALUE if label is None else label
    steps = [after - before for before, after in pairwise(numbers)]
    if not steps:
        return NO_VALUE
    return min(steps) if reduce is Reduce.LEAST_STEP else max(steps)


def differing(one: Value, other: Value) -> Value:
    """How many layers do not put out the same bits; NaN if a layer has no hash, or there is none."""
    if not isinstance(one, tuple) or not isinstance(other, tuple) or not one:
        return NO_VALUE
    mine, theirs = dict(one), dict(other)
    hashes = [(mine.get(name), theirs.get(name)) for name in mine.keys() | theirs.keys()]
    if any(digest is None for name in mine.keys() & theirs.keys() for digest in (mine[name], theirs[name])):
        return NO_VALUE
    return float(sum(a != b for a, b in hashes))
