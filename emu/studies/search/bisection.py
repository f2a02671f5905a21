"""The first value along an axis that keeps the constraints, for every combination of the other axes, by halving.

* The axis is in order, from the cheapest value to the dearest; what is found is right if every value after one that
  keeps the constraints keeps them too. The value found was tried, and so was the one before it (but for the ends): so
  it is where the constraints begin to hold, whatever happens elsewhere.
* n values need at most ceil(log2(n + 1)) points for a combination, where the grid has n.
* A point that cannot be run does not keep the constraints. Where no value keeps them there is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from emu.studies.axes import Axis, Choice, Chosen, grid
from emu.studies.search.strategy import Scored


@dataclass(kw_only=True)
class _Interval:
    """Where the first value of one combination is: low to high, high included; `len(values)` is none."""

    others: dict[str, Choice]
    low: int
    high: int

    @property
    def middle(self) -> int:
        """The value that is tried next."""
        return (self.low + self.high) // 2


class Bisection:
    """A search by halving."""

    def __init__(self, axes: Sequence[Axis], along: str) -> None:
        """Search along one of the axes."""
        self._axes = tuple(axes)
        self._axis = next(axis for axis in axes if axis.name == along)
        count = len(self._axis.choices)
        others = [axis for axis in axes if axis.name != along and along not in axis.when]
        self._open = [_Interval(others=chosen, low=0, high=count) for chosen in grid(others)]
        self._tried: list[_Interval] = []
        self._most = math.ceil(math.log2(count + 1)) * len(self._open)

    @property
    def most(self) -> int:
        """Points of all combinations, if all need as many as they may."""
        return self._most

    @property
    def listed(self) -> None:
        """It learns where to look next."""

    def ask(self) -> list[Chosen]:
        """The middle of every interval that is not one value yet."""
        self._tried = [one for one in self._open if one.low < one.high]
        return [self._at(one, one.middle) for one in self._tried]

    def tell(self, scored: Sequence[Scored]) -> None:
        """Halve the intervals."""
        for one, result in zip(self._tried, scored, strict=True):
            middle = one.middle
            if result.kept:
                one.high = middle
            else:
                one.low = middle + 1

    def _at(self, one: _Interval, index: int) -> Chosen:
        """A point of a combination, its axes in their order."""
        chosen = {**one.others, self._axis.name: self._axis.choices[index]}
        return {axis.name: chosen[axis.name] for axis in self._axes if axis.name in chosen}
