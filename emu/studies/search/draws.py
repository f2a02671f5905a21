"""Points drawn from the space of a study: the same ones for the same seed, on every machine.

* The numbers are those of Philox4x64-10 with the seed as key (NumPy's raw stream), modulo what is drawn from: the bias
  is below 2^-40.
* `random`: a value of each axis that applies, one axis after the other, each value as likely as any other; a
  combination that was drawn already is drawn again.
* `latin_hypercube`: each axis by itself has a list of as many values as there are points, in which no value comes more
  than once more often than another, shuffled; the n-th point has the n-th entry of every list. Axes that do not apply
  to a point are left out; combinations that come twice are one point.
* A space with no more points than asked for is taken whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from emu.studies.axes import Axis, Choice, Named, grid, name_of

MOST_TRIES = 100
"""Draws for each point that is wanted, before a space counts as used up."""


class Draws:
    """Random numbers of one seed."""

    def __init__(self, seed: int) -> None:
        """Begin the stream."""
        self._bits = np.random.Philox(key=seed)

    def below(self, count: int) -> int:
        """A number from 0 to count - 1."""
        return int(self._bits.random_raw()) % count

    def shuffled(self, items: Sequence[int]) -> list[int]:
        """The items in a random order (Fisher and Yates)."""
        out = list(items)
        for last in range(len(out) - 1, 0, -1):
            other = self.below(last + 1)
            out[last], out[other] = out[other], out[last]
        return out


def random_points(axes: Sequence[Axis], count: int, seed: int) -> list[dict[str, Choice]]:
    """Different points, drawn one by one."""
    whole = list(islice(grid(axes), count + 1))
    if len(whole) <= count:
        return whole
    draws = Draws(seed)
    found: dict[Named, dict[str, Choice]] = {}
    for _ in range(MOST_TRIES * count):
        if len(found) == count:
            break
        chosen: dict[str, Choice] = {}
        for axis in axes:
            if axis.applies(chosen):
                chosen[axis.name] = axis.choices[draws.below(len(axis.choices))]
        found.setdefault(name_of(chosen), chosen)
    return list(found.values())


def latin_points(axes: Sequence[Axis], count: int, seed: int) -> list[dict[str, Choice]]:
    """Points of a Latin hypercube."""
    whole = list(islice(grid(axes), count + 1))
    if len(whole) <= count:
        return whole
    draws = Draws(seed)
    places = {axis.name: draws.shuffled([n * len(axis.choices) // count for n in range(count)]) for axis in axes}
    found: dict[Named, dict[str, Choice]] = {}
    for n in range(count):
        chosen: dict[str, Choice] = {}
        for axis in axes:
            if axis.applies(chosen):
                chosen[axis.name] = axis.choices[places[axis.name][n]]
        found.setdefault(name_of(chosen), chosen)
    return list(found.values())
