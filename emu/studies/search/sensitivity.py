"""Mixed precision: which layers can do with a cheaper value, found from how much each alone does harm.

1. All layers at the dearest value. If that does not keep the constraints, the search is over.
2. Every layer by itself at every cheaper value, the others at the dearest: its harm is how much worse the first
   constrained objective becomes. A value at which it cannot be run, or does not keep the constraints, is not its own.
3. Steps (layer, value) in order of harm, the smallest first, make a row of maps of layers to values, each cheaper
   than the one before; by halving, the last map that keeps the constraints, all of which are tried as wholes.

* A map is a point whose axis `layers` names the layers that are not at the dearest value. It is made of rules that
  come before the accelerator's own; layers that one of these matches are left as they are.
* The result of 3 is the best of the row, not of all maps: harms are taken to add up in that order.
"""

from __future__ import annotations

import glob
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from emu.studies.axes import Axis, Choice, Chosen
from emu.studies.search.strategy import Scored

LAYERS = "layers"
RULES = "rule"
Map = tuple[tuple[str, int], ...]
"""Layers and the index of their value; those at the dearest value are left out."""


class Sensitivity:
    """A search for a map of layers to values."""

    def __init__(
        self,
        axis: Axis,
        *,
        matrix_of: Callable[[Choice], Mapping[str, Any]],
        rules: Sequence[Mapping[str, Any]],
        badness: Callable[[Scored], float],
        varies: Callable[[str, str], bool],
    ) -> None:
        """Search.

        Args:
            axis: its values from the cheapest to the dearest.
            matrix_of: the keys of `[matrix]` at a value.
            rules: the accelerator's own.
            badness: of a point; larger is worse.
            varies: whether a layer (name, operator) is not matched by one of the accelerator's own rules.
        """
        self._axis, self._matrix_of, self._rules = axis, matrix_of, rules
        self._badness, self._varies = badness, varies
        self._dearest = len(axis.choices) - 1
        self._round: Callable[[Sequence[Scored]], None] = self._told_first
        self._next: list[Map] = [()]
        self._layers: list[str] = []
        self._steps: list[tuple[float, str, int]] = []
        self._row: list[Map] = []
        self._low = self._high = 0
        self._most = 1

    @property
    def most(self) -> int:
        """Points in all, as far as is known."""
        return self._most

    @property
    def listed(self) -> None:
        """It learns where to look next."""

    def ask(self) -> list[Chosen]:
        """The next maps."""
        return [self._point(one) for one in self._next]

    def tell(self, scored: Sequence[Scored]) -> None:
        """What they gave."""
        asked, self._next = self._next, []
        self._asked = asked
        self._round(scored)

    def _told_first(self, scored: Sequence[Scored]) -> None:
        first = scored[0]
        if not first.kept:
            return
        self._base = self._badness(first)
        self._layers = [name for name, op in first.layers if self._varies(name, op)]
        self._next = [((name, value),) for name in self._layers for value in range(self._dearest)]
        self._most = 1 + len(self._next) + math.ceil(math.log2(len(self._next) + 1))
        self._round = self._told_alone

    def _told_alone(self, scored: Sequence[Scored]) -> None:
        for ((name, value),), result in zip(self._asked, scored, strict=True):
            if result.kept:
                self._steps.append((self._badness(result) - self._base, name, value))
        current: dict[str, int] = {}
        for _, name, value in sorted(self._steps, key=lambda step: (step[0], -step[2], step[1])):
            if value < current.get(name, self._dearest):
                current[name] = value
                self._row.append(tuple((layer, current[layer]) for layer in self._layers if layer in current))
        self._low, self._high = 0, len(self._row)  # how many steps are taken
        self._round = self._told_map
        self._halve()

    def _told_map(self, scored: Sequence[Scored]) -> None:
        middle = self._middle
        if scored[0].kept:
            self._low = middle
        else:
            self._high = middle - 1
        self._halve()

    def _halve(self) -> None:
        if self._low < self._high:
            self._middle = (self._low + self._high + 1) // 2
            self._next = [self._row[self._middle - 1]]

    def _point(self, one: Map) -> Chosen:
        dearest = self._axis.choices[self._dearest]
        chosen = {self._axis.name: dearest}
        if not one:
            return chosen
        rules = [
            {**self._matrix_of(self._axis.choices[value]), "match": {"layer": glob.escape(name)}} for name, value in one
        ]
        label = ", ".join(f"{name}: {self._axis.choices[value].label}" for name, value in one)
        return {**chosen, LAYERS: Choice(label=label, value=None, settings={RULES: [*rules, *self._rules]})}
