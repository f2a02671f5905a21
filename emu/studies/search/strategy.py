"""What a search is: it asks for points, is told what they gave, and asks again until it knows enough.

The points of one `ask` are independent of each other: an engine runs them side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from emu.studies.axes import Chosen


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A point and what it gave."""

    chosen: Chosen
    values: Mapping[str, float]
    """by objective; all NaN for a point that could not be run"""
    kept: bool
    """whether all constraints are kept; never by a point that could not be run"""
    layers: tuple[tuple[str, str], ...] = ()
    """names and operators of the layers that a unit ran"""


class Strategy(Protocol):
    """A search under way."""

    def ask(self) -> list[Chosen]:
        """The next points; none when the search is over."""
        ...

    def tell(self, scored: Sequence[Scored]) -> None:
        """What the points asked for gave, in the order in which they were asked for."""
        ...

    @property
    def most(self) -> int:
        """How many points there can be in all, for a progress bar."""
        ...

    @property
    def listed(self) -> Sequence[Chosen] | None:
        """All points, of a search that knows them beforehand and need be told nothing; None if it learns."""
        ...


class Listed:
    """A search that knows its points beforehand."""

    def __init__(self, points: Sequence[Chosen]) -> None:
        """Ask for these."""
        self._points = list(points)
        self._asked = False

    @property
    def most(self) -> int:
        """All of them."""
        return len(self._points)

    @property
    def listed(self) -> Sequence[Chosen]:
        """All of them."""
        return self._points

    def ask(self) -> list[Chosen]:
        """All of them, once."""
        if self._asked:
            return []
        self._asked = True
        return self._points

    def tell(self, scored: Sequence[Scored]) -> None:
        """Nothing is learnt."""
